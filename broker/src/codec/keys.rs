//! Keys of maps. In every format they are strings, whatever their Rust type is, as with `serde_json`.

use serde::de::value::StrDeserializer;
use serde::de::{Deserializer, Visitor};
use serde::ser::{Impossible, Serialize, Serializer};

use super::date;
use super::failure::Failure;
use super::shown::Shown;
use super::token::{Token, digits};

/// A key as text. `notepack.io` nodes treat other keys in the same way.
pub(super) fn key_text<'t>(token: &'t Token<'_>) -> Result<std::borrow::Cow<'t, str>, Failure> {
    Ok(match token {
        Token::Text(text) => text.as_ref().into(),
        Token::Unsigned(value) => value.to_string().into(),
        Token::Negative(value) => value.to_string().into(),
        Token::Wide(negative, size) => digits(*negative, *size).into(),
        Token::Float(value) => value.to_string().into(),
        Token::Bool(value) => value.to_string().into(),
        Token::Null => "null".into(),
        Token::Undefined => "undefined".into(),
        Token::Date(milliseconds) => date::print(*milliseconds).unwrap_or_default().into(),
        _ => return Err(Failure("a key that is no text".to_owned())),
    })
}

/// The key of a map, in the way `serde_json` gives it to a reader that does not ask for a string.
pub(super) struct Key<'t> {
    pub(super) text: &'t str,
    /// Notified of keys whose reader accepts anything, because serde buffers those.
    pub(super) shown: Option<&'t Shown>,
}

macro_rules! parsed_keys {
    ($($name:ident $visit:ident;)*) => {
        $(fn $name<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
            match self.text.parse() {
                Ok(value) => visitor.$visit(value),
                Err(_) => visitor.visit_str(self.text),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for Key<'_> {
    type Error = Failure;

    parsed_keys! {
        deserialize_bool visit_bool; deserialize_f32 visit_f32; deserialize_f64 visit_f64;
        deserialize_i8 visit_i8; deserialize_i16 visit_i16; deserialize_i32 visit_i32;
        deserialize_i64 visit_i64; deserialize_i128 visit_i128;
        deserialize_u8 visit_u8; deserialize_u16 visit_u16; deserialize_u32 visit_u32;
        deserialize_u64 visit_u64; deserialize_u128 visit_u128;
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if let Some(shown) = self.shown {
            shown.at_key(self.text);
        }
        visitor.visit_str(self.text)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        StrDeserializer::new(self.text).deserialize_enum(name, variants, visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_str(self.text)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_str(self.text)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_str(self.text)
    }

    serde::forward_to_deserialize_any! {
        char bytes byte_buf unit unit_struct seq tuple tuple_struct map struct ignored_any
    }
}

/// Converts a key into a string like `serde_json`, because receivers know no other keys.
pub(super) struct KeyText;

fn no_key<T>() -> Result<T, Failure> {
    Err(Failure("key must be a string".to_owned()))
}

macro_rules! printed_keys {
    ($($name:ident $kind:ident;)*) => {
        $(fn $name(self, value: $kind) -> Result<String, Failure> { Ok(value.to_string()) })*
    };
}

impl Serializer for KeyText {
    type Ok = String;
    type Error = Failure;
    type SerializeSeq = Impossible<String, Failure>;
    type SerializeTuple = Impossible<String, Failure>;
    type SerializeTupleStruct = Impossible<String, Failure>;
    type SerializeTupleVariant = Impossible<String, Failure>;
    type SerializeMap = Impossible<String, Failure>;
    type SerializeStruct = Impossible<String, Failure>;
    type SerializeStructVariant = Impossible<String, Failure>;

    printed_keys! {
        serialize_bool bool; serialize_char char;
        serialize_i8 i8; serialize_i16 i16; serialize_i32 i32; serialize_i64 i64; serialize_i128 i128;
        serialize_u8 u8; serialize_u16 u16; serialize_u32 u32; serialize_u64 u64; serialize_u128 u128;
        serialize_f32 f32; serialize_f64 f64;
    }

    fn serialize_str(self, value: &str) -> Result<String, Failure> {
        Ok(value.to_owned())
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<String, Failure> {
        Ok(variant.to_owned())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<String, Failure> {
        value.serialize(self)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<String, Failure> {
        value.serialize(self)
    }

    fn serialize_bytes(self, _value: &[u8]) -> Result<String, Failure> {
        no_key()
    }

    fn serialize_none(self) -> Result<String, Failure> {
        no_key()
    }

    fn serialize_unit(self) -> Result<String, Failure> {
        no_key()
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<String, Failure> {
        no_key()
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _value: &T,
    ) -> Result<String, Failure> {
        no_key()
    }

    fn serialize_seq(self, _length: Option<usize>) -> Result<Self::SerializeSeq, Failure> {
        no_key()
    }

    fn serialize_tuple(self, _length: usize) -> Result<Self::SerializeTuple, Failure> {
        no_key()
    }

    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        _length: usize,
    ) -> Result<Self::SerializeTupleStruct, Failure> {
        no_key()
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _length: usize,
    ) -> Result<Self::SerializeTupleVariant, Failure> {
        no_key()
    }

    fn serialize_map(self, _length: Option<usize>) -> Result<Self::SerializeMap, Failure> {
        no_key()
    }

    fn serialize_struct(self, _name: &'static str, _length: usize) -> Result<Self::SerializeStruct, Failure> {
        no_key()
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _length: usize,
    ) -> Result<Self::SerializeStructVariant, Failure> {
        no_key()
    }
}
