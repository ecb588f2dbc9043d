//! A sink that records what it receives, and can stop accepting frames.

use bytes::Bytes;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

use super::CaseResult;
use crate::locks::{Mutex, MutexGuard};
use crate::{Batch, PacketKind, Sink, TransportError, Up};

/// Frames that begin with this only test whether a route works. Their number follows.
pub(super) const PROBE: &[u8] = b"\0probe";

/// The number of frames that are handled in one turn, as in a broker.
const TURN: usize = 64;

/// Everything that a node has received so far.
#[derive(Debug, Default)]
pub(super) struct Log {
    frames: Vec<(PacketKind, Bytes)>,
    pub(super) probes: BTreeSet<u64>,
    pub(super) unsent: Vec<u64>,
    pub(super) ups: Vec<Up>,
    pub(super) downs: usize,
}

impl Log {
    /// Payloads of one kind in the order of arrival.
    pub(super) fn of(&self, kind: PacketKind) -> impl Iterator<Item = &Bytes> {
        self.frames.iter().filter(move |(is, _)| *is == kind).map(|(_, payload)| payload)
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    log: Mutex<Log>,
    changed: Notify,
    closed: AtomicBool,
}

impl Recorder {
    /// Accepts no frames until [`Recorder::open`].
    pub(super) fn shut(&self) {
        self.closed.store(true, Ordering::Release);
    }

    pub(super) fn open(&self) {
        self.closed.store(false, Ordering::Release);
    }

    pub(super) fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock()
    }

    /// Payloads of one kind as texts, for messages and comparisons.
    pub(super) fn texts(&self, kind: PacketKind) -> Vec<String> {
        self.log().of(kind).map(|payload| String::from_utf8_lossy(payload).into_owned()).collect()
    }

    /// Waits until the log meets a condition.
    pub(super) async fn until(
        &self,
        patience: Duration,
        what: &str,
        mut condition: impl FnMut(&Log) -> bool,
    ) -> CaseResult {
        let waiting = async {
            loop {
                let mut changed = std::pin::pin!(self.changed.notified());
                changed.as_mut().enable();
                if condition(&self.log()) {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(patience, waiting)
            .await
            .map_err(|_| format!("not within {patience:?}: {what}").into())
    }

    fn note(&self, write: impl FnOnce(&mut Log)) {
        write(&mut self.log());
        self.changed.notify_waiters();
    }
}

impl Sink for Recorder {
    fn deliver(&self, batch: &mut Batch<'_>) {
        let is_closed = || self.closed.load(Ordering::Acquire);
        let mut frames = Vec::new();
        while frames.len() < TURN
            && !is_closed()
            && let Some(frame) = batch.next()
        {
            frames.push(frame);
        }
        if frames.is_empty() {
            return;
        }
        self.note(|log| {
            for frame in frames {
                let number = frame.payload.strip_prefix(PROBE).and_then(|rest| rest.try_into().ok());
                match number.map(u64::from_le_bytes) {
                    Some(number) => _ = log.probes.insert(number),
                    None => log.frames.push((frame.kind, frame.payload)),
                }
            }
        });
    }

    fn unsent(&self, tokens: &[u64]) {
        self.note(|log| log.unsent.extend_from_slice(tokens));
    }

    fn up(&self, how: Up) {
        self.note(|log| log.ups.push(how));
    }

    fn down(&self, _why: &TransportError) {
        self.note(|log| log.downs += 1);
    }
}
