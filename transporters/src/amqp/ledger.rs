//! Deliveries that need an acknowledgement, from their arrival to their `basic.ack`.

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

/// The state that the sessions of a node share: the deliveries that are being handled, and those handled
/// last.
#[derive(Default)]
pub(super) struct Handled {
    underway: Mutex<Underway<(Arc<Ledger>, u64)>>,
    hashes: RandomState,
}

/// The deliveries of one session.
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

    /// Turns a delivery into a frame, unless the same packet is being handled or has been handled.
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

    /// Notes that a delivery has been handled, and that what its handler sent has been accepted.
    fn done(&self, tag: u64) {
        let ready = {
            let mut acks = self.acks.lock();
            // The mark is read inside the lock, so that marks come in order.
            acks.done(tag, self.port.accepted())
        };
        if ready {
            self.wake.notify_one();
        }
    }

    /// Notes that frames up to this number have left.
    pub(super) fn sent(&self, number: u64) {
        if self.acks.lock().sent(number) {
            self.wake.notify_one();
        }
    }

    /// Sends the acknowledgements that are due, and again whenever some are.
    pub(super) async fn acknowledge(self: Arc<Self>, channel: Channel) {
        loop {
            self.wake.notified().await;
            self.send(&channel);
        }
    }

    /// Sends the acknowledgements that are due. The library takes each one at once. Whether it can still send
    /// them shows elsewhere.
    pub(super) fn send(&self, channel: &Channel) {
        // The lock is held while they are handed over. If one overtook another, the server would report an
        // error.
        let mut acks = self.acks.lock();
        for ack in acks.take() {
            let options = BasicAckOptions { multiple: ack.multiple };
            let _ = channel.basic_ack(ack.tag, options).now_or_never();
        }
    }
}
