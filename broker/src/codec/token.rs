//! The parts of encoded values, in any format.
//!
//! A [`Format`] writes these parts, and its [`Read`] reads them one after the other. Everything that the
//! formats have in common is built on these two: serde, spans of a packet, conversions of a value.

use bytes::BytesMut;
use std::borrow::Cow;

/// One part of an encoded value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Token<'a> {
    /// Nothing.
    Null,
    /// JavaScript's `undefined`, if the format can write it.
    Undefined,
    /// True or false.
    Bool(bool),
    /// An integer that is not negative.
    Unsigned(u64),
    /// A negative integer.
    Negative(i64),
    /// A BigInt: whether it is negative, and its absolute value.
    Wide(bool, u128),
    /// Any other number.
    Float(f64),
    /// A text.
    Text(Cow<'a, str>),
    /// A Buffer.
    Bytes(Cow<'a, [u8]>),
    /// A Date in milliseconds since 1970. NaN for an invalid one.
    Date(f64),
    /// This number of values follows. Without a number, values follow until an [`Token::End`].
    Array(Option<usize>),
    /// This number of keys with their values follows. Without a number, they follow until an [`Token::End`].
    Map(Option<usize>),
    /// Ends an array or a map without a number.
    End,
    /// A value that is written in a text of its own, like Map and Set in JSONExt.
    Inner(String),
}

/// A [`Token::Wide`] as text.
pub(super) fn digits(negative: bool, size: u128) -> String {
    if negative { format!("-{size}") } else { size.to_string() }
}

/// NaN or an infinity, from its JavaScript name.
pub(super) fn named_float(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

/// Why bytes are not a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault(pub(crate) &'static str);

impl Fault {
    /// The bytes end within a value.
    pub(crate) const END: Self = Self("the value is cut off");
    /// More levels of containers than are allowed.
    pub(crate) const DEPTH: Self = Self("nested too deeply");
}

/// Reads parts from bytes. A part is at most a constant larger than the bytes from which it is read.
pub(crate) trait Read<'a> {
    /// The next part.
    fn token(&mut self) -> Result<Token<'a>, Fault>;

    /// The position after the last part.
    fn at(&self) -> usize;

    /// The number of bytes that are left.
    fn left(&self) -> usize;
}

/// The beginning of a container.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    start: usize,
    end: usize,
    declared: usize,
}

/// A way to write values. The functions append to `out`, which may contain other bytes.
pub(crate) trait Format: Copy {
    /// The reader for what this writes.
    type Reader<'a>: Read<'a>;

    fn reader(self, bytes: &[u8]) -> Self::Reader<'_>;

    fn null(self, out: &mut BytesMut);
    fn bool(self, out: &mut BytesMut, value: bool);
    fn unsigned(self, out: &mut BytesMut, value: u64);
    fn negative(self, out: &mut BytesMut, value: i64);
    fn float(self, out: &mut BytesMut, value: f64);
    fn text(self, out: &mut BytesMut, value: &str);
    fn bytes(self, out: &mut BytesMut, value: &[u8]);
    fn date(self, out: &mut BytesMut, milliseconds: f64);

    /// An integer of more than 64 bits, if the format has such integers.
    fn wide(self, out: &mut BytesMut, negative: bool, value: u128) -> Result<(), Fault>;

    fn array_header(self, out: &mut BytesMut, length: usize);
    fn map_header(self, out: &mut BytesMut, length: usize);

    /// Begins an array. A wrong length is corrected at its end.
    fn open_array(self, out: &mut BytesMut, length: usize) -> Mark {
        open(out, length, |out| self.array_header(out, length))
    }

    /// Begins a map. A wrong length is corrected at its end.
    fn open_map(self, out: &mut BytesMut, length: usize) -> Mark {
        open(out, length, |out| self.map_header(out, length))
    }

    fn close_array(self, out: &mut BytesMut, mark: Mark, length: usize) {
        close(out, mark, length, |out| self.array_header(out, length));
    }

    fn close_map(self, out: &mut BytesMut, mark: Mark, length: usize) {
        close(out, mark, length, |out| self.map_header(out, length));
    }

    /// Called before each value of an array.
    fn element(self, _out: &mut BytesMut, _first: bool) {}

    /// A key of a map.
    fn key(self, out: &mut BytesMut, _first: bool, key: &str) {
        self.text(out, key);
    }
}

pub(super) fn open(out: &mut BytesMut, declared: usize, header: impl FnOnce(&mut BytesMut)) -> Mark {
    let start = out.len();
    header(out);
    Mark { start, end: out.len(), declared }
}

fn close(out: &mut BytesMut, mark: Mark, length: usize, header: impl FnOnce(&mut BytesMut)) {
    if length == mark.declared {
        return;
    }
    let content = out.get(mark.end..).unwrap_or_default().to_vec();
    out.truncate(mark.start);
    header(out);
    out.extend_from_slice(&content);
}

/// Skips one value, and returns its first part. `depth` is the number of levels that may be opened.
pub(crate) fn skip<'a, R: Read<'a>>(reader: &mut R, depth: usize) -> Result<Token<'a>, Fault> {
    let head = reader.token()?;
    skip_rest(reader, &head, depth)?;
    Ok(head)
}

/// Skips the rest of a value after its first part.
pub(crate) fn skip_rest<'a, R: Read<'a>>(
    reader: &mut R,
    head: &Token<'a>,
    depth: usize,
) -> Result<(), Fault> {
    let (length, map) = match head {
        Token::Array(length) => (*length, false),
        Token::Map(length) => (*length, true),
        Token::End => return Err(Fault("an end without a beginning")),
        _ => return Ok(()),
    };
    let depth = depth.checked_sub(1).ok_or(Fault::DEPTH)?;
    let mut read = 0_usize;
    while length.is_none_or(|length| read < length) {
        let first = reader.token()?;
        if first == Token::End && length.is_none() {
            break;
        }
        skip_rest(reader, &first, depth)?;
        if map {
            skip(reader, depth)?;
        }
        read = read.saturating_add(1);
    }
    Ok(())
}

/// Bytes that are read from the front.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    pub(crate) fn advance(&mut self, by: usize) {
        self.at = self.at.saturating_add(by).min(self.bytes.len());
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Fault> {
        let byte = self.bytes.get(self.at).copied().ok_or(Fault::END)?;
        self.advance(1);
        Ok(byte)
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], Fault> {
        let taken = self.rest().get(..length).ok_or(Fault::END)?;
        self.advance(length);
        Ok(taken)
    }

    /// A big-endian number of up to eight bytes.
    pub(crate) fn number(&mut self, bytes: usize) -> Result<u64, Fault> {
        Ok(self.take(bytes)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    pub(crate) fn length(&mut self, bytes: usize) -> Result<usize, Fault> {
        usize::try_from(self.number(bytes)?).map_err(|_| Fault::END)
    }

    /// A text. Bytes that are not UTF-8 are replaced, as in Node: `cbor-x` writes lone surrogates, and their
    /// sender has to get an answer.
    pub(crate) fn text(&mut self, length: usize) -> Result<Cow<'a, str>, Fault> {
        Ok(String::from_utf8_lossy(self.take(length)?))
    }
}
