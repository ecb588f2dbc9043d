//! Values and texts that stay in the buffer in which they were received.

use bytes::Bytes;
use std::fmt;

use super::Id;

/// A complete value, as bytes that share the frame in which they arrived. `params` and `data` are in the
/// codec of the node, everything else is in JSON.
///
/// The decoder has checked that it is well-formed, within the depth limit and valid UTF-8. Only code that
/// needs its content decodes it: for `params`, the deserializer of a handler.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Raw(Bytes);

impl Raw {
    /// Wraps bytes that are known to be one complete value.
    pub(crate) const fn new(value: Bytes) -> Self {
        Self(value)
    }

    /// A value that is written in the source.
    pub(crate) const fn from_static(json: &'static str) -> Self {
        Self(Bytes::from_static(json.as_bytes()))
    }

    /// JSON `null`.
    pub(crate) const fn null() -> Self {
        Self::from_static("null")
    }

    /// JSON `{}`.
    pub(crate) const fn empty_object() -> Self {
        Self::from_static("{}")
    }

    /// The bytes.
    pub(crate) const fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// The bytes, without another reference.
    pub(crate) fn into_bytes(self) -> Bytes {
        self.0
    }

    /// The text, for text codecs.
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Whether this is JSON `null`.
    pub(crate) fn is_null(&self) -> bool {
        self.0.as_ref() == b"null"
    }

    /// The same value in memory of its own, so that keeping it does not keep a whole receive buffer alive.
    pub(crate) fn detached(&self) -> Self {
        match self.0.as_ref() {
            b"{}" => Self::empty_object(),
            b"[]" => Self::from_static("[]"),
            value => Self(Bytes::copy_from_slice(value)),
        }
    }
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A position in a frame. The decoder limits frames to 4 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    /// Its first byte.
    pub(crate) start: u32,
    /// The position after the last byte. It equals `start` if the value is absent, since no value is empty.
    pub(crate) end: u32,
}

impl Span {
    /// The bytes at this position. Empty if the frame is not the one for which the position was made.
    pub(crate) fn of(self, frame: &[u8]) -> &[u8] {
        frame.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// A view of the frame. `None` if the value is absent.
    pub(crate) fn raw(self, frame: &Bytes) -> Option<Raw> {
        let bytes = self.of(frame);
        (!bytes.is_empty()).then(|| Raw(frame.slice_ref(bytes)))
    }
}

/// A value that is JSON within this process, whichever serializer the cluster uses: `meta`, `headers` and
/// errors are small, and are merged and kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// The frame holds it as JSON.
    InFrame(Span),
    /// It was converted.
    Rewritten(Box<Raw>),
}

impl Part {
    /// The value. `None` if it is absent.
    pub(crate) fn raw(&self, frame: &Bytes) -> Option<Raw> {
        match self {
            Self::InFrame(span) => span.raw(frame),
            Self::Rewritten(raw) => Some(Raw::clone(raw)),
        }
    }
}

impl Default for Part {
    fn default() -> Self {
        Self::InFrame(Span::default())
    }
}

impl From<Span> for Part {
    fn from(span: Span) -> Self {
        Self::InFrame(span)
    }
}

impl From<Raw> for Part {
    fn from(raw: Raw) -> Self {
        Self::Rewritten(Box::new(raw))
    }
}

/// A text in a packet. It stays in the frame if it has no escapes there. Otherwise it is unescaped on the
/// heap.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum TextSpan {
    /// Missing or null.
    #[default]
    Absent,
    /// The frame contains it without escapes.
    Plain(Span),
    /// The frame contains it with escapes.
    Unescaped(Box<str>),
    /// A number, for ids that may be numbers, in its JSON form.
    Number(Box<str>),
}

impl TextSpan {
    /// The text. `None` if it is missing or null.
    pub(crate) fn get<'a>(&'a self, frame: &'a [u8]) -> Option<&'a str> {
        match self {
            Self::Absent => None,
            Self::Plain(span) => std::str::from_utf8(span.of(frame)).ok(),
            Self::Unescaped(text) | Self::Number(text) => Some(text),
        }
    }

    /// The text as an id, which may have been a number.
    pub(crate) fn id<'a>(&'a self, frame: &'a [u8]) -> Option<Id<'a>> {
        match self {
            Self::Number(number) => Some(Id::Number(number)),
            text => text.get(frame).map(Id::Text),
        }
    }
}
