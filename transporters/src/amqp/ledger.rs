//! Deliveries that are to be acknowledged: from their arrival to their `basic.ack`.

use foldhash::quality::RandomState;
use futures_util::FutureExt as _;
use lapin::Channel;
use lapin::message::Delivery;
use lapin::options::BasicAckOptions;
use std::hash::BuildHasher as _;
use std::sync::Arc;
use tokio::sync::Notify;

use super::acks::Acks;
use super::underway::{Underway, Verdict};
use crate::bus::Port;
use crate::locks::Mutex;
use crate::{Ack, Frame, PacketKind};

/// What the sessions of a node have in common: the deliveries that are being handled, and the last that were.
#[derive(Default)]
pub(super) struct Handled {
    underway: Mutex<Underway<(Arc<Ledger>, u64)>>,
    hashes: RandomState,
}

/// What has been delivered in one session.
pub(super) struct Ledger {
    acks: Mutex<Acks>,
    handled: Arc<Handled>,
    port: Port,
    wake: Notify,
}

impl Ledger {
    pub(super) fn new(port: &Port, handled: Arc<Handled>) -> Self {
        let acks = Mutex::new(Acks::new(port.accepted()));
        Self { acks, handled, port: port.clone(), wake: Notify::new() }
    }

    /// A delivery as a frame, unless the same is being handled or has been.
    pub(super) fn frame(self: &Arc<Self>, kind: PacketKind, delivery: Delivery) -> Option<Frame> {
        let Delivery { delivery_tag: tag, redelivered, data, .. } = delivery;
        let content = self.handled.hashes.hash_one(&data);
        let verdict = self.handled.underway.lock().begin(content, redelivered, (Arc::clone(self), tag));
        match verdict {
            Verdict::Run => {}
            Verdict::Twin => return None,
            Verdict::Done => {
                self.done(tag);
                return None;
            }
        }
        let ledger = Arc::clone(self);
        let mut frame = Frame::new(kind, data);
        frame.ack = Some(Ack::new(move || {
            let twins = ledger.handled.underway.lock().end(content);
            ledger.done(tag);
            for (ledger, tag) in twins {
                ledger.done(tag);
            }
        }));
        Some(frame)
    }

    /// A delivery has been handled, and what its handler sent has been accepted.
    fn done(&self, tag: u64) {
        let ready = {
            let mut acks = self.acks.lock();
            // Inside the lock, so that marks come in order.
            acks.done(tag, self.port.accepted())
        };
        if ready {
            self.wake.notify_one();
        }
    }

    /// Frames up to this number have left.
    pub(super) fn sent(&self, number: u64) {
        if self.acks.lock().sent(number) {
            self.wake.notify_one();
        }
    }

    /// Sends what is due, and again whenever something is.
    pub(super) async fn acknowledge(self: Arc<Self>, channel: Channel) {
        loop {
            self.wake.notified().await;
            self.send(&channel);
        }
    }

    /// Sends what is due. The library takes each at once; whether it can still be sent shows elsewhere.
    pub(super) fn send(&self, channel: &Channel) {
        // Held while they are handed over: two that overtook each other would be an error to the server.
        let mut acks = self.acks.lock();
        for ack in acks.take() {
            let options = BasicAckOptions { multiple: ack.multiple };
            let _ = channel.basic_ack(ack.tag, options).now_or_never();
        }
    }
}
