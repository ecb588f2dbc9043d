//! Takes messages off subscriptions, several of which share a lane.

use async_nats::Subscriber;
use async_trait::async_trait;
use futures_util::StreamExt as _;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll};
use tokio::sync::{mpsc, oneshot};
use tokio::task::coop;

use crate::bus::Intake;
use crate::{Frame, PacketKind, Source};

/// When a subscription is to end.
#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    /// As soon as the server knows. The library goes on delivering what comes until then, and after: it has
    /// to be told once more, when the server is known to know.
    Told,
    /// At once. The library drops what the server sends until it knows (async-nats 0.51).
    Now,
}

/// After so many messages a subscription ends for the library, which is never. For the server it is no number that
/// it can count to, and so an order to end the subscription at once (`processUnsub` in nats-server's
/// `server/client.go` goes by what `parseSize` makes of it: -1 of more than nine digits, a negative number where an
/// old one lets it overflow). A server that did count to it would be told once more together with the library, and
/// what it sent in that instant would be lost.
const FAR: u64 = 1 << 63;

/// An order to end a subscription, answered when the library has been told.
type Order = (End, oneshot::Sender<()>);

/// Ends a subscription that is read elsewhere; dropping it does so at once.
pub(super) struct Stop {
    orders: mpsc::Sender<Order>,
    ended: oneshot::Receiver<()>,
}

impl Stop {
    /// Tells the library.
    pub(super) async fn end(&self, when: End) {
        let (answer, answered) = oneshot::channel();
        // An error says that the reader has ended, and the subscription with it.
        if self.orders.send((when, answer)).await.is_ok() {
            let _ = answered.await;
        }
    }

    /// Resolves when the subscription has ended and all that it had is handed over.
    pub(super) async fn ended(&mut self) {
        if !self.ended.is_terminated() {
            // It is dropped, never sent.
            let _ = (&mut self.ended).await;
        }
    }
}

/// One subscription.
pub(super) struct Tap {
    kind: PacketKind,
    subscriber: Subscriber,
    orders: mpsc::Receiver<Order>,
    /// Nobody can end it any more, so it was ended.
    forgotten: bool,
    /// The subscription or the connection has ended.
    over: bool,
    /// Dropped when all of it is handed over.
    open: Option<oneshot::Sender<()>>,
}

impl Tap {
    pub(super) fn new(kind: PacketKind, subscriber: Subscriber) -> (Self, Stop) {
        let ((sender, orders), (open, ended)) = (mpsc::channel(1), oneshot::channel());
        let tap = Self { kind, subscriber, orders, forgotten: false, over: false, open: Some(open) };
        (tap, Stop { orders: sender, ended })
    }

    fn comes_last(&self) -> bool {
        matches!(self.kind, PacketKind::Request | PacketKind::Disconnect)
    }

    fn poll_order(&mut self, cx: &mut Context<'_>) -> Option<Order> {
        match self.orders.poll_recv(cx) {
            Poll::Ready(None) if !self.forgotten => {
                self.forgotten = true;
                Some((End::Now, oneshot::channel().0))
            }
            Poll::Ready(order) => order,
            Poll::Pending => None,
        }
    }

    async fn obey(&mut self, when: End) {
        // An error says that the connection is gone, and so is the subscription.
        let _ = match when {
            End::Told => self.subscriber.unsubscribe_after(FAR).await,
            End::Now => self.subscriber.drain().await,
        };
    }
}

/// Frames handed over at once. In between, what has arrived meanwhile is looked at, so that not much of it
/// lies in the library, which bounds no bytes and does not know what to give up first.
const BATCH: usize = 128;

/// Messages taken off one subscription in one look, so that a flood in it does not hide the others.
const LOOK: usize = 64 * 1024;

/// Takes everything that lies in its subscriptions, as far as the bounds allow, and hands it over bit by bit.
pub(super) struct Reader {
    /// The order in which they are looked at.
    taps: Vec<Tap>,
    intake: Intake,
    waiting: VecDeque<Frame>,
    /// What comes after all that was found in the same look.
    last: Vec<Frame>,
    /// Of those that have ended, while not all that they had is handed over.
    open: Vec<oneshot::Sender<()>>,
}

/// What a look at all subscriptions gave.
enum Looked {
    Frames,
    Order(usize, Order),
    /// No subscription is left.
    End,
}

impl Reader {
    pub(super) fn new(mut taps: Vec<Tap>, intake: Intake) -> Self {
        // Subscriptions have no order among themselves. But what a node sent before a request or its
        // farewell came before that, so it is there once that is seen: looked at first and handled last,
        // neither overtakes anything.
        taps.sort_by_key(|tap| !tap.comes_last());
        Self { taps, intake, waiting: VecDeque::new(), last: Vec::new(), open: Vec::new() }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Looked> {
        let mut more = false;
        for (number, tap) in self.taps.iter_mut().enumerate() {
            if let Some(order) = tap.poll_order(cx) {
                return Poll::Ready(Looked::Order(number, order));
            }
            for looked in 0.. {
                if looked == LOOK {
                    more = true;
                    break;
                }
                match tap.subscriber.poll_next_unpin(cx) {
                    Poll::Ready(Some(message)) => {
                        let frame = self.intake.accept(Frame::new(tap.kind, message.payload));
                        if tap.comes_last() { self.last.extend(frame) } else { self.waiting.extend(frame) }
                    }
                    Poll::Ready(None) => {
                        tap.over = true;
                        break;
                    }
                    Poll::Pending => break,
                }
            }
        }
        self.waiting.extend(self.last.drain(..));
        self.open.extend(self.taps.extract_if(.., |tap| tap.over).filter_map(|tap| tap.open));
        match self.waiting.is_empty() {
            false => Poll::Ready(Looked::Frames),
            true if self.taps.is_empty() => Poll::Ready(Looked::End),
            true => {
                if more {
                    // All of it was given up.
                    cx.waker().wake_by_ref();
                }
                Poll::Pending
            }
        }
    }
}

#[async_trait]
impl Source for Reader {
    async fn next(&mut self, batch: &mut Vec<Frame>) -> bool {
        if self.waiting.is_empty() {
            // What was taken last has been handed over.
            self.open.clear();
        }
        loop {
            // Without a budget, which ends at 128 messages of however many there are.
            match coop::unconstrained(poll_fn(|cx| self.poll(cx))).await {
                Looked::Frames => break,
                Looked::Order(number, (when, answer)) => {
                    let tap = &mut self.taps[number];
                    tap.obey(when).await;
                    let _ = answer.send(());
                }
                Looked::End => return false,
            }
        }
        for frame in self.waiting.drain(..self.waiting.len().min(BATCH)) {
            self.intake.leave(&frame);
            batch.push(frame);
        }
        // Subscriptions that never run dry must not keep the thread to themselves.
        coop::consume_budget().await;
        true
    }
}
