//! JSON with prefixed strings for values that have no JSON form (protocol chapter 9.2).

use bytes::{BufMut, BytesMut};
use std::borrow::Cow;
use std::fmt::Write as _;

use super::base64;
use super::mended::read_json;
use super::token::{Fault, Format, Input, Mark, Read, Token, open};

/// The beginning of a string with a special meaning. Its first six characters decide which.
const SPECIAL: &str = "[[";
const ESCAPED: &str = "[[ES]]";

/// JSON as Moleculer's `JSONExt` writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct JsonExt;

impl JsonExt {
    /// A reader of bytes whose syntax is checked first, because the reader itself expects well-formed JSON.
    pub(crate) fn checked(self, bytes: &[u8], depth: usize) -> Result<Reader<'_>, Fault> {
        // `serde_json` reads 127 levels. An inner text may never have that many.
        if depth == 0 {
            return Err(Fault::DEPTH);
        }
        serde_json::from_slice::<serde::de::IgnoredAny>(bytes).map_err(|_| Fault("malformed JSON"))?;
        Ok(self.reader(bytes))
    }
}

/// Whether JSON may contain a special string.
pub(crate) fn has_special(json: &[u8]) -> bool {
    const QUOTED: &[u8] = b"\"[[";
    json.windows(QUOTED.len()).any(|window| window == QUOTED)
        // Escaped brackets are possible, although nobody writes them.
        || json.windows(5).any(|window| window.eq_ignore_ascii_case(b"\\u005"))
}

fn put_string(out: &mut BytesMut, text: &str) {
    // Writing to memory cannot fail.
    let _ = serde_json::to_writer(out.writer(), text);
}

impl Format for JsonExt {
    type Reader<'a> = Reader<'a>;

    fn reader(self, bytes: &[u8]) -> Reader<'_> {
        Reader { input: Input::new(bytes), plain: false }
    }

    fn null(self, out: &mut BytesMut) {
        out.put_slice(b"null");
    }

    fn bool(self, out: &mut BytesMut, value: bool) {
        out.put_slice(if value { b"true" } else { b"false" });
    }

    fn unsigned(self, out: &mut BytesMut, value: u64) {
        let _ = write!(out, "{value}");
    }

    fn negative(self, out: &mut BytesMut, value: i64) {
        let _ = write!(out, "{value}");
    }

    fn float(self, out: &mut BytesMut, value: f64) {
        let _ = serde_json::to_writer(out.writer(), &value);
    }

    fn text(self, out: &mut BytesMut, value: &str) {
        if value.starts_with(SPECIAL) {
            put_string(out, &format!("{ESCAPED}{value}"));
        } else {
            put_string(out, value);
        }
    }

    fn bytes(self, out: &mut BytesMut, value: &[u8]) {
        out.put_slice(b"\"[[BF]]");
        base64::encode(value, out);
        out.put_u8(b'"');
    }

    fn date(self, out: &mut BytesMut, milliseconds: f64) {
        let _ = if milliseconds.is_finite() {
            write!(out, "\"[[DT]]{}\"", milliseconds as i64)
        } else {
            write!(out, "\"[[DT]]NaN\"")
        };
    }

    fn wide(self, out: &mut BytesMut, negative: bool, value: u128) -> Result<(), Fault> {
        let _ = write!(out, "\"[[BI]]{}{value}\"", if negative { "-" } else { "" });
        Ok(())
    }

    fn array_header(self, out: &mut BytesMut, _length: usize) {
        out.put_u8(b'[');
    }

    fn map_header(self, out: &mut BytesMut, _length: usize) {
        out.put_u8(b'{');
    }

    fn open_array(self, out: &mut BytesMut, length: usize) -> Mark {
        open(out, length, |out| self.array_header(out, length))
    }

    fn close_array(self, out: &mut BytesMut, _mark: Mark, _length: usize) {
        out.put_u8(b']');
    }

    fn close_map(self, out: &mut BytesMut, _mark: Mark, _length: usize) {
        out.put_u8(b'}');
    }

    fn element(self, out: &mut BytesMut, first: bool) {
        if !first {
            out.put_u8(b',');
        }
    }

    fn key(self, out: &mut BytesMut, first: bool, key: &str) {
        self.element(out, first);
        // Keys have no prefixes.
        put_string(out, key);
        out.put_u8(b':');
    }
}

/// Reads JSONExt whose syntax has been checked.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    input: Input<'a>,
    plain: bool,
}

impl<'a> Reader<'a> {
    /// Reads plain JSON, in which no string has a special meaning.
    pub(super) fn plain(self) -> Self {
        Self { plain: true, ..self }
    }

    fn blank(&mut self) {
        let length = self.input.rest().iter().take_while(|byte| b" \t\r\n,:".contains(byte)).count();
        self.input.advance(length);
    }

    fn string(&mut self) -> Result<Cow<'a, str>, Fault> {
        let rest = self.input.rest();
        let mut escaped = false;
        let mut plain = true;
        let end = rest.iter().skip(1).position(|byte| {
            let closes = *byte == b'"' && !escaped;
            escaped = *byte == b'\\' && !escaped;
            plain &= *byte != b'\\';
            closes
        });
        let length = end.ok_or(Fault::END)?.saturating_add(2);
        let written = self.input.take(length)?;
        let text = if plain {
            let inner = written.get(1..length.saturating_sub(1)).unwrap_or_default();
            Cow::Borrowed(std::str::from_utf8(inner).map_err(|_| Fault("a text that is not UTF-8"))?)
        } else {
            Cow::Owned(read_json(written).map_err(|_| Fault("a text that is none"))?)
        };
        Ok(text)
    }

    /// Whether the string that was just read is a key. The next character shows it.
    fn was_key(&self) -> bool {
        self.input.rest().trim_ascii_start().first() == Some(&b':')
    }

    fn literal(&mut self, length: usize, token: Token<'a>) -> Result<Token<'a>, Fault> {
        self.input.take(length)?;
        Ok(token)
    }

    fn number(&mut self) -> Result<Token<'a>, Fault> {
        let length = self
            .input
            .rest()
            .iter()
            .take_while(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'));
        let length = length.count();
        let text = self.input.text(length)?;
        if length == 0 {
            return Err(Fault("a byte that no value begins with"));
        }
        let text = &*text;
        if let Ok(value) = text.parse::<u64>() {
            return Ok(Token::Unsigned(value));
        }
        match text.parse::<i64>() {
            // -0 is a separate number in JavaScript.
            Ok(0) => Ok(Token::Float(-0.0)),
            Ok(value) => Ok(Token::Negative(value)),
            Err(_) => text.parse().map(Token::Float).map_err(|_| Fault("a number that is none")),
        }
    }
}

/// The meaning of a string. With an unknown prefix it stays as it is, because older senders do not escape.
fn special(text: Cow<'_, str>) -> Result<Token<'_>, Fault> {
    let Some((prefix, rest)) = text.split_at_checked(ESCAPED.len()).filter(|_| text.starts_with(SPECIAL))
    else {
        return Ok(Token::Text(text));
    };
    Ok(match prefix {
        ESCAPED => Token::Text(Cow::Owned(rest.to_owned())),
        "[[DT]]" => Token::Date(rest.parse().unwrap_or(f64::NAN)),
        "[[BF]]" => Token::Bytes(Cow::Owned(base64::decode(rest))),
        "[[BI]]" => big(rest)?,
        "[[MP]]" | "[[ST]]" => Token::Inner(rest.to_owned()),
        "[[RE]]" => match rest.split_once('|') {
            Some((flags, source)) => Token::Text(Cow::Owned(format!("/{source}/{flags}"))),
            None => Token::Text(text),
        },
        _ => Token::Text(text),
    })
}

/// A BigInt. A value beyond 128 bits remains digits.
fn big<'a>(digits: &str) -> Result<Token<'a>, Fault> {
    let (negative, size) = match digits.strip_prefix('-') {
        Some(size) => (true, size),
        None => (false, digits),
    };
    if size.is_empty() || !size.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Fault("a BigInt that is none"));
    }
    Ok(match size.parse() {
        Ok(size) => Token::Wide(negative, size),
        Err(_) => Token::Text(Cow::Owned(digits.to_owned())),
    })
}

impl<'a> Read<'a> for Reader<'a> {
    fn token(&mut self) -> Result<Token<'a>, Fault> {
        self.blank();
        match self.input.rest().first().ok_or(Fault::END)? {
            b'{' => self.literal(1, Token::Map(None)),
            b'[' => self.literal(1, Token::Array(None)),
            b'}' | b']' => self.literal(1, Token::End),
            b'n' => self.literal(4, Token::Null),
            b't' => self.literal(4, Token::Bool(true)),
            b'f' => self.literal(5, Token::Bool(false)),
            b'"' => {
                let text = self.string()?;
                // Keys have no prefixes.
                if self.plain || self.was_key() { Ok(Token::Text(text)) } else { special(text) }
            }
            _ => self.number(),
        }
    }

    fn at(&self) -> usize {
        self.input.at()
    }

    fn left(&self) -> usize {
        self.input.rest().trim_ascii_start().len()
    }
}
