//! How fast a bus is, told from what comes back of what we sent to ourselves.
//!
//! One that is slow for another owner is slow for us sooner or later; so it is asked several times, each time
//! when the question before has come back. That also makes our machine confirm what came, for which some
//! servers wait before they send the answer on.

use ligand_transporters::Name;
use std::time::{Duration, Instant};

/// So often is asked.
const ROUNDS: u32 = 3;
/// Whoever else has our id has answered after so many times as long as the slowest echo took.
const ECHOES: u32 = 4;
/// What makes the id of a PONG to ourselves of that of a PING. It tells how fast a bus is on which our own
/// copy of the PING may never come ([`Capabilities::shared_inboxes`](ligand_transporters::Capabilities)).
const SUFFIX: &str = "-echo";

/// See the module.
#[derive(Debug, Clone, Default)]
pub(super) struct Echoes {
    asked: Option<Instant>,
    rounds: u32,
    slowest: Duration,
    /// When the last one came.
    done: Option<Instant>,
    /// Whether to ask once more.
    again: bool,
}

impl Echoes {
    /// A question was sent. Only the first begins a round: the others are sent when the one before came.
    pub(super) fn asked(&mut self, now: Instant) {
        self.asked.get_or_insert(now);
    }

    /// It has come back.
    pub(super) fn came(&mut self, now: Instant) {
        let Some(asked) = self.asked.filter(|_| self.rounds < ROUNDS) else { return };
        self.rounds += 1;
        self.slowest = self.slowest.max(now.saturating_duration_since(asked));
        self.asked = Some(now);
        self.again = self.rounds < ROUNDS;
        self.done = (self.rounds == ROUNDS).then_some(now);
    }

    /// Whether the question that has just come back is to be sent once more.
    pub(super) fn asks_again(&mut self) -> bool {
        std::mem::take(&mut self.again)
    }

    /// By when another owner has answered, `least` after the last echo or later; `None` until all have come.
    pub(super) fn answered_by(&self, least: Duration) -> Option<Instant> {
        self.done?.checked_add((self.slowest * ECHOES).max(least))
    }
}

/// The id of the PONG to ourselves that goes out with a PING of this id.
pub(super) fn of(nonce: &str) -> Name {
    format!("{nonce}{SUFFIX}").into()
}

/// The id of the PING with which such a PONG went out.
pub(super) fn source(nonce: &str) -> Option<&str> {
    nonce.strip_suffix(SUFFIX)
}
