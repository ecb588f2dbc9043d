//! Encodes values to bytes, and decodes them.
//!
//! Every body that crosses the network passes through this module, and nothing else does: a call between two
//! Rust services in one process moves its values. [`runs`] counts the passes, so that a test can prove it.
//!
//! JSON uses `serde_json`. The other formats share one reader and one writer for serde ([`de`], [`ser`]),
//! which see a value as a row of parts ([`token`]). A format defines how a part is written.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

mod base64;
#[cfg(test)]
mod buffered;
mod cbor;
mod data;
pub(crate) mod date;
mod de;
mod failure;
#[cfg(test)]
mod golden;
mod json_ext;
mod keys;
mod mended;
mod msgpack;
mod ser;
mod shown;
pub(crate) mod token;
mod transcode;

use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt;

use crate::error::Error;
pub(crate) use cbor::Cbor;
pub(crate) use data::{from_error_data, to_error_data};
pub use date::Date;
use de::De;
pub(crate) use failure::Failure;
pub(crate) use json_ext::{JsonExt, has_special};
pub(crate) use mended::read_json;
pub(crate) use msgpack::MsgPack;
use ser::Ser;
use shown::Shown;
use token::{Fault, Format};
pub(crate) use transcode::{from_json, to_json};

/// How many levels deep containers may be nested. It is the limit of `serde_json`.
pub(crate) const MAX_DEPTH: usize = 128;

/// The encoding of bodies. All nodes of a cluster use the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Codec {
    /// JSON, Moleculer's default.
    #[default]
    Json,
    /// JSON with prefixed strings for dates, Buffers and BigInts.
    JsonExt,
    /// MessagePack as `msgpack5` writes it.
    MsgPack,
    /// MessagePack as `notepack.io` writes it.
    Notepack,
    /// CBOR as `cbor-x` writes it.
    Cbor,
}

impl Codec {
    /// The name of the serializer in a configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::JsonExt => "JSONExt",
            Self::MsgPack => "MsgPack",
            Self::Notepack => "Notepack",
            Self::Cbor => "CBOR",
        }
    }

    /// Encodes a value into new bytes.
    ///
    /// # Errors
    /// When the value cannot be written, for example a map whose keys are not strings.
    pub fn encode<T: Serialize + ?Sized>(self, value: &T) -> Result<Bytes, Error> {
        let mut out = BytesMut::with_capacity(128);
        self.encode_into(value, &mut out)?;
        Ok(out.freeze())
    }

    pub(crate) fn encode_into<T: Serialize + ?Sized>(
        self,
        value: &T,
        out: &mut BytesMut,
    ) -> Result<(), Error> {
        fn write<T: Serialize + ?Sized>(
            value: &T,
            format: impl Format,
            out: &mut BytesMut,
        ) -> Result<(), Error> {
            value.serialize(Ser { out, format }).map_err(Error::codec)
        }
        count();
        match self {
            Self::Json => serde_json::to_writer(out.writer(), value).map_err(Error::codec),
            Self::JsonExt => write(value, JsonExt, out),
            Self::MsgPack => write(value, MsgPack::Msgpack5, out),
            Self::Notepack => write(value, MsgPack::Notepack, out),
            Self::Cbor => write(value, Cbor, out),
        }
    }

    /// Decodes a whole value.
    ///
    /// # Errors
    /// When the bytes are not a `T`. The message contains the path to the first field that does not fit.
    pub fn decode<T: DeserializeOwned>(self, bytes: &[u8]) -> Result<T, DecodeError> {
        fn from<'a, T: DeserializeOwned, R: token::Read<'a> + Clone>(
            reader: &R,
            shown: &'a Shown,
        ) -> Result<T, DecodeError> {
            read(|| De::new(reader.clone(), MAX_DEPTH).shown(shown), shown)
        }
        count();
        let shown = Shown::default;
        match self {
            Self::Json => serde_json::from_slice(bytes).or_else(|error| json_again(bytes, &error)),
            Self::JsonExt => match JsonExt.checked(bytes, MAX_DEPTH) {
                Ok(reader) => from(&reader, &shown()),
                Err(Fault(what)) => Err(DecodeError { path: String::new(), message: what.to_owned() }),
            },
            Self::MsgPack => from(&MsgPack::Msgpack5.reader(bytes), &shown()),
            Self::Notepack => from(&MsgPack::Notepack.reader(bytes), &shown()),
            Self::Cbor => from(&Cbor.reader(bytes), &shown()),
        }
    }

    /// Null in this codec.
    pub(crate) const fn null(self) -> &'static [u8] {
        match self {
            Self::Json | Self::JsonExt => b"null",
            Self::MsgPack | Self::Notepack => b"\xC0",
            Self::Cbor => b"\xF6",
        }
    }

    /// An empty object in this codec.
    pub(crate) const fn empty_object(self) -> &'static [u8] {
        match self {
            Self::Json | Self::JsonExt => b"{}",
            Self::MsgPack | Self::Notepack => b"\x80",
            Self::Cbor => b"\xB9\0\0",
        }
    }
}

/// Reads a whole value. It is read again if [`Shown`] has learned something.
fn read<'a, T: DeserializeOwned, R: token::Read<'a>>(
    from_the_beginning: impl Fn() -> De<'a, R>,
    shown: &Shown,
) -> Result<T, DecodeError> {
    loop {
        let mut input = from_the_beginning();
        let value = T::deserialize(&mut input).and_then(|value| input.end().map(|()| value));
        match value {
            _ if shown.again(value.is_ok()) => {}
            Ok(value) => return Ok(value),
            Err(_) => break,
        }
    }
    // Decoded again to find the path. Only failures cost this.
    shown.settle();
    let mut input = from_the_beginning();
    let value = serde_path_to_error::deserialize(&mut input).map_err(DecodeError::from)?;
    let whole = |failure: Failure| DecodeError { path: String::new(), message: failure.0 };
    input.end().map(|()| value).map_err(whole)
}

/// Reads JSON again after `serde_json` has failed. The JSON may contain what only JavaScript reads, or an
/// integer that is written as a float. Otherwise, this finds the path of the error. Only failures cost this.
fn json_again<T: DeserializeOwned>(bytes: &[u8], error: &serde_json::Error) -> Result<T, DecodeError> {
    let mended = mended::mended_after(error, bytes);
    let bytes = mended.as_deref().unwrap_or(bytes);
    let shown = &Shown::default();
    let lenient = match JsonExt.checked(bytes, MAX_DEPTH) {
        Ok(reader) => Some(read(|| De::new(reader.clone().plain(), MAX_DEPTH).shown(shown), shown)),
        // Malformed.
        Err(_) => None,
    };
    if let Some(Ok(value)) = lenient {
        return Ok(value);
    }
    let mut input = serde_json::Deserializer::from_slice(bytes);
    let strict = serde_path_to_error::deserialize(&mut input).map_err(DecodeError::from).and_then(|value| {
        let whole = |error: serde_json::Error| DecodeError { path: String::new(), message: plainly(&error) };
        input.end().map(|()| value).map_err(whole)
    });
    match (strict, lenient) {
        // The error is after a float that is valid.
        (Err(strict), Some(Err(lenient))) if strict.message.starts_with("invalid type: floating point") => {
            Err(lenient)
        }
        (strict, _) => strict,
    }
}

/// A JSON value as a `T`. Whole floats are integers if the type asks for integers.
///
/// # Errors
/// The same as for [`Codec::decode`].
pub(crate) fn from_value<T: DeserializeOwned>(value: &Value) -> Result<T, DecodeError> {
    T::deserialize(value).or_else(|_| Codec::Json.decode(value.to_string().as_bytes()))
}

/// A value as JSON, for everything that is JSON within the process: meta, headers, definitions of services.
///
/// # Errors
/// Says that `what` cannot be written, and which part of it is the reason.
pub(crate) fn to_value<T: Serialize + ?Sized>(what: impl fmt::Display, value: &T) -> Result<Value, Error> {
    as_value(value).map_err(|why| Error::codec(format_args!("{what} {why}")))
}

/// Like [`to_value`], for callers that add later what cannot be written.
pub(crate) fn as_value<T: Serialize + ?Sized>(value: &T) -> Result<Value, String> {
    serde_json::to_value(value).map_err(|error| {
        // Written again to find the path. Only failures cost this.
        let mut track = serde_path_to_error::Track::new();
        let json = serde_json::value::Serializer;
        let at = match value.serialize(serde_path_to_error::Serializer::new(json, &mut track)) {
            Err(_) => track.path().to_string(),
            Ok(_) => String::new(),
        };
        let at = if matches!(&*at, "" | ".") { String::new() } else { format!(" at `{at}`") };
        format!("cannot be written as JSON{at}: {error}")
    })
}

/// A body that does not have the type that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", if path.is_empty() { String::new() } else { format!("{path}: ") })]
pub struct DecodeError {
    /// The path of the field, such as `lines[2].price`. Empty for the whole body.
    pub path: String,
    /// What was expected, and what was found.
    pub message: String,
}

impl From<serde_path_to_error::Error<serde_json::Error>> for DecodeError {
    fn from(error: serde_path_to_error::Error<serde_json::Error>) -> Self {
        let path = error.path().to_string();
        let path = if path == "." { String::new() } else { path };
        Self { path, message: plainly(&error.into_inner()) }
    }
}

/// Removes the position in the text that `serde_json` adds. It means nothing to a caller.
fn plainly(error: &serde_json::Error) -> String {
    error.to_string().split(" at line ").next().unwrap_or_default().to_owned()
}

impl From<serde_path_to_error::Error<Failure>> for DecodeError {
    fn from(error: serde_path_to_error::Error<Failure>) -> Self {
        let path = error.path().to_string();
        let path = if path == "." { String::new() } else { path };
        Self { path, message: error.into_inner().0 }
    }
}

#[cfg(any(test, feature = "testing"))]
thread_local! {
    static RUNS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// How many values have been encoded or decoded on this thread.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn runs() -> u64 {
    RUNS.with(std::cell::Cell::get)
}

pub(crate) fn count() {
    #[cfg(any(test, feature = "testing"))]
    RUNS.with(|runs| runs.set(runs.get().wrapping_add(1)));
}
