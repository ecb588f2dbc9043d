//! Signs of life in data packets.

use ligand_transporters::NodeId;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::Transit;
use crate::broker::ServiceBroker;
use crate::membership::Message;
use crate::protocol::{Incoming, ProtocolVersion};

/// A clock that ticks when the control loop checks for silence, about once a second. That is precise enough,
/// and it costs nothing to read for every packet.
#[derive(Debug, Default)]
pub(super) struct Coarse(AtomicU64);

impl Transit {
    /// Any packet says that its sender is alive. If the sender is not known as online, it is asked who it is.
    pub(super) fn heard(&self, broker: &ServiceBroker, incoming: &Incoming, version: ProtocolVersion) {
        let sender = &incoming.sender;
        let snapshot = broker.shared().registry.load();
        match snapshot.node_by_id(sender.as_str()) {
            Some(node) if node.is_local() => {}
            Some(node) if node.is_available() => {
                node.see(version, self.coarse.0.load(Ordering::Relaxed));
            }
            _ if incoming.packet.kind().is_control() => {}
            _ => self.control.tell(Message::Stranger { node: sender.clone(), version }),
        }
    }

    /// Calls `alive` for every node that was heard since the last call, and lets the clock tick.
    pub(crate) fn heard_since(&self, broker: &ServiceBroker, mut alive: impl FnMut(&NodeId, Instant)) {
        let now = Instant::now();
        let tick = self.coarse.0.fetch_add(1, Ordering::Relaxed);
        for node in broker.shared().registry.load().nodes() {
            if !node.is_local() && node.is_available() && node.seen_at() == tick {
                alive(node.id(), now);
            }
        }
    }
}
