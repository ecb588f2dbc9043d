//! Membership over TCP: gossip packets in and out of [`Gossip`].

use bytes::Bytes;
use ligand_transporters::{Name, NodeId, SendError};
use rand::RngExt as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

use super::chores::Chores;
use super::conflict::Conflict;
use super::cpu::Cpu;
use super::gossip::{Change, Digest, Gossip, Info, Options, Response, Row, Seen, Step, What};
use crate::broker::ServiceBroker;
use crate::protocol::{
    self, Answer, AnswerRow, GossipResponse, InfoPacket, Offline, Online, OnlineRow, Outgoing, Packet,
    PacketId, ProtocolVersion,
};
use crate::registry::{GossipRow, Registry};
use crate::transit::Transit;

/// The INFO of a node, as gossip passes it on.
#[derive(Debug, Clone)]
pub(super) struct GossipInfo(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    /// Another node's: as it came. Our own: only what gossip looks at.
    packet: InfoPacket,
    text: Text,
}

/// How to write it.
#[derive(Debug)]
enum Text {
    Whole(Bytes),
    /// Our own: made anew for each number.
    Own(GossipRow),
}

impl GossipInfo {
    fn foreign(packet: InfoPacket) -> Self {
        let text = Text::Whole(packet.raw.bytes().clone());
        Self(Arc::new(Parts { packet, text }))
    }

    fn own(packet: InfoPacket, row: GossipRow) -> Self {
        Self(Arc::new(Parts { packet, text: Text::Own(row) }))
    }

    fn bytes(&self) -> Bytes {
        match &self.0.text {
            Text::Whole(bytes) => bytes.clone(),
            Text::Own(row) => row.json(self.0.packet.seq),
        }
    }

    fn changed(&self, change: impl FnOnce(&mut InfoPacket), no_services: bool) -> Self {
        let mut packet = self.0.packet.clone();
        change(&mut packet);
        let text = match &self.0.text {
            Text::Whole(bytes) => Text::Whole(bytes.clone()),
            Text::Own(row) if no_services => Text::Own(row.without_services()),
            Text::Own(row) => Text::Own(row.clone()),
        };
        Self(Arc::new(Parts { packet, text }))
    }
}

impl Info for GossipInfo {
    fn seq(&self) -> u64 {
        self.0.packet.seq
    }

    fn instance_id(&self) -> &str {
        &self.0.packet.instance_id
    }

    fn hostname(&self) -> Option<&str> {
        self.0.packet.hostname.as_deref()
    }

    fn ip(&self) -> Option<&str> {
        self.0.packet.ip_list.first().map(Name::as_str)
    }

    fn port(&self) -> Option<u16> {
        self.0.packet.port
    }

    fn protocol(&self) -> Option<u8> {
        let client = &self.0.packet.client;
        let old = client.kind == "nodejs" && client.version.starts_with("0.14");
        (client.kind == "nodejs").then_some(if old { 4 } else { 5 })
    }

    fn weight(&self) -> usize {
        match &self.0.text {
            Text::Whole(bytes) => bytes.len(),
            Text::Own(row) => row.weight(),
        }
    }

    fn renumbered(&self, seq: u64) -> Self {
        self.changed(|packet| packet.seq = seq, false)
    }

    fn without_services(&self) -> Self {
        self.changed(|_| {}, true)
    }
}

/// Membership of a node that gossips.
pub(super) struct Tcp {
    pub(super) gossip: Gossip<GossipInfo>,
    cpu: Cpu,
    period: Duration,
    next: Instant,
}

impl Tcp {
    pub(super) fn new(transit: &Transit, broker: &ServiceBroker, now: Instant) -> Self {
        let peering = transit.peering();
        let config = broker.config();
        let options = Options {
            use_hostname: peering.use_hostname,
            period: peering.gossip_period,
            max_nodes: config.registry.max_nodes.min(Registry::MOST_NODES),
            forget_after: config.registry.clean_offline_nodes_timeout,
            ..Options::default()
        };
        let gossip = Gossip::new(transit.node().clone(), &own_info(broker), options);
        Self { gossip, cpu: Cpu::new(), period: peering.gossip_period, next: now + peering.gossip_period }
    }

    pub(super) fn next_tick(&self) -> Instant {
        self.next
    }

    pub(super) fn stamped(&mut self, sender: &NodeId, version: ProtocolVersion) {
        self.gossip.stamped(sender, if version == ProtocolVersion::V4 { 4 } else { 5 });
    }

    pub(super) fn own_changed(&mut self, broker: &ServiceBroker) -> Step<GossipInfo> {
        self.gossip.own_changed(&own_info(broker), &mut choose)
    }

    /// One round of gossip.
    pub(super) fn round(&mut self, now: Instant) -> Step<GossipInfo> {
        self.next = now + self.period;
        if let Some(load) = self.cpu.measure() {
            self.gossip.measured(load);
        }
        self.gossip.tick(now.into_std(), &mut choose)
    }

    pub(super) fn packet(
        &mut self,
        sender: &NodeId,
        packet: Packet,
        peer: Option<SocketAddr>,
        now: Instant,
    ) -> Step<GossipInfo> {
        let at = now.into_std();
        match packet {
            Packet::GossipHello(hello) => self.gossip.hello(sender, &hello.host, hello.port, peer, at),
            Packet::GossipRequest(digest) => self.gossip.request(sender, &digest_in(&digest), at),
            Packet::GossipResponse(response) => self.gossip.response(sender, &response_in(*response), at),
            _ => Step::default(),
        }
    }

    /// Does what a step says: first the changes, then the packets.
    pub(super) fn apply(
        &mut self,
        transit: &Transit,
        broker: &ServiceBroker,
        step: Step<GossipInfo>,
        conflict: &mut Conflict,
        chores: &mut Chores,
        now: Instant,
    ) {
        for change in step.changes {
            self.change(transit, broker, change, chores, now);
        }
        for send in step.sends {
            self.send(transit, broker, &send.to, &send.what, chores, now);
        }
        if let Some(seq) = step.forged {
            chores.defence.forged(seq, now.into_std());
        }
        for evidence in step.evidence {
            let nonce = PacketId::random().to_string().into();
            if let Some(probe) = conflict.evidence(&evidence, nonce, now.into_std()) {
                transit.probe(&probe);
            }
        }
    }

    fn change(
        &mut self,
        transit: &Transit,
        broker: &ServiceBroker,
        change: Change<GossipInfo>,
        chores: &mut Chores,
        now: Instant,
    ) {
        match change {
            Change::Online { node, info, .. } | Change::Updated { node, info, .. } => {
                transit.set_address(&node, self.gossip.address_of(&node).as_ref());
                let change = transit.apply_info(broker, &node, info.0.packet.clone(), chores, now);
                // The table has no more rows than the registry has room, so it evicts and refuses nobody.
                if change.is_some() {
                    self.gossip.listed(&node);
                }
            }
            Change::Offline { node, unexpected } => transit.node_gone(broker, &node, unexpected, chores, now),
            Change::Cpu { node, cpu } => {
                // Whole percents up to 100.
                broker.shared().registry.heartbeat(node.as_str(), Some(cpu as f32), now.into_std());
            }
            Change::Forgotten { node } => {
                transit.set_address(&node, None);
                Transit::forget_node(broker, &node);
            }
        }
    }

    fn send(
        &mut self,
        transit: &Transit,
        broker: &ServiceBroker,
        to: &NodeId,
        what: &What<GossipInfo>,
        chores: &mut Chores,
        now: Instant,
    ) {
        transit.set_address(to, self.gossip.address_of(to).as_ref());
        tracing::trace!(node = %to, packet = match what { What::Request(_) => "GOSSIP_REQ", What::Response(_) => "GOSSIP_RES" }, "gossip");
        let version = match self.gossip.version_of(to) {
            Some(4) => ProtocolVersion::V4,
            Some(_) => ProtocolVersion::V5,
            None => transit.own_version(),
        };
        let sent = match what {
            What::Request(digest) => {
                let digest = digest_out(digest);
                transit.send_to(to, version, 0, &Outgoing::GossipRequest(&digest), &mut |_| Ok(()))
            }
            What::Response(response) => {
                let answer = response_out(response);
                transit.send_to(to, version, 0, &Outgoing::GossipResponse(&answer), &mut |_| Ok(()))
            }
        };
        match sent {
            Ok(()) => {}
            // Without a way to it, it is as good as lost; the next round tries another of its addresses.
            Err(SendError::NoRoute) => {
                let step = self.gossip.lost(to, true, now.into_std());
                for change in step.changes {
                    self.change(transit, broker, change, chores, now);
                }
            }
            Err(error) => {
                if let SendError::TooLarge { .. } = error {
                    transit.tell_own_too_large(&error);
                }
                tracing::debug!(node = %to, error = %error, "gossip not sent");
            }
        }
    }
}

/// A number below `n`.
fn choose(n: usize) -> usize {
    rand::rng().random_range(0..n.max(1))
}

/// What this node says about itself, as gossip needs it.
fn own_info(broker: &ServiceBroker) -> GossipInfo {
    let shared = broker.shared();
    let local = shared.registry.local_info();
    let snapshot = shared.registry.snapshot();
    let node = snapshot.node_by_id(broker.node_id().as_str());
    let packet = InfoPacket {
        raw: protocol::Raw::empty_object(),
        services_raw: protocol::Raw::from_static("[]"),
        ip_list: node.map(|node| node.ip_list().to_vec()).unwrap_or_default(),
        hostname: node.and_then(|node| node.hostname().cloned()),
        client: protocol::Client::default(),
        config: protocol::Raw::empty_object(),
        instance_id: broker.instance_id().clone(),
        metadata: protocol::Raw::empty_object(),
        seq: local.seq,
        port: node.and_then(|node| node.port()),
    };
    GossipInfo::own(packet, local.gossip.clone())
}

fn digest_in(digest: &protocol::Digest) -> Digest {
    let online = digest.online.iter().map(|row| {
        // Whole percents from 0 to 100; anything else is cut to that.
        let cpu = row.cpu.load.clamp(0.0, 100.0) as u32;
        (row.node.clone(), Seen { seq: row.seq, cpu_seq: row.cpu.seq, cpu })
    });
    let offline = digest.offline.iter().map(|row| (row.node.clone(), row.seq));
    Digest { online: online.collect(), offline: offline.collect() }
}

fn digest_out(digest: &Digest) -> protocol::Digest {
    let online = digest.online.iter().map(|(node, seen)| Online {
        node: node.clone(),
        seq: seen.seq,
        cpu: protocol::Cpu { seq: seen.cpu_seq, load: seen.cpu.into() },
    });
    let offline = digest.offline.iter().map(|(node, seq)| Offline { node: node.clone(), seq: *seq });
    protocol::Digest { online: online.collect(), offline: offline.collect() }
}

fn response_in(response: GossipResponse) -> Response<GossipInfo> {
    let online = response.online.into_iter().map(|(node, row)| {
        let row = match row {
            OnlineRow::Info(info, cpu) => {
                let cpu = cpu.unwrap_or_default();
                Row::Info {
                    info: GossipInfo::foreign(*info),
                    cpu_seq: cpu.seq,
                    cpu: cpu.load.clamp(0.0, 100.0) as u32,
                }
            }
            OnlineRow::Cpu(cpu) => Row::Cpu { cpu_seq: cpu.seq, cpu: cpu.load.clamp(0.0, 100.0) as u32 },
        };
        (node, row)
    });
    let offline = response.offline.into_iter().map(|row| (row.node, row.seq));
    Response { online: online.collect(), offline: offline.collect() }
}

fn response_out(response: &Response<GossipInfo>) -> Answer {
    let online = response.online.iter().map(|(node, row)| {
        let row = match row {
            Row::Info { info, cpu_seq, cpu } => {
                AnswerRow::Info(info.bytes(), protocol::Cpu { seq: *cpu_seq, load: (*cpu).into() })
            }
            Row::Cpu { cpu_seq, cpu } => AnswerRow::Cpu(protocol::Cpu { seq: *cpu_seq, load: (*cpu).into() }),
        };
        (node.clone(), row)
    });
    let offline = response.offline.iter().map(|(node, seq)| Offline { node: node.clone(), seq: *seq });
    Answer { online: online.collect(), offline: offline.collect() }
}
