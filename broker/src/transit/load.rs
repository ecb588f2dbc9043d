//! How much work of other nodes is under way, and how much may be.
//!
//! A request or event holds its frame until its handler is done. Without a bound, waiting handlers would hold
//! as many of the largest frames as there may be handlers. Events are dropped first, when four fifths of
//! either bound are used, because nobody waits for them. The rest is for requests, which are answered.

use ligand_transporters::Ack;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::Transit;
use crate::config::TransitConfig;

/// How many bytes the answers that wait for room in a send buffer may hold. Further answers are lost, and
/// counted.
const WAITING_BYTES: usize = 64 * 1024 * 1024;

/// Counts the work of other nodes that is under way.
#[derive(Debug)]
pub(super) struct Load {
    /// How many requests are being handled.
    requests: AtomicUsize,
    /// How many bytes the packets of waiting handlers hold.
    bytes: AtomicUsize,
    /// How many bytes are held by answers that wait for room in a send buffer.
    waiting_bytes: AtomicUsize,
    /// Counts requests as they arrive, so that a stop can see whether any still arrive.
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

    /// How many requests are being handled.
    pub(super) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    /// Whether one more request may be handled, whatever its size.
    pub(super) fn has_room(&self) -> bool {
        self.requests() < self.max_requests
    }

    /// Whether a request of this size may run.
    pub(super) fn has_room_for_request(&self, bytes: usize) -> bool {
        self.has_room() && self.fits(bytes, self.max_bytes)
    }

    /// Whether an event of this size may run while `running` handlers run.
    pub(super) fn has_room_for_event(&self, bytes: usize, running: usize) -> bool {
        running < four_fifths(self.max_requests) && self.fits(bytes, four_fifths(self.max_bytes))
    }

    /// Whether `bytes` more stay within `limit`. A single packet always fits, however large it is.
    fn fits(&self, bytes: usize, limit: usize) -> bool {
        let held = self.bytes.load(Ordering::Relaxed);
        held == 0 || held.saturating_add(bytes) <= limit
    }

    /// A request arrived.
    pub(super) fn count_arrival(&self) {
        self.arrived.fetch_add(1, Ordering::Relaxed);
    }

    /// How many requests have arrived.
    pub(super) fn arrived(&self) -> u64 {
        self.arrived.load(Ordering::Relaxed)
    }
}

fn four_fifths(limit: usize) -> usize {
    (limit - limit / 5).max(1)
}

/// A frame whose handler waits. It counts until the last clone is dropped.
#[derive(Clone)]
pub(crate) struct InHand {
    _counted: Arc<Counted>,
}

struct Counted {
    transit: Arc<Transit>,
    bytes: usize,
    /// Acknowledges the frame when the last clone is dropped.
    _ack: Option<Ack>,
}

impl InHand {
    pub(super) fn new(transit: &Arc<Transit>, bytes: usize) -> Self {
        Self::until_acknowledged(transit, bytes, None)
    }

    /// As [`InHand::new`]. The bus may forget the frame once the last clone is dropped.
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

/// A request under way. It counts until it is dropped.
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

/// The bytes of an answer that waits for room. They count until this is dropped.
pub(super) struct WaitingBytes(Arc<Transit>, usize);

impl WaitingBytes {
    /// Returns `None` if too many bytes wait already.
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
