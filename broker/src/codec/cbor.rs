//! CBOR with the habits of the `cbor-x` of Node (protocol chapter 9.5).

use bytes::{BufMut, BytesMut};
use std::borrow::Cow;

use super::date;
use super::token::{Fault, Format, Input, Read, Token};

/// The largest integer that a JavaScript number holds exactly.
const MAX_INTEGER: u64 = 1 << 53;

/// The kinds of values. They are the first three bits of a value.
const UNSIGNED: u8 = 0 << 5;
const NEGATIVE: u8 = 1 << 5;
const BYTES: u8 = 2 << 5;
const TEXT: u8 = 3 << 5;
const ARRAY: u8 = 4 << 5;
const MAP: u8 = 5 << 5;
const TAG: u8 = 6 << 5;

/// How deep tags may be nested. The deepest that is ever written is a Set of a Map.
const MAX_TAGS: usize = 16;
/// The largest BigInt in bytes that is read as digits: 512 bits.
const MAX_BIG: usize = 64;

/// CBOR as `cbor-x` writes it without records.
///
/// Node reads every 64-bit integer as a BigInt, which does not mix with other numbers. So integers beyond 32
/// bits are written as floats if these are exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cbor;

fn head(out: &mut BytesMut, kind: u8, value: u64) {
    match value {
        0..=23 => out.put_u8(kind | value as u8),
        24..=0xFF => out.put_slice(&[kind | 24, value as u8]),
        0x100..=0xFFFF => {
            out.put_u8(kind | 25);
            out.put_u16(value as u16);
        }
        0x1_0000..=0xFFFF_FFFF => {
            out.put_u8(kind | 26);
            out.put_u32(value as u32);
        }
        _ => {
            out.put_u8(kind | 27);
            out.put_u64(value);
        }
    }
}

impl Format for Cbor {
    type Reader<'a> = Reader<'a>;

    fn reader(self, bytes: &[u8]) -> Reader<'_> {
        Reader { input: Input::new(bytes) }
    }

    fn null(self, out: &mut BytesMut) {
        out.put_u8(0xF6);
    }

    fn bool(self, out: &mut BytesMut, value: bool) {
        out.put_u8(if value { 0xF5 } else { 0xF4 });
    }

    fn unsigned(self, out: &mut BytesMut, value: u64) {
        match value {
            0x1_0000_0000..=MAX_INTEGER => self.float(out, value as f64),
            _ => head(out, UNSIGNED, value),
        }
    }

    fn negative(self, out: &mut BytesMut, value: i64) {
        // -1 is encoded as 0.
        match value.unsigned_abs() {
            size @ 0x1_0000_0001..=MAX_INTEGER => self.float(out, -(size as f64)),
            size => head(out, NEGATIVE, size.saturating_sub(1)),
        }
    }

    fn float(self, out: &mut BytesMut, value: f64) {
        out.put_u8(0xFB);
        out.put_f64(value);
    }

    fn text(self, out: &mut BytesMut, value: &str) {
        head(out, TEXT, value.len() as u64);
        out.put_slice(value.as_bytes());
    }

    fn bytes(self, out: &mut BytesMut, value: &[u8]) {
        head(out, BYTES, value.len() as u64);
        out.put_slice(value);
    }

    fn date(self, out: &mut BytesMut, milliseconds: f64) {
        if !date::holds(milliseconds) {
            return self.null(out);
        }
        out.put_u8(TAG | 1);
        let seconds = milliseconds / 1000.0;
        if seconds.fract() == 0.0 && (0.0..4_294_967_296.0).contains(&seconds) {
            head(out, UNSIGNED, seconds as u64);
        } else {
            self.float(out, seconds);
        }
    }

    fn wide(self, out: &mut BytesMut, negative: bool, value: u128) -> Result<(), Fault> {
        let value = if negative { value.saturating_sub(1) } else { value };
        match u64::try_from(value) {
            Ok(value) => head(out, if negative { NEGATIVE } else { UNSIGNED }, value),
            Err(_) => {
                out.put_u8(TAG | if negative { 3 } else { 2 });
                let bytes = value.to_be_bytes();
                let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
                self.bytes(out, bytes.get(zeros..).unwrap_or_default());
            }
        }
        Ok(())
    }

    fn array_header(self, out: &mut BytesMut, length: usize) {
        head(out, ARRAY, length as u64);
    }

    fn map_header(self, out: &mut BytesMut, length: usize) {
        match u16::try_from(length) {
            // Sixteen bits for every size, because Node does not count the members of an object before it
            // writes them.
            Ok(length) => {
                out.put_u8(MAP | 25);
                out.put_u16(length);
            }
            Err(_) => head(out, MAP, length as u64),
        }
    }
}

/// Reads CBOR.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    input: Input<'a>,
}

impl<'a> Reader<'a> {
    /// The number in a head. `None` for an indefinite length.
    fn argument(&mut self, info: u8) -> Result<Option<u64>, Fault> {
        Ok(match info {
            0..=23 => Some(info.into()),
            24..=27 => Some(self.input.number(1 << (info & 3))?),
            31 => None,
            _ => return Err(Fault("a byte that no value begins with")),
        })
    }

    fn length(&mut self, info: u8) -> Result<Option<usize>, Fault> {
        self.argument(info)?.map(|length| usize::try_from(length).map_err(|_| Fault::END)).transpose()
    }

    fn bytes(&mut self, info: u8) -> Result<Cow<'a, [u8]>, Fault> {
        match self.length(info)? {
            Some(length) => Ok(Cow::Borrowed(self.input.take(length)?)),
            None => self.pieces(BYTES).map(Cow::Owned),
        }
    }

    fn text(&mut self, info: u8) -> Result<Cow<'a, str>, Fault> {
        match self.length(info)? {
            Some(length) => self.input.text(length),
            None => Ok(Cow::Owned(String::from_utf8_lossy(&self.pieces(TEXT)?).into_owned())),
        }
    }

    /// The pieces of a text or of bytes with an indefinite length.
    fn pieces(&mut self, kind: u8) -> Result<Vec<u8>, Fault> {
        let mut whole = Vec::new();
        loop {
            let byte = self.input.byte()?;
            if byte == 0xFF {
                return Ok(whole);
            }
            match self.length(byte & 0x1F)? {
                Some(length) if byte & 0xE0 == kind => whole.extend_from_slice(self.input.take(length)?),
                _ => return Err(Fault("a piece of another kind than its whole")),
            }
        }
    }

    fn tagged(&mut self, mut tag: u64) -> Result<Token<'a>, Fault> {
        for _ in 0..MAX_TAGS {
            match tag {
                0 => {
                    return Ok(match self.plain()? {
                        Token::Text(text) => date::parse(&text).map_or(Token::Text(text), Token::Date),
                        other => other,
                    });
                }
                1 => {
                    return match self.plain()? {
                        Token::Unsigned(seconds) => Ok(Token::Date(seconds as f64 * 1000.0)),
                        Token::Negative(seconds) => Ok(Token::Date(seconds as f64 * 1000.0)),
                        Token::Float(seconds) => Ok(Token::Date(rounded(seconds * 1000.0))),
                        _ => Err(Fault("a date that is no number")),
                    };
                }
                2 | 3 => {
                    return match self.plain()? {
                        Token::Bytes(bytes) => big(tag == 3, &bytes),
                        _ => Err(Fault("a BigInt that is no bytes")),
                    };
                }
                27 => return self.object(),
                _ => {}
            }
            // Sets, typed arrays and Maps are read as their content. So are values with an unknown tag.
            let byte = self.input.byte()?;
            if byte & 0xE0 != TAG {
                return self.value(byte);
            }
            tag = self.argument(byte & 0x1F)?.ok_or(Fault("a byte that no value begins with"))?;
        }
        Err(Fault("too many tags of one value"))
    }

    /// A value of a class: a RegExp becomes a text. Anything else remains an array of its name and its
    /// content.
    fn object(&mut self) -> Result<Token<'a>, Fault> {
        let mut ahead = self.clone();
        if let Ok(byte) = ahead.input.byte()
            && byte == ARRAY | 3
            && let Ok(Token::Text(name)) = ahead.plain()
            && name == "RegExp"
            && let Ok(Token::Text(source)) = ahead.plain()
            && let Ok(Token::Text(flags)) = ahead.plain()
        {
            *self = ahead;
            return Ok(Token::Text(Cow::Owned(format!("/{source}/{flags}"))));
        }
        let byte = self.input.byte()?;
        if byte & 0xE0 == TAG { Err(Fault("an object that is a tag")) } else { self.value(byte) }
    }

    /// A value without a tag.
    fn plain(&mut self) -> Result<Token<'a>, Fault> {
        let byte = self.input.byte()?;
        if byte & 0xE0 == TAG { Err(Fault("a tag where none may be")) } else { self.value(byte) }
    }

    fn value(&mut self, byte: u8) -> Result<Token<'a>, Fault> {
        let info = byte & 0x1F;
        let definite = |argument: Option<u64>| argument.ok_or(Fault("a byte that no value begins with"));
        Ok(match byte & 0xE0 {
            UNSIGNED => Token::Unsigned(definite(self.argument(info)?)?),
            NEGATIVE => {
                let below = definite(self.argument(info)?)?;
                match 0_i64.checked_sub_unsigned(below).and_then(|value| value.checked_sub(1)) {
                    Some(value) => Token::Negative(value),
                    None => Token::Wide(true, u128::from(below).saturating_add(1)),
                }
            }
            BYTES => Token::Bytes(self.bytes(info)?),
            TEXT => Token::Text(self.text(info)?),
            ARRAY => Token::Array(self.length(info)?),
            MAP => Token::Map(self.length(info)?),
            TAG => return Err(Fault("a tag where none may be")),
            _ => self.simple(info)?,
        })
    }

    fn simple(&mut self, info: u8) -> Result<Token<'a>, Fault> {
        Ok(match info {
            20 => Token::Bool(false),
            21 => Token::Bool(true),
            22 => Token::Null,
            23 => Token::Undefined,
            25 => Token::Float(half(self.input.number(2)? as u16)),
            26 => Token::Float(f32::from_bits(self.input.number(4)? as u32).into()),
            27 => whole(f64::from_bits(self.input.number(8)?)),
            31 => Token::End,
            _ => return Err(Fault("a simple value that is not known")),
        })
    }
}

/// A float that is an integer beyond 32 bits, as Node writes these.
fn whole<'a>(value: f64) -> Token<'a> {
    let beyond = (4_294_967_296.0..=MAX_INTEGER as f64).contains(&value.abs());
    match beyond && value.fract() == 0.0 {
        true if value < 0.0 => Token::Negative(value as i64),
        true => Token::Unsigned(value as u64),
        false => Token::Float(value),
    }
}

/// The nearest integer, like `Math.round`: a half is rounded up.
fn rounded(value: f64) -> f64 {
    let below = value.floor();
    if value - below < 0.5 { below } else { below + 1.0 }
}

/// A number of 16 bits (RFC 8949, appendix D).
fn half(bits: u16) -> f64 {
    let exponent = i32::from(bits >> 10 & 0x1F);
    let mantissa = f64::from(bits & 0x3FF);
    let size = match exponent {
        0 => mantissa * 2_f64.powi(-24),
        31 if mantissa == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (mantissa + 1024.0) * 2_f64.powi(exponent.saturating_sub(25)),
    };
    if bits & 0x8000 == 0 { size } else { -size }
}

/// A BigInt from its bytes. A value beyond 128 bits becomes a string of digits.
fn big<'a>(negative: bool, bytes: &[u8]) -> Result<Token<'a>, Fault> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let bytes = bytes.get(zeros..).unwrap_or_default();
    if bytes.len() <= 16 {
        let size = bytes.iter().fold(0_u128, |size, byte| size << 8 | u128::from(*byte));
        match size.checked_add(u128::from(negative)) {
            Some(size) => return Ok(Token::Wide(negative, size)),
            None => return Ok(Token::Text("-340282366920938463463374607431768211456".into())),
        }
    }
    if bytes.len() > MAX_BIG {
        return Err(Fault("a BigInt of more than 512 bits"));
    }
    // Nine digits at a time, the lowest first.
    let mut digits = vec![0_u64];
    for byte in bytes {
        let mut carry = u64::from(*byte);
        for part in &mut digits {
            let value = part.saturating_mul(256).saturating_add(carry);
            *part = value % 1_000_000_000;
            carry = value / 1_000_000_000;
        }
        if carry > 0 {
            digits.push(carry);
        }
    }
    // A negative BigInt is encoded as -1 - n.
    let mut carry = u64::from(negative);
    for part in &mut digits {
        let value = part.saturating_add(carry);
        *part = value % 1_000_000_000;
        carry = value / 1_000_000_000;
    }
    if carry > 0 {
        digits.push(carry);
    }
    let mut text = String::from(if negative { "-" } else { "" });
    for (at, part) in digits.iter().rev().enumerate() {
        text.push_str(&if at == 0 { part.to_string() } else { format!("{part:09}") });
    }
    Ok(Token::Text(Cow::Owned(text)))
}

impl<'a> Read<'a> for Reader<'a> {
    fn token(&mut self) -> Result<Token<'a>, Fault> {
        let byte = self.input.byte()?;
        if byte & 0xE0 != TAG {
            return self.value(byte);
        }
        let tag = self.argument(byte & 0x1F)?.ok_or(Fault("a byte that no value begins with"))?;
        self.tagged(tag)
    }

    fn at(&self) -> usize {
        self.input.at()
    }

    fn left(&self) -> usize {
        self.input.left()
    }
}
