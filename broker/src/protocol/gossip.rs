//! What TCP nodes tell each other about the cluster (protocol chapter 4.4).

use bytes::Bytes;
use ligand_transporters::NodeId;

use super::InfoPacket;

/// A measurement of CPU load. A higher `seq` is newer; 0 means not measured.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Cpu {
    /// Grows with each change, at most 2^53.
    pub(crate) seq: u64,
    /// Percent.
    pub(crate) load: f64,
}

/// A node that the sender sees online.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Online {
    /// Which one.
    pub(crate) node: NodeId,
    /// Sequence number of the INFO that the sender has, at most 2^53.
    pub(crate) seq: u64,
    /// The load it knows.
    pub(crate) cpu: Cpu,
}

/// A node that the sender sees offline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offline {
    /// Which one.
    pub(crate) node: NodeId,
    /// Its sequence number, at most 2^53.
    pub(crate) seq: u64,
}

/// A GOSSIP_REQ: what the sender knows, itself included.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Digest {
    /// Nodes it sees online.
    pub(crate) online: Vec<Online>,
    /// Nodes it sees offline.
    pub(crate) offline: Vec<Offline>,
}

/// A GOSSIP_RES: what the node that was asked knows better. Invalid rows have been left out.
#[derive(Debug, Clone, Default)]
pub(crate) struct GossipResponse {
    /// Nodes it sees online.
    pub(crate) online: Vec<(NodeId, OnlineRow)>,
    /// Nodes it sees offline.
    pub(crate) offline: Vec<Offline>,
}

/// The row of an online node in a GOSSIP_RES.
#[derive(Debug, Clone)]
pub(crate) enum OnlineRow {
    /// Its INFO is newer than ours. Its load may be newer, too.
    Info(Box<InfoPacket>, Option<Cpu>),
    /// Only its load is newer.
    Cpu(Cpu),
}

/// A GOSSIP_RES of ours.
#[derive(Debug, Clone, Default)]
pub(crate) struct OutGossipResponse {
    /// Nodes we see online.
    pub(crate) online: Vec<(NodeId, OutGossipRow)>,
    /// Nodes we see offline.
    pub(crate) offline: Vec<Offline>,
}

/// The row of an online node in our answer.
#[derive(Debug, Clone)]
pub(crate) enum OutGossipRow {
    /// Its INFO object exactly as we got it, and its load.
    Info(Bytes, Cpu),
    /// Only its load.
    Cpu(Cpu),
}
