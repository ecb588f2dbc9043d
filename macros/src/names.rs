//! Which names and durations the wire and the broker accept.

/// Checks the name of a service, a dependency or an action.
///
/// Names become parts of topics and of `service.action`, so only characters every transporter carries pass.
pub(crate) fn check_name(what: &str, name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err(format!("the name of {what} is empty"));
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

/// Checks what an event handler listens to; `$…` is allowed, since the broker's own events can be heard.
pub(crate) fn check_pattern(pattern: &str) -> Result<(), String> {
    if pattern.is_empty() {
        return Err(
            "the event pattern is empty; write the name to listen to, as in `#[event(\"user.created\")]`"
                .into(),
        );
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
    match amount.checked_mul(unit) {
        Some(0) => Err("a timeout of zero would fail every call".into()),
        Some(millis) => Ok(millis),
        None => Err(bad_duration(text)),
    }
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
        assert!(parse_duration("0s").unwrap_err().contains("zero"));
    }

    #[test]
    fn names_are_what_every_transporter_carries() {
        for good in ["trips", "v2.math", "send-mail", "a_b"] {
            assert_eq!(check_name("a service", good), Ok(()), "{good}");
        }
        for bad in ["", "$node", "my trips", "a..b", ".a", "a.", "tr*ps", "füße"] {
            assert!(check_name("a service", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn patterns_may_have_wildcards_and_the_brokers_own_prefix() {
        for good in ["user.created", "user.*", "**", "$node.connected", "user/created"] {
            assert_eq!(check_pattern(good), Ok(()), "{good}");
        }
        assert!(check_pattern("").is_err());
        assert!(check_pattern("user created").is_err());
    }
}
