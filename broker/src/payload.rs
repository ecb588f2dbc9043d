//! The body of a call, a reply or an event: a value, or its bytes.
//!
//! Within one process, a value is moved from the caller to the handler as it is. It is encoded only when it
//! leaves the process, when the other side wants another type, or when several readers need it.

use bytes::{Bytes, BytesMut};
use ligand_transporters::FrameBuf;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::codec::{Codec, DecodeError};
use crate::error::{Error, Result};
use crate::guard;

/// A body. It is not `Clone`, because a typed value is moved. [`Payload::share`] makes copies that are cheap.
pub struct Payload(Repr);

enum Repr {
    /// No value was given: `undefined` in Node.
    Empty,
    Raw(Codec, Bytes),
    Typed(Box<dyn Body>),
    Shared(Arc<SharedBody>),
}

/// A value that can encode itself.
trait Body: Any + Send {
    fn encode(&self, codec: Codec, out: &mut BytesMut) -> Result<()>;
}

impl<T: Serialize + Send + 'static> Body for T {
    fn encode(&self, codec: Codec, out: &mut BytesMut) -> Result<()> {
        encoding(|| codec.encode_into(self, out))
    }
}

/// Encodes a user's value. A panic in there becomes an error, because the caller may be a task of this crate.
fn encoding<T>(write: impl FnOnce() -> Result<T>) -> Result<T> {
    guard::run(write).unwrap_or_else(|panicked| {
        tracing::error!(panic = panicked.text(), "a value panicked when it was encoded");
        Err(Error::codec("a value could not be encoded: it panicked").with_hint(panicked.text()))
    })
}

/// The body of an event with several readers. It is encoded at most once, and decoded at most once for each
/// type.
struct SharedBody {
    typed: Option<Arc<dyn AnyBody>>,
    codec: Codec,
    encoded: OnceLock<Result<Bytes>>,
    /// The same body in another codec: the cluster's.
    wire: OnceLock<(Codec, Result<Bytes>)>,
    decoded: OnceLock<Arc<dyn Any + Send + Sync>>,
}

trait AnyBody: Send + Sync {
    fn encode(&self, codec: Codec) -> Result<Bytes>;
    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

impl<T: Serialize + Send + Sync + 'static> AnyBody for T {
    fn encode(&self, codec: Codec) -> Result<Bytes> {
        encoding(|| codec.encode(self))
    }
    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

/// What an absent body means: absent parameters are an empty object, and an absent result is null (Node's
/// `undefined`).
#[derive(Debug, Clone, Copy)]
pub(crate) enum Absent {
    Object,
    Null,
}

impl Absent {
    const fn written(self, codec: Codec) -> &'static [u8] {
        match self {
            Self::Object => codec.empty_object(),
            Self::Null => codec.null(),
        }
    }

    /// Decodes a body. Callers on Node.js may send null for "no parameters". So if null cannot be read as the
    /// type, the absent body is read instead.
    fn decode<T: DeserializeOwned>(self, codec: Codec, bytes: &[u8]) -> std::result::Result<T, DecodeError> {
        match codec.decode(bytes) {
            Err(_) if matches!(self, Self::Object) && bytes == codec.null() => {
                codec.decode(self.written(codec))
            }
            decoded => decoded,
        }
    }
}

impl Payload {
    /// No body: `undefined` in Node.
    #[must_use]
    pub const fn empty() -> Self {
        Self(Repr::Empty)
    }

    /// A value that is moved to a handler of the same type, and encoded for any other.
    pub fn typed<T: Serialize + Send + 'static>(value: T) -> Self {
        Self(Repr::Typed(Box::new(value)))
    }

    /// Encodes a value now. The value may be borrowed.
    ///
    /// # Errors
    /// When the value cannot be encoded.
    pub fn encode<T: Serialize + ?Sized>(value: &T, codec: Codec) -> Result<Self> {
        Ok(Self(Repr::Raw(codec, codec.encode(value)?)))
    }

    /// Bytes that are encoded with `codec`.
    #[must_use]
    pub fn from_encoded(codec: Codec, bytes: Bytes) -> Self {
        Self(Repr::Raw(codec, bytes))
    }

    /// A value for several readers. See [`Shared`](crate::Shared).
    pub fn shared<T: Serialize + Send + Sync + 'static>(value: Arc<T>) -> Self {
        Self(Repr::Shared(Arc::new(SharedBody {
            typed: Some(value),
            codec: Codec::Json,
            encoded: OnceLock::new(),
            wire: OnceLock::new(),
            decoded: OnceLock::new(),
        })))
    }

    /// Whether there is no body.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self.0, Repr::Empty)
    }

    /// The value. It is moved if it is a `T`, and decoded otherwise. An absent body is read as an empty
    /// object.
    ///
    /// # Errors
    /// When the body cannot be read as a `T`. The error names the path of the field that does not fit.
    pub fn take<T: DeserializeOwned + 'static>(self) -> std::result::Result<T, DecodeError> {
        self.take_or(Absent::Object)
    }

    pub(crate) fn take_or<T: DeserializeOwned + 'static>(
        self,
        absent: Absent,
    ) -> std::result::Result<T, DecodeError> {
        match self.0 {
            Repr::Typed(body) => take_typed(body, absent),
            Repr::Raw(codec, bytes) => absent.decode(codec, &bytes),
            Repr::Empty => Codec::Json.decode(absent.written(Codec::Json)),
            Repr::Shared(body) => {
                let bytes = body.bytes().map_err(|error| whole(&error))?;
                body.codec.decode(&bytes)
            }
        }
    }

    /// The value as an [`Arc`], which all readers of one event share.
    pub(crate) fn take_shared<T: DeserializeOwned + Send + Sync + 'static>(
        self,
    ) -> std::result::Result<Arc<T>, DecodeError> {
        match self.0 {
            Repr::Shared(body) => body.read(),
            other => Self(other).take().map(Arc::new),
        }
    }

    /// The encoded body. The payload keeps its value. `None` means that there is no body.
    ///
    /// # Errors
    /// When the value cannot be encoded.
    pub fn peek(&self, codec: Codec) -> Result<Option<Bytes>> {
        match &self.0 {
            Repr::Empty => Ok(None),
            Repr::Raw(own, bytes) => respelt(*own, bytes, codec).map(Some),
            Repr::Typed(body) => {
                let mut out = BytesMut::with_capacity(128);
                body.encode(codec, &mut out)?;
                Ok(Some(out.freeze()))
            }
            Repr::Shared(body) => body.bytes_in(codec).map(Some),
        }
    }

    /// Appends the encoded body to a frame. An absent body appends nothing.
    pub(crate) fn write_to(&self, codec: Codec, frame: &mut FrameBuf<'_>) -> Result<()> {
        match &self.0 {
            Repr::Empty => Ok(()),
            Repr::Raw(own, bytes) if *own == codec => {
                frame.splice(bytes);
                Ok(())
            }
            Repr::Raw(own, bytes) => {
                frame.splice(&respelt(*own, bytes, codec)?);
                Ok(())
            }
            Repr::Typed(body) => body.encode(codec, frame.buf()),
            Repr::Shared(body) => {
                frame.splice(&body.bytes_in(codec)?);
                Ok(())
            }
        }
    }

    /// Encodes the body once, and returns a copy. Further copies are cheap.
    ///
    /// # Errors
    /// When the value cannot be encoded.
    pub fn share(&mut self, codec: Codec) -> Result<Self> {
        if let Repr::Typed(_) = &self.0
            && let Some(bytes) = self.peek(codec)?
        {
            guard::discard(std::mem::replace(&mut self.0, Repr::Raw(codec, bytes)));
        }
        Ok(match &self.0 {
            Repr::Raw(codec, bytes) => Self(Repr::Raw(*codec, bytes.clone())),
            Repr::Shared(body) => Self(Repr::Shared(Arc::clone(body))),
            Repr::Empty | Repr::Typed(_) => Self::empty(),
        })
    }

    /// Makes the body readable by several subscribers of one event.
    pub(crate) fn into_shared(mut self, codec: Codec) -> Result<Self> {
        self.share(codec)?;
        Ok(match self.0 {
            Repr::Raw(codec, bytes) => Self(Repr::Shared(Arc::new(SharedBody {
                typed: None,
                codec,
                encoded: OnceLock::from(Ok(bytes)),
                wire: OnceLock::new(),
                decoded: OnceLock::new(),
            }))),
            other => Self(other),
        })
    }

    /// A copy of a body that is cheap to copy. `None` for a typed value.
    pub(crate) fn copy(&self) -> Option<Self> {
        match &self.0 {
            Repr::Empty => Some(Self::empty()),
            Repr::Raw(codec, bytes) => Some(Self(Repr::Raw(*codec, bytes.clone()))),
            Repr::Shared(body) => Some(Self(Repr::Shared(Arc::clone(body)))),
            Repr::Typed(_) => None,
        }
    }

    /// Encodes the body even where it could be moved: for tests, and for actions that ask for it.
    pub(crate) fn through_codec(mut self, codec: Codec) -> Result<Self> {
        self.share(codec)?;
        Ok(self)
    }
}

/// Reads a typed value as a `T`: moves it, or sends it through the codec.
fn take_typed<T: DeserializeOwned + 'static>(
    body: Box<dyn Body>,
    absent: Absent,
) -> std::result::Result<T, DecodeError> {
    if (*body).type_id() == std::any::TypeId::of::<T>() {
        let body: Box<dyn Any> = body;
        let value = body.downcast::<T>().expect("the type ids were compared two lines above");
        return Ok(*value);
    }
    if (*body).type_id() == std::any::TypeId::of::<Value>() {
        let body: Box<dyn Any> = body;
        let value = body.downcast::<Value>().expect("the type ids were compared two lines above");
        if value.is_null() {
            return absent.decode(Codec::Json, b"null");
        }
        crate::codec::count();
        return crate::codec::from_value(&value);
    }
    let mut out = BytesMut::with_capacity(128);
    body.encode(Codec::Json, &mut out).map_err(|error| whole(&error))?;
    absent.decode(Codec::Json, &out)
}

fn whole(error: &Error) -> DecodeError {
    DecodeError { path: String::new(), message: error.message().to_owned() }
}

/// Converts bytes to another codec. This is rare: it happens only if somebody has chosen a codec by hand.
fn respelt(own: Codec, bytes: &Bytes, wanted: Codec) -> Result<Bytes> {
    if own == wanted {
        return Ok(bytes.clone());
    }
    let value: Value = own.decode(bytes).map_err(Error::codec)?;
    wanted.encode(&value)
}

impl SharedBody {
    /// The body for the network. It is encoded once for all receivers.
    fn bytes_in(&self, codec: Codec) -> Result<Bytes> {
        if codec == self.codec {
            return self.bytes();
        }
        let encode = || match &self.typed {
            Some(value) => value.encode(codec),
            None => respelt(self.codec, &self.bytes()?, codec),
        };
        match self.wire.get_or_init(|| (codec, encode())) {
            (own, bytes) if *own == codec => bytes.clone(),
            _ => encode(),
        }
    }

    fn bytes(&self) -> Result<Bytes> {
        let encode = || match &self.typed {
            Some(value) => value.encode(self.codec),
            None => Ok(Bytes::from_static(self.codec.null())),
        };
        self.encoded.get_or_init(encode).clone()
    }

    fn read<T: DeserializeOwned + Send + Sync + 'static>(&self) -> std::result::Result<Arc<T>, DecodeError> {
        if let Some(typed) = &self.typed
            && let Ok(value) = Arc::clone(typed).as_any().downcast::<T>()
        {
            return Ok(value);
        }
        if let Some(decoded) = self.decoded.get()
            && let Ok(value) = Arc::clone(decoded).downcast::<T>()
        {
            return Ok(value);
        }
        let bytes = self.bytes().map_err(|error| whole(&error))?;
        let value: Arc<T> = Arc::new(self.codec.decode(&bytes)?);
        // Kept for the next reader of the same type. Only the first type is kept.
        let _ = self.decoded.set(value.clone());
        Ok(value)
    }
}

impl From<Value> for Payload {
    fn from(value: Value) -> Self {
        Self::typed(value)
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The content is never printed, because it may contain customers' data.
        f.write_str(match self.0 {
            Repr::Empty => "Payload(empty)",
            Repr::Raw(..) => "Payload(encoded)",
            Repr::Typed(_) => "Payload(typed)",
            Repr::Shared(_) => "Payload(shared)",
        })
    }
}

/// Everything that can be given to a call or an event: any serializable value, or a [`Payload`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent: it is neither `serde::Serialize` nor a `Payload`",
    note = "derive `serde::Serialize` for it, or build a `Payload` by hand"
)]
pub trait IntoPayload {
    /// Makes the body.
    ///
    /// # Errors
    /// When the value cannot be encoded.
    fn into_payload(self, codec: Codec) -> Result<Payload>;
}

impl<T: Serialize> IntoPayload for T {
    fn into_payload(self, codec: Codec) -> Result<Payload> {
        Payload::encode(&self, codec)
    }
}

impl IntoPayload for Payload {
    fn into_payload(self, _codec: Codec) -> Result<Payload> {
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::runs;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Pair {
        a: i64,
        b: i64,
    }

    #[test]
    fn a_value_of_the_wanted_type_is_moved_without_any_codec() {
        let before = runs();
        let pair: Pair = Payload::typed(Pair { a: 1, b: 2 }).take().unwrap();
        assert_eq!((pair, runs()), (Pair { a: 1, b: 2 }, before));
    }

    #[test]
    fn a_value_of_another_type_goes_through_the_codec() {
        let value: Value = Payload::typed(Pair { a: 1, b: 2 }).take().unwrap();
        assert_eq!(value, json!({ "a": 1, "b": 2 }));
        let pair: Pair = Payload::from(json!({ "a": 1, "b": 2 })).take().unwrap();
        assert_eq!(pair, Pair { a: 1, b: 2 });
    }

    #[test]
    fn what_does_not_fit_is_named_by_its_path() {
        let error = Payload::from(json!({ "a": 1, "b": "x" })).take::<Pair>().unwrap_err();
        assert_eq!(error.path, "b");
        let raw = Payload::encode(&json!({ "a": 1, "b": "x" }), Codec::Json).unwrap();
        assert_eq!(raw.take::<Pair>().unwrap_err(), error);
    }

    #[test]
    fn an_absent_body_is_an_empty_object_as_params_and_null_as_a_result() {
        assert_eq!(Payload::empty().take::<Value>().unwrap(), json!({}));
        assert_eq!(Payload::empty().take_or::<Value>(Absent::Null).unwrap(), Value::Null);
    }

    #[test]
    fn several_readers_of_one_event_share_one_decoded_value() {
        let raw = Payload::encode(&Pair { a: 1, b: 2 }, Codec::Json).unwrap();
        let event = raw.into_shared(Codec::Json).unwrap();
        let before = runs();
        let first = event.copy().unwrap().take_shared::<Pair>().unwrap();
        let second = event.copy().unwrap().take_shared::<Pair>().unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(runs(), before + 1);
    }
}
