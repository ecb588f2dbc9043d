//! Calls that wait for another node's answer.
//!
//! An entry is made before the request is sent, so that no answer arrives too early. It leaves in exactly one
//! of six ways: a response arrived, which is taken or refused; the request was never sent; the deadline
//! passed; the node was lost; the caller is gone; the broker stopped. A caller that goes never leaves its
//! entry behind, because dropping the [`Ticket`] removes it.

use dashmap::{DashMap, Entry as MapEntry};
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
use crate::serializer::Problem;

/// How a wait ended, as far as the network decides it.
#[derive(Debug)]
pub(crate) enum Settled {
    /// The node that was asked has answered. With its id, if the bus chose it.
    Response(Box<Response>, Option<NodeId>),
    /// The node that was asked has answered, but this node refuses the answer. With the id of the node that
    /// answered, if the bus chose it.
    Refused(Box<Problem>, Option<NodeId>),
    /// No byte of the request left this process.
    NeverSent,
    /// The node that was asked has gone.
    NodeLost,
    /// This broker stops.
    Stopped,
}

/// The table of waiting calls. The key is half of the id, which is also the token of the frame.
pub(crate) struct Pending {
    entries: DashMap<u64, Entry, RandomState>,
    len: AtomicUsize,
    /// Counts calls as they begin to wait. So it is known which of them waited at some moment.
    opened: AtomicU64,
    limit: usize,
    left: Left,
}

struct Entry {
    id: PacketId,
    /// The node that was asked. `None` if the bus chose it: then any sender is accepted, because this node
    /// does not know who was asked.
    node: Option<NodeId>,
    /// The number of this call, whatever its id is.
    number: u64,
    answer: oneshot::Sender<Settled>,
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
pub(crate) enum Matched {
    /// The call that it answers.
    Call,
    /// Nothing: the caller gave up before, or the response arrived twice.
    Orphan,
    /// A call to another node than the sender.
    Forged,
}

/// The caller's end of a call. Dropping it forgets the call.
#[must_use = "dropping the ticket gives the call up"]
pub(crate) struct Ticket {
    pending: Arc<Pending>,
    id: PacketId,
    number: u64,
    answer: oneshot::Receiver<Settled>,
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

    /// Begins to wait for an answer of `node`, or of the node that the bus chooses. Returns `None` if `limit`
    /// calls wait already.
    ///
    /// The call uses the id in [`Ticket::id`]. That is a new id if another call waits under the given one,
    /// because the answers could not be told apart.
    pub(crate) fn open(self: &Arc<Self>, id: PacketId, node: Option<NodeId>) -> Option<Ticket> {
        let counted = self
            .len
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |len| (len < self.limit).then_some(len + 1));
        counted.ok()?;
        let (sender, answer) = oneshot::channel();
        let number = self.opened.fetch_add(1, Ordering::Relaxed);
        let mut id = id;
        loop {
            match self.entries.entry(token(id)) {
                MapEntry::Vacant(free) => {
                    free.insert(Entry { id, node, number, answer: sender });
                    return Some(Ticket { pending: Arc::clone(self), id, number, answer, settled: false });
                }
                MapEntry::Occupied(_) => id = PacketId::random(),
            }
        }
    }

    /// Settles a call with the response of `sender`. If it is known which node was asked, it must be
    /// `sender`.
    pub(crate) fn complete(&self, sender: &NodeId, response: Box<Response>) -> Matched {
        let Some(id) = PacketId::parse(response.id()) else { return Matched::Orphan };
        self.settle(sender, id, |chosen| Settled::Response(response, chosen))
    }

    /// Settles a call with an answer of `sender` that this node refuses. The same condition holds.
    pub(crate) fn refuse(&self, sender: &NodeId, id: &str, problem: Problem) -> Matched {
        let Some(id) = PacketId::parse(id) else { return Matched::Orphan };
        self.settle(sender, id, |chosen| Settled::Refused(Box::new(problem), chosen))
    }

    #[inline]
    fn settle(
        &self,
        sender: &NodeId,
        id: PacketId,
        answer: impl FnOnce(Option<NodeId>) -> Settled,
    ) -> Matched {
        let asked =
            |_: &u64, entry: &Entry| entry.id == id && entry.node.as_ref().is_none_or(|node| node == sender);
        match self.entries.remove_if(&token(id), asked) {
            Some((_, entry)) => {
                self.count_out(&self.left.response);
                // The caller may be gone by now.
                let chosen = entry.node.is_none().then(|| sender.clone());
                let _ = entry.answer.send(answer(chosen));
                Matched::Call
            }
            None if self.entries.contains_key(&token(id)) => Matched::Forged,
            None => Matched::Orphan,
        }
    }

    /// Settles the calls whose frames were never sent.
    pub(crate) fn never_sent(&self, tokens: &[u64]) {
        for token in tokens {
            if let Some((_, entry)) = self.entries.remove(token) {
                self.count_out(&self.left.never_sent);
                let _ = entry.answer.send(Settled::NeverSent);
            }
        }
    }

    /// The current moment.
    pub(crate) fn mark(&self) -> Mark {
        Mark(self.opened.load(Ordering::Relaxed))
    }

    /// Settles every call that waits for this node and did so at that moment. Returns how many.
    pub(crate) fn fail_node(&self, node: &NodeId, then: Mark) -> usize {
        let waited = |entry: &Entry| entry.node.as_ref() == Some(node) && entry.number < then.0;
        self.fail(waited, &self.left.node_lost, || Settled::NodeLost)
    }

    /// Settles every call, and returns how many.
    pub(crate) fn fail_all(&self) -> usize {
        self.fail(|_| true, &self.left.stopped, || Settled::Stopped)
    }

    fn fail(&self, which: impl Fn(&Entry) -> bool, way: &AtomicU64, answer: impl Fn() -> Settled) -> usize {
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
    // This is half of 128 random bits. Zero stands for "no token".
    (id.0 as u64).max(1)
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").field("len", &self.len()).field("left", &self.left).finish_non_exhaustive()
    }
}

// ===== impl Ticket =====

impl Ticket {
    /// Resolves with the answer.
    pub(crate) fn poll_answer(&mut self, task: &mut Task<'_>) -> Poll<Settled> {
        Pin::new(&mut self.answer).poll(task).map(|answer| {
            self.settled = true;
            // An entry is only removed together with an answer.
            answer.unwrap_or(Settled::Stopped)
        })
    }

    /// The id to send, which the answer carries.
    pub(crate) fn id(&self) -> PacketId {
        self.id
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
        if std::mem::replace(&mut self.settled, true) {
            return;
        }
        // If this call was settled a moment ago, a newer one may wait under its id.
        let own = |_: &u64, entry: &Entry| entry.number == self.number;
        if self.pending.entries.remove_if(&token(self.id), own).is_some() {
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
        f.debug_struct("Ticket").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::TextSpan;
    use proptest::prelude::*;
    use std::task::Waker;

    fn node(name: &str) -> NodeId {
        NodeId::new(name).unwrap()
    }

    fn poll(ticket: &mut Ticket) -> Poll<Settled> {
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
        Response,
        Refused,
        NeverSent,
        Deadline,
        NodeLost,
        CallerGone,
        Stopped,
        /// Another call begins under the id that the one in this place was made with.
        Again,
    }

    fn way() -> impl Strategy<Value = Way> {
        prop_oneof![
            Just(Way::Response),
            Just(Way::Refused),
            Just(Way::NeverSent),
            Just(Way::Deadline),
            Just(Way::NodeLost),
            Just(Way::CallerGone),
            Just(Way::Stopped),
            Just(Way::Again),
        ]
    }

    fn response(id: PacketId) -> Box<Response> {
        Box::new(Response { id: TextSpan::Unescaped(id.to_string().into()), ..Response::default() })
    }

    fn problem() -> Problem {
        Problem::Missing { field: "success" }
    }

    /// A call as its caller sees it: the id it was to have, and whether it was settled by somebody else.
    struct Call {
        wished: PacketId,
        ticket: Ticket,
        settled: bool,
    }

    proptest! {
        #[test]
        fn whatever_happens_in_whatever_order_an_entry_leaves_exactly_once(ways in prop::collection::vec((way(), 0usize..8), 0..60)) {
            let pending = Pending::new(100);
            let of_place = |at: usize| node(if at.is_multiple_of(2) { "even" } else { "odd" });
            let begin = |at: usize, wished: PacketId| {
                Call { wished, ticket: pending.open(wished, Some(of_place(at))).unwrap(), settled: false }
            };
            let mut begun = 8;
            let mut calls: Vec<Vec<Call>> = (0..8).map(|at| vec![begin(at, PacketId::random())]).collect();
            for (way, at) in ways {
                let ids = |calls: &[Vec<Call>]| calls[at].last().map(|call| call.ticket.id());
                let settle = |call: &mut Call| call.settled = true;
                match way {
                    Way::Response => if let Some(id) = ids(&calls) {
                        let settled = calls[at].last().unwrap().settled;
                        let found = pending.complete(&of_place(at), response(id));
                        prop_assert_eq!(found, if settled { Matched::Orphan } else { Matched::Call });
                        calls[at].last_mut().map(settle);
                    }
                    Way::Refused => if let Some(id) = ids(&calls) {
                        prop_assert_ne!(pending.refuse(&node("liar"), &id.to_string(), problem()), Matched::Call);
                        pending.refuse(&of_place(at), &id.to_string(), problem());
                        calls[at].last_mut().map(settle);
                    }
                    Way::NeverSent => if let Some(id) = ids(&calls) {
                        pending.never_sent(&[token(id)]);
                        calls[at].last_mut().map(settle);
                    }
                    Way::Deadline => if let Some(call) = calls[at].pop() { call.ticket.expire() },
                    Way::NodeLost => {
                        pending.fail_node(&node("odd"), pending.mark());
                        calls.iter_mut().skip(1).step_by(2).flatten().for_each(settle);
                    }
                    // The oldest of its place: a newer one may have the same id.
                    Way::CallerGone => if !calls[at].is_empty() { drop(calls[at].remove(0)) },
                    Way::Stopped => {
                        pending.fail_all();
                        calls.iter_mut().flatten().for_each(settle);
                    }
                    Way::Again => {
                        let wished = calls[at].last().map_or_else(PacketId::random, |call| call.wished);
                        calls[at].push(begin(at, wished));
                        begun += 1;
                    }
                }
                // Nobody is settled by what happened to another one.
                for call in calls.iter_mut().flatten() {
                    let waits = pending.entries.get(&token(call.ticket.id()));
                    let waits = waits.is_some_and(|entry| entry.number == call.ticket.number);
                    prop_assert_eq!(waits, !call.settled);
                }
            }
            drop(calls);
            let left = pending.left();
            let all = [&left.response, &left.never_sent, &left.deadline, &left.node_lost, &left.caller_gone, &left.stopped];
            prop_assert_eq!(all.iter().map(|way| way.load(Ordering::Relaxed)).sum::<u64>(), begun);
            prop_assert_eq!((pending.len(), pending.entries.len()), (0, 0));
        }
    }

    #[test]
    fn two_calls_under_one_id_are_kept_apart() {
        let pending = Pending::new(10);
        let id = PacketId::random();
        let mut first = pending.open(id, Some(node("a"))).unwrap();
        let mut second = pending.open(id, Some(node("a"))).unwrap();
        assert_eq!(first.id(), id);
        assert_ne!(second.id(), id);
        assert_eq!(pending.complete(&node("a"), response(second.id())), Matched::Call);
        assert!(poll(&mut first).is_pending());
        assert!(matches!(poll(&mut second), Poll::Ready(Settled::Response(..))));
        // Settled, but nobody has looked yet when a third one takes the id that is free now.
        assert_eq!(pending.complete(&node("a"), response(id)), Matched::Call);
        let mut third = pending.open(id, Some(node("a"))).unwrap();
        assert_eq!(third.id(), id);
        drop(first);
        assert_eq!((pending.len(), poll(&mut third).is_pending()), (1, true));
        assert_eq!(pending.complete(&node("a"), response(id)), Matched::Call);
        assert!(poll(&mut third).is_ready());
    }

    #[test]
    fn an_answer_that_is_not_taken_settles_the_call_unless_somebody_else_sent_it() {
        let pending = Pending::new(10);
        let id = PacketId::random();
        let mut ticket = pending.open(id, Some(node("a"))).unwrap();
        assert_eq!(pending.refuse(&node("liar"), &id.to_string(), problem()), Matched::Forged);
        assert!(poll(&mut ticket).is_pending());
        assert_eq!(pending.refuse(&node("a"), &id.to_string(), problem()), Matched::Call);
        assert_eq!(pending.refuse(&node("a"), &id.to_string(), problem()), Matched::Orphan);
        assert!(
            matches!(poll(&mut ticket), Poll::Ready(Settled::Refused(found, None)) if *found == problem())
        );
        // Where the bus chose, whoever knows the id is believed, as with any answer.
        let mut ticket = pending.open(id, None).unwrap();
        assert_eq!(pending.refuse(&node("b"), &id.to_string(), problem()), Matched::Call);
        assert!(matches!(poll(&mut ticket), Poll::Ready(Settled::Refused(_, Some(by))) if by == node("b")));
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
        assert!(matches!(poll(&mut ticket), Poll::Ready(Settled::NodeLost)));
    }
}
