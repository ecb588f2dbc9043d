//! Reads which subject an error line of the server is about.

/// The server does not let this node publish or subscribe. The connection stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) subject: String,
    pub(super) publish: bool,
}

/// Reads `Permissions Violation for Publish to "subject"` and
/// `Permissions Violation for Subscription to "subject"`. The subject may be followed by
/// `using queue "name"`, and by `(sid "7")` if a server takes a subscription away after it has read its
/// configuration again.
pub(super) fn refusal(error: &str) -> Option<Refusal> {
    let what = strip(error, "permissions violation for ")?;
    let (publish, rest) = match strip(what, "publish to ") {
        Some(rest) => (true, rest),
        None => (false, strip(what, "subscription to ")?),
    };
    let rest = rest.trim();
    let subject = match rest.strip_prefix('"') {
        Some(quoted) => unquoted(quoted),
        // A subject contains no blanks.
        None => rest.split_whitespace().next().unwrap_or_default().to_owned(),
    };
    (!subject.is_empty()).then_some(Refusal { subject, publish })
}

/// The text before the closing quote. The server quotes as Go does (`%q`): a backslash precedes each
/// character that would end the text.
fn unquoted(text: &str) -> String {
    let mut subject = String::new();
    let mut rest = text.chars();
    while let Some(next) = rest.next() {
        match next {
            '"' => break,
            '\\' => subject.extend(rest.next()),
            next => subject.push(next),
        }
    }
    subject
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
            // As 2.9 and later say it when they read their configuration again.
            (r#"Permissions Violation for Subscription to "MOL.REQ.node-1" (sid "7")"#, false),
            (
                r#"Permissions Violation for Subscription to "MOL.REQ.node-1" using queue "g" (sid "7")"#,
                false,
            ),
            ("Permissions Violation for Subscription to MOL.REQ.node-1 (sid 7)", false),
        ] {
            let expected = Refusal { subject: "MOL.REQ.node-1".to_owned(), publish };
            assert_eq!(refusal(error), Some(expected), "{error}");
        }
    }

    #[test]
    fn a_subject_with_a_quote_in_it_is_read_as_it_is() {
        let error = r#"Permissions Violation for Publish to "MOL.EVENTB.g.say \"hi\" (sid \\)""#;
        assert_eq!(refusal(error).unwrap().subject, r#"MOL.EVENTB.g.say "hi" (sid \)"#);
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
