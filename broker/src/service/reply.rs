//! The result of a handler.

use serde::Serialize;
use std::fmt;

use crate::payload::Payload;

/// The result of an action.
#[derive(Debug)]
pub struct Reply {
    pub(crate) body: Payload,
    pub(crate) stream: Option<StreamSeat>,
}

/// Streams are not supported: nothing can make one, and a packet that opens one is refused.
pub(crate) enum StreamSeat {}

impl fmt::Debug for StreamSeat {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl Reply {
    /// A reply without a result: `undefined` in Node.
    #[must_use]
    pub fn empty() -> Self {
        Self::from(Payload::empty())
    }

    /// A reply with a value. It is moved to a caller in this process that wants the same type, and encoded
    /// for all others.
    pub fn typed<T: Serialize + Send + 'static>(value: T) -> Self {
        Self::from(Payload::typed(value))
    }

    /// The body.
    #[must_use]
    pub fn into_body(self) -> Payload {
        match self.stream {
            None => self.body,
            Some(stream) => match stream {},
        }
    }

    /// Borrows the body.
    #[must_use]
    pub fn body(&self) -> &Payload {
        &self.body
    }
}

impl From<Payload> for Reply {
    #[inline]
    fn from(body: Payload) -> Self {
        Self { body, stream: None }
    }
}
