//! Packets on their way in: reads and checks the envelope, and passes the packet on.

use ligand_transporters::{Batch, Frame, NodeId, PacketKind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Transit;
use super::pending::Matched;
use super::stats::Counters;
use crate::broker::ServiceBroker;
use crate::guard;
use crate::membership::Message;
use crate::protocol::{Incoming, Packet, ProtocolVersion};
use crate::serializer::{DecodeError, Problem};

/// How many data frames are handled before the writers get a chance to flush the answers.
const TURN_FRAMES: u32 = 256;
/// How long frames are handled before that.
const TURN_TIME: Duration = Duration::from_micros(200);

impl Transit {
    /// Handles frames. Control packets are passed on; requests and events run in place.
    pub(super) fn deliver(self: &Arc<Self>, batch: &mut Batch<'_>) {
        let Some(broker) = self.broker() else {
            while batch.next().is_some() {}
            return;
        };
        let from = Instant::now();
        let mut handled = 0;
        let mut turn = || {
            while let Some(frame) = batch.next() {
                if frame.kind.is_control() {
                    self.control.tell(Message::Frame(frame));
                    continue;
                }
                handled += 1;
                self.data(&broker, frame);
                // The clock is read rarely, because most frames take a few microseconds.
                if handled >= TURN_FRAMES || (handled % 8 == 0 && from.elapsed() >= TURN_TIME) {
                    return;
                }
            }
        };
        // Handlers and layers have their own guards. This guard is for values that panic when they are
        // dropped, and for connections of other crates.
        for _ in 0..TURN_FRAMES {
            let Err(panicked) = guard::run(&mut turn) else { return };
            tracing::error!(panic = panicked.text(), "a packet met a panic, its reader goes on");
        }
    }

    fn data(self: &Arc<Self>, broker: &ServiceBroker, frame: Frame) {
        if !self.is_claimed() {
            // If our id has another owner, it gets its own copy and answers.
            return;
        }
        let Frame { kind, payload, ack, shed, .. } = frame;
        let Some(incoming) = self.open(kind, payload) else { return };
        let Some(version) = self.accept(broker, &incoming) else { return };
        let Incoming { sender, packet, .. } = incoming;
        match packet {
            // The transporter's inbox is full. Events are dropped first, because requests can be made
            // elsewhere.
            Packet::Event(_) if shed => Counters::add(&self.stats.events_dropped),
            Packet::Request(request) if shed => self.turn_away(version, sender, &request, ack),
            Packet::Request(request) => self.serve(broker, version, sender, &request, ack),
            Packet::Event(event) => self.receive_event(broker, sender, &event, ack),
            Packet::Response(response) => {
                let found = self.pending.complete(&sender, response);
                self.count(found, &sender);
            }
            _ => Counters::add(&self.stats.malformed),
        }
    }

    /// Counts a response that was not taken.
    #[inline]
    fn count(&self, found: Matched, sender: &NodeId) {
        match found {
            Matched::Call => {}
            Matched::Orphan => Counters::add(&self.stats.orphans),
            Matched::Forged => {
                Counters::add(&self.stats.forged);
                tracing::debug!(sender = %sender, "response from a node that was not asked");
            }
        }
    }

    /// Decodes a packet. A request that cannot be read, but names its id and sender, is answered. A response
    /// of that kind ends its call. So no caller waits in vain.
    pub(crate) fn open(self: &Arc<Self>, kind: PacketKind, payload: bytes::Bytes) -> Option<Incoming> {
        let payload = match self.wire.layers.incoming(kind, payload) {
            Ok(payload) => payload,
            Err(error) => {
                self.refused_by_layer(kind, &error);
                return None;
            }
        };
        self.look_at(kind, &payload);
        match self.wire.decode(kind, payload) {
            Ok(incoming) => Some(incoming),
            Err(error) => {
                self.tell_malformed(kind, &error);
                match (kind, &error.sender) {
                    (PacketKind::Request, _) => self.refuse_malformed(&error),
                    (PacketKind::Response, _) => self.refuse_answer(error),
                    (PacketKind::Info, Some(sender)) if *sender != self.node => {
                        self.tell_refused_info(sender, None, &error.problem);
                    }
                    _ => {}
                }
                None
            }
        }
    }

    /// Ends the call whose answer cannot be read, if the answer says who sent it. As with any answer, only
    /// the node that was asked can end the call.
    fn refuse_answer(&self, error: DecodeError) {
        let DecodeError { problem, id: Some(id), sender: Some(sender), .. } = error else { return };
        let found = self.pending.refuse(&sender, id.as_str(), problem);
        self.count(found, &sender);
    }

    /// Returns the version to answer in, or `None` if the version of the packet is not accepted.
    pub(crate) fn accept(
        self: &Arc<Self>,
        broker: &ServiceBroker,
        incoming: &Incoming,
    ) -> Option<ProtocolVersion> {
        let version = incoming.ver.known();
        let accepted =
            version.filter(|version| !self.config.transit.strict_version || *version == self.wire.version);
        match accepted {
            Some(version) => {
                self.heard(broker, incoming, version);
                Some(version)
            }
            None => {
                Counters::add(&self.stats.wrong_version);
                self.control.tell(Message::WrongVersion {
                    sender: incoming.sender.clone(),
                    ver: incoming.ver.to_string().into(),
                });
                match &incoming.packet {
                    Packet::Request(request) => {
                        self.refuse_version(&incoming.sender, request.context.wire_id(), &incoming.ver);
                    }
                    Packet::Response(response) => {
                        let expected = self.wire.version.accepted(self.config.transit.strict_version);
                        let problem = Problem::Wrong { field: "ver", expected };
                        let found = self.pending.refuse(&incoming.sender, response.id(), problem);
                        self.count(found, &incoming.sender);
                    }
                    _ => {}
                }
                None
            }
        }
    }
}
