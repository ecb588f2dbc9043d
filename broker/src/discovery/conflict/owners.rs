//! The nodes that seem to have our id, and the state of the question whether they do.

use ligand_transporters::Name;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{Report, Source};

/// The possible owners, by address or instance id. Their number is bounded.
#[derive(Debug, Clone)]
pub(super) struct Owners {
    known: BTreeMap<Name, Owner>,
    max: usize,
}

#[derive(Debug, Clone)]
struct Owner {
    source: Source,
    state: State,
    probed: Instant,
    reported: Option<Instant>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    Asked {
        nonce: Name,
    },
    /// It was this node, or nobody.
    Cleared,
    Silent,
    Proven,
}

impl Owner {
    fn is_asked(&self) -> bool {
        matches!(self.state, State::Asked { .. })
    }

    fn awaits(&self, nonce: &str) -> bool {
        matches!(&self.state, State::Asked { nonce: asked } if asked == nonce)
    }
}

impl Owners {
    pub(super) fn new(max: usize) -> Self {
        Self { known: BTreeMap::new(), max }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether to ask this owner now, with this nonce. It is not asked again within `every`, nor without
    /// room.
    pub(super) fn ask(
        &mut self,
        owner: Name,
        source: Source,
        nonce: Name,
        every: Duration,
        now: Instant,
    ) -> bool {
        let mut reported = None;
        if let Some(owner) = self.known.get(&owner) {
            if now.saturating_duration_since(owner.probed) < every || owner.is_asked() {
                return false;
            }
            reported = owner.reported;
        } else if !self.make_room() {
            return false;
        }
        self.known.insert(owner, Owner { source, state: State::Asked { nonce }, probed: now, reported });
        true
    }

    /// Forgets the owner that was probed longest ago, unless all of them are still being asked.
    fn make_room(&mut self) -> bool {
        if self.known.len() < self.max {
            return true;
        }
        let settled = self.known.iter().filter(|(_, owner)| !owner.is_asked());
        match settled.min_by_key(|(_, owner)| owner.probed).map(|(key, _)| key.clone()) {
            Some(key) => self.known.remove(&key).is_some(),
            None => false,
        }
    }

    /// Forgets what a start asked without evidence, except what is proven.
    pub(super) fn forget_unprompted(&mut self) {
        self.known.retain(|_, owner| owner.source != Source::Start || owner.state == State::Proven);
    }

    /// Whether an owner is being asked with this nonce.
    pub(super) fn awaits(&self, nonce: &str) -> bool {
        self.known.values().any(|owner| owner.awaits(nonce))
    }

    /// Settles the question with this nonce. Returns `false` if there is none.
    pub(super) fn settle(&mut self, nonce: &str, state: State) -> bool {
        match self.known.values_mut().find(|owner| owner.awaits(nonce)) {
            Some(owner) => {
                owner.state = state;
                true
            }
            None => false,
        }
    }

    /// No other node is there.
    pub(super) fn clear(&mut self, owner: &str) {
        if let Some(owner) = self.known.get_mut(owner).filter(|owner| owner.is_asked()) {
            owner.state = State::Cleared;
        }
    }

    /// Gives up questions that nobody answered within `wait`. For the question that a start asks without
    /// evidence, silence is the expected result.
    pub(super) fn give_up(&mut self, wait: Duration, now: Instant) {
        for owner in self.known.values_mut() {
            if owner.is_asked() && now.saturating_duration_since(owner.probed) >= wait {
                owner.state = if owner.source == Source::Start { State::Cleared } else { State::Silent };
            }
        }
    }

    /// The first owner that is proven.
    pub(super) fn proven(&self) -> Option<&Name> {
        self.known.iter().find(|(_, owner)| owner.state == State::Proven).map(|(key, _)| key)
    }

    /// Whether any owner is being asked.
    pub(super) fn are_asked(&self) -> bool {
        self.known.values().any(Owner::is_asked)
    }

    /// One report of all owners in this state that have something to report. Each is reported once per probe,
    /// and once in each `every`. `may_tell` is asked if there is a report. Owners that it holds back are
    /// reported later.
    pub(super) fn report(
        &mut self,
        state: &State,
        every: Duration,
        may_tell: impl FnOnce() -> bool,
        now: Instant,
    ) -> Option<Report> {
        let mut news = self.known.iter_mut().filter(|(_, owner)| {
            // This probe was reported already, or an earlier one was not long ago.
            let quiet = owner
                .reported
                .is_some_and(|at| at >= owner.probed || now.saturating_duration_since(at) < every);
            owner.state == *state && !quiet
        });
        let (key, owner) = news.next().filter(|_| may_tell())?;
        let proven = *state == State::Proven;
        let mut report = Report { owner: key.clone(), proven, source: owner.source, others: 0 };
        owner.reported = Some(now);
        for (_, owner) in news {
            owner.reported = Some(now);
            report.others += 1;
        }
        Some(report)
    }
}
