//! The effects of membership on the rest of this node: the registry, waiting calls, local events.

use ligand_transporters::NodeId;
use serde_json::json;

use super::env::Env;
use crate::broker::ServiceBroker;
use crate::protocol::InfoPacket;
use crate::registry::{InfoChange, InfoKind};

impl Env<'_> {
    /// Applies an INFO. Returns what it changed, or `None` if it could not be read.
    pub(super) fn apply_info(&mut self, node: &NodeId, info: InfoPacket) -> Option<InfoChange> {
        let (transit, broker) = (self.transit, self.broker);
        let services = info.services_raw.clone();
        let parse = |raw: &_| transit.read_services(raw);
        let change = match self.registry().apply_info(node, info, self.std_now(), parse) {
            Ok(change) => change,
            Err(problem) => {
                transit.tell_refused_info(node, Some(&services), &problem);
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
                self.fail_calls_soon(node.clone());
                broker.publish_local("$node.updated", json!({ "node": { "id": node.as_str() } }));
            }
            InfoKind::Updated => {
                tracing::debug!(node = %node, "node updated");
                broker.publish_local("$node.updated", json!({ "node": { "id": node.as_str() } }));
            }
            InfoKind::Refused => self.no_room(node),
            InfoKind::Unchanged | InfoKind::Own | InfoKind::Conflict => {}
        }
        if change.services_changed {
            broker.services_changed(false);
        }
        Some(change)
    }

    /// Logs one line a minute, so that somebody who invents nodes cannot fill the log.
    fn no_room(&mut self, node: &NodeId) {
        if self.state.no_room_lines.take(self.now.into_std()) {
            let limit = self.broker.config().registry.max_nodes;
            tracing::warn!(node = %node, limit, "more nodes than registry.maxNodes, this one and others stay unseen");
        }
    }

    /// A node has gone: its services are no longer offered, and calls that wait for it fail soon.
    pub(super) fn node_gone(&mut self, node: &NodeId, unexpected: bool) {
        if self.registry().node_lost(node.as_str(), self.std_now()).is_none() {
            return;
        }
        if unexpected {
            self.state.departures.vanished(node.clone());
            self.fail_calls_soon(node.clone());
        } else {
            tracing::info!(node = %node, "node disconnected");
            self.fail_calls_after_farewell(node.clone());
        }
        let data = json!({ "node": { "id": node.as_str() }, "unexpected": unexpected });
        self.broker.publish_local("$node.disconnected", data);
        self.broker.services_changed(false);
    }

    /// Forgets nodes that have been offline for long, publishes that, and returns them. `heard` returns the
    /// time of a node's last packet.
    pub(super) fn sweep(&self, heard: impl Fn(&NodeId) -> Option<std::time::Instant>) -> Vec<NodeId> {
        let after = self.broker.config().registry.clean_offline_nodes_timeout;
        let forgotten = self.registry().sweep(self.std_now(), after, heard);
        forgotten.iter().for_each(|node| removed(self.broker, node));
        forgotten
    }

    /// Forgets a node, and publishes that.
    pub(super) fn forget_node(&self, node: &NodeId) {
        if self.registry().remove_node(node.as_str()).is_some() {
            removed(self.broker, node);
        }
    }
}

fn removed(broker: &ServiceBroker, node: &NodeId) {
    tracing::debug!(node = %node, "node forgotten");
    broker.publish_local("$node.removed", json!({ "node": { "id": node.as_str() } }));
}
