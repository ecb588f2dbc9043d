//! Why a frame is no packet, and what could be read of it nevertheless.

use ligand_transporters::{InvalidId, NodeId};
use std::fmt;

use super::Bound;
use crate::protocol::{ForeignId, ProtocolVersion};

/// A frame that could not be decoded.
///
/// A caller that gets no answer waits for its timeout, which may be for ever, so this carries whom to
/// answer: an error response can be sent where `id` and `sender` could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DecodeError {
    /// What is wrong.
    pub(crate) problem: Problem,
    /// The packet's id, if one could be found.
    pub(crate) id: Option<ForeignId>,
    /// The packet's sender, if one could be found.
    pub(crate) sender: Option<NodeId>,
    /// The packet's version, if one that we speak could be found.
    pub(crate) ver: Option<ProtocolVersion>,
}

#[cfg(test)]
impl DecodeError {
    /// The id and sender to which an error response can be sent.
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
    /// What exceeds a limit: its name, the option, how much is allowed, and how much there is.
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
    /// It is no JSON, or not only.
    #[error("malformed JSON at byte {at}: {what}")]
    Syntax {
        /// Offset in the frame.
        at: usize,
        /// What is there or is missing.
        what: &'static str,
    },
    /// It is nothing that the serializer could have written.
    #[error("malformed {codec} at byte {at}: {what}")]
    Malformed {
        /// Name of the serializer.
        codec: &'static str,
        /// Offset in the frame.
        at: usize,
        /// What is there or is missing.
        what: &'static str,
    },
    /// It is a value, but not what a packet is made of.
    #[error("the packet is not an object")]
    NotAnObject,
    /// A field that must be there is not.
    #[error("`{field}` is missing")]
    Missing {
        /// Its name.
        field: &'static str,
    },
    /// A field has a value that it cannot have.
    #[error("`{field}` must be {expected}")]
    Wrong {
        /// Its name.
        field: &'static str,
        /// What would be accepted.
        expected: &'static str,
    },
    /// The sender's id is unusable.
    #[error("`sender` is no node id: {0}")]
    Sender(#[from] InvalidId),
    /// A kind of packet that this serializer does not know.
    #[error("packets of this kind cannot be read")]
    UnknownKind,
    /// Something is larger than allowed.
    #[error("{what} exceeds the limit of {limit}")]
    Limit {
        /// What.
        what: &'static str,
        /// Which of the broker's limits; `None` for one that follows from something else.
        bound: Option<Bound>,
        /// How much of it is allowed.
        limit: usize,
        /// How much there is, or at least is.
        size: usize,
    },
}
