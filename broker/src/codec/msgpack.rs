//! MessagePack in the two dialects of Moleculer (protocol chapters 9.3 and 9.4).

use bytes::{BufMut, BytesMut};
use std::borrow::Cow;

use super::date;
use super::token::{Fault, Format, Input, Read, Token};

/// MessagePack as one of two Node libraries writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MsgPack {
    /// `msgpack5`: numbers with a fraction take 32 bits if that is exact. Unknown extensions are refused.
    Msgpack5,
    /// `notepack.io`: numbers with a fraction take 64 bits. An unknown extension is an array of its type and
    /// its bytes.
    Notepack,
}

impl MsgPack {
    fn header(out: &mut BytesMut, length: usize, small: (u8, usize), wide: [Option<u8>; 3]) {
        let [byte, short, long] = wide;
        match (length, byte, short) {
            // The length has been compared with one that fits.
            (length, ..) if length < small.1 => out.put_u8(small.0 | length as u8),
            (0..=0xFF, Some(byte), _) => out.put_slice(&[byte, length as u8]),
            (0..=0xFFFF, _, Some(short)) => {
                out.put_u8(short);
                out.put_u16(length as u16);
            }
            _ => {
                out.put_u8(long.unwrap_or_default());
                // No frame is that long.
                out.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
            }
        }
    }
}

impl Format for MsgPack {
    type Reader<'a> = Reader<'a>;

    fn reader(self, bytes: &[u8]) -> Reader<'_> {
        Reader { input: Input::new(bytes), dialect: self, next: [None, None] }
    }

    fn null(self, out: &mut BytesMut) {
        out.put_u8(0xC0);
    }

    fn bool(self, out: &mut BytesMut, value: bool) {
        out.put_u8(if value { 0xC3 } else { 0xC2 });
    }

    fn unsigned(self, out: &mut BytesMut, value: u64) {
        match value {
            0..=0x7F => out.put_u8(value as u8),
            0x80..=0xFF => out.put_slice(&[0xCC, value as u8]),
            0x100..=0xFFFF => {
                out.put_u8(0xCD);
                out.put_u16(value as u16);
            }
            0x1_0000..=0xFFFF_FFFF => {
                out.put_u8(0xCE);
                out.put_u32(value as u32);
            }
            _ => {
                out.put_u8(0xCF);
                out.put_u64(value);
            }
        }
    }

    fn negative(self, out: &mut BytesMut, value: i64) {
        // msgpack5 already takes eight bytes for -2^31.
        let last = if self == Self::Msgpack5 { -0x7FFF_FFFF } else { -0x8000_0000 };
        match value {
            -0x20..=-1 => out.put_i8(value as i8),
            -0x80..=-0x21 => {
                out.put_u8(0xD0);
                out.put_i8(value as i8);
            }
            -0x8000..=-0x81 => {
                out.put_u8(0xD1);
                out.put_i16(value as i16);
            }
            _ if value >= last => {
                out.put_u8(0xD2);
                out.put_i32(value as i32);
            }
            _ => {
                out.put_u8(0xD3);
                out.put_i64(value);
            }
        }
    }

    fn float(self, out: &mut BytesMut, value: f64) {
        let short = value as f32;
        if self == Self::Msgpack5 && (f64::from(short) == value || value.is_nan()) {
            out.put_u8(0xCA);
            out.put_f32(short);
        } else {
            out.put_u8(0xCB);
            out.put_f64(value);
        }
    }

    fn text(self, out: &mut BytesMut, value: &str) {
        Self::header(out, value.len(), (0xA0, 32), [Some(0xD9), Some(0xDA), Some(0xDB)]);
        out.put_slice(value.as_bytes());
    }

    fn bytes(self, out: &mut BytesMut, value: &[u8]) {
        Self::header(out, value.len(), (0, 0), [Some(0xC4), Some(0xC5), Some(0xC6)]);
        out.put_slice(value);
    }

    fn date(self, out: &mut BytesMut, milliseconds: f64) {
        // NaN becomes null, as in JSON, and so do times that a Date cannot hold.
        if !date::holds(milliseconds) {
            return self.null(out);
        }
        let milliseconds = milliseconds.trunc() as i64;
        let seconds = milliseconds.div_euclid(1000);
        let nanos = milliseconds.rem_euclid(1000).saturating_mul(1_000_000) as u64;
        match u64::try_from(seconds) {
            Ok(seconds) if nanos == 0 && seconds < 1 << 32 => {
                out.put_slice(&[0xD6, 0xFF]);
                out.put_u32(seconds as u32);
            }
            Ok(seconds) if seconds < 1 << 34 => {
                out.put_slice(&[0xD7, 0xFF]);
                out.put_u64(nanos << 34 | seconds);
            }
            _ => {
                out.put_slice(&[0xC7, 12, 0xFF]);
                out.put_u32(nanos as u32);
                out.put_i64(seconds);
            }
        }
    }

    fn wide(self, _out: &mut BytesMut, _negative: bool, _value: u128) -> Result<(), Fault> {
        Err(Fault("an integer of more than 64 bits cannot be written in this format"))
    }

    fn array_header(self, out: &mut BytesMut, length: usize) {
        Self::header(out, length, (0x90, 16), [None, Some(0xDC), Some(0xDD)]);
    }

    fn map_header(self, out: &mut BytesMut, length: usize) {
        Self::header(out, length, (0x80, 16), [None, Some(0xDE), Some(0xDF)]);
    }
}

/// Reads MessagePack.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    input: Input<'a>,
    dialect: MsgPack,
    /// The two parts of an unknown extension.
    next: [Option<Token<'a>>; 2],
}

impl<'a> Reader<'a> {
    fn text(&mut self, length: usize) -> Result<Token<'a>, Fault> {
        Ok(Token::Text(self.input.text(length)?))
    }

    fn bytes(&mut self, length: usize) -> Result<Token<'a>, Fault> {
        Ok(Token::Bytes(Cow::Borrowed(self.input.take(length)?)))
    }

    fn extension(&mut self, length: usize) -> Result<Token<'a>, Fault> {
        let kind = self.input.byte()? as i8;
        let mut data = Input::new(self.input.take(length)?);
        let date =
            |seconds: i64, nanos: u64| Token::Date(seconds as f64 * 1000.0 + (nanos / 1_000_000) as f64);
        match (kind, length, self.dialect) {
            (-1, 4, _) => Ok(date(data.number(4)? as i64, 0)),
            (-1, 8, _) => {
                let both = data.number(8)?;
                Ok(date((both & 0x3_FFFF_FFFF) as i64, both >> 34))
            }
            (-1, 12, _) => {
                let nanos = data.number(4)?;
                Ok(date(data.number(8)?.cast_signed(), nanos))
            }
            (0, 1, MsgPack::Notepack) => Ok(Token::Undefined),
            (0, 8, MsgPack::Notepack) => Ok(Token::Date(data.number(8)?.cast_signed() as f64)),
            (_, _, MsgPack::Msgpack5) => Err(Fault("an extension that is not known")),
            (_, _, MsgPack::Notepack) => {
                let kind = i64::from(kind);
                let kind = u64::try_from(kind).map_or(Token::Negative(kind), Token::Unsigned);
                self.next = [Some(kind), Some(Token::Bytes(Cow::Borrowed(data.rest())))];
                Ok(Token::Array(Some(2)))
            }
        }
    }
}

/// A negative number of 8 to 64 bits, from its two's complement.
fn signed<'a>(bits: u64, width: usize) -> Token<'a> {
    let unused = 64_usize.saturating_sub(width.saturating_mul(8)) as u32;
    let value = bits.wrapping_shl(unused).cast_signed().wrapping_shr(unused);
    u64::try_from(value).map_or(Token::Negative(value), Token::Unsigned)
}

impl<'a> Read<'a> for Reader<'a> {
    fn token(&mut self) -> Result<Token<'a>, Fault> {
        if let Some(token) = self.next.iter_mut().find_map(Option::take) {
            return Ok(token);
        }
        let byte = self.input.byte()?;
        Ok(match byte {
            0x00..=0x7F => Token::Unsigned(byte.into()),
            0x80..=0x8F => Token::Map(Some(usize::from(byte & 0x0F))),
            0x90..=0x9F => Token::Array(Some(usize::from(byte & 0x0F))),
            0xA0..=0xBF => self.text(usize::from(byte & 0x1F))?,
            0xC0 => Token::Null,
            0xC1 => return Err(Fault("a byte that no value begins with")),
            0xC2 => Token::Bool(false),
            0xC3 => Token::Bool(true),
            0xC4..=0xC6 => {
                let length = self.input.length(1 << (byte & 3))?;
                self.bytes(length)?
            }
            0xC7..=0xC9 => {
                let length = self.input.length(1 << ((byte.wrapping_add(1)) & 3))?;
                self.extension(length)?
            }
            0xCA => Token::Float(f32::from_bits(self.input.number(4)? as u32).into()),
            0xCB => Token::Float(f64::from_bits(self.input.number(8)?)),
            0xCC..=0xCF => Token::Unsigned(self.input.number(1 << (byte & 3))?),
            0xD0..=0xD3 => {
                let width = 1 << (byte & 3);
                signed(self.input.number(width)?, width)
            }
            0xD4..=0xD8 => self.extension(1 << byte.saturating_sub(0xD4))?,
            0xD9..=0xDB => {
                let length = self.input.length(1 << (byte.wrapping_sub(0xD9) & 3))?;
                self.text(length)?
            }
            0xDC => Token::Array(Some(self.input.length(2)?)),
            0xDD => Token::Array(Some(self.input.length(4)?)),
            0xDE => Token::Map(Some(self.input.length(2)?)),
            0xDF => Token::Map(Some(self.input.length(4)?)),
            0xE0..=0xFF => Token::Negative(i64::from(byte as i8)),
        })
    }

    fn at(&self) -> usize {
        self.input.at()
    }

    fn left(&self) -> usize {
        self.input.left()
    }
}
