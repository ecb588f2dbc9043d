//! What membership acts on during one turn of the control loop.

use ligand_transporters::{Name, NodeId};
use std::sync::Arc;
use tokio::time::Instant;

use super::driver::State;
use crate::broker::ServiceBroker;
use crate::protocol::{Id, Outgoing, PacketId, ProtocolVersion};
use crate::registry::Registry;
use crate::transit::{Transit, wall_clock_ms};

/// This node and the current time. It lives for one turn only.
pub(super) struct Env<'a> {
    pub(super) transit: &'a Arc<Transit>,
    pub(super) broker: &'a ServiceBroker,
    pub(super) state: &'a mut State,
    pub(super) now: Instant,
}

impl<'a> Env<'a> {
    /// The time as the deciders in [`crate::discovery`] take it.
    pub(super) fn std_now(&self) -> std::time::Instant {
        self.now.into_std()
    }

    pub(super) fn registry(&self) -> &'a Registry {
        &self.broker.shared().registry
    }

    /// Whether a packet names this node as its sender.
    pub(super) fn is_own(&self, node: &NodeId) -> bool {
        node == self.transit.node()
    }

    /// Sends a packet to one node. Membership repeats everything, so a failure is only logged.
    pub(super) fn send(&self, node: &NodeId, version: ProtocolVersion, packet: &Outgoing<'_>) {
        if let Err(error) = self.transit.send_to(node, version, 0, packet, &mut |_| Ok(())) {
            tracing::debug!(node = %node, packet = packet.kind().as_str(), error = %error, "packet not sent");
        }
    }

    /// Asks a node whether it is there.
    pub(super) fn ping(&self, node: &NodeId, version: ProtocolVersion, nonce: &Name) {
        self.send(node, version, &Outgoing::Ping { time: wall_clock_ms(), id: Id::Text(nonce) });
    }

    /// Asks a node who it is.
    pub(super) fn discover(&self, node: &NodeId, version: ProtocolVersion) {
        self.send(node, version, &Outgoing::Discover);
    }
}

/// An id that nobody can guess.
pub(super) fn nonce() -> Name {
    PacketId::random().to_string().into()
}
