//! The regular expressions that Node makes from event patterns. They run in linear time.
//!
//! Node replaces `?` by `.`, `**` by `.*` and `*` by `[^\.]*`, and does not change any other character of the
//! pattern. So `a+?` means one or more `a`, followed by any character. Here the same text is made and
//! interpreted as in JavaScript, in UTF-16 units: `.`, classes, `\d \w \s` and their opposites, groups, `|`,
//! `+`, `^` and `$`. Since no `?` is left, there are no lazy repetitions, look-arounds or named groups. The
//! following is refused: counted repetitions (`{2,3}`), references (`\1`), word boundaries (`\b`), and
//! escapes of characters (`\x41`, `\cA`, `\n`). A brace that is not a count stands for itself.
//!
//! All states of the expression are followed at once (Thompson's construction). So for any subscription, the
//! time is at most the length of the name times the length of the expression.

mod parser;

use std::ops::RangeInclusive;

use parser::Parser;

/// An expression, anchored at both ends.
#[derive(Debug)]
pub(super) struct Expression {
    steps: Vec<Step>,
    /// The beginning and the end of every name that matches. Most names are rejected by these alone.
    ends: (Box<str>, Box<str>),
}

/// Why a pattern cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    /// Node would throw an error at each match.
    #[error("it is not a valid regular expression")]
    Invalid,
    /// Node could use it, but it is not supported here.
    #[error(
        "it uses counted repetitions, references, word borders or escaped characters, which are not supported"
    )]
    Unsupported,
    /// It exceeds the limits of length or depth.
    #[error("it is too long or too deeply nested")]
    TooLarge,
}

/// Jumps are relative, so a finished part can be moved when something is inserted before it.
#[derive(Debug)]
enum Step {
    One(Units),
    Both(isize, isize),
    Jump(isize),
    Beginning,
    End,
}

/// A set of UTF-16 units.
#[derive(Debug, Default)]
struct Units {
    negated: bool,
    ranges: Vec<RangeInclusive<u16>>,
}

/// The longest pattern in bytes. Names on the wire have at most 255.
const MAX_LENGTH: usize = 1024;

impl Expression {
    /// Translates and compiles an event pattern.
    pub(super) fn new(pattern: &str) -> Result<Self, Problem> {
        if pattern.len() > MAX_LENGTH {
            return Err(Problem::TooLarge);
        }
        let escape = if pattern.starts_with('$') { "\\" } else { "" };
        let parts: Vec<_> =
            pattern.split("**").map(|part| part.replace('?', ".").replace('*', "[^\\.]*")).collect();
        let source = format!("{escape}{}", parts.join(".*"));
        let mut parser = Parser::new(&source);
        parser.alternatives()?;
        if !parser.left.is_empty() {
            return Err(Problem::Invalid);
        }
        Ok(Self { steps: parser.steps, ends: plain_ends(pattern) })
    }

    /// Whether it matches the whole of `name`.
    pub(super) fn matches(&self, name: &str) -> bool {
        if !name.starts_with(&*self.ends.0) || !name.ends_with(&*self.ends.1) {
            return false;
        }
        let mut here = States::new(self.steps.len());
        let mut next = States::new(self.steps.len());
        let mut units = name.encode_utf16().peekable();
        here.follow(&self.steps, 0, true, units.peek().is_none());
        while let Some(unit) = units.next() {
            let last = units.peek().is_none();
            for &at in &here.list {
                if let Some(Step::One(set)) = self.steps.get(at)
                    && set.contains(unit)
                {
                    next.follow(&self.steps, at + 1, false, last);
                }
            }
            std::mem::swap(&mut here, &mut next);
            next.clear();
            if here.list.is_empty() && !last {
                return false;
            }
        }
        here.seen.last() == Some(&true)
    }
}

/// The parts of a pattern before its first and after its last special character.
fn plain_ends(pattern: &str) -> (Box<str>, Box<str>) {
    const SPECIAL: &str = "?*+()[]{}|^$\\.";
    // Alternatives have no common part, and a character after a backslash does not stand for itself.
    if pattern.contains(['|', '\\']) {
        return Default::default();
    }
    let skipped = usize::from(pattern.starts_with('$'));
    let is_special = |(at, c): &(usize, char)| *at >= skipped && SPECIAL.contains(*c);
    let first = pattern.char_indices().find(is_special).map_or(0, |(at, _)| at);
    let last = pattern.char_indices().rfind(is_special).map_or(pattern.len(), |(at, _)| at + 1);
    let part = |range: Option<&str>| range.unwrap_or_default().into();
    (part(pattern.get(..first)), part(pattern.get(last..)))
}

/// The states of an expression. The last flag is its end.
struct States {
    list: Vec<usize>,
    seen: Vec<bool>,
    todo: Vec<usize>,
}

impl States {
    fn new(steps: usize) -> Self {
        Self { list: Vec::new(), seen: vec![false; steps + 1], todo: Vec::new() }
    }

    fn clear(&mut self) {
        self.list.clear();
        self.seen.fill(false);
    }

    /// Adds `start` and all states that can be reached from it without a unit.
    fn follow(&mut self, steps: &[Step], start: usize, beginning: bool, end: bool) {
        self.todo.push(start);
        while let Some(at) = self.todo.pop() {
            match self.seen.get_mut(at) {
                Some(seen) if !*seen => *seen = true,
                _ => continue,
            }
            match steps.get(at) {
                None => {}
                Some(Step::One(_)) => self.list.push(at),
                Some(Step::Both(first, second)) => {
                    self.todo.extend([at.saturating_add_signed(*first), at.saturating_add_signed(*second)]);
                }
                Some(Step::Jump(way)) => self.todo.push(at.saturating_add_signed(*way)),
                Some(Step::Beginning) if beginning => self.todo.push(at + 1),
                Some(Step::End) if end => self.todo.push(at + 1),
                Some(Step::Beginning | Step::End) => {}
            }
        }
    }
}

impl Units {
    fn not(ranges: &[RangeInclusive<u16>]) -> Self {
        Self { negated: true, ranges: ranges.to_vec() }
    }

    fn contains(&self, unit: u16) -> bool {
        self.negated != self.ranges.iter().any(|range| range.contains(&unit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Expression::new(pattern).unwrap().matches(name)
    }

    #[test]
    fn other_special_characters_keep_their_meaning() {
        assert!(matches("x+?", "xxy") && !matches("x+?", "x"));
        assert!(matches("(a|bc)+?", "abcaz") && !matches("(a|bc)+?", "bz"));
        assert!(matches("a|b?", "a") && matches("a|b?", "bx") && !matches("a|b?", "ax"));
        assert!(matches("[a-c]?", "bx") && !matches("[a-c]?", "dx"));
        assert!(matches("[^a-c]?", "dx") && !matches("[^a-c]?", "bx"));
        assert!(matches("\\d+?", "12x") && !matches("\\d+?", "xx"));
        assert!(matches("^a?$", "ab") && !matches("a^?", "ab"));
        assert!(matches("a{?", "a{b"));
        assert!(matches("\\.?", ".x") && !matches("\\.?", "xx"));
    }

    #[test]
    fn a_star_in_a_class_opens_another_class_as_in_node() {
        // The expression is `[a[^\.]*].`: a set of four characters, repeated, a bracket, and any character.
        assert!(matches("[a*]?", "a[^.]x"));
        assert!(!matches("[a*]?", "ax"));
    }

    #[test]
    fn a_question_mark_stands_for_one_unit_and_no_line_break() {
        assert!(matches("a?", "aé") && !matches("a?", "a\u{1f600}") && matches("a??", "a\u{1f600}"));
        assert!(!matches("a?", "a\n") && !matches("a?", "a\u{2028}"));
        assert!(matches("*.a", "\n.a") && !matches("**.a", "\n.a"));
    }

    #[test]
    fn what_node_would_throw_at_is_invalid() {
        for pattern in ["(?", ")?", "[?", "+?", "a++?", "a|+?", "^+?", "?\\", "[b-a]?", "{2}?"] {
            assert_eq!(Expression::new(pattern).unwrap_err(), Problem::Invalid, "{pattern}");
        }
    }

    #[test]
    fn what_is_not_supported_says_so() {
        for pattern in ["a{2}?", "a{2,}?", "(a)\\1?", "\\ba?", "\\x41?"] {
            assert_eq!(Expression::new(pattern).unwrap_err(), Problem::Unsupported, "{pattern}");
        }
        assert_eq!(Expression::new(&"?".repeat(2_000)).unwrap_err(), Problem::TooLarge);
        assert_eq!(Expression::new(&"(".repeat(200)).unwrap_err(), Problem::TooLarge);
    }

    #[test]
    fn the_plain_ends_are_common_to_all_names_described() {
        let ends = |pattern: &str| Expression::new(pattern).unwrap().ends;
        assert_eq!(ends("order.*.item"), ("order".into(), "item".into()));
        assert_eq!(ends("$x.?y"), ("$x".into(), "y".into()));
        assert_eq!(ends("ab+?c"), ("ab".into(), "c".into()));
        assert_eq!(ends("a?|b"), ("".into(), "".into()));
        assert_eq!(ends("a?\\d"), ("".into(), "".into()));
    }

    #[test]
    fn expressions_that_explode_elsewhere_stay_linear() {
        // With backtracking, each of these needs 2^60 steps or more. Following all states takes some
        // thousand.
        for pattern in ["(a+)+b?", "(a|a)+b?", "(a|aa)+b?", &format!("{}b?", "**a".repeat(40))] {
            assert!(!matches(pattern, &"a".repeat(255)), "{pattern}");
        }
    }
}
