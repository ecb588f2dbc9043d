//! How far the start of this node has come, from the view of other nodes.

use std::sync::atomic::{AtomicU8, Ordering};

use super::Transit;

/// How far the start has come. It only moves forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Standing {
    /// It is not known yet whether another node has our id. What arrives for the id is meant for its owner.
    Asking,
    /// The id is ours. The others do not know yet what we offer.
    Claimed,
    /// The others know that we are there.
    Announced,
}

/// The standing of one node.
#[derive(Debug)]
pub(super) struct Stands(AtomicU8);

impl Stands {
    pub(super) fn at(standing: Standing) -> Self {
        Self(AtomicU8::new(standing as u8))
    }

    fn have(&self, standing: Standing) -> bool {
        self.0.load(Ordering::Acquire) >= standing as u8
    }

    fn reach(&self, standing: Standing) {
        self.0.fetch_max(standing as u8, Ordering::AcqRel);
    }
}

impl Transit {
    /// Whether this node's id is its own, as far as that can be known.
    pub(crate) fn is_claimed(&self) -> bool {
        self.stands.have(Standing::Claimed)
    }

    /// Whether other nodes may send requests to this node.
    pub(crate) fn is_announced(&self) -> bool {
        self.stands.have(Standing::Announced)
    }

    pub(super) fn claimed(&self) {
        self.stands.reach(Standing::Claimed);
    }

    /// From now on requests run. Call this before anybody hears of this node, because requests may arrive at
    /// once.
    pub(crate) fn opens(&self) {
        self.stands.reach(Standing::Announced);
    }
}
