//! Takes messages off subscriptions. Several subscriptions share a lane.

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
    /// As soon as the server knows. The library delivers what arrives until then and after. When the server
    /// is known to know, the library must be told once more.
    Told,
    /// At once. The library drops what the server sends until the server knows (async-nats 0.51).
    Now,
}

/// The number of messages after which the library ends a subscription, which is never reached. The server
/// cannot read a number this large, and takes it as an order to end the subscription at once. `processUnsub`
/// in nats-server's `server/client.go` goes by the result of `parseSize`: -1 for more than nine digits, or a
/// negative number where an old server lets it overflow. A server that could read the number would learn of
/// the end only together with the library. The messages that it sent in that instant would be lost.
const FAR: u64 = 1 << 63;

/// An order to end a subscription. It is answered when the library has been told.
type Order = (End, oneshot::Sender<()>);

/// Ends a subscription that is read elsewhere. Dropping it ends the subscription at once.
pub(super) struct Stop {
    orders: mpsc::Sender<Order>,
    ended: oneshot::Receiver<()>,
}

impl Stop {
    /// Tells the library.
    pub(super) async fn end(&self, when: End) {
        let (answer, answered) = oneshot::channel();
        // An error means that the reader has ended, together with the subscription.
        if self.orders.send((when, answer)).await.is_ok() {
            let _ = answered.await;
        }
    }

    /// Resolves when the subscription has ended and all its messages are handed over.
    pub(super) async fn ended(&mut self) {
        if !self.ended.is_terminated() {
            // The sender is dropped and never sends, so this is always an error.
            let _ = (&mut self.ended).await;
        }
    }
}

/// One subscription.
pub(super) struct Tap {
    kind: PacketKind,
    subscriber: Subscriber,
    orders: mpsc::Receiver<Order>,
    /// The `Stop` was dropped, and the order to end has been given.
    forgotten: bool,
    /// The subscription or the connection has ended.
    over: bool,
    /// Dropped when all messages of the subscription are handed over.
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
        // An error means that the connection is gone, and with it the subscription.
        let _ = match when {
            End::Told => self.subscriber.unsubscribe_after(FAR).await,
            End::Now => self.subscriber.drain().await,
        };
    }
}

/// Frames that are handed over at once. Between two batches the reader looks at what has arrived, so that
/// little of it stays in the library. The library has no limit in bytes, and does not know what to drop
/// first.
const BATCH: usize = 128;

/// Messages that are taken off one subscription in one look, so that a flood in one does not hide the others.
const LOOK: usize = 64 * 1024;

/// Takes everything that waits in its subscriptions, as far as the bounds allow, and hands it over in
/// batches.
pub(super) struct Reader {
    /// The subscriptions, in the order in which they are looked at.
    taps: Vec<Tap>,
    intake: Intake,
    waiting: VecDeque<Frame>,
    /// The frames that come after all others of the same look.
    last: Vec<Frame>,
    /// The senders of subscriptions that have ended, until all their messages are handed over.
    open: Vec<oneshot::Sender<()>>,
}

/// The result of a look at all subscriptions.
enum Looked {
    Frames,
    Order(usize, Order),
    /// No subscription is left.
    End,
}

impl Reader {
    pub(super) fn new(mut taps: Vec<Tap>, intake: Intake) -> Self {
        // Subscriptions have no order among themselves. But whatever a node sent before a request or its
        // DISCONNECT arrived before that, so it is there once the request is seen. Requests and DISCONNECT
        // are thus looked at first and handled last, and do not overtake anything.
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
                    // All of it was dropped, but there is more.
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
            // The frames of the last look have been handed over.
            self.open.clear();
        }
        loop {
            // Poll without a budget. It would end after 128 messages, no matter how many there are.
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
        // Give other tasks a turn, even if the subscriptions are never empty.
        coop::consume_budget().await;
        true
    }
}
