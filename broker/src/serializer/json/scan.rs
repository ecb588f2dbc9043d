//! Finds the ends of JSON values, and checks the values on the way (RFC 8259).
//!
//! The scanner builds and allocates nothing. Its text is known to be UTF-8, so a string in it is valid if its
//! escapes are. Lone surrogates in escapes are accepted here, as in the grammar, and fail when a text is made
//! of them. The depth limit bounds the nesting, and so the recursion.

use crate::serializer::{Bound, PacketLimits, Problem};

/// The kind of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Kind {
    /// No value was found.
    #[default]
    Absent,
    Null,
    True,
    False,
    Number,
    /// A string without escapes.
    Plain,
    /// A string with escapes.
    Escaped,
    Array,
    Object,
}

/// The limits of containers and strings within a value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) string: usize,
    pub(super) entries: usize,
}

impl Bounds {
    /// For `params` and `data`, which only the frame limits.
    pub(super) const BODY: Self = Self { string: usize::MAX, entries: usize::MAX };

    /// For everything else.
    pub(super) const fn envelope(limits: &PacketLimits) -> Self {
        Self { string: limits.string, entries: limits.entries }
    }
}

/// Why a scan stopped. It has one byte, because every step of the scanner may return it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is too deep.
    Depth,
    /// A string is too long.
    String,
    /// A container has too many members.
    Entries,
    ByteOrderMark,
    NoValue,
    NoKey,
    NoColon,
    NoComma,
    NoDigit,
    NoHexDigits,
    UnknownEscape,
    ControlCharacter,
    EndsBeforeValue,
    EndsInString,
}

impl Fault {
    /// What is malformed, if this is such a fault.
    const fn what(self) -> &'static str {
        match self {
            Self::Depth | Self::String | Self::Entries => "too large",
            Self::ByteOrderMark => "a byte-order mark",
            Self::NoValue => "expected a value",
            Self::NoKey => "expected a key",
            Self::NoColon => "expected a colon",
            Self::NoComma => "expected a comma or a closing bracket",
            Self::NoDigit => "expected a digit",
            Self::NoHexDigits => "expected four hexadecimal digits",
            Self::UnknownEscape => "an unknown escape",
            Self::ControlCharacter => "a control character in a string",
            Self::EndsBeforeValue => "the text ends where a value should be",
            Self::EndsInString => "the text ends within a string",
        }
    }
}

type Scan<T> = Result<T, Fault>;

/// A position in a JSON text.
#[derive(Debug)]
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    /// Starts at an offset of `text`.
    pub(super) const fn new(text: &'a str, at: usize) -> Self {
        Self { text, at }
    }

    /// Offset of the next byte.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// Where and why a scan stopped.
    pub(super) fn problem(&self, fault: Fault, limits: &PacketLimits) -> Problem {
        match fault {
            Fault::Depth => limits.exceeded("depth of nesting", Bound::Depth, None),
            Fault::String => limits.exceeded("length of a string", Bound::String, None),
            Fault::Entries => limits.exceeded("number of entries", Bound::Entries, None),
            _ => Problem::Syntax { at: self.at, what: fault.what() },
        }
    }

    /// The next byte, without taking it.
    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The rest, beginning with the next byte.
    #[inline]
    pub(super) fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// Advances by `bytes`. It cannot overflow, because these bytes are in memory.
    #[inline]
    pub(super) fn skip(&mut self, bytes: usize) {
        self.at = self.at.wrapping_add(bytes);
    }

    /// Takes the next byte if it is this one.
    #[inline]
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.skip(1);
        }
        found
    }

    /// Skips white space. Nodes write none.
    #[inline]
    pub(super) fn blank(&mut self) {
        if self.peek().is_some_and(|byte| byte <= b' ') {
            self.blanks();
        }
    }

    #[cold]
    fn blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.skip(1);
        }
    }

    /// Skips one value. `depth` is the number of levels that may still be opened.
    pub(super) fn value(&mut self, bounds: Bounds, depth: usize) -> Scan<Kind> {
        match self.peek() {
            Some(b'"') => {
                let escaped = self.string(bounds)?;
                Ok(if escaped { Kind::Escaped } else { Kind::Plain })
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'{') => self.object(bounds, depth),
            Some(b'[') => self.array(bounds, depth),
            Some(b'n') => self.word(b"null", Kind::Null),
            Some(b't') => self.word(b"true", Kind::True),
            Some(b'f') => self.word(b"false", Kind::False),
            Some(0xEF) => Err(Fault::ByteOrderMark),
            Some(_) => Err(Fault::NoValue),
            None => Err(Fault::EndsBeforeValue),
        }
    }

    fn word(&mut self, word: &'static [u8], kind: Kind) -> Scan<Kind> {
        if !self.rest().starts_with(word) {
            return Err(Fault::NoValue);
        }
        self.skip(word.len());
        Ok(kind)
    }

    fn object(&mut self, bounds: Bounds, depth: usize) -> Scan<Kind> {
        let depth = depth.checked_sub(1).ok_or(Fault::Depth)?;
        self.skip(1);
        self.blank();
        if self.take(b'}') {
            return Ok(Kind::Object);
        }
        for _ in 0..bounds.entries {
            self.key_end(bounds)?;
            self.value(bounds, depth)?;
            if self.ended(b'}')? {
                return Ok(Kind::Object);
            }
        }
        Err(Fault::Entries)
    }

    fn array(&mut self, bounds: Bounds, depth: usize) -> Scan<Kind> {
        let depth = depth.checked_sub(1).ok_or(Fault::Depth)?;
        self.skip(1);
        self.blank();
        if self.take(b']') {
            return Ok(Kind::Array);
        }
        for _ in 0..bounds.entries {
            self.value(bounds, depth)?;
            if self.ended(b']')? {
                return Ok(Kind::Array);
            }
        }
        Err(Fault::Entries)
    }

    /// Skips a key with its colon. The next byte belongs to the value. Returns the text between the quotes,
    /// and whether it contains escapes.
    pub(super) fn key(&mut self, bounds: Bounds) -> Scan<(&'a str, bool)> {
        let start = self.at.saturating_add(1);
        let (end, escaped) = self.key_end(bounds)?;
        Ok((self.text.get(start..end).unwrap_or_default(), escaped))
    }

    /// The same. Returns the offset of the closing quote.
    #[inline]
    fn key_end(&mut self, bounds: Bounds) -> Scan<(usize, bool)> {
        if self.peek() != Some(b'"') {
            return Err(Fault::NoKey);
        }
        let escaped = self.string(bounds)?;
        let end = self.at.saturating_sub(1);
        self.blank();
        if !self.take(b':') {
            return Err(Fault::NoColon);
        }
        self.blank();
        Ok((end, escaped))
    }

    /// After a member: `true` after the closing bracket, `false` before the next member.
    #[inline]
    pub(super) fn ended(&mut self, close: u8) -> Scan<bool> {
        self.blank();
        match self.peek() {
            Some(b',') => {
                self.skip(1);
                self.blank();
                Ok(false)
            }
            Some(byte) if byte == close => {
                self.skip(1);
                Ok(true)
            }
            _ => Err(Fault::NoComma),
        }
    }

    /// Skips a string. The next byte is its opening quote. Returns whether it contains escapes.
    #[inline]
    pub(super) fn string(&mut self, bounds: Bounds) -> Scan<bool> {
        self.skip(1);
        let inner = self.rest();
        let plain = plain_prefix(inner);
        if inner.get(plain) == Some(&b'"') && plain <= bounds.string {
            self.skip(plain.wrapping_add(1));
            return Ok(false);
        }
        self.string_with_escapes(bounds)
    }

    fn string_with_escapes(&mut self, bounds: Bounds) -> Scan<bool> {
        let start = self.at;
        loop {
            self.skip(plain_prefix(self.rest()));
            match self.peek() {
                Some(b'"') => {
                    let long = self.at.saturating_sub(start) > bounds.string;
                    self.skip(1);
                    return if long { Err(Fault::String) } else { Ok(true) };
                }
                Some(b'\\') => self.escape()?,
                Some(_) => return Err(Fault::ControlCharacter),
                None => return Err(Fault::EndsInString),
            }
        }
    }

    fn escape(&mut self) -> Scan<()> {
        self.skip(1);
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.skip(1),
            Some(b'u') => {
                self.skip(1);
                for _ in 0..4 {
                    if !self.peek().is_some_and(|byte| byte.is_ascii_hexdigit()) {
                        return Err(Fault::NoHexDigits);
                    }
                    self.skip(1);
                }
            }
            _ => return Err(Fault::UnknownEscape),
        }
        Ok(())
    }

    fn number(&mut self) -> Scan<Kind> {
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.skip(1);
            if let Some(b'+' | b'-') = self.peek() {
                self.skip(1);
            }
            self.digits()?;
        }
        Ok(Kind::Number)
    }

    fn digits(&mut self) -> Scan<()> {
        let count = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.skip(count);
        if count == 0 { Err(Fault::NoDigit) } else { Ok(()) }
    }
}

/// How many bytes at the beginning are neither quotes, backslashes nor control characters.
#[inline]
pub(super) fn plain_prefix(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    const QUOTES: u64 = 0x2222_2222_2222_2222;
    const BACKSLASHES: u64 = 0x5C5C_5C5C_5C5C_5C5C;
    const SPACES: u64 = 0x2020_2020_2020_2020;
    // Eight bytes at a time: a subtraction from each byte borrows into its high bit exactly if the byte is
    // below the subtrahend, and a byte is zero if it is below one. A borrow can mark bytes after the first
    // one found, but never before it, so the first mark is right. Bytes that had the high bit set before are
    // none of those that are searched for.
    let mut rest = bytes;
    while let Some((word, tail)) = rest.split_first_chunk::<8>() {
        let word = u64::from_le_bytes(*word);
        let quote = (word ^ QUOTES).wrapping_sub(ONES);
        let backslash = (word ^ BACKSLASHES).wrapping_sub(ONES);
        let control = word.wrapping_sub(SPACES);
        let found = (quote | backslash | control) & !word & HIGH;
        if found != 0 {
            let before = bytes.len().wrapping_sub(rest.len());
            return before.wrapping_add(found.trailing_zeros() as usize / 8);
        }
        rest = tail;
    }
    let plain = rest.iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20)).count();
    bytes.len().wrapping_sub(rest.len()).wrapping_add(plain)
}
