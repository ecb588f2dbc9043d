//! Calls that wait for another node's answer.
//!
//! An entry is made before the request is sent, so that no answer can come too early, and leaves in
//! exactly one of six ways: a response, never sent, deadline, node lost, caller gone, broker stopped.
//! The [`Ticket`] makes the fifth impossible to forget.

use dashmap::DashMap;
use foldhash::fast::RandomState;
use ligand_transporters::NodeId;
use std::fmt;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context as Task, Poll};
use tokio::sync::oneshot;

use crate::protocol::{PacketId, Response};

/// How a wait ended, as far as the network decides it.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The node that was asked has answered; its id where the bus chose it.
    Response(Box<Response>, Option<NodeId>),
    /// Not one byte of the request left this process.
    NeverSent,
    /// The node that was asked has gone.
    NodeLost,
    /// This broker stops.
    Stopped,
}

/// The table of waiting calls. Keyed by half of the id, which is also the token of the frame.
pub(crate) struct Pending {
    entries: DashMap<u64, Entry, RandomState>,
    len: AtomicUsize,
    /// Counts calls as they begin to wait, so that one can tell which were waiting at some moment.
    opened: AtomicU64,
    limit: usize,
    left: Left,
}

struct Entry {
    id: PacketId,
    /// `None` where the bus chooses: then whoever answers is believed, as nobody here knows who was asked.
    node: Option<NodeId>,
    number: u64,
    answer: oneshot::Sender<Answer>,
}

/// A moment in the life of the table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark(u64);

/// How many entries left in each of the six ways.
#[derive(Debug, Default)]
pub(crate) struct Left {
    pub(crate) response: AtomicU64,
    pub(crate) never_sent: AtomicU64,
    pub(crate) deadline: AtomicU64,
    pub(crate) node_lost: AtomicU64,
    pub(crate) caller_gone: AtomicU64,
    pub(crate) stopped: AtomicU64,
}

/// What a response found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// Its call.
    Call,
    /// Nothing: the caller gave up earlier, or it came twice.
    Orphan,
    /// A call that was made to another node.
    Forged,
}

/// The caller's end. Dropping it forgets the call.
#[must_use = "dropping the ticket gives the call up"]
pub(crate) struct Ticket {
    pending: Arc<Pending>,
    key: u64,
    answer: oneshot::Receiver<Answer>,
    settled: bool,
}

impl Pending {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            entries: DashMap::default(),
            len: AtomicUsize::new(0),
            opened: AtomicU64::new(0),
            limit,
            left: Left::default(),
        })
    }

    /// Begins to wait for an answer of `node`, or of whomever the bus chooses; `None` when `limit` calls wait already.
    pub(crate) fn open(self: &Arc<Self>, id: PacketId, node: Option<NodeId>) -> Option<Ticket> {
        let counted = self
            .len
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |len| (len < self.limit).then_some(len + 1));
        counted.ok()?;
        let (sender, answer) = oneshot::channel();
        let key = token(id);
        let number = self.opened.fetch_add(1, Ordering::Relaxed);
        if self.entries.insert(key, Entry { id, node, number, answer: sender }).is_some() {
            // The same id again: the older call has been given up in favour of this one.
            self.len.fetch_sub(1, Ordering::Relaxed);
        }
        Some(Ticket { pending: Arc::clone(self), key, answer, settled: false })
    }

    /// Settles a call with the response of `sender`, which must be the node that was asked where that is
    /// known.
    pub(crate) fn complete(&self, sender: &NodeId, response: Box<Response>) -> Found {
        let Some(id) = PacketId::parse(response.id()) else { return Found::Orphan };
        let asked =
            |_: &u64, entry: &Entry| entry.id == id && entry.node.as_ref().is_none_or(|node| node == sender);
        match self.entries.remove_if(&token(id), asked) {
            Some((_, entry)) => {
                self.count_out(&self.left.response);
                // The caller may have gone this very moment.
                let chosen = entry.node.is_none().then(|| sender.clone());
                let _ = entry.answer.send(Answer::Response(response, chosen));
                Found::Call
            }
            None if self.entries.contains_key(&token(id)) => Found::Forged,
            None => Found::Orphan,
        }
    }

    /// Settles the calls whose frames never left.
    pub(crate) fn never_sent(&self, tokens: &[u64]) {
        for token in tokens {
            if let Some((_, entry)) = self.entries.remove(token) {
                self.count_out(&self.left.never_sent);
                let _ = entry.answer.send(Answer::NeverSent);
            }
        }
    }

    /// This moment.
    pub(crate) fn mark(&self) -> Mark {
        Mark(self.opened.load(Ordering::Relaxed))
    }

    /// Settles every call that waits for this node and did so at that moment; how many.
    pub(crate) fn fail_node(&self, node: &NodeId, then: Mark) -> usize {
        let waited = |entry: &Entry| entry.node.as_ref() == Some(node) && entry.number < then.0;
        self.fail(waited, &self.left.node_lost, || Answer::NodeLost)
    }

    /// Settles every call.
    pub(crate) fn fail_all(&self) -> usize {
        self.fail(|_| true, &self.left.stopped, || Answer::Stopped)
    }

    fn fail(&self, which: impl Fn(&Entry) -> bool, way: &AtomicU64, answer: impl Fn() -> Answer) -> usize {
        let keys = self.entries.iter().filter(|entry| which(entry.value())).map(|entry| *entry.key());
        let keys: Vec<_> = keys.collect();
        let mut failed = 0;
        for key in keys {
            if let Some((_, entry)) = self.entries.remove_if(&key, |_, entry| which(entry)) {
                self.count_out(way);
                let _ = entry.answer.send(answer());
                failed += 1;
            }
        }
        failed
    }

    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    pub(crate) fn left(&self) -> &Left {
        &self.left
    }

    fn count_out(&self, way: &AtomicU64) {
        self.len.fetch_sub(1, Ordering::Relaxed);
        way.fetch_add(1, Ordering::Relaxed);
    }
}

/// The token of a request's frame.
pub(crate) fn token(id: PacketId) -> u64 {
    // Half of 128 random bits. Zero stands for "no token".
    (id.0 as u64).max(1)
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").field("len", &self.len()).field("left", &self.left).finish_non_exhaustive()
    }
}

// ===== impl Ticket =====

impl Ticket {
    /// Ready with the answer.
    pub(crate) fn poll_answer(&mut self, task: &mut Task<'_>) -> Poll<Answer> {
        Pin::new(&mut self.answer).poll(task).map(|answer| {
            self.settled = true;
            // An entry is only removed together with an answer, except by a newer call of the same id.
            answer.unwrap_or(Answer::Stopped)
        })
    }

    /// Gives up because the deadline has passed.
    pub(crate) fn expire(mut self) {
        self.forget(|left| &left.deadline);
    }

    /// Gives up because the request could not be sent.
    pub(crate) fn not_sent(mut self) {
        self.forget(|left| &left.never_sent);
    }

    fn forget(&mut self, way: impl FnOnce(&Left) -> &AtomicU64) {
        if !std::mem::replace(&mut self.settled, true) && self.pending.entries.remove(&self.key).is_some() {
            self.pending.count_out(way(&self.pending.left));
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.forget(|left| &left.caller_gone);
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("key", &self.key).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::task::Waker;

    fn node(name: &str) -> NodeId {
        NodeId::new(name).unwrap()
    }

    fn poll(ticket: &mut Ticket) -> Poll<Answer> {
        ticket.poll_answer(&mut Task::from_waker(Waker::noop()))
    }

    #[test]
    fn no_more_calls_wait_than_allowed() {
        let pending = Pending::new(2);
        let first = pending.open(PacketId::random(), Some(node("a"))).unwrap();
        let _second = pending.open(PacketId::random(), Some(node("a"))).unwrap();
        assert!(pending.open(PacketId::random(), Some(node("a"))).is_none());
        drop(first);
        assert!(pending.open(PacketId::random(), Some(node("a"))).is_some());
    }

    #[derive(Debug, Clone)]
    enum Way {
        NeverSent,
        Deadline,
        NodeLost,
        CallerGone,
        Stopped,
    }

    fn way() -> impl Strategy<Value = Way> {
        prop_oneof![
            Just(Way::NeverSent),
            Just(Way::Deadline),
            Just(Way::NodeLost),
            Just(Way::CallerGone),
            Just(Way::Stopped),
        ]
    }

    proptest! {
        #[test]
        fn whatever_happens_in_whatever_order_an_entry_leaves_exactly_once(ways in prop::collection::vec((way(), 0usize..8), 0..40)) {
            let pending = Pending::new(100);
            let mut open: Vec<Option<(PacketId, Ticket)>> = (0..8)
                .map(|i| {
                    let id = PacketId::random();
                    Some((id, pending.open(id, Some(node(if i % 2 == 0 { "even" } else { "odd" }))).unwrap()))
                })
                .collect();
            for (way, at) in ways {
                match way {
                    Way::NeverSent => if let Some((id, _)) = &open[at] { pending.never_sent(&[token(*id)]) },
                    Way::Deadline => if let Some((_, ticket)) = open[at].take() { ticket.expire() },
                    Way::NodeLost => { pending.fail_node(&node("odd"), pending.mark()); }
                    Way::CallerGone => open[at] = None,
                    Way::Stopped => { pending.fail_all(); }
                }
            }
            drop(open);
            let left = pending.left();
            let all = [&left.response, &left.never_sent, &left.deadline, &left.node_lost, &left.caller_gone, &left.stopped];
            prop_assert_eq!(all.iter().map(|way| way.load(Ordering::Relaxed)).sum::<u64>(), 8);
            prop_assert_eq!((pending.len(), pending.entries.len()), (0, 0));
        }
    }

    #[test]
    fn a_settled_call_hears_how() {
        let pending = Pending::new(10);
        let id = PacketId::random();
        let mut ticket = pending.open(id, Some(node("a"))).unwrap();
        assert!(poll(&mut ticket).is_pending());
        let before = pending.mark();
        let mut later = pending.open(PacketId::random(), Some(node("a"))).unwrap();
        assert_eq!(pending.fail_node(&node("b"), before), 0);
        assert_eq!(pending.fail_node(&node("a"), before), 1);
        assert!(poll(&mut later).is_pending());
        assert!(matches!(poll(&mut ticket), Poll::Ready(Answer::NodeLost)));
    }
}
