//! How much of other nodes' work is in hand, in bytes.
//!
//! A request or event holds its frame until its handler is done. Without a bound, handlers that wait would
//! hold as many of the largest frames as there may be handlers. Events are shed first, when four fifths of
//! either bound are taken: nobody waits for them. What is left is for requests, which are answered.

use ligand_transporters::Ack;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Transit;

/// A frame whose handler waits, counted until the last clone is dropped.
#[derive(Clone)]
pub(crate) struct InHand {
    _counted: Arc<Counted>,
}

struct Counted {
    transit: Arc<Transit>,
    bytes: usize,
    /// Given with the last clone.
    _ack: Option<Ack>,
}

impl InHand {
    pub(super) fn new(transit: &Arc<Transit>, bytes: usize) -> Self {
        Self::until_acknowledged(transit, bytes, None)
    }

    /// The bus may forget the frame once the last clone is dropped.
    pub(super) fn until_acknowledged(transit: &Arc<Transit>, bytes: usize, ack: Option<Ack>) -> Self {
        transit.bytes_in_hand.fetch_add(bytes, Ordering::Relaxed);
        Self { _counted: Arc::new(Counted { transit: Arc::clone(transit), bytes, _ack: ack }) }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.transit.bytes_in_hand.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Transit {
    /// Whether a request of this size may be run.
    pub(super) fn has_room_for_request(&self, bytes: usize) -> bool {
        let config = &self.config.transit;
        self.in_flight.load(Ordering::Relaxed) < config.max_in_flight
            && self.fits(bytes, config.max_in_flight_bytes)
    }

    /// Whether an event of this size may be run, while `running` handlers are.
    pub(super) fn has_room_for_event(&self, bytes: usize, running: usize) -> bool {
        let config = &self.config.transit;
        running < four_fifths(config.max_in_flight)
            && self.fits(bytes, four_fifths(config.max_in_flight_bytes))
    }

    /// A single one always fits, however large.
    fn fits(&self, bytes: usize, limit: usize) -> bool {
        let held = self.bytes_in_hand.load(Ordering::Relaxed);
        held == 0 || held.saturating_add(bytes) <= limit
    }
}

fn four_fifths(limit: usize) -> usize {
    (limit - limit / 5).max(1)
}
