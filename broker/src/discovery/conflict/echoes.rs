//! How fast a bus is, judged by how fast our packets to ourselves come back.
//!
//! A bus that is slow for another owner is slow for us sooner or later. So the question is asked several
//! times, each time after the one before has come back. That also makes our machine confirm what arrived.
//! Some servers wait for that before they send the answer on.

use ligand_transporters::Name;
use std::time::{Duration, Instant};

/// How often the question is asked.
const ROUNDS: u32 = 3;
/// Within this many times the time of the slowest echo, any other node with our id has answered.
const ECHOES: u32 = 4;
/// Turns the id of a PING into that of a PONG to ourselves. That PONG tells how fast a bus is on which our
/// own copy of the PING may never arrive
/// ([`Capabilities::shared_inboxes`](ligand_transporters::Capabilities)).
const SUFFIX: &str = "-echo";

/// The echoes of our packets to ourselves.
#[derive(Debug, Clone, Default)]
pub(super) struct Echoes {
    asked: Option<Instant>,
    rounds: u32,
    slowest: Duration,
    /// When the last echo arrived.
    done: Option<Instant>,
    /// Whether to ask once more.
    again: bool,
}

impl Echoes {
    /// A question was sent. Only the first one begins a round. The others are sent when the one before has
    /// come back.
    pub(super) fn asked(&mut self, now: Instant) {
        self.asked.get_or_insert(now);
    }

    /// The question has come back.
    pub(super) fn came(&mut self, now: Instant) {
        let Some(asked) = self.asked.filter(|_| self.rounds < ROUNDS) else { return };
        self.rounds += 1;
        self.slowest = self.slowest.max(now.saturating_duration_since(asked));
        self.asked = Some(now);
        self.again = self.rounds < ROUNDS;
        self.done = (self.rounds == ROUNDS).then_some(now);
    }

    /// Whether to send the same question again, which has just come back.
    pub(super) fn asks_again(&mut self) -> bool {
        std::mem::take(&mut self.again)
    }

    /// The time by which another owner has answered. It is `least` after the last echo, or later. `None`
    /// until all echoes have arrived.
    pub(super) fn answered_by(&self, least: Duration) -> Option<Instant> {
        self.done?.checked_add((self.slowest * ECHOES).max(least))
    }
}

/// The id of the PONG to ourselves that is sent with a PING of this id.
pub(super) fn of(nonce: &str) -> Name {
    format!("{nonce}{SUFFIX}").into()
}

/// The id of the PING that such a PONG was sent with.
pub(super) fn source(nonce: &str) -> Option<&str> {
    nonce.strip_suffix(SUFFIX)
}
