//! The frames that wait to be published, within bounds.
//!
//! Senders write their frames into one shared buffer under a lock. Each frame is split off the buffer without
//! a copy. The supervisor takes many frames at once. Frames and bytes count towards the bounds until the
//! client library has taken them. A lone frame is offered to the library at once.

use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::pace::Pace;
use super::topics::TopicCache;
use super::{BusLimits, Parcel};
use crate::locks::{Mutex, MutexGuard};
use crate::{Abandon, FrameBuf, PacketKind, Route, SendError, WriteFrame};

/// The shared buffer grows by at least this much.
const SLAB: usize = 16 * 1024;
/// Parcels that are taken at once.
const BATCH: usize = 512;
/// The bytes of these parcels, unless a single one is larger. A slow line carries this much in the time for a
/// batch.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct Outbox<T> {
    limits: BusLimits,
    inner: Mutex<Inner<T>>,
    /// The number of the last frame that was accepted.
    accepted: Arc<AtomicU64>,
    filled: Notify,
    room: Notify,
}

#[derive(Debug)]
struct Inner<T> {
    /// `None` while there is no session.
    open: Option<Open<T>>,
    slab: BytesMut,
    spliced: Vec<(usize, Bytes)>,
    topics: TopicCache<T>,
    pace: Pace,
    parcels: VecDeque<Parcel<T>>,
    /// Parcels that wait, and those that were taken but not handed over.
    frames: usize,
    bytes: usize,
}

/// What the outbox knows about the current session.
struct Open<T> {
    /// The largest frame of the session, in bytes.
    max_frame: usize,
    /// See [`Session::publish_now`](super::Session::publish_now).
    now: Now<T>,
}

type Now<T> = Box<dyn Fn(Parcel<T>) -> Option<Parcel<T>> + Send + Sync>;

impl<T> fmt::Debug for Open<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Open").field("max_frame", &self.max_frame).finish_non_exhaustive()
    }
}

impl<T: Clone> Outbox<T> {
    pub(super) fn new(limits: BusLimits) -> Self {
        let inner = Inner {
            open: None,
            slab: BytesMut::new(),
            spliced: Vec::new(),
            topics: TopicCache::default(),
            pace: Pace::new(),
            parcels: VecDeque::new(),
            frames: 0,
            bytes: 0,
        };
        let accepted = Arc::default();
        Self { limits, inner: Mutex::new(inner), accepted, filled: Notify::new(), room: Notify::new() }
    }

    /// Begins to accept frames for a session.
    pub(super) fn open(&self, max_frame: usize, now: Now<T>) {
        self.lock().open = Some(Open { max_frame: max_frame.min(self.limits.max_frame), now });
    }

    /// Stops accepting frames, and drops the session. The frames that wait stay.
    pub(super) fn shut(&self) {
        let session = self.lock().open.take();
        drop(session);
        self.room.notify_waiters();
    }

    /// Removes everything that waits. Returns the tokens of frames of which nothing was sent.
    pub(super) fn clear(&self) -> Vec<u64> {
        let mut inner = self.lock();
        inner.frames = 0;
        inner.bytes = 0;
        let tokens = tokens(inner.parcels.drain(..));
        drop(inner);
        self.room.notify_waiters();
        tokens
    }

    /// The counter of the frames that were accepted so far.
    pub(super) fn accepted(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.accepted)
    }

    pub(super) fn is_open(&self) -> bool {
        self.lock().open.is_some()
    }

    pub(super) fn push(
        &self,
        to: &Route,
        kind: PacketKind,
        token: u64,
        write: &mut WriteFrame<'_>,
        make: impl FnOnce() -> Result<T, SendError>,
    ) -> Result<(), SendError> {
        let mut inner = self.lock();
        let limit = inner.open.as_ref().ok_or(SendError::Disconnected)?.max_frame;
        let (frames, bytes) = self.bounds(kind);
        if inner.frames >= frames || inner.bytes >= bytes {
            return Err(SendError::Full);
        }
        let payload = inner.write(write, limit)?;
        // An empty outbox accepts even a packet that is larger than the bound. It could never be sent
        // otherwise.
        if inner.bytes > 0 && inner.bytes + payload.len() > bytes {
            return Err(SendError::Full);
        }
        let topic = inner.topics.topic(to, kind, make)?;
        // The counter changes only under the lock, so the numbers rise from the front of the queue to its
        // end.
        let number = self.accepted.fetch_add(1, Ordering::AcqRel) + 1;
        let since = Instant::now();
        let mut parcel = Parcel { topic, kind, payload, token, number, since };
        // This also happens under the lock, so that no frame overtakes another.
        if inner.pace.is_lone(since)
            && inner.frames == 0
            && let Some(open) = &inner.open
        {
            match (open.now)(parcel) {
                Some(back) => parcel = back,
                None => return Ok(()),
            }
        }
        inner.frames += 1;
        inner.bytes += parcel.payload.len();
        inner.parcels.push_back(parcel);
        let first = inner.parcels.len() == 1;
        drop(inner);
        if first {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// The bounds up to which packets of a kind may fill the outbox: frames and bytes.
    fn bounds(&self, kind: PacketKind) -> (usize, usize) {
        let (frames, bytes) = (self.limits.send_frames, self.limits.send_bytes);
        match kind {
            PacketKind::Event => (frames.div_ceil(5) * 4, bytes.div_ceil(5) * 4),
            kind if kind.is_control() => (frames.saturating_mul(2), bytes.saturating_mul(2)),
            _ => (frames, bytes),
        }
    }

    /// Waits for parcels and moves some of them into `batch`. Returns the tokens of those that waited for too
    /// long.
    ///
    /// # Cancel safety
    /// If the future is dropped, all parcels stay in the outbox.
    pub(super) async fn take(&self, batch: &mut VecDeque<Parcel<T>>) -> Vec<u64> {
        loop {
            if let Some(expired) = self.try_take(batch) {
                return expired;
            }
            self.filled.notified().await;
            // The sender that woke this task may have more to send.
            tokio::task::yield_now().await;
        }
    }

    /// As [`Self::take`], but without waiting. `None` if nothing waits.
    pub(super) fn try_take(&self, batch: &mut VecDeque<Parcel<T>>) -> Option<Vec<u64>> {
        let mut inner = self.lock();
        if inner.parcels.is_empty() {
            return None;
        }
        let mut expired = Vec::new();
        let now = Instant::now();
        let mut bytes = 0;
        while batch.len() < BATCH
            && bytes < BATCH_BYTES
            && let Some(parcel) = inner.parcels.pop_front()
        {
            if now.duration_since(parcel.since) > self.limits.max_hold && !parcel.kind.is_control() {
                inner.frames = inner.frames.saturating_sub(1);
                inner.bytes = inner.bytes.saturating_sub(parcel.payload.len());
                expired.extend(Some(parcel.token).filter(|token| *token != 0));
            } else {
                bytes += parcel.payload.len();
                batch.push_back(parcel);
            }
        }
        Some(expired)
    }

    /// Notes that the client library has taken this much of what was taken out.
    pub(super) fn handed_over(&self, frames: usize, bytes: usize) {
        let mut inner = self.lock();
        inner.frames = inner.frames.saturating_sub(frames);
        inner.bytes = inner.bytes.saturating_sub(bytes);
        let room = self.has_room(&inner);
        drop(inner);
        if room {
            self.room.notify_waiters();
        }
    }

    /// Resolves when less than half of the bounds is used, or when there is no session.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub(super) async fn room(&self) {
        loop {
            let mut changed = std::pin::pin!(self.room.notified());
            // Register before the check. Otherwise a change between the check and the wait would be missed.
            changed.as_mut().enable();
            if self.has_room(&self.lock()) {
                return;
            }
            changed.await;
        }
    }

    fn has_room(&self, inner: &Inner<T>) -> bool {
        let half = inner.bytes < self.limits.send_bytes.div_ceil(2)
            && inner.frames < self.limits.send_frames.div_ceil(2);
        half || inner.open.is_none()
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        // If a writer of a frame has panicked, the next one clears what it wrote.
        self.inner.lock()
    }
}

impl<T> Inner<T> {
    fn write(&mut self, write: &mut WriteFrame<'_>, limit: usize) -> Result<Bytes, SendError> {
        let Self { slab, spliced, .. } = self;
        slab.clear();
        spliced.clear();
        if slab.capacity() < 512 {
            slab.reserve(SLAB);
        }
        write(&mut FrameBuf::new(slab, spliced)).map_err(|Abandon| SendError::Abandoned)?;
        let size = slab.len() + spliced.iter().map(|(_, body)| body.len()).sum::<usize>();
        if size > limit {
            return Err(SendError::TooLarge { size, limit });
        }
        if spliced.is_empty() {
            return Ok(slab.split().freeze());
        }
        let mut whole = BytesMut::with_capacity(size);
        let mut from = 0;
        for (at, body) in spliced.drain(..) {
            whole.extend_from_slice(&slab[from..at]);
            whole.extend_from_slice(&body);
            from = at;
        }
        whole.extend_from_slice(&slab[from..]);
        Ok(whole.freeze())
    }
}

/// The tokens of those parcels whose sender wants to know if they are not sent.
pub(super) fn tokens<T>(parcels: impl IntoIterator<Item = Parcel<T>>) -> Vec<u64> {
    parcels.into_iter().map(|parcel| parcel.token).filter(|token| *token != 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const TO: Route = Route::Broadcast;

    fn outbox(frames: usize, bytes: usize) -> Outbox<()> {
        let limits = BusLimits { send_frames: frames, send_bytes: bytes, ..BusLimits::default() };
        let outbox = Outbox::new(limits);
        outbox.open(1000, Box::new(Some));
        outbox
    }

    fn push(outbox: &Outbox<()>, kind: PacketKind, bytes: usize) -> Result<(), SendError> {
        let mut write = |frame: &mut FrameBuf<'_>| {
            frame.buf().extend_from_slice(&vec![b'x'; bytes]);
            Ok(())
        };
        outbox.push(&TO, kind, 7, &mut write, || Ok(()))
    }

    #[tokio::test]
    async fn events_are_refused_first_then_requests_then_control_packets() {
        let outbox = outbox(10, 1 << 20);
        use PacketKind::{Event, Heartbeat, Request};
        let fill = |kind| std::iter::repeat_with(|| push(&outbox, kind, 1)).take_while(Result::is_ok).count();
        assert_eq!([fill(Event), fill(Request), fill(Heartbeat)], [8, 2, 10]);
        let mut batch = VecDeque::new();
        outbox.take(&mut batch).await;
        assert_eq!(push(&outbox, Request, 1), Err(SendError::Full), "taken is not handed over");
        outbox.handed_over(11, 11);
        assert_eq!(push(&outbox, Request, 1), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_frame_is_handed_over_at_once_only_when_nothing_waits_before_it() {
        let outbox = Outbox::new(BusLimits::default());
        let (now, free) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(true)));
        let (taken, is_free) = (Arc::clone(&now), Arc::clone(&free));
        let shortcut = move |parcel: Parcel<()>| {
            if !*is_free.lock() {
                return Some(parcel);
            }
            taken.lock().push(parcel.number);
            None
        };
        outbox.open(1000, Box::new(shortcut));
        // Far apart, so that each is a lone one.
        let send = async || {
            tokio::time::advance(Duration::from_millis(1)).await;
            push(&outbox, PacketKind::Request, 1).unwrap();
        };
        send().await;
        *free.lock() = false;
        send().await;
        *free.lock() = true;
        send().await;
        let mut batch = VecDeque::new();
        outbox.try_take(&mut batch);
        assert_eq!(batch.iter().map(|parcel| parcel.number).collect::<Vec<_>>(), [2, 3]);
        send().await;
        outbox.handed_over(2, 2);
        send().await;
        assert_eq!(*now.lock(), [1], "the fourth waits for the third, the fifth for the fourth");
        batch.clear();
        outbox.try_take(&mut batch);
        outbox.handed_over(2, 2);
        send().await;
        assert_eq!(*now.lock(), [1, 6]);
        outbox.shut();
        assert_eq!(push(&outbox, PacketKind::Request, 1), Err(SendError::Disconnected));
    }

    #[tokio::test]
    async fn bytes_are_bounded_but_a_single_large_packet_passes() {
        let outbox = outbox(100, 100);
        assert_eq!(push(&outbox, PacketKind::Request, 500), Ok(()));
        assert_eq!(push(&outbox, PacketKind::Request, 1), Err(SendError::Full));
        let refused = Err(SendError::TooLarge { size: 1001, limit: 1000 });
        assert_eq!(push(&outbox, PacketKind::Heartbeat, 1), Err(SendError::Full));
        outbox.clear();
        assert_eq!(push(&outbox, PacketKind::Request, 1001), refused);
    }

    #[tokio::test(start_paused = true)]
    async fn what_waited_for_too_long_is_not_sent_any_more() {
        let outbox = outbox(100, 1000);
        push(&outbox, PacketKind::Request, 1).unwrap();
        push(&outbox, PacketKind::Heartbeat, 1).unwrap();
        tokio::time::advance(Duration::from_secs(6)).await;
        push(&outbox, PacketKind::Request, 1).unwrap();
        let mut batch = VecDeque::new();
        assert_eq!(outbox.take(&mut batch).await, [7]);
        assert_eq!(batch.len(), 2);
    }

    #[tokio::test]
    async fn without_a_session_nothing_is_taken_and_what_waited_is_named() {
        let outbox = outbox(100, 1000);
        push(&outbox, PacketKind::Request, 1).unwrap();
        outbox.shut();
        assert_eq!(push(&outbox, PacketKind::Request, 1), Err(SendError::Disconnected));
        assert_eq!(outbox.clear(), [7]);
        outbox.room().await;
    }

    #[test]
    fn a_writer_that_panics_or_gives_up_leaves_nothing_behind() {
        let outbox = outbox(100, 1000);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut write = |frame: &mut FrameBuf<'_>| {
                frame.buf().extend_from_slice(b"half");
                panic!("a bug of the caller")
            };
            outbox.push(&TO, PacketKind::Event, 0, &mut write, || Ok(()))
        }));
        assert!(panicked.is_err());
        let mut give_up = |frame: &mut FrameBuf<'_>| {
            frame.buf().extend_from_slice(b"half");
            Err(Abandon)
        };
        let abandoned = outbox.push(&TO, PacketKind::Event, 0, &mut give_up, || Ok(()));
        assert_eq!(abandoned, Err(SendError::Abandoned));
        push(&outbox, PacketKind::Event, 3).unwrap();
        let mut batch = VecDeque::new();
        outbox.try_take(&mut batch);
        assert_eq!(batch.pop_front().unwrap().payload, "xxx");
    }

    #[test]
    fn a_large_body_lands_between_what_was_written_around_it() {
        let outbox = Outbox::new(BusLimits::default());
        outbox.open(1 << 20, Box::new(Some));
        let body = Bytes::from(vec![b'x'; FrameBuf::SPLICE_FROM]);
        let mut write = |frame: &mut FrameBuf<'_>| {
            frame.buf().extend_from_slice(b"<");
            frame.splice(&body);
            frame.buf().extend_from_slice(b">");
            Ok(())
        };
        outbox.push(&TO, PacketKind::Event, 0, &mut write, || Ok(())).unwrap();
        let mut batch = VecDeque::new();
        outbox.try_take(&mut batch);
        let payload = batch.pop_front().unwrap().payload;
        assert_eq!((payload.len(), payload[0], payload[payload.len() - 1]), (body.len() + 2, b'<', b'>'));
    }
}
