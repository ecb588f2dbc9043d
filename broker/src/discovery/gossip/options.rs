//! The settings of gossip.

use std::time::Duration;

/// The settings of gossip. The defaults are in brackets.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Connect to and advertise host names rather than addresses (Node's `useHostname`, default true).
    pub(crate) use_hostname: bool,
    /// Time between two rounds (Node's `gossipPeriod`, 2 s). Here it only paces requests outside rounds.
    pub(crate) period: Duration,
    /// The largest number of other nodes in the table (10,000). When it is full, nodes that were never online
    /// make room, the oldest first. After these comes the node that has been offline longest. If there are
    /// none, newcomers are refused. Configured nodes stay.
    pub(crate) max_nodes: usize,
    /// How many INFO rows per second are accepted about one node, whoever relays them (10).
    pub(crate) info_rate: u32,
    /// Shortest time between two requests to one peer outside the rounds (200 ms).
    pub(crate) ask_gap: Duration,
    /// To how many peers a change of our own INFO is pushed at once (32).
    pub(crate) push_to: usize,
    /// How long a node may take to answer a claim that it is gone (2 s, checked in each round).
    pub(crate) suspicion: Duration,
    /// How many nodes are under suspicion at a time (64). Further claims are left to later rounds.
    pub(crate) max_suspects: usize,
    /// How many lost or configured nodes are retried per round, in addition to the random one (8).
    pub(crate) retries: usize,
    /// For how long after it was lost a node is retried in each round (2 min).
    pub(crate) retry_for: Duration,
    /// For how long after a failed connection only the node itself can bring itself back (60 s).
    pub(crate) hold: Duration,
    /// When an offline node that is not configured is forgotten (`cleanOfflineNodesTimeout`, 600 s).
    pub(crate) forget_after: Duration,
    /// How many bytes of INFO are in one response (768 KiB). What does not fit is left to later rounds.
    pub(crate) response_weight: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            use_hostname: true,
            period: Duration::from_secs(2),
            max_nodes: 10_000,
            info_rate: 10,
            ask_gap: Duration::from_millis(200),
            push_to: 32,
            suspicion: Duration::from_secs(2),
            max_suspects: 64,
            retries: 8,
            retry_for: Duration::from_secs(120),
            hold: Duration::from_secs(60),
            forget_after: Duration::from_secs(600),
            response_weight: 768 * 1024,
        }
    }
}
