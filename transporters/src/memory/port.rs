//! A node's place in the network: its queue, and whether it is connected.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::Options;
use super::queue::{Overflow, Queue, When};
use crate::locks::{Mutex, MutexGuard};
use crate::{Frame, Link, Name, NodeId, Subscription, Topics, TransportError, Up};

/// What a node is told of a subscription that it may not have.
pub(super) const DENIED: &str = "the in-memory network denies it to this node";

/// Why a frame was not taken.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The queue is full.
    Full,
    /// Delayed frames are on their way, and this one must not overtake them. It is returned.
    UnderWay(Frame),
    /// The node is not connected.
    Away,
}

/// What a reader found.
pub(crate) enum Taken {
    /// Frames.
    Some,
    /// There is nothing before this time, unless somebody sends. In that case the reader is woken.
    Nothing { due: Option<Instant> },
    /// The node has left.
    Gone,
}

/// One node's place in the network.
pub(crate) struct Port {
    id: NodeId,
    options: Arc<Options>,
    inbox: Mutex<State>,
    /// A copy of the state's, for senders.
    connected: AtomicBool,
    /// How often the connection broke or was restored. Even while connected.
    changes: watch::Sender<u64>,
    /// Topics that were taken away, of which the node has not been notified.
    taken: watch::Sender<Vec<String>>,
    /// Notified when any node of the network has room again.
    room: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    queue: Queue,
    presence: Presence,
    reader: Option<Waker>,
    /// Whether somebody waits for room.
    awaited: bool,
}

#[derive(Debug, Default, PartialEq, Eq, Clone, Copy)]
enum Presence {
    #[default]
    Connected,
    Crashed,
    Gone,
}

impl Port {
    pub(crate) fn new(id: NodeId, options: Arc<Options>, room: Arc<Notify>) -> Self {
        Self {
            id,
            options,
            inbox: Mutex::default(),
            connected: AtomicBool::new(true),
            changes: watch::Sender::new(0),
            taken: watch::Sender::default(),
            room,
        }
    }

    pub(crate) fn id(&self) -> &NodeId {
        &self.id
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Acquire)
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.state().presence == Presence::Gone
    }

    /// Appends a frame without a fault.
    pub(crate) fn push(&self, frame: Frame) -> Result<(), Refused> {
        let mut state = self.state();
        if state.queue.next_due().is_some() {
            state.queue.arrive(Instant::now());
            if state.queue.next_due().is_some() {
                return Err(Refused::UnderWay(frame));
            }
        }
        Self::append(state, frame, When::Now, &self.options)
    }

    /// Appends a frame that arrives at a certain time.
    pub(crate) fn push_later(&self, frame: Frame, when: When, now: Instant) -> Result<(), Refused> {
        let mut state = self.state();
        state.queue.arrive(now);
        let when = match when {
            When::At(due) if due <= now => When::Now,
            when => when,
        };
        Self::append(state, frame, when, &self.options)
    }

    pub(crate) fn release(&self, from: &Name, due: Option<Instant>, now: Instant) {
        let mut state = self.state();
        state.queue.arrive(now);
        state.queue.release(from, due.filter(|due| *due > now));
        Self::wake(state);
    }

    /// Whether there is room. If not, a notification follows when there is.
    pub(crate) fn has_room(&self) -> bool {
        let mut state = self.state();
        let has_room = state.presence != Presence::Connected || state.queue.has_room(&self.options);
        state.awaited |= !has_room;
        has_room
    }

    /// Breaks the connection. The waiting frames are lost.
    pub(crate) fn crash(&self) {
        self.change(Presence::Connected, Presence::Crashed);
    }

    pub(crate) fn restore(&self) {
        self.change(Presence::Crashed, Presence::Connected);
    }

    /// Removes the node. Its reader ends.
    pub(crate) fn leave(&self) {
        self.change(Presence::Connected, Presence::Gone);
        self.change(Presence::Crashed, Presence::Gone);
    }

    /// The topic that this subscription would have on a message server.
    pub(crate) fn topic(&self, namespace: &str, subscription: &Subscription) -> String {
        Topics::new(namespace, self.id.clone()).of(subscription)
    }

    /// Records that the node does not receive this any more, and has to be notified.
    pub(crate) fn deafen(&self, topic: String) {
        self.taken.send_modify(|taken| taken.push(topic));
    }

    /// Notifies the node of broken and restored connections, and of subscriptions that were taken away, until
    /// it leaves.
    pub(crate) async fn report(self: Arc<Self>, link: Link) {
        let (mut changes, mut seen) = (self.changes.subscribe(), 0);
        let mut taken = self.taken.subscribe();
        while !self.is_gone() {
            let any = !taken.borrow_and_update().is_empty();
            let topics = if any { self.taken.send_replace(Vec::new()) } else { Vec::new() };
            // A broken connection ends all subscriptions, and the node subscribes to all of them again.
            if let [first, ..] = &topics[..]
                && self.is_connected()
            {
                for topic in &topics {
                    link.refused(&TransportError::refused(topic, DENIED));
                }
                link.deaf(&TransportError::refused(first, DENIED));
                link.up(Up::Again);
            }
            let now = *changes.borrow_and_update();
            // A loss and a return between two checks are reported once, so that both alternate.
            let broken = now > seen && seen % 2 == 0;
            let back = now > seen && now % 2 == 0;
            seen = now;
            if broken {
                link.down(&TransportError::Lost("the node was cut off from the in-memory network".into()));
            }
            if back {
                link.up(Up::Again);
            }
            // The senders live as long as this.
            tokio::select! {
                _ = changes.changed() => {}
                _ = taken.changed() => {}
            }
        }
    }

    fn change(&self, from: Presence, to: Presence) {
        let mut state = self.state();
        if state.presence != from {
            return;
        }
        state.presence = to;
        self.connected.store(to == Presence::Connected, Ordering::Release);
        let lost = std::mem::take(&mut state.queue);
        let awaited = std::mem::take(&mut state.awaited);
        // Leaving does not count as a broken connection. The task that reports them is only woken, to end.
        self.changes.send_modify(|count| *count += u64::from(to != Presence::Gone));
        Self::wake(state);
        // Dropping frames may run acknowledgements, which must not find the lock taken.
        drop(lost);
        if awaited {
            self.room.notify_waiters();
        }
    }

    fn append(
        mut state: MutexGuard<'_, State>,
        frame: Frame,
        when: When,
        options: &Options,
    ) -> Result<(), Refused> {
        if state.presence != Presence::Connected {
            return Err(Refused::Away);
        }
        state.queue.push(frame, when, options).map_err(|Overflow| Refused::Full)?;
        Self::wake(state);
        Ok(())
    }

    fn wake(mut state: MutexGuard<'_, State>) {
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inbox.lock()
    }

    /// Moves up to `limit` frames to `batch`.
    pub(crate) fn take(&self, batch: &mut Vec<Frame>, limit: usize, waker: &Waker) -> Taken {
        let mut state = self.state();
        if state.presence == Presence::Gone {
            return Taken::Gone;
        }
        let mut due = state.queue.next_due();
        if due.is_some() {
            state.queue.arrive(Instant::now());
            due = state.queue.next_due();
        }
        if !state.queue.has_ready() {
            state.reader = Some(waker.clone());
            return Taken::Nothing { due };
        }
        state.queue.take(batch, limit);
        let room = state.awaited && state.queue.has_room(&self.options);
        if room {
            state.awaited = false;
        }
        drop(state);
        if room {
            self.room.notify_waiters();
        }
        Taken::Some
    }
}

impl std::fmt::Debug for Port {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Port").field("id", &self.id).field("connected", &self.is_connected()).finish()
    }
}
