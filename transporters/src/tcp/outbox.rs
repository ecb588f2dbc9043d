//! The frames that wait to be sent to one peer, within bounds.
//!
//! Senders write their frames directly into a buffer under a lock. The peer's writer takes the whole buffer
//! and leaves an empty one. Bytes and frames count towards the bounds until they have been written. A full
//! outbox refuses frames, and never waits. [`Outbox::room`] tells when to try again.
//!
//! Pings, pongs and gossip have additional room above the bounds, so that a peer that is slow to accept data
//! does not look dead.

use std::mem;
use tokio::sync::Notify;

use super::chunk::Chunk;
use super::framing::{self, HEADER};
use crate::locks::{Mutex, MutexGuard};
use crate::{Abandon, PacketKind, SendError, WriteFrame};

/// The number of frames above the bound that only control packets may use.
const CONTROL_FRAMES: usize = 64;

/// The limits of an outbox.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OutboxLimits {
    /// The bytes that may wait.
    pub(crate) bytes: usize,
    /// The frames that may wait.
    pub(crate) frames: usize,
    /// The bytes of one packet, without the header.
    pub(crate) packet: usize,
}

/// Why a frame was refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// This outbox is closed. There may be a new one for the same peer. The frame was not written.
    Gone,
    /// The sender gets this error.
    Send(SendError),
}

/// What the writer can do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// Take this number of frames.
    Frames(usize),
    /// Wait: [`Outbox::woken`] returns at the next frame.
    Nothing,
    /// End: nothing is waiting, and nothing will come.
    Closed,
}

#[derive(Debug)]
pub(crate) struct Outbox {
    limits: OutboxLimits,
    inner: Mutex<Inner>,
    wake: Notify,
    room: Notify,
}

#[derive(Debug)]
struct Inner {
    open: bool,
    waiting: Chunk,
    /// Taken by the writer, but not yet written.
    taken_bytes: usize,
    taken_frames: usize,
    /// The writer sleeps and has to be woken.
    parked: bool,
    /// A data frame was sent since the writer last checked.
    used: bool,
}

impl Inner {
    fn bytes(&self) -> usize {
        self.taken_bytes + self.waiting.bytes()
    }

    fn frames(&self) -> usize {
        self.taken_frames + self.waiting.frames()
    }
}

impl Outbox {
    pub(crate) fn new(limits: OutboxLimits) -> Self {
        let inner = Inner {
            open: true,
            waiting: Chunk::default(),
            taken_bytes: 0,
            taken_frames: 0,
            parked: false,
            used: false,
        };
        Self { limits, inner: Mutex::new(inner), wake: Notify::new(), room: Notify::new() }
    }

    /// Appends a frame. This takes one lock, and allocates nothing while the buffer is large enough.
    pub(crate) fn push(
        &self,
        kind: PacketKind,
        token: u64,
        write: &mut WriteFrame<'_>,
    ) -> Result<(), Refused> {
        // Kinds without a number never travel over TCP, so there is no route for them.
        let code = framing::code_of(kind).ok_or(Refused::Send(SendError::NoRoute))?;
        let OutboxLimits { bytes, frames, packet } = self.limits;
        let (bytes, frames) = if kind.is_control() {
            (bytes.saturating_add(packet), frames.saturating_add(CONTROL_FRAMES))
        } else {
            (bytes, frames)
        };
        let mut inner = self.lock();
        if !inner.open {
            return Err(Refused::Gone);
        }
        let held = inner.bytes();
        if held >= bytes || inner.frames() >= frames {
            return Err(Refused::Send(SendError::Full));
        }
        let mut draft = inner.waiting.begin();
        write(&mut draft.frame_buf()).map_err(|Abandon| Refused::Send(SendError::Abandoned))?;
        let size = draft.payload();
        if size > packet {
            return Err(Refused::Send(SendError::TooLarge { size, limit: packet }));
        }
        // An empty outbox accepts a packet that is larger than the bound. Otherwise it could never be sent.
        if held > 0 && held + size + HEADER > bytes {
            return Err(Refused::Send(SendError::Full));
        }
        if !draft.commit(code, token) {
            return Err(Refused::Send(SendError::Abandoned));
        }
        inner.used |= !kind.is_control();
        let wake = mem::take(&mut inner.parked);
        drop(inner);
        if wake {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// What the writer can do next.
    pub(crate) fn waiting(&self) -> Waiting {
        let mut inner = self.lock();
        let frames = inner.waiting.frames();
        if frames > 0 {
            return Waiting::Frames(frames);
        }
        if !inner.open {
            return Waiting::Closed;
        }
        inner.parked = true;
        Waiting::Nothing
    }

    /// Waits until there is something to do after [`Waiting::Nothing`].
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Takes all frames, and leaves the empty `chunk` to be filled. Returns whether there was data among
    /// them, and not only control packets.
    pub(crate) fn take(&self, chunk: &mut Chunk) -> bool {
        chunk.clear();
        let mut inner = self.lock();
        mem::swap(&mut inner.waiting, chunk);
        inner.taken_bytes += chunk.bytes();
        inner.taken_frames += chunk.frames();
        mem::take(&mut inner.used)
    }

    /// Counts a frame that only the writer knows towards the bounds.
    pub(crate) fn charge(&self, chunk: &Chunk) {
        let mut inner = self.lock();
        inner.taken_bytes += chunk.bytes();
        inner.taken_frames += chunk.frames();
    }

    /// Records that the writer has written this much of what it took.
    pub(crate) fn written(&self, bytes: usize, frames: usize) {
        let mut inner = self.lock();
        inner.taken_bytes = inner.taken_bytes.saturating_sub(bytes);
        inner.taken_frames = inner.taken_frames.saturating_sub(frames);
        let room = self.has_room(&inner);
        drop(inner);
        if room {
            self.room.notify_waiters();
        }
    }

    /// Closes the outbox. The writer ends when it has written the frames in it.
    pub(crate) fn close(&self) {
        self.lock().open = false;
        self.wake.notify_one();
        self.room.notify_waiters();
    }

    /// Closes the outbox if nothing waits and nothing is being written.
    pub(crate) fn close_if_idle(&self) -> bool {
        let mut inner = self.lock();
        let idle = inner.open && inner.frames() == 0;
        if idle {
            inner.open = false;
            drop(inner);
            self.wake.notify_one();
            self.room.notify_waiters();
        }
        idle
    }

    /// Waits until less than half of the bounds is used, or the outbox is closed.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect on the outbox.
    pub(crate) async fn room(&self) {
        loop {
            let mut changed = std::pin::pin!(self.room.notified());
            // Before the check, so that a change between the check and the wait is noticed.
            changed.as_mut().enable();
            if self.has_room(&self.lock()) {
                return;
            }
            changed.await;
        }
    }

    fn has_room(&self, inner: &Inner) -> bool {
        let half =
            inner.bytes() < self.limits.bytes.div_ceil(2) && inner.frames() < self.limits.frames.div_ceil(2);
        half || !inner.open
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A writer of a frame may have panicked. Its draft has been removed.
        self.inner.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    const LIMITS: OutboxLimits = OutboxLimits { bytes: 1000, frames: 4, packet: 900 };

    fn push(outbox: &Outbox, kind: PacketKind, bytes: usize) -> Result<(), Refused> {
        outbox.push(kind, 7, &mut |frame| {
            frame.buf().extend_from_slice(&vec![b'x'; bytes]);
            Ok(())
        })
    }

    fn data(outbox: &Outbox, bytes: usize) -> Result<(), Refused> {
        push(outbox, PacketKind::Request, bytes)
    }

    const FULL: Result<(), Refused> = Err(Refused::Send(SendError::Full));

    #[test]
    fn frames_and_bytes_are_bounded_and_count_until_they_are_written() {
        let outbox = Outbox::new(LIMITS);
        for _ in 0..4 {
            assert_eq!(data(&outbox, 10), Ok(()));
        }
        assert_eq!(data(&outbox, 10), FULL);
        let mut chunk = Chunk::default();
        assert!(outbox.take(&mut chunk));
        assert_eq!(data(&outbox, 10), FULL, "taken is not written");
        let frames = chunk.advance(32);
        outbox.written(32, frames);
        assert_eq!(data(&outbox, 10), Ok(()));
        assert_eq!(data(&outbox, 10), Ok(()));
        assert_eq!(data(&outbox, 10), FULL);

        let outbox = Outbox::new(LIMITS);
        assert_eq!(data(&outbox, 600), Ok(()));
        assert_eq!(data(&outbox, 600), FULL);
        assert_eq!(data(&outbox, 300), Ok(()));
    }

    #[test]
    fn control_packets_pass_a_buffer_that_is_full_of_data() {
        let outbox = Outbox::new(LIMITS);
        assert_eq!(data(&outbox, 900), Ok(()));
        assert_eq!(data(&outbox, 900), FULL);
        for kind in [PacketKind::Ping, PacketKind::Pong, PacketKind::GossipRequest] {
            assert_eq!(push(&outbox, kind, 100), Ok(()));
        }
        while push(&outbox, PacketKind::Ping, 0) == Ok(()) {}
        assert_eq!(outbox.lock().frames(), LIMITS.frames + CONTROL_FRAMES);
    }

    #[test]
    fn a_packet_above_the_limit_is_refused_with_its_size() {
        let outbox = Outbox::new(LIMITS);
        assert_eq!(data(&outbox, 900), Ok(()));
        let refused = Err(Refused::Send(SendError::TooLarge { size: 901, limit: 900 }));
        assert_eq!(push(&outbox, PacketKind::Ping, 901), refused);
    }

    #[test]
    fn a_refused_frame_leaves_the_others_as_they_were() {
        let outbox = Outbox::new(LIMITS);
        data(&outbox, 10).unwrap();
        let abandoned = outbox.push(PacketKind::Event, 1, &mut |frame| {
            frame.buf().extend_from_slice(b"half");
            Err(Abandon)
        });
        assert_eq!(abandoned, Err(Refused::Send(SendError::Abandoned)));
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            outbox.push(PacketKind::Event, 1, &mut |frame| {
                frame.buf().extend_from_slice(b"half");
                panic!("a bug of the caller");
            })
        }));
        assert!(panicked.is_err());
        data(&outbox, 10).unwrap();
        let mut chunk = Chunk::default();
        outbox.take(&mut chunk);
        assert_eq!((chunk.frames(), chunk.bytes()), (2, 32));
    }

    #[test]
    fn kinds_that_never_travel_over_tcp_have_no_route() {
        let outbox = Outbox::new(LIMITS);
        assert_eq!(push(&outbox, PacketKind::Heartbeat, 1), Err(Refused::Send(SendError::NoRoute)));
    }

    #[test]
    fn only_an_idle_outbox_closes_for_being_idle() {
        let outbox = Outbox::new(LIMITS);
        data(&outbox, 10).unwrap();
        assert!(!outbox.close_if_idle());
        let mut chunk = Chunk::default();
        outbox.take(&mut chunk);
        assert!(!outbox.close_if_idle(), "it is being written");
        outbox.written(16, 1);
        assert!(outbox.close_if_idle());
        assert_eq!(data(&outbox, 10), Err(Refused::Gone));
        assert_eq!(outbox.waiting(), Waiting::Closed);
    }

    #[tokio::test]
    async fn there_is_room_when_less_than_half_is_left_or_the_outbox_is_closed() {
        let outbox = Outbox::new(LIMITS);
        for _ in 0..4 {
            data(&outbox, 10).unwrap();
        }
        let mut room = std::pin::pin!(outbox.room());
        let pending = |poll: std::task::Poll<()>| assert!(poll.is_pending());
        pending(futures_util::poll!(&mut room));
        let mut chunk = Chunk::default();
        outbox.take(&mut chunk);
        outbox.written(32, 2);
        pending(futures_util::poll!(&mut room));
        outbox.written(16, 1);
        room.await;

        for _ in 0..3 {
            data(&outbox, 10).unwrap();
        }
        let mut room = std::pin::pin!(outbox.room());
        pending(futures_util::poll!(&mut room));
        outbox.close();
        room.await;
    }
}
