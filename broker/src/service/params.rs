//! The types that handlers take their parameters with.

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::ops::Deref;
use std::sync::Arc;

use crate::codec::DecodeError;
use crate::payload::Payload;

/// The whole object of parameters of an action, or the whole body of an event, instead of its fields.
///
///
/// Only `#[service]` interprets it: `Params(cart): Params<Cart>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Params<T>(pub T);

/// No parameters. Written as `{}`, and read from anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Empty;

impl Serialize for Empty {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;
        serializer.serialize_map(Some(0))?.end()
    }
}

impl<'de> Deserialize<'de> for Empty {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

/// The body of an event, shared by all its subscribers in one process. A value that was emitted in this
/// process is shared as it is. A body that came over the network is decoded once.
#[derive(Debug)]
pub struct Shared<T>(pub Arc<T>);

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

/// What an event handler can take: any type that can be decoded, [`Shared`], or the [`Payload`] itself.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from an event",
    note = "it must implement `serde::Deserialize` and own its data, or be `Shared<T>` or `Payload`"
)]
pub trait EventData: Sized + Send + 'static {
    /// Reads the body.
    ///
    /// # Errors
    /// When the body cannot be read as this type.
    fn from_payload(payload: Payload) -> Result<Self, DecodeError>;
}

impl<T: DeserializeOwned + Send + 'static> EventData for T {
    fn from_payload(payload: Payload) -> Result<Self, DecodeError> {
        payload.take_or(crate::payload::Absent::Null)
    }
}

impl<T: DeserializeOwned + Send + Sync + 'static> EventData for Shared<T> {
    fn from_payload(payload: Payload) -> Result<Self, DecodeError> {
        payload.take_shared().map(Self)
    }
}

impl EventData for Payload {
    fn from_payload(payload: Payload) -> Result<Self, DecodeError> {
        Ok(payload)
    }
}
