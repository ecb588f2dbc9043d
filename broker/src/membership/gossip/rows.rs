//! Converts what gossip says about nodes between its packets and the table.

use bytes::Bytes;
use ligand_transporters::Name;
use std::sync::Arc;

use crate::broker::ServiceBroker;
use crate::discovery::gossip::{Digest, Info, ResponseRows, Row, Seen};
use crate::protocol::{
    self, GossipResponse, InfoPacket, Offline, Online, OnlineRow, OutGossipResponse, OutGossipRow,
};
use crate::registry::GossipRow;

/// The INFO of a node, in the form that gossip passes on.
#[derive(Debug, Clone)]
pub(in crate::membership) struct GossipInfo(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    /// For another node, the packet as it arrived. For this node, only what gossip looks at.
    packet: InfoPacket,
    text: Text,
}

/// How to write the INFO.
#[derive(Debug)]
enum Text {
    Whole(Bytes),
    /// This node's own: encoded anew for each sequence number.
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

    /// The packet, as it was read.
    pub(super) fn packet(&self) -> InfoPacket {
        self.0.packet.clone()
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

/// What this node says about itself, in the form that gossip needs.
pub(super) fn own_info(broker: &ServiceBroker) -> GossipInfo {
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

pub(super) fn digest_in(digest: &protocol::Digest) -> Digest {
    let online = digest.online.iter().map(|row| {
        // Whole percents from 0 to 100. Any other value is cut to that.
        let cpu = row.cpu.load.clamp(0.0, 100.0) as u32;
        (row.node.clone(), Seen { seq: row.seq, cpu_seq: row.cpu.seq, cpu })
    });
    let offline = digest.offline.iter().map(|row| (row.node.clone(), row.seq));
    Digest { online: online.collect(), offline: offline.collect() }
}

pub(super) fn digest_out(digest: &Digest) -> protocol::Digest {
    let online = digest.online.iter().map(|(node, seen)| Online {
        node: node.clone(),
        seq: seen.seq,
        cpu: protocol::Cpu { seq: seen.cpu_seq, load: seen.cpu.into() },
    });
    let offline = digest.offline.iter().map(|(node, seq)| Offline { node: node.clone(), seq: *seq });
    protocol::Digest { online: online.collect(), offline: offline.collect() }
}

pub(super) fn response_in(response: GossipResponse) -> ResponseRows<GossipInfo> {
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
    ResponseRows { online: online.collect(), offline: offline.collect() }
}

pub(super) fn response_out(response: &ResponseRows<GossipInfo>) -> OutGossipResponse {
    let online = response.online.iter().map(|(node, row)| {
        let row = match row {
            Row::Info { info, cpu_seq, cpu } => {
                OutGossipRow::Info(info.bytes(), protocol::Cpu { seq: *cpu_seq, load: (*cpu).into() })
            }
            Row::Cpu { cpu_seq, cpu } => {
                OutGossipRow::Cpu(protocol::Cpu { seq: *cpu_seq, load: (*cpu).into() })
            }
        };
        (node.clone(), row)
    });
    let offline = response.offline.iter().map(|(node, seq)| Offline { node: node.clone(), seq: *seq });
    OutGossipResponse { online: online.collect(), offline: offline.collect() }
}
