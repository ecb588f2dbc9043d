//! What membership does to the rest of this node: the registry, waiting calls, local events.

use ligand_transporters::{InvalidId, Name, NodeId, PacketKind, Peering, Route};
use serde_json::json;
use std::sync::Arc;
use tokio::time::Instant;

use super::Transit;
use super::pending::Mark;
use super::ping::wall_clock_ms;
use super::stats::Counters;
use crate::broker::{PingReply, ServiceBroker};
use crate::discovery::chores::Chores;
use crate::discovery::conflict::{Conflict, Probe};
use crate::protocol::{self, Incoming, InfoPacket, Outgoing, Pong, ProtocolVersion};
use crate::registry::{InfoChange, InfoKind, LocalInfo};
use crate::serializer::Serializer;

/// Larger records of a discoverer's store are ignored: as large as a packet may be.
const LARGEST_RECORD: usize = 1024 * 1024;
/// Where an inbox is shared, the server hands out by turns what comes for it; so many answers to a probe
/// are not all handed to the owner itself.
const SHARED_PROBES: usize = 4;
/// Between our id and an address; holds blanks, which no id of a ligand node can.
const STAND_IN: &str = " at ";

impl Transit {
    pub(crate) fn node(&self) -> &NodeId {
        &self.node
    }

    pub(crate) fn membership(&self) -> ligand_transporters::Membership {
        self.membership
    }

    pub(crate) fn own_version(&self) -> ProtocolVersion {
        self.version
    }

    /// Whether what goes to everybody goes out once per version.
    pub(crate) fn speaks_both(&self) -> bool {
        self.both
    }

    /// How a transporter that gossips is configured.
    pub(crate) fn peering(&self) -> &Peering {
        &self.peering
    }

    /// The version last seen from a node.
    pub(crate) fn version_of(&self, node: &NodeId) -> ProtocolVersion {
        let broker = self.broker();
        let known = broker.as_ref().and_then(|broker| {
            let snapshot = broker.shared().registry.load();
            snapshot.node_by_id(node.as_str()).and_then(|node| node.version())
        });
        known.unwrap_or(self.version)
    }

    /// Where a node can be reached; `None` forgets it.
    pub(crate) fn set_address(&self, node: &NodeId, addr: Option<&Name>) {
        let mut addresses = self.addresses.write();
        match addr {
            Some(addr) if addresses.get(node) == Some(addr) => {}
            Some(addr) => {
                addresses.insert(node.clone(), addr.clone());
            }
            None => {
                addresses.remove(node);
            }
        }
    }

    /// Where a node can be reached that the registry does not know yet. It is forgotten by
    /// [`Transit::keep_addresses`] if that goes on; there are as many such addresses as there may be nodes.
    pub(crate) fn set_stranger_address(&self, node: &NodeId, addr: Name) {
        let mut addresses = self.addresses.write();
        if addresses.contains_key(node) || addresses.len() < 2 * self.config.registry.max_nodes {
            addresses.insert(node.clone(), addr);
        }
    }

    /// Forgets the addresses of all other nodes.
    pub(crate) fn keep_addresses(&self, of: impl Fn(&NodeId) -> bool) {
        self.addresses.write().retain(|node, _| of(node));
    }

    /// First packet on a connection to a peer (protocol chapter 4.4).
    pub(super) fn greeting(&self) -> Option<bytes::Bytes> {
        let broker = self.broker()?;
        let snapshot = broker.shared().registry.load();
        let own = snapshot.node_by_id(self.node.as_str())?;
        let by_name = self.peering.use_hostname;
        let host = own.hostname().filter(|_| by_name).or(own.ip_list().first()).or(own.hostname())?;
        let hello = Outgoing::GossipHello { host, port: own.port()? };
        let write = |frame: &mut ligand_transporters::FrameBuf<'_>| {
            self.serializer.encode(self.version, &self.node, &hello, &mut |_| Ok(()), frame)
        };
        let mut write = write;
        let hello = ligand_transporters::collect(&mut write, usize::MAX).ok()?;
        self.pipeline.outgoing(PacketKind::GossipHello, hello).ok()
    }

    pub(crate) fn open_control(
        self: &Arc<Self>,
        kind: PacketKind,
        payload: bytes::Bytes,
    ) -> Option<Incoming> {
        self.open(kind, payload)
    }

    /// Reads a record of the discoverer's store, which has a serializer of its own and has passed no layers.
    pub(crate) fn open_record(
        &self,
        serializer: &dyn Serializer,
        kind: PacketKind,
        record: bytes::Bytes,
    ) -> Option<Incoming> {
        if record.len() > LARGEST_RECORD {
            tracing::debug!(packet = kind.as_str(), size = record.len(), "record too large, ignored");
            return None;
        }
        let read = serializer.decode(kind, record, &self.limits);
        read.inspect_err(|error| {
            Counters::add(&self.stats.malformed);
            tracing::debug!(packet = kind.as_str(), error = %error, "record cannot be read");
        })
        .ok()
    }

    /// What this node says of itself, as a record of that store.
    pub(crate) fn info_record(&self, serializer: &dyn Serializer, info: &[u8]) -> Option<bytes::Bytes> {
        let info = Outgoing::Info(info);
        let write = &mut |frame: &mut ligand_transporters::FrameBuf<'_>| {
            serializer.encode(self.version, &self.node, &info, &mut |_| Ok(()), frame)
        };
        ligand_transporters::collect(write, usize::MAX).ok()
    }

    /// A PONG to a ping of ours.
    pub(crate) fn pinged(&self, sender: &NodeId, pong: &Pong, now: Instant) -> Option<PingReply> {
        self.pings.answered(sender, pong, now)
    }

    /// Asks whoever has our id whether that is somebody else.
    pub(crate) fn probe(&self, probe: &Probe) {
        let ping = Outgoing::Ping { time: wall_clock_ms(), id: protocol::Id::Text(&probe.nonce) };
        if !self.shared_inboxes {
            return self.send_to_double(probe.address.as_ref(), self.version, &ping);
        }
        for _ in 0..SHARED_PROBES {
            self.send_to_double(probe.address.as_ref(), self.version, &ping);
        }
        let echo = Conflict::echo(&probe.nonce);
        let echo = Some(protocol::Id::Text(&echo));
        let pong = Outgoing::Pong { time: None, id: echo, arrived: wall_clock_ms() };
        self.send_to_double(None, self.version, &pong);
    }

    /// Sends a packet to whoever else has our id: to an address, or over a bus to our own topic.
    pub(crate) fn send_to_double(
        &self,
        addr: Option<&Name>,
        version: ProtocolVersion,
        packet: &Outgoing<'_>,
    ) {
        let route = match addr.map(|addr| self.stand_in(addr)) {
            Some(Ok(stand_in)) => Route::Node { id: stand_in, addr: addr.cloned() },
            Some(Err(_)) => return,
            None => Route::Node { id: self.node.clone(), addr: None },
        };
        if let Err(error) = self.send(&route, version, 0, packet, &mut |_| Ok(())) {
            tracing::debug!(error = %error, packet = packet.kind().as_str(), "not sent to a node with our id");
        }
    }

    /// The id under which the transporter keeps the connection to an owner of our id. Its connections are
    /// per id, and ours stands for ourselves.
    fn stand_in(&self, addr: &str) -> Result<NodeId, InvalidId> {
        NodeId::foreign(format!("{}{STAND_IN}{addr}", self.node))
    }

    /// The address that such an id stands for.
    pub(crate) fn stood_in_for<'a>(&self, node: &'a NodeId) -> Option<&'a str> {
        node.as_str().strip_prefix(self.node.as_str())?.strip_prefix(STAND_IN)
    }

    /// Tells a node about this one, in the version in which it asked.
    pub(crate) fn send_info(&self, info: &LocalInfo, to: &NodeId, version: ProtocolVersion) {
        let sent = self.send_to(to, version, 0, &Outgoing::Info(&info.json), &mut |_| Ok(()));
        if let Err(error) = sent {
            tracing::debug!(node = %to, error = %error, "INFO not sent");
        }
    }

    /// Forgets nodes that have been offline for long, and says so; those.
    pub(crate) fn sweep(
        &self,
        broker: &ServiceBroker,
        heard: impl Fn(&NodeId) -> Option<std::time::Instant>,
        now: Instant,
    ) -> Vec<NodeId> {
        let after = self.config.registry.clean_offline_nodes_timeout;
        let forgotten = broker.shared().registry.sweep(now.into_std(), after, heard);
        forgotten.iter().for_each(|node| removed(broker, node));
        forgotten
    }

    /// Forgets a node, and says so.
    pub(crate) fn forget_node(broker: &ServiceBroker, node: &NodeId) {
        if broker.shared().registry.remove_node(node.as_str()).is_some() {
            removed(broker, node);
        }
    }

    /// Works an INFO in; what it did, unless it could not be read.
    pub(crate) fn apply_info(
        &self,
        broker: &ServiceBroker,
        node: &NodeId,
        info: InfoPacket,
        chores: &mut Chores,
        now: Instant,
    ) -> Option<InfoChange> {
        let parse = |raw: &protocol::Raw| self.serializer.services(raw, &self.limits);
        let services = info.services_raw.clone();
        let change = match broker.shared().registry.apply_info(node, info, now.into_std(), parse) {
            Ok(change) => change,
            Err(problem) => {
                self.tell_refused_info(node, Some(&services), &problem);
                return None;
            }
        };
        if let Some(evicted) = &change.evicted {
            removed(broker, evicted);
        }
        match change.kind {
            InfoKind::New | InfoKind::Reconnected => {
                let reconnected = change.kind == InfoKind::Reconnected;
                tracing::info!(node = %node, reconnected, "node connected");
                let data = json!({ "node": { "id": node.as_str() }, "reconnected": reconnected });
                broker.publish_local("$node.connected", data);
            }
            InfoKind::Restarted => {
                tracing::info!(node = %node, "node restarted");
                chores.fail_later(self, node.clone(), now);
                broker.publish_local("$node.updated", json!({ "node": { "id": node.as_str() } }));
            }
            InfoKind::Updated => {
                tracing::debug!(node = %node, "node updated");
                broker.publish_local("$node.updated", json!({ "node": { "id": node.as_str() } }));
            }
            InfoKind::Refused => self.no_room(node, now),
            InfoKind::Unchanged | InfoKind::Own | InfoKind::Conflict => {}
        }
        if change.services_changed {
            broker.services_changed(false);
        }
        Some(change)
    }

    /// A line a minute: whoever invents nodes must not fill the log.
    fn no_room(&self, node: &NodeId, now: Instant) {
        let mut lines = self.no_room_lines.lock();
        if lines.take(now.into_std()) {
            let limit = self.config.registry.max_nodes;
            tracing::warn!(node = %node, limit, "more nodes than registry.maxNodes, this one and others stay unseen");
        }
    }

    /// A node has gone: its services are no longer offered, and calls that wait for it are failed soon.
    pub(crate) fn node_gone(
        &self,
        broker: &ServiceBroker,
        node: &NodeId,
        unexpected: bool,
        chores: &mut Chores,
        now: Instant,
    ) {
        if broker.shared().registry.node_lost(node.as_str(), now.into_std()).is_none() {
            return;
        }
        if unexpected {
            chores.vanished(node.clone());
            chores.fail_later(self, node.clone(), now);
        } else {
            tracing::info!(node = %node, "node disconnected");
            chores.fail_after_farewell(self, node.clone(), now);
        }
        let data = json!({ "node": { "id": node.as_str() }, "unexpected": unexpected });
        broker.publish_local("$node.disconnected", data);
        broker.services_changed(false);
    }

    /// This moment in the table of waiting calls.
    pub(crate) fn mark(&self) -> Mark {
        self.pending.mark()
    }

    /// Fails the calls that waited for a node at that moment.
    pub(crate) fn fail_node(&self, node: &NodeId, then: Mark) -> usize {
        self.pending.fail_node(node, then)
    }
}

fn removed(broker: &ServiceBroker, node: &NodeId) {
    tracing::debug!(node = %node, "node forgotten");
    broker.publish_local("$node.removed", json!({ "node": { "id": node.as_str() } }));
}
