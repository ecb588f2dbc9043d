//! One row of the table.

use std::time::{Duration, Instant};

use super::digest::Info;
use super::options::Options;
use super::reach::Reach;
use crate::discovery::limit::Bucket;

/// What we know about another node.
#[derive(Debug, Clone)]
pub(super) struct Peer<I> {
    /// The number of the newest statement that we believe. 0 if only an address of the node is known.
    pub(super) seq: u64,
    pub(super) cpu_seq: u64,
    pub(super) cpu: u32,
    pub(super) available: bool,
    /// The newest INFO, which is kept while the node is offline. `None` if it was never online.
    pub(super) info: Option<I>,
    pub(super) reach: Reach,
    /// Protocol version of its last packet.
    pub(super) version: Option<u8>,
    /// When the last packet arrived from the node itself.
    pub(super) heard: Option<Instant>,
    /// Since when it is offline.
    pub(super) offline_since: Option<Instant>,
    /// When a connection to it last failed.
    pub(super) lost: Option<Instant>,
    /// When it was last sent a request.
    pub(super) asked: Option<Instant>,
    /// Whether that question is known not to have arrived. Then the next one need not wait.
    pub(super) unasked: bool,
    /// Limits the requests outside the rounds.
    asks: Bucket,
    /// The number of our own row when it was last sent to this node. 0 if it never was.
    pub(super) told: u64,
    /// Whether the registry knows the node. It does not know a node whose INFO it could not read.
    pub(super) listed: bool,
    /// Limits the INFO rows per second about this node, whoever relays them, because anybody may invent them.
    /// A row beyond that is not remembered either, so the next round asks for it again.
    pub(super) infos: Bucket,
}

impl<I: Info> Peer<I> {
    /// A node known by name only.
    pub(super) fn new(options: &Options, now: Instant) -> Self {
        let rate = options.info_rate.max(1);
        Self {
            seq: 0,
            cpu_seq: 0,
            cpu: 0,
            available: false,
            info: None,
            reach: Reach::new(options.use_hostname),
            version: None,
            heard: None,
            offline_since: Some(now),
            lost: None,
            asked: None,
            unasked: false,
            asks: Bucket::new(3, options.period),
            told: 0,
            listed: false,
            infos: Bucket::new(rate, Duration::from_secs(1) / rate),
        }
    }

    /// Whether a request outside the rounds may be sent to the node now. If so, counts it.
    pub(super) fn may_be_asked(&mut self, gap: Duration, now: Instant) -> bool {
        let rested = self.unasked || self.asked.is_none_or(|at| now.saturating_duration_since(at) >= gap);
        rested && self.reach.current().is_some() && self.asks.take(now)
    }

    /// Whether our own connection to it failed within `hold`, with no sign of success since.
    pub(super) fn is_unreachable(&self, hold: Duration, now: Instant) -> bool {
        self.lost.is_some_and(|at| now.saturating_duration_since(at) < hold)
    }

    /// Whether the node sent something since it was last seen online.
    pub(super) fn spoke_while_offline(&self) -> bool {
        !self.available && self.heard.zip(self.offline_since).is_some_and(|(heard, since)| heard >= since)
    }

    /// Whether `info` belongs to the process run that we know.
    pub(super) fn same_instance(&self, info: &I) -> bool {
        self.info.as_ref().is_some_and(|known| known.instance_id() == info.instance_id())
    }

    /// Whether it may be dropped from a full table.
    pub(super) fn is_unproven(&self) -> bool {
        self.info.is_none() && !self.reach.is_configured()
    }
}
