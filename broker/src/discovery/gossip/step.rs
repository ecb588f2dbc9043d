//! The output of an input.

use ligand_transporters::NodeId;
use std::sync::Arc;

use super::digest::{Digest, ResponseRows};
use crate::discovery::conflict::Evidence;

/// The result of an input. Apply the changes first, then send the packets in order.
#[derive(Debug, Clone)]
#[must_use]
pub(crate) struct Step<I> {
    /// Changes for the registry.
    pub(crate) changes: Vec<Change<I>>,
    /// Packets for the transporter. [`Gossip::address_of`](super::Gossip::address_of) gives the address of
    /// each node.
    pub(crate) sends: Vec<Send<I>>,
    /// Signs that another process uses our id, for [`conflict`](crate::discovery::conflict).
    pub(crate) evidence: Vec<Evidence>,
    /// The number of an INFO under our own instance that we did not make.
    pub(crate) forged: Option<u64>,
}

impl<I> Default for Step<I> {
    fn default() -> Self {
        Self { changes: Vec::new(), sends: Vec::new(), evidence: Vec::new(), forged: None }
    }
}

/// A packet to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Send<I> {
    /// The receiver.
    pub(crate) to: NodeId,
    /// The packet.
    pub(crate) what: What<I>,
}

/// The content of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What<I> {
    /// A GOSSIP_REQ.
    Request(Arc<Digest>),
    /// A GOSSIP_RES.
    Response(Arc<ResponseRows<I>>),
}

/// A change of the table that others care about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change<I> {
    /// A node came online, for the first time or again.
    Online {
        /// The node.
        node: NodeId,
        /// Its description.
        info: I,
        /// Whether it was known before.
        reconnected: bool,
    },
    /// An online node has a new INFO.
    Updated {
        /// The node.
        node: NodeId,
        /// Its description.
        info: I,
        /// Whether another process has taken over. Calls that were pending at the old one may have run.
        replaced: bool,
    },
    /// A node went offline.
    Offline {
        /// The node.
        node: NodeId,
        /// Whether it went without notice.
        unexpected: bool,
    },
    /// The load of an online node changed.
    Cpu {
        /// The node.
        node: NodeId,
        /// Percent.
        cpu: u32,
    },
    /// An offline node is no longer known.
    Forgotten {
        /// The node.
        node: NodeId,
    },
}
