//! Reads Rust values from any [`Format`](super::token::Format), through serde.
//!
//! The type that a handler asks for decides the form of a special value. A Buffer is bytes for a type of
//! bytes, an array of numbers for a sequence, and otherwise the object that JSON makes of it. A Date is
//! milliseconds for a number, and otherwise an ISO string. So a [`serde_json::Value`] is the same with every
//! serializer. If serde buffers a value, [`Shown`] finds out which type is asked for.
//!
//! A whole float can be read as an integer, because Node has only one kind of number.

use serde::de::value::{SeqDeserializer, StrDeserializer, StringDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

use std::borrow::Cow;

use super::date;
use super::failure::Failure;
use super::json_ext::JsonExt;
use super::keys::{Key, key_text};
use super::shown::{Form, Shown, Special, is_buffer};
use super::token::{Fault, Read, Token, digits, named_float};

/// Reads one value.
pub(crate) struct De<'a, R> {
    reader: R,
    peeked: Option<Token<'a>>,
    depth: usize,
    /// The form of special values for serde's buffers. `None` means as in JSON.
    shown: Option<&'a Shown>,
    /// Whether strings are read as what [`ErrorData`](super::data::ErrorData) has written as strings.
    texts: bool,
}

impl<'a, R: Read<'a>> De<'a, R> {
    /// Reads at most `depth` levels of containers.
    pub(crate) const fn new(reader: R, depth: usize) -> Self {
        Self { reader, peeked: None, depth, shown: None, texts: false }
    }

    /// Gives serde's buffers special values in the form that their readers want.
    pub(super) const fn shown(mut self, shown: &'a Shown) -> Self {
        self.shown = Some(shown);
        self
    }

    /// Reads numbers and bytes from the forms that they have in the data of errors.
    pub(super) const fn with_texts(mut self) -> Self {
        self.texts = true;
        self
    }

    /// Checks that nothing follows the value.
    pub(crate) fn end(&mut self) -> Result<(), Failure> {
        if self.peeked.is_none() && self.reader.left() == 0 {
            Ok(())
        } else {
            Err(Failure::custom("something follows the value"))
        }
    }

    fn next(&mut self) -> Result<Token<'a>, Failure> {
        match self.peeked.take() {
            Some(token) => Ok(token),
            None => Ok(self.reader.token()?),
        }
    }

    /// Whether a container with an indefinite length ends here.
    fn ends(&mut self) -> Result<bool, Failure> {
        let token = self.next()?;
        if token == Token::End {
            return Ok(true);
        }
        self.peeked = Some(token);
        Ok(false)
    }

    fn within<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Failure>) -> Result<T, Failure> {
        self.depth = self.depth.checked_sub(1).ok_or(Fault::DEPTH)?;
        let value = read(self)?;
        self.depth = self.depth.saturating_add(1);
        Ok(value)
    }

    /// Any value, in its closest JSON form.
    fn visit<'de, V: Visitor<'de>>(&mut self, token: Token<'a>, visitor: V) -> Result<V::Value, Failure> {
        match token {
            Token::Null | Token::Undefined => visitor.visit_unit(),
            Token::Bool(value) => visitor.visit_bool(value),
            Token::Unsigned(value) => visitor.visit_u64(value),
            Token::Negative(value) => visitor.visit_i64(value),
            Token::Wide(negative, size) => match (negative, u64::try_from(size), negated(size)) {
                (false, Ok(value), _) => visitor.visit_u64(value),
                (true, _, Some(value)) => visitor.visit_i64(value),
                _ => visitor.visit_string(digits(negative, size)),
            },
            Token::Float(value) => match self.shown {
                // A buffer cannot hold a larger integer.
                Some(shown) if value.abs() < I64_END && shown.whole_as_integers() && is_buffer(&visitor) => {
                    whole(value, visitor)
                }
                _ => visitor.visit_f64(value),
            },
            Token::Text(text) => visitor.visit_str(&text),
            Token::Bytes(bytes) => match self.form(Special::Bytes, &visitor) {
                Err(probe) => visitor.visit_borrowed_bytes(probe),
                Ok(Form::Bytes) => visitor.visit_byte_buf(bytes.into_owned()),
                Ok(Form::Sequence) => visitor.visit_seq(SeqDeserializer::new(bytes.iter().copied())),
                _ => visitor.visit_map(BufferObject { bytes: &bytes, at: 0 }),
            },
            Token::Date(milliseconds) => match date::print(milliseconds) {
                Some(text) => match self.form(Special::Date, &visitor) {
                    Err(probe) => visitor.visit_borrowed_bytes(probe),
                    Ok(Form::Integer) => visitor.visit_i64(milliseconds as i64),
                    Ok(Form::Float) => visitor.visit_f64(milliseconds),
                    _ => visitor.visit_string(text),
                },
                None => visitor.visit_unit(),
            },
            Token::Array(length) => self.within(|de| {
                let mut items = Items { de, left: length, done: false };
                let value = visitor.visit_seq(&mut items)?;
                items.finish()?;
                Ok(value)
            }),
            Token::Map(length) => self.within(|de| {
                let mut items = Items { de, left: length, done: false };
                let value = visitor.visit_map(&mut items)?;
                items.finish()?;
                Ok(value)
            }),
            Token::Inner(text) => {
                let depth = self.depth;
                let inner = JsonExt.checked(text.as_bytes(), depth)?;
                let mut inner = De { shown: self.shown, ..De::new(inner, depth) };
                let token = inner.next()?;
                let value = inner.visit(token, visitor)?;
                inner.end()?;
                Ok(value)
            }
            Token::End => Err(Failure::custom("an end without a beginning")),
        }
    }
}

impl<R> De<'_, R> {
    /// The form of a special value for a reader that accepts anything, or the probe for a buffer.
    fn form<'de>(&self, special: Special, visitor: &impl Visitor<'de>) -> Result<Form, &'static [u8]> {
        match self.shown {
            Some(shown) if is_buffer(visitor) => shown.form(special),
            _ => Ok(Form::Json),
        }
    }
}

// The limits of integers. Each is a power of two, and so an exact float.
const I64_END: f64 = 9_223_372_036_854_775_808.0;
const U64_END: f64 = I64_END * 2.0;
const U128_END: f64 = U64_END * U64_END;
const I64_START: f64 = -I64_END;
const I128_START: f64 = -U128_END / 2.0;

/// A float for a reader that asks for an integer: the integer, if the float is whole and in range.
fn whole<'de, V: Visitor<'de>>(value: f64, visitor: V) -> Result<V::Value, Failure> {
    match value {
        // NaN and the infinities, too.
        _ if value.fract() != 0.0 => visitor.visit_f64(value),
        0.0..U64_END => visitor.visit_u64(value as u64),
        I64_START..0.0 => visitor.visit_i64(value as i64),
        U64_END..U128_END => visitor.visit_u128(value as u128),
        I128_START..I64_START => visitor.visit_i128(value as i128),
        // Larger than every integer type.
        _ => visitor.visit_f64(value),
    }
}

fn negated(size: u128) -> Option<i64> {
    i64::try_from(0_i128.checked_sub_unsigned(size)?).ok()
}

/// The rest of an array or a map.
struct Items<'d, 'a, R> {
    de: &'d mut De<'a, R>,
    left: Option<usize>,
    done: bool,
}

impl<'a, R: Read<'a>> Items<'_, 'a, R> {
    /// Whether another item follows.
    fn more(&mut self) -> Result<bool, Failure> {
        match &mut self.left {
            Some(0) => self.done = true,
            Some(left) => *left = left.saturating_sub(1),
            None if self.done => {}
            None => self.done = self.de.ends()?,
        }
        Ok(!self.done)
    }

    /// Checks that nothing is left, as `serde_json` does.
    fn finish(mut self) -> Result<(), Failure> {
        if self.done || !self.more()? { Ok(()) } else { Err(Failure::custom("more items than expected")) }
    }

    fn hint(&self) -> Option<usize> {
        // Each item needs at least one byte, whatever the header says.
        Some(self.left?.min(self.de.reader.left()))
    }
}

impl<'de, 'a, R: Read<'a>> SeqAccess<'de> for &mut Items<'_, 'a, R> {
    type Error = Failure;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Failure> {
        if !self.more()? {
            return Ok(None);
        }
        seed.deserialize(&mut *self.de).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        self.hint()
    }
}

impl<'de, 'a, R: Read<'a>> MapAccess<'de> for &mut Items<'_, 'a, R> {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Failure> {
        if !self.more()? {
            return Ok(None);
        }
        let token = self.de.next()?;
        let text = key_text(&token)?;
        seed.deserialize(Key { text: &text, shown: self.de.shown }).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Failure> {
        seed.deserialize(&mut *self.de)
    }

    fn size_hint(&self) -> Option<usize> {
        self.hint()
    }
}

/// `{"type":"Buffer","data":[…]}`: a Buffer for a reader that does not ask for bytes.
struct BufferObject<'t> {
    bytes: &'t [u8],
    at: u8,
}

impl<'de> MapAccess<'de> for BufferObject<'_> {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Failure> {
        self.at = self.at.saturating_add(1);
        match self.at {
            1 => seed.deserialize(Key { text: "type", shown: None }).map(Some),
            2 => seed.deserialize(Key { text: "data", shown: None }).map(Some),
            _ => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Failure> {
        match self.at {
            1 => seed.deserialize(StrDeserializer::new("Buffer")),
            _ => seed.deserialize(SeqDeserializer::new(self.bytes.iter().copied())),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(2)
    }
}

macro_rules! integers {
    ($($name:ident)*) => {
        $(fn $name<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
            self.integer(visitor)
        })*
    };
}

impl<'a, R: Read<'a>> De<'a, R> {
    /// The next value, if it is a string that stands for a number.
    fn text_of_data(&mut self) -> Result<Option<Cow<'a, str>>, Failure> {
        if !self.texts {
            return Ok(None);
        }
        Ok(match self.next()? {
            Token::Text(text) => Some(text),
            token => {
                self.peeked = Some(token);
                None
            }
        })
    }

    fn integer<'de, V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Failure> {
        match self.next()? {
            Token::Wide(true, size) => match (negated(size), 0_i128.checked_sub_unsigned(size)) {
                (Some(value), _) => visitor.visit_i64(value),
                (None, Some(value)) => visitor.visit_i128(value),
                (None, None) => visitor.visit_string(digits(true, size)),
            },
            Token::Wide(false, size) => match u64::try_from(size) {
                Ok(value) => visitor.visit_u64(value),
                Err(_) => visitor.visit_u128(size),
            },
            Token::Date(milliseconds) if date::holds(milliseconds) => visitor.visit_i64(milliseconds as i64),
            Token::Float(value) => whole(value, visitor),
            token => self.visit(token, visitor),
        }
    }
}

impl<'de, 'a, R: Read<'a>> Deserializer<'de> for &mut De<'a, R> {
    type Error = Failure;

    integers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
    }

    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.text_of_data()? {
            Some(text) => match text.parse() {
                Ok(value) => visitor.visit_i128(value),
                Err(_) => visitor.visit_str(&text),
            },
            None => self.integer(visitor),
        }
    }

    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.text_of_data()? {
            Some(text) => match text.parse() {
                Ok(value) => visitor.visit_u128(value),
                Err(_) => visitor.visit_str(&text),
            },
            None => self.integer(visitor),
        }
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let token = self.next()?;
        self.visit(token, visitor)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if let Some(text) = self.text_of_data()? {
            return match named_float(&text) {
                Some(value) => visitor.visit_f64(value),
                None => visitor.visit_str(&text),
            };
        }
        match self.next()? {
            Token::Date(milliseconds) if date::holds(milliseconds) => visitor.visit_f64(milliseconds),
            token => self.visit(token, visitor),
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.next()? {
            Token::Bytes(bytes) => visitor.visit_bytes(&bytes),
            token @ Token::Array(_) if self.texts => {
                self.peeked = Some(token);
                visitor.visit_byte_buf(serde::Deserialize::deserialize(self)?)
            }
            token => self.visit(token, visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.next()? {
            Token::Bytes(bytes) => {
                let mut bytes = SeqDeserializer::new(bytes.iter().copied());
                let value = visitor.visit_seq(&mut bytes)?;
                bytes.end().map(|()| value)
            }
            token => self.visit(token, visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.next()? {
            Token::Null | Token::Undefined => visitor.visit_none(),
            Token::Date(milliseconds) if !date::holds(milliseconds) => visitor.visit_none(),
            token => {
                self.peeked = Some(token);
                visitor.visit_some(self)
            }
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        if name == date::NAME {
            return self.deserialize_f64(visitor);
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        match self.next()? {
            Token::Text(text) => visitor.visit_enum(StringDeserializer::new(text.into_owned())),
            Token::Map(length) if length.is_none_or(|length| length == 1) => self.within(|de| {
                let token = de.next()?;
                let key = key_text(&token)?.into_owned();
                let value = visitor.visit_enum(Variant { de: &mut *de, key })?;
                if length.is_none() && !de.ends()? {
                    return Err(Failure::custom("an enum with more than one key"));
                }
                Ok(value)
            }),
            _ => Err(Failure::custom("expected a text or a map of one key, for an enum")),
        }
    }

    serde::forward_to_deserialize_any! {
        bool char str string unit unit_struct map struct identifier ignored_any
    }
}

/// A variant of an enum that has content.
struct Variant<'d, 'a, R> {
    de: &'d mut De<'a, R>,
    key: String,
}

impl<'de, 'd, 'a, R: Read<'a>> EnumAccess<'de> for Variant<'d, 'a, R> {
    type Error = Failure;
    type Variant = Content<'d, 'a, R>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self::Variant), Failure> {
        let key: StringDeserializer<Failure> = self.key.into_deserializer();
        Ok((seed.deserialize(key)?, Content(self.de)))
    }
}

struct Content<'d, 'a, R>(&'d mut De<'a, R>);

impl<'de, 'a, R: Read<'a>> VariantAccess<'de> for Content<'_, 'a, R> {
    type Error = Failure;

    fn unit_variant(self) -> Result<(), Failure> {
        serde::Deserialize::deserialize(self.0)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Failure> {
        seed.deserialize(self.0)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value, Failure> {
        self.0.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.0.deserialize_any(visitor)
    }
}
