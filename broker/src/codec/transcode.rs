//! Converts a value from one format to another, part by part, without holding it as a whole.

use bytes::BytesMut;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{Error as _, Serialize, SerializeMap, SerializeSeq, Serializer};
use std::cell::Cell;
use std::fmt;

use super::de::De;
use super::failure::Failure;
use super::mended::mended;
use super::ser::Ser;
use super::token::Format;

/// Converts a JSON value to `format`. Bytes that are not JSON, even for JavaScript, become null.
pub(crate) fn from_json<F: Format>(json: &[u8], format: F, out: &mut BytesMut) {
    let start = out.len();
    let mut write = |json: &[u8]| {
        let mut input = serde_json::Deserializer::from_slice(json);
        out.truncate(start);
        Transcode::new(&mut input).serialize(Ser { out: &mut *out, format })
    };
    if write(json).is_err() && mended(json).is_none_or(|mended| write(&mended).is_err()) {
        out.truncate(start);
        format.null(out);
    }
}

/// Converts a value in `format` to JSON of at most `limit` bytes.
pub(crate) fn to_json<F: Format>(
    bytes: &[u8],
    format: F,
    depth: usize,
    limit: usize,
) -> Result<Vec<u8>, Failure> {
    let mut out = Bounded { text: Vec::with_capacity(bytes.len().min(limit)), limit };
    let mut input = De::new(format.reader(bytes), depth);
    let mut writer = serde_json::Serializer::new(&mut out);
    Transcode::new(&mut input).serialize(&mut writer).map_err(|error| Failure(error.to_string()))?;
    input.end()?;
    Ok(out.text)
}

/// Text with a bounded size.
struct Bounded {
    text: Vec<u8>,
    limit: usize,
}

impl std::io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.text.len().saturating_add(bytes.len()) > self.limit {
            return Err(std::io::Error::other(Failure::TOO_LARGE));
        }
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A value that is read while it is written.
struct Transcode<D>(Cell<Option<D>>);

impl<D> Transcode<D> {
    const fn new(input: D) -> Self {
        Self(Cell::new(Some(input)))
    }
}

impl<'de, D: Deserializer<'de>> Serialize for Transcode<D> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let input = self.0.take().ok_or_else(|| S::Error::custom("a value can be read only once"))?;
        input.deserialize_any(Write(serializer)).map_err(S::Error::custom)
    }
}

/// Writes what it visits.
struct Write<S>(S);

/// Writes the next value of an array.
struct Element<'s, S>(&'s mut S);

impl<'de, S: SerializeSeq> DeserializeSeed<'de> for Element<'_, S> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        self.0.serialize_element(&Transcode::new(input)).map_err(D::Error::custom)
    }
}

/// Writes the next member of an object.
struct Member<'s, S>(&'s mut S, String);

impl<'de, S: SerializeMap> DeserializeSeed<'de> for Member<'_, S> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        self.0.serialize_entry(&self.1, &Transcode::new(input)).map_err(D::Error::custom)
    }
}

impl<'de, S: Serializer> Visitor<'de> for Write<S> {
    type Value = S::Ok;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value that can be written")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<S::Ok, E> {
        self.0.serialize_unit().map_err(E::custom)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<S::Ok, E> {
        self.0.serialize_bool(value).map_err(E::custom)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<S::Ok, E> {
        self.0.serialize_u64(value).map_err(E::custom)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<S::Ok, E> {
        self.0.serialize_i64(value).map_err(E::custom)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<S::Ok, E> {
        self.0.serialize_f64(value).map_err(E::custom)
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<S::Ok, E> {
        self.0.serialize_str(value).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<S::Ok, A::Error> {
        let mut seq = self.0.serialize_seq(None).map_err(A::Error::custom)?;
        while items.next_element_seed(Element(&mut seq))?.is_some() {}
        seq.end().map_err(A::Error::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<S::Ok, A::Error> {
        let mut map = self.0.serialize_map(None).map_err(A::Error::custom)?;
        while let Some(key) = items.next_key::<String>()? {
            items.next_value_seed(Member(&mut map, key))?;
        }
        map.end().map_err(A::Error::custom)
    }
}
