//! The rules for names of services, their parts and their versions (pure).
//!
//!
//! `macros/src/names.rs` has the same rules, because this crate cannot call it.
//! `tests/macros/service-names.json` checks that both agree.

/// The longest name of a service, an action or an event, in bytes. It is what other nodes accept by default
/// (`transit.limits.name`).
pub(super) const MAX_NAME: usize = 255;

/// What is wrong with the name of a service, a version, an action or a group. Names become parts of topics
/// and of `service.action`, so they may contain only characters that every transporter can carry. The text
/// completes "the name …".
pub(crate) fn wrong_name(name: &str) -> Option<String> {
    if name.starts_with('$') {
        return Some("begins with `$`, which is reserved for the broker itself".into());
    }
    if let Some(problem) = wrong_length(name) {
        return Some(problem);
    }
    if let Some(bad) = name.chars().find(|c| !is_name_char(*c)) {
        return Some(format!("holds {bad:?}: use letters, digits, `_`, `-` and `.`"));
    }
    name.split('.').any(str::is_empty).then(|| "has a `.` with nothing beside it".into())
}

/// What is wrong with a name that another node has chosen. Node allows nearly everything.
pub(crate) fn wrong_foreign(name: &str) -> Option<String> {
    wrong_length(name).or_else(|| {
        let bad = name.chars().find(|c| c.is_control())?;
        Some(format!("holds {bad:?}, which no name has"))
    })
}

/// What is wrong with the event or pattern of a subscription. `$…` is allowed, because services may listen to
/// local events.
pub(super) fn wrong_pattern(pattern: &str) -> Option<String> {
    if let Some(problem) = wrong_length(pattern) {
        return Some(problem);
    }
    let bad = pattern.chars().find(|c| !is_name_char(*c) && !"$*?:/@#".contains(*c))?;
    Some(format!("holds {bad:?}, which cannot be part of an event's name"))
}

/// What is wrong with the length of a name. Full names are checked, too.
pub(super) fn wrong_length(name: &str) -> Option<String> {
    match name.len() {
        0 => Some("is empty".into()),
        1..=MAX_NAME => None,
        _ => Some(format!("is longer than {MAX_NAME} bytes")),
    }
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_-.".contains(c)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn names_and_patterns_are_judged_as_the_macros_judge_them() {
        let table: Value =
            serde_json::from_str(include_str!("../../tests/macros/service-names.json")).unwrap();
        let judge = |kind: &str, name: &str| match kind {
            "names" => wrong_name(name),
            _ => wrong_pattern(name),
        };
        for kind in ["names", "patterns"] {
            for (verdict, refused) in [("good", false), ("bad", true)] {
                for name in table[kind][verdict].as_array().unwrap() {
                    let name = name.as_str().unwrap();
                    let judged = judge(kind, name);
                    assert_eq!(judged.is_some(), refused, "{kind} {verdict} {name:?}: {judged:?}");
                }
            }
            assert!(judge(kind, &"x".repeat(255)).is_none() && judge(kind, &"x".repeat(256)).is_some());
        }
    }
}
