//! How nodes learn of each other: what the three ways have in common.

use ligand_transporters::{Name, NodeId};
use std::net::SocketAddr;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::env::Env;
use super::records::StoreEvent;
use crate::protocol::{Packet, ProtocolVersion};
use crate::registry::LocalInfo;
use crate::transit::Transit;

/// One way of membership. It finds out who is there, works that into the registry ([`Env`]), and tells the
/// others that this node is. Nothing here waits.
pub(super) trait Discoverer: Send {
    /// When [`Discoverer::tick`] wants to be called.
    fn next_tick(&self) -> Instant;

    /// Does what is due. May be called at any time.
    fn tick(&mut self, env: &mut Env<'_>);

    /// A control packet came. Called before it is worked off, whoever does that.
    fn heard(&mut self, _env: &mut Env<'_>, _from: Sender<'_>, _packet: &Packet) {}

    /// Works a control packet off: any but PING and PONG.
    fn packet(&mut self, env: &mut Env<'_>, from: Sender<'_>, packet: Packet);

    /// Another node has sent back the id of a PING.
    fn ponged(&mut self, _env: &mut Env<'_>, _node: &NodeId, _nonce: &str) {}

    /// A packet came from a node that is not known as online.
    fn stranger(&mut self, env: &mut Env<'_>, node: &NodeId, version: ProtocolVersion);

    /// A peer may be reachable at this address.
    fn sighted(&mut self, _env: &mut Env<'_>, _node: &NodeId, _addr: &Name, _source: Option<SocketAddr>) {}

    /// The connection to a peer broke.
    fn lost(&mut self, _env: &mut Env<'_>, _node: &NodeId) {}

    /// Something came from the store of the discoverer.
    fn store_event(&mut self, _env: &mut Env<'_>, _event: StoreEvent) {}

    /// A service of this node begins to wait for others.
    fn waiting(&mut self, _now: Instant) {}

    /// Tells everybody what this node offers.
    fn announce(&mut self, env: &mut Env<'_>, info: &LocalInfo);

    /// Tells everybody that this node offers nothing any more. `done` is told when that is said.
    fn announce_leaving(&mut self, env: &mut Env<'_>, info: &LocalInfo, done: oneshot::Sender<()>);

    /// This node is not there any more: removes what it has left anywhere. `done` is told then.
    fn leave(&mut self, done: oneshot::Sender<()>) {
        // Who asked may have gone; there is nobody else to tell.
        let _ = done.send(());
    }

    /// Whether nodes learn of each other by what each broadcasts.
    fn is_broadcast(&self) -> bool {
        false
    }

    /// Whether a farewell is broadcast.
    fn says_farewell(&self) -> bool {
        false
    }

    /// Whether this node's id is its own against anybody who asks. `started`: its start has come to its end.
    fn holds_id(&self, transit: &Transit, _started: bool) -> bool {
        transit.is_claimed()
    }

    /// Tells the log what could not be said before. Called after every turn.
    fn log(&mut self, _env: &Env<'_>) {}

    /// Nodes that are watched, and whether they are online.
    #[cfg(test)]
    fn watched(&self) -> std::collections::BTreeMap<NodeId, bool>;

    /// The sequence number that this node gossips of itself.
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
    /// The version that the packet is stamped with, where that is a known one.
    pub(super) stamped: Option<ProtocolVersion>,
    /// The other end of the connection by which it came, where there is one.
    pub(super) peer: Option<SocketAddr>,
}
