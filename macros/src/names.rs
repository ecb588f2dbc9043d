//! The names and durations that the wire and the broker accept.

/// The longest name in bytes. It is what other nodes accept by default.
const MAX_NAME: usize = 255;

/// Checks the name of a service, its version, a dependency, an action or a group.
///
/// Names become parts of topics and of `service.action`, so they may contain only characters that every
/// transporter can carry. `broker/src/service/names.rs` has the same rules for services that are built by
/// hand.
pub(crate) fn check_name(what: &str, name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err(format!("the name of {what} is empty"));
    }
    if name.len() > MAX_NAME {
        return Err(format!("the name of {what} is longer than {MAX_NAME} bytes"));
    }
    if name.starts_with('$') {
        return Err(format!("`{name}`: names that start with `$` are reserved for the broker itself"));
    }
    if let Some(bad) = name.chars().find(|c| !is_name_char(*c)) {
        return Err(format!(
            "`{name}`: {bad:?} cannot be part of the name of {what}; use letters, digits, `_`, `-` and `.`"
        ));
    }
    if name.split('.').any(str::is_empty) {
        return Err(format!("`{name}`: a name has something on both sides of each `.`"));
    }
    Ok(())
}

/// Checks a name that another node has chosen. Node allows nearly everything.
pub(crate) fn check_foreign(what: &str, name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err(format!("the name of {what} is empty"));
    }
    if name.len() > MAX_NAME {
        return Err(format!("the name of {what} is longer than {MAX_NAME} bytes"));
    }
    match name.chars().find(|c| c.is_control()) {
        Some(bad) => Err(format!("{name:?}: {bad:?} cannot be part of the name of {what}")),
        None => Ok(()),
    }
}

/// Checks the event or pattern of a handler. `$…` is allowed, because services may listen to the broker's own
/// events.
pub(crate) fn check_pattern(pattern: &str) -> Result<(), String> {
    if pattern.is_empty() {
        return Err(
            "the event pattern is empty; write the name to listen to, as in `#[event(\"user.created\")]`"
                .into(),
        );
    }
    if pattern.len() > MAX_NAME {
        return Err(format!("the event pattern is longer than {MAX_NAME} bytes"));
    }
    match pattern.chars().find(|c| !is_name_char(*c) && !"$*?:/@#".contains(*c)) {
        Some(bad) => Err(format!("`{pattern}`: {bad:?} cannot be part of an event's name")),
        None => Ok(()),
    }
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_-.".contains(c)
}

/// Reads `"250ms"`, `"3s"`, `"5m"` or `"1h"` as milliseconds.
pub(crate) fn parse_duration(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match text[digits.len()..].trim() {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(bad_duration(text)),
    };
    let amount: u64 = digits.parse().map_err(|_| bad_duration(text))?;
    amount.checked_mul(unit).ok_or_else(|| bad_duration(text))
}

fn bad_duration(text: &str) -> String {
    format!("`{text}` is no duration; write a whole number and a unit (ms, s, m or h), as in `\"3s\"`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_number_and_a_known_unit() {
        assert_eq!(parse_duration("250ms"), Ok(250));
        assert_eq!(parse_duration("3 s"), Ok(3_000));
        assert_eq!(parse_duration("1h"), Ok(3_600_000));
        for bad in ["3x", "s", "", "3", "-3s", "1.5s", "99999999999999999999h", "9999999999999999999h", "ß"]
        {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_duration("0s"), Ok(0));
    }

    #[test]
    fn names_and_patterns_are_judged_as_the_broker_judges_them() {
        let table: serde_json::Value =
            serde_json::from_str(include_str!("../../broker/tests/macros/service-names.json")).unwrap();
        let judge = |kind: &str, name: &str| match kind {
            "names" => check_name("a service", name),
            _ => check_pattern(name),
        };
        for kind in ["names", "patterns"] {
            for (verdict, accepted) in [("good", true), ("bad", false)] {
                for name in table[kind][verdict].as_array().unwrap() {
                    let name = name.as_str().unwrap();
                    let judged = judge(kind, name);
                    assert_eq!(judged.is_ok(), accepted, "{kind} {verdict} {name:?}: {judged:?}");
                }
            }
            assert!(judge(kind, &"x".repeat(255)).is_ok() && judge(kind, &"x".repeat(256)).is_err());
        }
    }
}
