//! One row of the table.

use std::time::{Duration, Instant};

use super::digest::Info;
use super::options::Options;
use super::reach::Reach;
use crate::discovery::limit::Bucket;

/// What we know of another node.
#[derive(Debug, Clone)]
pub(super) struct Peer<I> {
    /// Number of the newest statement we believe; 0 for a node of which only an address is known.
    pub(super) seq: u64,
    pub(super) cpu_seq: u64,
    pub(super) cpu: u32,
    pub(super) available: bool,
    /// The newest INFO, kept while the node is offline. `None`: it was never online.
    pub(super) info: Option<I>,
    pub(super) reach: Reach,
    /// Protocol version of its last packet.
    pub(super) version: Option<u8>,
    /// Last packet that came from the node itself.
    pub(super) heard: Option<Instant>,
    /// Since when it is offline.
    pub(super) offline_since: Option<Instant>,
    /// When a connection to it last failed.
    pub(super) lost: Option<Instant>,
    /// When it was last sent a request.
    pub(super) asked: Option<Instant>,
    /// Whether that question is known not to have arrived, so that the next one need not wait.
    pub(super) unasked: bool,
    /// Requests outside the rounds.
    asks: Bucket,
    /// Number of our own row when it was last sent there; 0 for never.
    pub(super) told: u64,
    /// Whether the registry knows it: it does not know a node whose INFO it could not read.
    pub(super) listed: bool,
    /// INFO rows about it, whoever relays them: so many a second are taken, since anybody may make them up. A
    /// row above that is not remembered either, so that the next round asks for it.
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

    /// Whether a request outside the rounds may go to it now, and if so, counts it.
    pub(super) fn may_be_asked(&mut self, gap: Duration, now: Instant) -> bool {
        let rested = self.unasked || self.asked.is_none_or(|at| now.saturating_duration_since(at) >= gap);
        rested && self.reach.current().is_some() && self.asks.take(now)
    }

    /// Whether our own connection to it failed within `hold`, with no sign of success since.
    pub(super) fn is_unreachable(&self, hold: Duration, now: Instant) -> bool {
        self.lost.is_some_and(|at| now.saturating_duration_since(at) < hold)
    }

    /// Whether it said something since it was last seen online.
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
