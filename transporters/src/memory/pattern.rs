//! Matches events against balanced subscriptions.
//!
//!
//! `*` matches anything within one segment, `?` one byte of it, and `**` anything. The receiver filters again
//! by Moleculer's own rules (protocol chapter 7.4).

/// Whether the name of an event contains wildcards.
pub(crate) fn is_pattern(event: &str) -> bool {
    event.contains(['*', '?'])
}

/// Whether `pattern` matches `event`. It takes at most quadratic time in the length of `event`.
pub(crate) fn matches(pattern: &str, event: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), event.as_bytes());
    let (mut at, mut seen) = (0, 0);
    // Where to continue, and from which byte, if the last `*` or `**` has to match one more byte.
    let mut within: Option<(usize, usize)> = None;
    let mut across: Option<(usize, usize)> = None;
    loop {
        match (pattern.get(at), text.get(seen)) {
            (Some(b'*'), _) if pattern.get(at + 1) == Some(&b'*') => {
                at += 2;
                across = Some((at, seen));
                within = None;
                continue;
            }
            (Some(b'*'), _) => {
                at += 1;
                within = Some((at, seen));
                continue;
            }
            (Some(wanted), Some(byte)) if wanted == byte || (*wanted == b'?' && *byte != b'.') => {
                at += 1;
                seen += 1;
                continue;
            }
            (None, None) => return true,
            _ => {}
        }
        let segment_goes_on = |from: usize| text.get(from).is_some_and(|byte| *byte != b'.');
        if let Some((resume, from)) = within.filter(|(_, from)| segment_goes_on(*from)) {
            within = Some((resume, from + 1));
            (at, seen) = (resume, from + 1);
        } else if let Some((resume, from)) = across.filter(|(_, from)| *from < text.len()) {
            across = Some((resume, from + 1));
            within = None;
            (at, seen) = (resume, from + 1);
        } else {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(pattern: &[u8], text: &[u8]) -> bool {
        match pattern {
            [] => text.is_empty(),
            [b'*', b'*', rest @ ..] => (0..=text.len()).any(|n| naive(rest, &text[n..])),
            [b'*', rest @ ..] => {
                let segment = text.iter().position(|byte| *byte == b'.').unwrap_or(text.len());
                (0..=segment).any(|n| naive(rest, &text[n..]))
            }
            [wanted, rest @ ..] => match text {
                [byte, tail @ ..] => {
                    (wanted == byte || (*wanted == b'?' && *byte != b'.')) && naive(rest, tail)
                }
                [] => false,
            },
        }
    }

    #[test]
    fn a_star_stays_in_its_segment_and_two_stars_do_not() {
        assert!(matches("order.*", "order.created"));
        assert!(!matches("order.*", "order.item.created"));
        assert!(matches("order.**", "order.item.created"));
        assert!(matches("**.created", "order.item.created"));
        assert!(matches("a.?c", "a.bc"));
        assert!(!matches("a?c", "a.c"));
        assert!(matches("**", ""));
    }

    proptest! {
        #[test]
        fn matching_agrees_with_the_plain_definition(
            pattern in "[ab.*?]{0,8}",
            text in "[ab.]{0,10}",
        ) {
            prop_assert_eq!(matches(&pattern, &text), naive(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
