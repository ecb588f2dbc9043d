//! What the three ways in which nodes learn of each other have in common.

use ligand_transporters::{Name, NodeId};
use std::net::SocketAddr;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::env::Env;
use super::records::StoreEvent;
use crate::protocol::{Packet, ProtocolVersion};
use crate::registry::LocalInfo;
use crate::transit::Transit;

/// One way of membership. It finds out which nodes are there, updates the registry ([`Env`]), and tells the
/// others that this node is there. No method waits.
pub(super) trait Discoverer: Send {
    /// When [`Discoverer::tick`] wants to be called.
    fn next_tick(&self) -> Instant;

    /// Does what is due. May be called at any time.
    fn tick(&mut self, env: &mut Env<'_>);

    /// A control packet arrived. This is called before the packet is handled, whoever handles it.
    fn heard(&mut self, _env: &mut Env<'_>, _from: Sender<'_>, _packet: &Packet) {}

    /// Handles a control packet, except PING and PONG.
    fn packet(&mut self, env: &mut Env<'_>, from: Sender<'_>, packet: Packet);

    /// Another node has sent back the id of a PING.
    fn ponged(&mut self, _env: &mut Env<'_>, _node: &NodeId, _nonce: &str) {}

    /// A packet arrived from a node that is not known as online.
    fn stranger(&mut self, env: &mut Env<'_>, node: &NodeId, version: ProtocolVersion);

    /// A peer may be reachable at this address.
    fn sighted(&mut self, _env: &mut Env<'_>, _node: &NodeId, _addr: &Name, _source: Option<SocketAddr>) {}

    /// The connection to a peer broke.
    fn lost(&mut self, _env: &mut Env<'_>, _node: &NodeId) {}

    /// An event arrived from the store of the discoverer.
    fn store_event(&mut self, _env: &mut Env<'_>, _event: StoreEvent) {}

    /// A service of this node begins to wait for others.
    fn waiting(&mut self, _now: Instant) {}

    /// Tells the others what this node offers.
    fn announce(&mut self, env: &mut Env<'_>, info: &LocalInfo);

    /// Tells the others that this node no longer offers anything. `done` is notified when that is sent.
    fn announce_leaving(&mut self, env: &mut Env<'_>, info: &LocalInfo, done: oneshot::Sender<()>);

    /// Removes what this node has left anywhere, because it is no longer there. `done` is notified then.
    fn leave(&mut self, done: oneshot::Sender<()>) {
        // The receiver may be gone, and there is nobody else to tell.
        let _ = done.send(());
    }

    /// Whether nodes learn of each other from broadcasts.
    fn is_broadcast(&self) -> bool {
        false
    }

    /// Whether a farewell is broadcast.
    fn says_farewell(&self) -> bool {
        false
    }

    /// Whether this node claims its id when another node asks. `started` says whether its start is complete.
    fn holds_id(&self, transit: &Transit, _started: bool) -> bool {
        transit.is_claimed()
    }

    /// Logs what could not be logged before. Called after every turn.
    fn log(&mut self, _env: &Env<'_>) {}

    /// The nodes that are watched, and whether they are online.
    #[cfg(test)]
    fn watched(&self) -> std::collections::BTreeMap<NodeId, bool>;

    /// The sequence number that this node gossips for itself.
    #[cfg(test)]
    fn gossiped_seq(&self) -> Option<u64> {
        None
    }
}

/// Where a control packet comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sender<'a> {
    pub(super) node: &'a NodeId,
    /// The version to answer in.
    pub(super) version: ProtocolVersion,
    /// The version on the packet, if it is a known one.
    pub(super) stamped: Option<ProtocolVersion>,
    /// The other end of the connection on which it arrived, if there is one.
    pub(super) peer: Option<SocketAddr>,
}
