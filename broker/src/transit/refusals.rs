//! Packets that this node refuses: what is logged and answered, and how often.
//!
//! Whoever sends many of them must not fill the log, nor make this node answer without end.

use ligand_transporters::locks::Mutex;
use ligand_transporters::{NodeId, PacketKind};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Transit;
use super::foreign::Foreign;
use super::oversize::Oversize;
use super::stats::Counters;
use super::strangers::Strangers;
use crate::discovery::{Bucket, LinePerSender};
use crate::error::Error;
use crate::serializer::DecodeError;

/// The time between two log lines about packets that a layer refused.
const LAYER_LINES: Duration = Duration::from_secs(30);

/// What has been logged and answered so far.
pub(super) struct Refusals {
    /// Lines about packets that a layer refused.
    layer_lines: Mutex<Bucket>,
    /// Lines about packets that cannot be read.
    malformed_lines: Mutex<LinePerSender>,
    /// Answers to unknown senders.
    strangers: Mutex<Strangers>,
    /// Lines about senders that use another serializer.
    pub(super) foreign: Foreign,
    /// Lines about an INFO that nodes with these limits refuse.
    pub(super) oversize: Oversize,
}

impl Default for Refusals {
    fn default() -> Self {
        Self {
            layer_lines: Mutex::new(Bucket::new(1, LAYER_LINES)),
            malformed_lines: Mutex::default(),
            strangers: Mutex::default(),
            foreign: Foreign::default(),
            oversize: Oversize::default(),
        }
    }
}

impl Refusals {
    /// Whether to answer this unknown sender.
    pub(super) fn admits(&self, stranger: &NodeId, now: Instant) -> bool {
        let mut strangers = self.strangers.lock();
        strangers.admit(stranger, now)
    }
}

impl Transit {
    /// Logs one line a minute for each sender, so that no sender can fill the log.
    pub(super) fn tell_malformed(&self, kind: PacketKind, error: &DecodeError) {
        Counters::add(&self.stats.malformed);
        let loud = {
            let mut lines = self.refusals.malformed_lines.lock();
            lines.take(error.sender.as_ref(), Instant::now())
        };
        let (packet, sender) = (kind.as_str(), error.sender.as_ref().map(NodeId::as_str).unwrap_or_default());
        if loud {
            let so_far = self.stats.malformed.load(Ordering::Relaxed);
            tracing::debug!(packet, sender, error = %error, so_far, "packet dropped");
        } else {
            tracing::trace!(packet, sender, error = %error, "packet dropped");
        }
    }

    /// A node with other layers, or with another key, is not heard at all. That is worth a log line, but not
    /// one per packet.
    pub(super) fn refused_by_layer(&self, kind: PacketKind, error: &Error) {
        Counters::add(&self.stats.malformed);
        Counters::add(&self.stats.refused_by_layer);
        let loud = {
            let mut lines = self.refusals.layer_lines.lock();
            lines.take(Instant::now())
        };
        let packet = kind.as_str();
        if loud {
            let so_far = self.stats.refused_by_layer.load(Ordering::Relaxed);
            tracing::warn!(packet, error = %error, so_far, "a layer could not read a packet");
        } else {
            tracing::debug!(packet, error = %error, "a layer could not read a packet");
        }
    }
}
