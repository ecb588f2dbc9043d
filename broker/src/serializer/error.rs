//! Why a frame could not be decoded, and what could still be read.

use ligand_transporters::{InvalidId, NodeId};
use std::fmt;

use super::Bound;
use crate::protocol::{ForeignId, ProtocolVersion};

/// A frame that could not be decoded.
///
/// A caller that gets no answer waits for its timeout, which may be for ever. So this contains the receiver
/// of an answer: if `id` and `sender` could be read, an error response can be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DecodeError {
    /// What is wrong.
    pub(crate) problem: Problem,
    /// The id of the packet, if it was found.
    pub(crate) id: Option<ForeignId>,
    /// The sender of the packet, if it was found.
    pub(crate) sender: Option<NodeId>,
    /// The version of the packet, if it was found and is supported.
    pub(crate) ver: Option<ProtocolVersion>,
}

#[cfg(test)]
impl DecodeError {
    /// The id and the sender for an error response.
    pub(crate) fn answer_to(&self) -> Option<(&str, &NodeId)> {
        Some((self.id.as_ref()?.as_str(), self.sender.as_ref()?))
    }
}

impl From<Problem> for DecodeError {
    fn from(problem: Problem) -> Self {
        Self { problem, id: None, sender: None, ver: None }
    }
}

#[cfg(test)]
impl Problem {
    /// What exceeds a limit: its name, the option, the limit, and the size.
    pub(crate) fn exceeded(&self) -> Option<(&'static str, Option<&'static str>, usize, usize)> {
        match self {
            Self::Limit { what, bound, limit, size } => {
                Some((what, bound.and_then(Bound::option), *limit, *size))
            }
            _ => None,
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.fmt(f)
    }
}

impl std::error::Error for DecodeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.problem)
    }
}

/// What is wrong with a frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Problem {
    /// The frame has no content.
    #[error("the frame is empty")]
    Empty,
    /// It is not JSON, or not only.
    #[error("malformed JSON at byte {at}: {what}")]
    Syntax {
        /// Offset in the frame.
        at: usize,
        /// What was found, or what is missing.
        what: &'static str,
    },
    /// No serializer of this kind writes such bytes.
    #[error("malformed {codec} at byte {at}: {what}")]
    Malformed {
        /// The name of the serializer.
        codec: &'static str,
        /// Offset in the frame.
        at: usize,
        /// What was found, or what is missing.
        what: &'static str,
    },
    /// It is a value, but not an object.
    #[error("the packet is not an object")]
    NotAnObject,
    /// A required field is missing.
    #[error("`{field}` is missing")]
    Missing {
        /// Its name.
        field: &'static str,
    },
    /// A field has an invalid value.
    #[error("`{field}` must be {expected}")]
    Wrong {
        /// Its name.
        field: &'static str,
        /// What is accepted.
        expected: &'static str,
    },
    /// The id of the sender is invalid.
    #[error("`sender` is no node id: {0}")]
    Sender(#[from] InvalidId),
    /// This serializer does not know this kind of packet.
    #[error("packets of this kind cannot be read")]
    UnknownKind,
    /// Something exceeds a limit.
    #[error("{what} exceeds the limit of {limit}")]
    Limit {
        /// What exceeds it.
        what: &'static str,
        /// The limit of the broker. `None` if the limit follows from something else.
        bound: Option<Bound>,
        /// The limit.
        limit: usize,
        /// The size, or a lower bound of it.
        size: usize,
    },
}
