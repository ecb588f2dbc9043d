//! Translates the text of an expression into its steps.

use std::ops::RangeInclusive;

use super::{Problem, Step, Units};

/// The deepest nesting of groups and alternatives.
const MAX_DEPTH: usize = 64;

const LINE_BREAKS: [RangeInclusive<u16>; 3] = [0x0a..=0x0a, 0x0d..=0x0d, 0x2028..=0x2029];
const DIGITS: [RangeInclusive<u16>; 1] = [unit(b'0')..=unit(b'9')];
const WORD: [RangeInclusive<u16>; 4] =
    [unit(b'0')..=unit(b'9'), unit(b'A')..=unit(b'Z'), unit(b'_')..=unit(b'_'), unit(b'a')..=unit(b'z')];
const SPACE: [RangeInclusive<u16>; 9] = [
    0x09..=0x0d,
    0x20..=0x20,
    0xa0..=0xa0,
    0x1680..=0x1680,
    0x2000..=0x200a,
    0x2028..=0x2029,
    0x202f..=0x202f,
    0x205f..=0x205f,
    0x3000..=0x3000,
];
const FEFF: u16 = 0xfeff;

const fn unit(byte: u8) -> u16 {
    byte as u16
}

/// Reads an expression and writes its steps.
pub(super) struct Parser {
    /// The rest of the source. The last unit comes first.
    pub(super) left: Vec<u16>,
    pub(super) steps: Vec<Step>,
    depth: usize,
}

impl Parser {
    pub(super) fn new(source: &str) -> Self {
        let mut left: Vec<u16> = source.encode_utf16().collect();
        left.reverse();
        Self { left, steps: Vec::new(), depth: 0 }
    }

    fn peek(&self) -> Option<u8> {
        self.left.last().and_then(|unit| u8::try_from(*unit).ok())
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.left.pop();
        }
        found
    }

    pub(super) fn alternatives(&mut self) -> Result<(), Problem> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Problem::TooLarge);
        }
        let start = self.steps.len();
        while !matches!(self.peek(), Some(b'|' | b')')) && !self.left.is_empty() {
            self.repeated()?;
        }
        if self.take(b'|') {
            let length = self.length_since(start);
            self.steps.insert(start, Step::Both(1, length + 2));
            let jump = self.steps.len();
            self.steps.push(Step::Jump(1));
            self.alternatives()?;
            let way = self.length_since(jump);
            if let Some(step) = self.steps.get_mut(jump) {
                *step = Step::Jump(way);
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn repeated(&mut self) -> Result<(), Problem> {
        let start = self.steps.len();
        let repeatable = self.atom()?;
        let length = self.length_since(start);
        match self.peek() {
            Some(b'*' | b'+') if !repeatable => return Err(Problem::Invalid),
            Some(b'*') => {
                self.steps.insert(start, Step::Both(1, length + 2));
                self.steps.push(Step::Jump(-length - 1));
            }
            Some(b'+') => self.steps.push(Step::Both(-length, 1)),
            Some(b'{') if self.counts() => return Err(Problem::Unsupported),
            _ => return Ok(()),
        }
        self.left.pop();
        // A repetition of a repetition is an error, and counts are not supported.
        match self.peek() {
            Some(b'*' | b'+') => Err(Problem::Invalid),
            Some(b'{') if self.counts() => Err(Problem::Invalid),
            _ => Ok(()),
        }
    }

    /// Reads one item. Returns whether it may be repeated.
    fn atom(&mut self) -> Result<bool, Problem> {
        let Some(unit) = self.left.pop() else { return Err(Problem::Invalid) };
        let step = match u8::try_from(unit) {
            Ok(b'*' | b'+') => return Err(Problem::Invalid),
            Ok(b'{') if self.counts_behind_brace() => return Err(Problem::Invalid),
            Ok(b'^') => {
                self.steps.push(Step::Beginning);
                return Ok(false);
            }
            Ok(b'$') => {
                self.steps.push(Step::End);
                return Ok(false);
            }
            Ok(b'(') => {
                self.alternatives()?;
                return if self.take(b')') { Ok(true) } else { Err(Problem::Invalid) };
            }
            Ok(b'.') => Units::not(&LINE_BREAKS),
            Ok(b'[') => self.class()?,
            Ok(b'\\') => self.escape()?,
            _ => Units { negated: false, ranges: vec![unit..=unit] },
        };
        self.steps.push(Step::One(step));
        Ok(true)
    }

    fn class(&mut self) -> Result<Units, Problem> {
        let mut set = Units { negated: self.take(b'^'), ranges: Vec::new() };
        loop {
            if self.take(b']') {
                return Ok(set);
            }
            let first = self.class_member()?;
            let is_range = self.peek() == Some(b'-')
                && self.left.len().checked_sub(2).and_then(|at| self.left.get(at)) != Some(&unit(b']'));
            if !is_range {
                set.ranges.extend(first.ranges);
                continue;
            }
            self.left.pop();
            let last = self.class_member()?;
            match (&*first.ranges, &*last.ranges) {
                ([first], [last]) if first.start() == first.end() && last.start() == last.end() => {
                    if first.start() > last.start() {
                        return Err(Problem::Invalid);
                    }
                    set.ranges.push(*first.start()..=*last.end());
                }
                // `[\d-x]` is a set, a dash and an `x`.
                _ => {
                    set.ranges.extend(first.ranges.into_iter().chain(last.ranges));
                    set.ranges.push(unit(b'-')..=unit(b'-'));
                }
            }
        }
    }

    fn class_member(&mut self) -> Result<Units, Problem> {
        match self.left.pop() {
            None => Err(Problem::Invalid),
            Some(0x5c) => {
                let set = self.escape()?;
                // This representation of a class cannot contain a negated set.
                if set.negated { Err(Problem::Unsupported) } else { Ok(set) }
            }
            Some(unit) => Ok(Units { negated: false, ranges: vec![unit..=unit] }),
        }
    }

    fn escape(&mut self) -> Result<Units, Problem> {
        let Some(unit) = self.left.pop() else { return Err(Problem::Invalid) };
        let (negated, ranges) = match u8::try_from(unit) {
            Ok(b'd') => (false, DIGITS.to_vec()),
            Ok(b'D') => (true, DIGITS.to_vec()),
            Ok(b'w') => (false, WORD.to_vec()),
            Ok(b'W') => (true, WORD.to_vec()),
            Ok(b's') => (false, spaces()),
            Ok(b'S') => (true, spaces()),
            Ok(byte) if byte.is_ascii_alphanumeric() => return Err(Problem::Unsupported),
            _ => (false, vec![unit..=unit]),
        };
        Ok(Units { negated, ranges })
    }

    /// Whether a counted repetition follows: `{2}`, `{2,}` or `{2,3}`.
    fn counts(&self) -> bool {
        Self::is_count(self.left.iter().rev().skip(1))
    }

    fn counts_behind_brace(&self) -> bool {
        Self::is_count(self.left.iter().rev())
    }

    fn is_count<'a>(units: impl Iterator<Item = &'a u16>) -> bool {
        let inner: Option<String> = char::decode_utf16(units.copied())
            .map_while(Result::ok)
            .scan(false, |closed, c| {
                if *closed {
                    return None;
                }
                *closed = c == '}';
                Some(c)
            })
            .map(Some)
            .collect();
        let Some(inner) = inner.as_deref().and_then(|text| text.strip_suffix('}')) else { return false };
        let (least, most) = inner.split_once(',').unwrap_or((inner, ""));
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        !least.is_empty() && digits(least) && digits(most)
    }

    fn length_since(&self, start: usize) -> isize {
        isize::try_from(self.steps.len().saturating_sub(start)).unwrap_or(isize::MAX)
    }
}

fn spaces() -> Vec<RangeInclusive<u16>> {
    SPACE.into_iter().chain([FEFF..=FEFF]).collect()
}
