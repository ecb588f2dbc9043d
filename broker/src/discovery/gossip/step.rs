//! What comes out of an input.

use ligand_transporters::NodeId;
use std::sync::Arc;

use super::digest::{Digest, ResponseRows};
use crate::discovery::conflict::Evidence;

/// What follows from an input: first apply the changes, then send in order.
#[derive(Debug, Clone)]
#[must_use]
pub(crate) struct Step<I> {
    /// For the registry.
    pub(crate) changes: Vec<Change<I>>,
    /// For the transporter, to [`Gossip::address_of`](super::Gossip::address_of) each node.
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

/// A difference in the table that others care about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change<I> {
    /// A node came, for the first time or back again.
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
        /// Another process run took over: what was pending at the old one may have run.
        replaced: bool,
    },
    /// A node went.
    Offline {
        /// The node.
        node: NodeId,
        /// Whether it went without a sign.
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
