//! How much of other nodes' work is in hand, and how much may be.
//!
//! A request or event holds its frame until its handler is done. Without a bound, handlers that wait would
//! hold as many of the largest frames as there may be handlers. Events are shed first, when four fifths of
//! either bound are taken: nobody waits for them. What is left is for requests, which are answered.

use ligand_transporters::Ack;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::Transit;
use crate::config::TransitConfig;

/// Answers that wait for room in a send buffer hold at most so many bytes; one that comes on top is lost, and
/// counted.
const WAITING_BYTES: usize = 64 * 1024 * 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct Load {
    /// Requests that are being handled.
    requests: AtomicUsize,
    /// Bytes of packets whose handlers wait.
    bytes: AtomicUsize,
    /// Bytes of answers that wait for room in a send buffer.
    waiting_bytes: AtomicUsize,
    /// Counts requests as they come, so that stopping can see whether any still do.
    arrived: AtomicU64,
    max_requests: usize,
    max_bytes: usize,
}

impl Load {
    pub(super) fn new(config: &TransitConfig) -> Self {
        Self {
            requests: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            waiting_bytes: AtomicUsize::new(0),
            arrived: AtomicU64::new(0),
            max_requests: config.max_in_flight,
            max_bytes: config.max_in_flight_bytes,
        }
    }

    /// Requests that are being handled.
    pub(super) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    /// Whether one more request may be handled, whatever its size.
    pub(super) fn has_room(&self) -> bool {
        self.requests() < self.max_requests
    }

    /// Whether a request of this size may be run.
    pub(super) fn has_room_for_request(&self, bytes: usize) -> bool {
        self.has_room() && self.fits(bytes, self.max_bytes)
    }

    /// Whether an event of this size may be run, while `running` handlers are.
    pub(super) fn has_room_for_event(&self, bytes: usize, running: usize) -> bool {
        running < four_fifths(self.max_requests) && self.fits(bytes, four_fifths(self.max_bytes))
    }

    /// A single one always fits, however large.
    fn fits(&self, bytes: usize, limit: usize) -> bool {
        let held = self.bytes.load(Ordering::Relaxed);
        held == 0 || held.saturating_add(bytes) <= limit
    }

    /// A request came.
    pub(super) fn count_arrival(&self) {
        self.arrived.fetch_add(1, Ordering::Relaxed);
    }

    /// How many requests have come.
    pub(super) fn arrived(&self) -> u64 {
        self.arrived.load(Ordering::Relaxed)
    }
}

fn four_fifths(limit: usize) -> usize {
    (limit - limit / 5).max(1)
}

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
        transit.load.bytes.fetch_add(bytes, Ordering::Relaxed);
        Self { _counted: Arc::new(Counted { transit: Arc::clone(transit), bytes, _ack: ack }) }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.transit.load.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// One request more under way, until dropped.
pub(super) struct InFlight(Arc<Transit>);

impl InFlight {
    pub(super) fn enter(transit: &Arc<Transit>) -> Self {
        transit.load.requests.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(transit))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.load.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Bytes of an answer that waits for room, counted until dropped.
pub(super) struct WaitingBytes(Arc<Transit>, usize);

impl WaitingBytes {
    /// `None` when too much waits already.
    pub(super) fn enter(transit: &Arc<Transit>, bytes: usize) -> Option<Self> {
        let waiting = Self(Arc::clone(transit), bytes);
        let before = transit.load.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        (before.saturating_add(bytes) <= WAITING_BYTES).then_some(waiting)
    }
}

impl Drop for WaitingBytes {
    fn drop(&mut self) {
        self.0.load.waiting_bytes.fetch_sub(self.1, Ordering::Relaxed);
    }
}
