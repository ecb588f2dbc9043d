//! The content of gossip packets, without its encoding (protocol chapter 4.4).

use ligand_transporters::NodeId;
use std::collections::BTreeMap;

// Up to `MAX_CLAIM`, any node may state a number about any other. Above it, only the node itself is believed,
// through an INFO that it sends itself. So nobody can pin a node with a number that it cannot exceed.
pub(crate) use crate::protocol::{MAX_CLAIM, MAX_SEQ};

/// What gossip has to know about an INFO. The rest is passed on unchanged.
pub(crate) trait Info: Clone {
    /// Sequence number; 0 if the sender left it out.
    fn seq(&self) -> u64;
    /// Identity of the process run; empty if the sender left it out.
    fn instance_id(&self) -> &str;
    /// Host name that the node advertises.
    fn hostname(&self) -> Option<&str>;
    /// First address that the node advertises.
    fn ip(&self) -> Option<&str>;
    /// Port on which the node listens.
    fn port(&self) -> Option<u16>;
    /// Protocol version, derived from `client.version` if possible.
    fn protocol(&self) -> Option<u8>;
    /// About how many bytes it takes in a packet.
    fn weight(&self) -> usize;
    /// The same with another sequence number. Only called for our own INFO.
    fn renumbered(&self, seq: u64) -> Self;
    /// The same without services. Only called for our own INFO.
    fn without_services(&self) -> Self;
}

/// What a GOSSIP_REQ says: how new the sender's knowledge about each node is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Digest {
    /// Nodes the sender sees online, itself included.
    pub(crate) online: BTreeMap<NodeId, Seen>,
    /// Nodes it sees offline, with their sequence number.
    pub(crate) offline: BTreeMap<NodeId, u64>,
}

/// A statement about an online node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Sequence number of the newest INFO.
    pub(crate) seq: u64,
    /// How often the CPU load changed; 0 if unknown.
    pub(crate) cpu_seq: u64,
    /// CPU load in percent.
    pub(crate) cpu: u32,
}

/// What a digest says about one node, once its numbers are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// Nothing that counts.
    Nothing,
    /// Offline, with this number.
    Offline(u64),
    /// Online.
    Online(Seen),
}

impl Digest {
    /// What it says about `node`. An `offline` statement takes precedence over an `online` one, and 0 is not
    /// a statement (`processGossipRequest` in Node's `transporters/tcp.js`).
    pub(super) fn about(&self, node: &NodeId) -> Said {
        if let Some(&seq) = self.offline.get(node)
            && is_claim(seq)
        {
            return Said::Offline(seq);
        }
        match self.online.get(node) {
            Some(seen) if (1..=MAX_SEQ).contains(&seen.seq) => Said::Online(*seen),
            _ => Said::Nothing,
        }
    }
}

/// Whether an offline statement with this number counts.
pub(super) fn is_claim(seq: u64) -> bool {
    (1..=MAX_CLAIM).contains(&seq)
}

/// What a GOSSIP_RES says: what its sender knows better.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResponseRows<I> {
    /// Nodes it sees online.
    pub(crate) online: BTreeMap<NodeId, Row<I>>,
    /// Nodes it sees offline, with their sequence number. The number is 0 for a node it never saw.
    pub(crate) offline: BTreeMap<NodeId, u64>,
}

/// A row about an online node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Row<I> {
    /// `[INFO, cpuSeq, cpu]`, or `[INFO]` with zeros.
    Info {
        /// The node's INFO, as its owner made it.
        info: I,
        /// See [`Seen::cpu_seq`].
        cpu_seq: u64,
        /// See [`Seen::cpu`].
        cpu: u32,
    },
    /// `[cpuSeq, cpu]`.
    Cpu {
        /// See [`Seen::cpu_seq`].
        cpu_seq: u64,
        /// See [`Seen::cpu`].
        cpu: u32,
    },
}

impl<I> ResponseRows<I> {
    /// Whether there is nothing to send.
    pub(crate) fn is_empty(&self) -> bool {
        self.online.is_empty() && self.offline.is_empty()
    }
}

impl<I> Default for ResponseRows<I> {
    fn default() -> Self {
        Self { online: BTreeMap::new(), offline: BTreeMap::new() }
    }
}
