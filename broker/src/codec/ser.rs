//! Writes Rust values in any [`Format`], through serde.

use bytes::BytesMut;
use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::date;
use super::failure::Failure;
use super::keys::KeyText;
use super::token::{Format, Mark};

/// Appends one value.
pub(crate) struct Ser<'a, F> {
    pub(crate) out: &'a mut BytesMut,
    pub(crate) format: F,
}

impl<F: Format> Ser<'_, F> {
    fn again(&mut self) -> Ser<'_, F> {
        Ser { out: self.out, format: self.format }
    }
}

impl<'a, F: Format> Ser<'a, F> {
    fn array(self, length: Option<usize>) -> Items<'a, F> {
        let mark = self.format.open_array(self.out, length.unwrap_or_default());
        Items { ser: self, mark, written: 0, wrapped: None }
    }

    fn map(self, length: Option<usize>) -> Items<'a, F> {
        let mark = self.format.open_map(self.out, length.unwrap_or_default());
        Items { ser: self, mark, written: 0, wrapped: None }
    }

    /// Begins `{"variant": …}`.
    fn wrap(&mut self, variant: &str) -> Mark {
        let mark = self.format.open_map(self.out, 1);
        self.format.key(self.out, true, variant);
        mark
    }
}

macro_rules! integers {
    ($($name:ident $kind:ident;)*) => {
        $(fn $name(self, value: $kind) -> Result<(), Failure> {
            match (u64::try_from(value), i64::try_from(value)) {
                (Ok(value), _) => self.format.unsigned(self.out, value),
                (Err(_), Ok(value)) => self.format.negative(self.out, value),
                // Only a 128-bit integer is neither.
                (Err(_), Err(_)) => {
                    let negative = (value as i128) < 0 && $kind::MIN != 0;
                    let size = if negative { (value as i128).unsigned_abs() } else { value as u128 };
                    self.format.wide(self.out, negative, size)?;
                }
            }
            Ok(())
        })*
    };
}

impl<'a, F: Format> Serializer for Ser<'a, F> {
    type Ok = ();
    type Error = Failure;
    type SerializeSeq = Items<'a, F>;
    type SerializeTuple = Items<'a, F>;
    type SerializeTupleStruct = Items<'a, F>;
    type SerializeTupleVariant = Items<'a, F>;
    type SerializeMap = Items<'a, F>;
    type SerializeStruct = Items<'a, F>;
    type SerializeStructVariant = Items<'a, F>;

    integers! {
        serialize_i8 i8; serialize_i16 i16; serialize_i32 i32; serialize_i64 i64; serialize_i128 i128;
        serialize_u8 u8; serialize_u16 u16; serialize_u32 u32; serialize_u64 u64; serialize_u128 u128;
    }

    fn serialize_bool(self, value: bool) -> Result<(), Failure> {
        self.format.bool(self.out, value);
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result<(), Failure> {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<(), Failure> {
        self.format.float(self.out, value);
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), Failure> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), Failure> {
        self.format.text(self.out, value);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Failure> {
        self.format.bytes(self.out, value);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Failure> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Failure> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Failure> {
        self.format.null(self.out);
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), Failure> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<(), Failure> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Failure> {
        if name == date::NAME {
            let text = value.serialize(KeyText)?;
            self.format.date(self.out, date::parse(&text).unwrap_or(f64::NAN));
            return Ok(());
        }
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        mut self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Failure> {
        let mark = self.wrap(variant);
        value.serialize(self.again())?;
        self.format.close_map(self.out, mark, 1);
        Ok(())
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Items<'a, F>, Failure> {
        Ok(self.array(length))
    }

    fn serialize_tuple(self, length: usize) -> Result<Items<'a, F>, Failure> {
        Ok(self.array(Some(length)))
    }

    fn serialize_tuple_struct(self, _name: &'static str, length: usize) -> Result<Items<'a, F>, Failure> {
        Ok(self.array(Some(length)))
    }

    fn serialize_tuple_variant(
        mut self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Items<'a, F>, Failure> {
        let wrapped = Some(self.wrap(variant));
        Ok(Items { wrapped, ..self.array(Some(length)) })
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Items<'a, F>, Failure> {
        Ok(self.map(length))
    }

    fn serialize_struct(self, _name: &'static str, length: usize) -> Result<Items<'a, F>, Failure> {
        Ok(self.map(Some(length)))
    }

    fn serialize_struct_variant(
        mut self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Items<'a, F>, Failure> {
        let wrapped = Some(self.wrap(variant));
        Ok(Items { wrapped, ..self.map(Some(length)) })
    }
}

/// An array or map that is being written.
pub(crate) struct Items<'a, F> {
    ser: Ser<'a, F>,
    mark: Mark,
    written: usize,
    /// The map with one key that contains the content of an enum's variant.
    wrapped: Option<Mark>,
}

impl<F: Format> Items<'_, F> {
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failure> {
        self.ser.format.element(self.ser.out, self.written == 0);
        self.written = self.written.saturating_add(1);
        value.serialize(self.ser.again())
    }

    fn member<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Result<(), Failure> {
        self.ser.format.key(self.ser.out, self.written == 0, key);
        self.written = self.written.saturating_add(1);
        value.serialize(self.ser.again())
    }

    fn finish_array(&mut self) {
        self.ser.format.close_array(self.ser.out, self.mark, self.written);
        self.finish_variant();
    }

    fn finish_map(&mut self) {
        self.ser.format.close_map(self.ser.out, self.mark, self.written);
        self.finish_variant();
    }

    fn finish_variant(&mut self) {
        if let Some(mark) = self.wrapped {
            self.ser.format.close_map(self.ser.out, mark, 1);
        }
    }
}

macro_rules! arrays {
    ($($name:ident $function:ident;)*) => {
        $(impl<F: Format> $name for Items<'_, F> {
            type Ok = ();
            type Error = Failure;
            fn $function<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failure> {
                self.element(value)
            }
            fn end(mut self) -> Result<(), Failure> {
                self.finish_array();
                Ok(())
            }
        })*
    };
}

macro_rules! structs {
    ($($name:ident)*) => {
        $(impl<F: Format> $name for Items<'_, F> {
            type Ok = ();
            type Error = Failure;
            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Failure> {
                self.member(key, value)
            }
            fn end(mut self) -> Result<(), Failure> {
                self.finish_map();
                Ok(())
            }
        })*
    };
}

arrays! {
    SerializeSeq serialize_element;
    SerializeTuple serialize_element;
    SerializeTupleStruct serialize_field;
    SerializeTupleVariant serialize_field;
}
structs! { SerializeStruct SerializeStructVariant }

impl<F: Format> SerializeMap for Items<'_, F> {
    type Ok = ();
    type Error = Failure;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Failure> {
        let key = key.serialize(KeyText)?;
        self.ser.format.key(self.ser.out, self.written == 0, &key);
        self.written = self.written.saturating_add(1);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failure> {
        value.serialize(self.ser.again())
    }

    fn end(mut self) -> Result<(), Failure> {
        self.finish_map();
        Ok(())
    }
}
