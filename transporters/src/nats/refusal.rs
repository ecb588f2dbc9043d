//! What an error line of the server is about.

/// The server does not let this node do something; the connection stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) subject: String,
    pub(super) publish: bool,
}

/// Reads `Permissions Violation for Publish to "subject"` and
/// `Permissions Violation for Subscription to "subject"`, with or without `using queue "name"`.
pub(super) fn refusal(error: &str) -> Option<Refusal> {
    let what = strip(error, "permissions violation for ")?;
    let (publish, rest) = match strip(what, "publish to ") {
        Some(rest) => (true, rest),
        None => (false, strip(what, "subscription to ")?),
    };
    let rest = rest.trim_start().strip_prefix('"').unwrap_or(rest);
    let subject = match rest.split_once("\" using queue ") {
        Some((subject, _)) => subject,
        None => rest.trim_end().trim_end_matches('"'),
    };
    (!subject.is_empty()).then(|| Refusal { subject: subject.to_owned(), publish })
}

fn strip<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let start = text.get(..prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_subject_is_read_out_of_the_servers_words() {
        for (error, publish) in [
            (r#"Permissions Violation for Publish to "MOL.REQ.node-1""#, true),
            (r#"Permissions Violation for Subscription to "MOL.REQ.node-1""#, false),
            (r#"Permissions Violation for Subscription to "MOL.REQ.node-1" using queue "math.add""#, false),
            (r#"permissions violation for subscription to "MOL.REQ.node-1""#, false),
        ] {
            let expected = Refusal { subject: "MOL.REQ.node-1".to_owned(), publish };
            assert_eq!(refusal(error), Some(expected), "{error}");
        }
    }

    #[test]
    fn other_errors_are_about_no_subject() {
        for error in ["", "Stale Connection", "Permissions Violation", "maximum subscriptions exceeded", "ä"]
        {
            assert_eq!(refusal(error), None, "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "\\PC*", about in "(Publish|Subscription)?") {
            refusal(&text);
            refusal(&format!("Permissions Violation for {about} to {text}"));
        }
    }
}
