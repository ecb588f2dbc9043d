//! Takes messages off subscriptions, several of which share a lane.

use async_nats::Subscriber;
use async_trait::async_trait;
use futures_util::StreamExt as _;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::oneshot;
use tokio::task::coop;

use crate::bus::Intake;
use crate::{Frame, PacketKind, Source};

/// Asks a reader to end a subscription; the answer comes when the library has been told to.
pub(super) type Stop = oneshot::Sender<oneshot::Sender<()>>;

/// One subscription.
pub(super) struct Tap {
    kind: PacketKind,
    subscriber: Subscriber,
    stop: Option<oneshot::Receiver<oneshot::Sender<()>>>,
    /// The subscription or the connection has ended.
    over: bool,
}

impl Tap {
    pub(super) fn new(kind: PacketKind, subscriber: Subscriber) -> (Self, Stop) {
        let (stop, stopped) = oneshot::channel();
        (Self { kind, subscriber, stop: Some(stopped), over: false }, stop)
    }

    fn comes_last(&self) -> bool {
        matches!(self.kind, PacketKind::Request | PacketKind::Disconnect)
    }

    fn poll_stop(&mut self, cx: &mut Context<'_>) -> Option<oneshot::Sender<()>> {
        match Pin::new(self.stop.as_mut()?).poll(cx) {
            Poll::Ready(asked) => {
                self.stop = None;
                asked.ok()
            }
            Poll::Pending => None,
        }
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
}

enum Found {
    Frames,
    Stop(usize, oneshot::Sender<()>),
    /// No subscription is left.
    End,
}

impl Reader {
    pub(super) fn new(mut taps: Vec<Tap>, intake: Intake) -> Self {
        // Subscriptions have no order among themselves. But what a node sent before a request or its
        // farewell came before that, so it is there once that is seen: looked at first and handled last,
        // neither overtakes anything.
        taps.sort_by_key(|tap| !tap.comes_last());
        Self { taps, intake, waiting: VecDeque::new(), last: Vec::new() }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Found> {
        let mut more = false;
        for (number, tap) in self.taps.iter_mut().enumerate() {
            if let Some(answer) = tap.poll_stop(cx) {
                return Poll::Ready(Found::Stop(number, answer));
            }
            for looked in 0.. {
                if looked == LOOK {
                    more = true;
                    break;
                }
                match tap.subscriber.poll_next_unpin(cx) {
                    Poll::Ready(Some(message)) => {
                        let frame = self.intake.accept(Frame::new(tap.kind, message.payload));
                        match tap.comes_last() {
                            true => self.last.extend(frame),
                            false => self.waiting.extend(frame),
                        }
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
        self.taps.retain(|tap| !tap.over);
        match self.waiting.is_empty() {
            false => Poll::Ready(Found::Frames),
            true if self.taps.is_empty() => Poll::Ready(Found::End),
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
        loop {
            // Without a budget, which ends at 128 messages of however many there are.
            match coop::unconstrained(poll_fn(|cx| self.poll(cx))).await {
                Found::Frames => break,
                Found::Stop(number, answer) => {
                    // An error says that the connection is gone, and so is the subscription.
                    let _ = self.taps[number].subscriber.drain().await;
                    let _ = answer.send(());
                }
                Found::End => return false,
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
