//! Matches event names against the patterns of subscriptions (protocol chapter 7.4).
//!
//!
//! Node tests several properties of the pattern at each match, and falls back to a regular expression. Here
//! they are tested once, when the pattern is compiled.

use super::expression::Expression;

/// A compiled event name or pattern.
#[derive(Debug)]
pub(crate) struct Pattern {
    text: Box<str>,
    form: Form,
}

#[derive(Debug)]
enum Form {
    /// No wildcard: the name itself.
    Exact,
    /// `user.**`: matches every name that begins with the part before the stars.
    Prefix,
    /// `user.*`: matches a name that begins with the part before the star, with no dot except directly after
    /// that part.
    Level,
    /// `**`: matches every name.
    All,
    /// Any other pattern.
    Expression(Expression),
    /// An invalid or unsupported expression. It matches nothing.
    Nothing,
}

impl Pattern {
    /// Compiles a pattern.
    pub(crate) fn new(text: &str) -> Self {
        Self { text: text.into(), form: Form::of(text) }
    }

    /// The text from which it was compiled.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it matches the event `name`.
    pub(crate) fn matches(&self, name: &str) -> bool {
        match &self.form {
            Form::Exact => name == &*self.text,
            Form::Prefix => name.starts_with(self.before_stars()),
            Form::Level => name.strip_prefix(self.before_stars()).is_some_and(|rest| {
                // Node searches for a dot from the index that equals the length of the pattern, one after the
                // prefix. For a single star, the search begins at the start.
                let unseen = usize::from(self.text.len() > 1);
                !rest.chars().skip(unseen).any(|c| c == '.')
            }),
            Form::All => true,
            Form::Expression(expression) => expression.matches(name),
            Form::Nothing => false,
        }
    }

    /// Whether it matches only its own text.
    pub(crate) fn is_exact(&self) -> bool {
        matches!(self.form, Form::Exact)
    }

    fn before_stars(&self) -> &str {
        self.text.trim_end_matches('*')
    }
}

impl Form {
    fn of(text: &str) -> Self {
        let stars = text.bytes().filter(|b| *b == b'*').count();
        let trailing = text.bytes().rev().take_while(|b| *b == b'*').count();
        match (stars, trailing) {
            _ if text.contains('?') => Self::expression(text),
            (0, _) => Self::Exact,
            (2, 2) if text.len() == 2 => Self::All,
            (2, 2) => Self::Prefix,
            (1, 1) => Self::Level,
            _ => Self::expression(text),
        }
    }

    fn expression(text: &str) -> Self {
        match Expression::new(text) {
            Ok(expression) => Self::Expression(expression),
            Err(_) => Self::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_captured_answer_of_node_is_ours_too() {
        let rows: Vec<(String, String, bool)> =
            serde_json::from_str(include_str!("../../tests/vectors/event-match.json")).unwrap();
        assert_eq!(rows.len(), 928);
        for (pattern, name, expected) in rows {
            assert_eq!(Pattern::new(&pattern).matches(&name), expected, "{pattern:?} and {name:?}");
        }
    }

    #[test]
    fn a_trailing_star_does_not_look_at_the_character_behind_its_prefix() {
        assert!(Pattern::new("user*").matches("user.created"));
        assert!(!Pattern::new("user*").matches("userX.y"));
        assert!(Pattern::new("a*").matches("a\u{1f600}x"));
        assert!(!Pattern::new("a*").matches("a\u{1f600}."));
    }

    #[test]
    fn only_wildcards_make_a_pattern() {
        assert!(Pattern::new("a+b").is_exact());
        assert!(Pattern::new("a+b").matches("a+b"));
        assert!(!Pattern::new("a.b").matches("axb"));
    }

    #[test]
    fn what_is_no_expression_stands_for_nothing() {
        let pattern = Pattern::new("(a?");
        assert!(matches!(pattern.form, Form::Nothing));
        assert!(!pattern.matches("(ab") && !pattern.matches("ab"));
    }

    /// Chapter 7.4 literally, by trying every length for every star.
    fn naive(pattern: &str, name: &str) -> bool {
        let star = pattern.find('*');
        let len = pattern.len();
        if !pattern.contains('?') {
            let Some(star) = star else { return pattern == name };
            if len > 2 && pattern.ends_with("**") && star + 3 > len {
                return name.starts_with(&pattern[..len - 2]);
            }
            if len > 1 && pattern.ends_with('*') && star + 2 > len {
                return name.starts_with(&pattern[..len - 1]) && !name.chars().skip(len).any(|c| c == '.');
            }
            if pattern == "*" {
                return !name.contains('.');
            }
            if pattern == "**" {
                return true;
            }
        }
        tried(pattern, name)
    }

    fn tried(pattern: &str, name: &str) -> bool {
        let splits =
            || (0..=name.len()).filter(|end| name.is_char_boundary(*end)).map(|end| name.split_at(end));
        if let Some(rest) = pattern.strip_prefix("**") {
            return splits().any(|(taken, left)| !taken.contains('\n') && tried(rest, left));
        }
        if let Some(rest) = pattern.strip_prefix('*') {
            return splits().any(|(taken, left)| !taken.contains('.') && tried(rest, left));
        }
        let mut pattern = pattern.chars();
        let mut name = name.chars();
        match (pattern.next(), name.next()) {
            (None, None) => true,
            (Some('?' | '.'), Some(c)) => c != '\n' && tried(pattern.as_str(), name.as_str()),
            (Some(wanted), Some(c)) => wanted == c && tried(pattern.as_str(), name.as_str()),
            _ => false,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]
        #[test]
        fn compiled_patterns_agree_with_the_naive_matcher(pattern in "[ab.?*\n]{0,8}", name in "[ab.\n]{0,8}") {
            prop_assert_eq!(Pattern::new(&pattern).matches(&name), naive(&pattern, &name));
        }

        #[test]
        fn looking_at_the_ends_first_changes_nothing(
            pattern in r"[ab.+|^]{0,5}\?(\(a\|b\))?[ab.+|$]{0,5}",
            name in "[ab.]{0,8}",
        ) {
            // In parentheses there are no plain ends.
            let enclosed = Pattern::new(&format!("({pattern})"));
            prop_assert_eq!(Pattern::new(&pattern).matches(&name), enclosed.matches(&name));
        }

        #[test]
        fn no_pattern_panics(pattern in "\\PC{0,40}", name in "\\PC{0,40}") {
            let _ = Pattern::new(&pattern).matches(&name);
        }

        #[test]
        fn no_expression_panics(pattern in r"[ab*?+(){}|^$\[\]\\.,0-9-]{0,24}", name in "[ab.]{0,12}") {
            let _ = Pattern::new(&pattern).matches(&name);
        }
    }
}
