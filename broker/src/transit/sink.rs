//! The node's end of a transporter's link.

use bytes::Bytes;
use ligand_transporters::{Batch, Name, NodeId, PacketKind, Sink, TransportError, Up};
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock, Weak};

use super::Transit;
use super::stats::Counters;
use crate::membership::Message;
use crate::protocol::Outgoing;

/// Set once the transit exists. What arrives before that is ignored.
#[derive(Default)]
pub(super) struct NodeSink(pub(super) OnceLock<Weak<Transit>>);

impl NodeSink {
    fn transit(&self) -> Option<Arc<Transit>> {
        self.0.get().and_then(Weak::upgrade)
    }
}

impl Sink for NodeSink {
    fn deliver(&self, batch: &mut Batch<'_>) {
        match self.transit() {
            Some(transit) => transit.deliver(batch),
            None => while batch.next().is_some() {},
        }
    }

    fn unsent(&self, tokens: &[u64]) {
        if let Some(transit) = self.transit() {
            transit.pending.never_sent(tokens);
        }
    }

    fn greeting(&self, _to: &NodeId) -> Option<Bytes> {
        self.transit()?.greeting()
    }

    fn up(&self, how: Up) {
        if let Some(transit) = self.transit() {
            transit.control.tell(Message::Up(how));
        }
    }

    fn down(&self, why: &TransportError) {
        if let Some(transit) = self.transit() {
            transit.went_down(why);
        }
    }

    fn refused(&self, why: &TransportError) {
        if let Some(transit) = self.transit() {
            transit.refused(why);
        }
    }

    fn deaf(&self, why: &TransportError) {
        if let Some(transit) = self.transit() {
            transit.went_deaf(why);
        }
    }

    fn dropped(&self, kind: PacketKind) {
        if let Some(transit) = self.transit() {
            let stats = &transit.stats;
            Counters::add(match kind {
                PacketKind::Event => &stats.events_dropped,
                _ => &stats.overflowed,
            });
        }
    }

    fn sighted(&self, node: &NodeId, addr: &Name, source: Option<SocketAddr>) {
        if let Some(transit) = self.transit() {
            transit.control.tell(Message::Sighted { node: node.clone(), addr: addr.clone(), source });
        }
    }

    fn lost(&self, node: &NodeId, why: &TransportError) {
        if let Some(transit) = self.transit() {
            tracing::debug!(node = %node, error = %why, "connection to a node lost");
            transit.control.tell(Message::Lost { node: node.clone() });
        }
    }
}

impl Transit {
    /// The first packet on a connection to a peer (protocol chapter 4.4).
    fn greeting(&self) -> Option<Bytes> {
        let broker = self.broker()?;
        let snapshot = broker.shared().registry.load();
        let own = snapshot.node_by_id(self.node.as_str())?;
        let by_name = self.uplink.peering.use_hostname;
        let host = own.hostname().filter(|_| by_name).or(own.ip_list().first()).or(own.hostname())?;
        let hello = Outgoing::GossipHello { host, port: own.port()? };
        let hello = self.wire.collect(&*self.wire.serializer, &self.node, &hello).ok()?;
        self.wire.layers.outgoing(PacketKind::GossipHello, hello).ok()
    }
}

impl fmt::Debug for NodeSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeSink").finish_non_exhaustive()
    }
}
