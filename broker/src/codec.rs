//! Turning values into bytes and back.
//!
//! Every body that crosses the network passes here, and nothing else does: a call between two Rust
//! services in one process moves its values. [`runs`] counts the passes, so that a test can prove it.

use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;

/// How bodies are written. One per cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Codec {
    /// JSON, Moleculer's default.
    #[default]
    Json,
}

impl Codec {
    /// Encodes a value into new bytes.
    ///
    /// # Errors
    /// When the value cannot be written, for example a map whose keys are not texts.
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
        count();
        match self {
            Self::Json => serde_json::to_writer(out.writer(), value).map_err(Error::codec),
        }
    }

    /// Decodes a whole value.
    ///
    /// # Errors
    /// When the bytes are not a `T`; the message holds the path to the first field that did not fit.
    pub fn decode<T: DeserializeOwned>(self, bytes: &[u8]) -> Result<T, DecodeError> {
        count();
        match self {
            Self::Json => serde_json::from_slice(bytes).or_else(|_| {
                // Decoded a second time to learn the path: only failures pay for it.
                let mut input = serde_json::Deserializer::from_slice(bytes);
                serde_path_to_error::deserialize(&mut input).map_err(DecodeError::from)
            }),
        }
    }
}

/// A body that is not what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", if path.is_empty() { String::new() } else { format!("{path}: ") })]
pub struct DecodeError {
    /// Path to the field, for example `lines[2].price`; empty for the whole.
    pub path: String,
    /// What was expected and what was there.
    pub message: String,
}

impl From<serde_path_to_error::Error<serde_json::Error>> for DecodeError {
    fn from(error: serde_path_to_error::Error<serde_json::Error>) -> Self {
        let path = error.path().to_string();
        let path = if path == "." { String::new() } else { path };
        // serde_json adds a position in the text, which means nothing to a caller.
        let message = error.into_inner().to_string();
        let message = message.split(" at line ").next().unwrap_or_default().to_owned();
        Self { path, message }
    }
}

#[cfg(any(test, feature = "testing"))]
thread_local! {
    static RUNS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// How often a value was encoded or decoded on this thread.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn runs() -> u64 {
    RUNS.with(std::cell::Cell::get)
}

pub(crate) fn count() {
    #[cfg(any(test, feature = "testing"))]
    RUNS.with(|runs| runs.set(runs.get() + 1));
}
