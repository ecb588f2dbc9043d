//! Control packets of other nodes. PING and PONG are answered here; the way of membership handles all others.

use ligand_transporters::{Frame, NodeId, PacketKind};
use serde_json::json;

use super::discoverer::Sender;
use super::turn::Turn;
use crate::protocol::{Outgoing, Packet, Ping, Pong, ProtocolVersion};
use crate::transit::{echo, wall_clock_ms};

impl Turn<'_> {
    pub(super) fn frame(&mut self, frame: Frame) {
        let (transit, broker) = (self.env.transit, self.env.broker);
        let peer = frame.peer;
        let Some(incoming) = transit.open(frame.kind, frame.payload) else { return };
        let node = &incoming.sender;
        // Until this node owns its id, what others send to the id is meant for its owner.
        if !transit.is_claimed() && !self.env.is_own(node) {
            return;
        }
        let stamped = incoming.ver.known();
        // The version of TCP's gossip packets is not checked (protocol chapter 1.1).
        let version = match incoming.packet.kind() {
            PacketKind::GossipHello | PacketKind::GossipRequest | PacketKind::GossipResponse => {
                Some(stamped.unwrap_or(transit.own_version()))
            }
            _ => transit.accept(broker, &incoming),
        };
        let Some(version) = version else { return };
        let from = Sender { node, version, stamped, peer };
        self.packet(from, incoming.packet);
        // If this was the first packet of a node, the node is known only now.
        if let Some(stamped) = stamped {
            self.env.seen_version(node, stamped);
        }
    }

    fn packet(&mut self, from: Sender<'_>, packet: Packet) {
        tracing::trace!(node = %from.node, packet = packet.kind().as_str(), "control packet");
        if let Packet::GossipHello(hello) = &packet
            && let Some(peer) = from.peer.filter(|_| self.env.is_own(from.node))
        {
            self.env.state.claim.remember_double(peer, hello);
        }
        self.discoverer.heard(&mut self.env, from, &packet);
        match packet {
            Packet::Ping(ping) if self.env.is_own(from.node) => self.probed(from, &ping),
            Packet::Ping(ping) => self.ping(from.node, from.version, &ping),
            Packet::Pong(pong) if self.env.is_own(from.node) => self.own_pong(&pong),
            Packet::Pong(pong) => self.pong(from.node, &pong),
            packet => self.discoverer.packet(&mut self.env, from, packet),
        }
    }

    fn ping(&self, node: &NodeId, version: ProtocolVersion, ping: &Ping) {
        let pong = Outgoing::Pong { time: ping.time, id: echo(ping.id.as_ref()), arrived: wall_clock_ms() };
        self.env.send(node, version, &pong);
    }

    fn pong(&mut self, node: &NodeId, pong: &Pong) {
        if let Some(nonce) = pong.nonce() {
            self.discoverer.ponged(&mut self.env, node, nonce);
        }
        if let Some(reply) = self.env.transit.pinged(node, pong, self.env.now) {
            self.env.broker.publish_local(
                "$node.pong",
                json!({
                    "nodeID": node.as_str(),
                    "elapsedTime": reply.elapsed.as_millis() as u64,
                    "timeDiff": reply.time_diff_ms,
                }),
            );
        }
    }
}
