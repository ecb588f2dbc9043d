//! Whether a node can be called.

use std::time::Instant;

/// What membership knows of a node. Stands in each snapshot, and nowhere beside it.
///
/// A node that takes no calls has no endpoints in the same snapshot, so the pick does not come across it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Availability {
    /// It is there.
    Online,
    /// It has left, or is missed.
    Offline {
        /// When it went.
        since: Instant,
    },
}

impl Availability {
    /// Whether calls and events may go to it.
    pub(crate) const fn takes_calls(self) -> bool {
        matches!(self, Self::Online)
    }

    /// Since when it is offline.
    pub(crate) const fn offline_since(self) -> Option<Instant> {
        match self {
            Self::Online => None,
            Self::Offline { since } => Some(since),
        }
    }
}
