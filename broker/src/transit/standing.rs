//! How far a start has come, as far as other nodes are concerned.

use std::sync::atomic::{AtomicU8, Ordering};

use super::Transit;

/// See the module. It only ever grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Standing {
    /// Whether another node has our id is not known yet: what comes for the id is the owner's.
    Asking,
    /// The id is ours. Nobody has been told what we offer.
    Claimed,
    /// The others have been told that we are there.
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

    /// Whether others may ask this node for anything.
    pub(crate) fn is_announced(&self) -> bool {
        self.stands.have(Standing::Announced)
    }

    pub(super) fn claimed(&self) {
        self.stands.reach(Standing::Claimed);
    }

    /// From now on requests are run. To be said before anybody is told of this node: they may come at once.
    pub(crate) fn opens(&self) {
        self.stands.reach(Standing::Announced);
    }
}
