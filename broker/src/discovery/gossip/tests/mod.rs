//! Gossip on a simulated network, beside a literal model of Node, and on recorded packets.

mod healing;
mod joining;
mod network;
mod node;
mod properties;
mod rules;
mod transcript;

use ligand_transporters::{Name, NodeId};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::step::Send;
use super::{Digest, Info, ResponseRows, Seen, What};

/// An INFO as small as gossip lets it be.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Card {
    seq: u64,
    instance: Name,
    hostname: Option<Name>,
    ip: Option<Name>,
    port: u16,
    services: u32,
}

impl Card {
    fn new(host: &str, port: u16, instance: &str) -> Self {
        let hostname = Some(Name::from(host));
        Self { seq: 1, instance: Name::from(instance), hostname, ip: None, port, services: 1 }
    }
}

impl Info for Card {
    fn seq(&self) -> u64 {
        self.seq
    }
    fn instance_id(&self) -> &str {
        &self.instance
    }
    fn hostname(&self) -> Option<&str> {
        self.hostname.as_deref()
    }
    fn ip(&self) -> Option<&str> {
        self.ip.as_deref()
    }
    fn port(&self) -> Option<u16> {
        Some(self.port)
    }
    fn protocol(&self) -> Option<u8> {
        Some(5)
    }
    fn weight(&self) -> usize {
        1_000
    }
    fn renumbered(&self, seq: u64) -> Self {
        Self { seq, ..self.clone() }
    }
    fn without_services(&self) -> Self {
        Self { services: 0, ..self.clone() }
    }
}

/// Seeded dice (splitmix64), so that every run is the same run.
#[derive(Debug, Clone)]
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n.max(1) as u64).unwrap()
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

fn id(text: &str) -> NodeId {
    NodeId::new(text).unwrap()
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn secs(s: u64) -> Duration {
    Duration::from_secs(s)
}

/// Something to add durations to.
fn start() -> Instant {
    Instant::now()
}

fn seen(seq: u64) -> Seen {
    Seen { seq, cpu_seq: 0, cpu: 0 }
}

fn digest(online: &[(&str, u64)], offline: &[(&str, u64)]) -> Digest {
    Digest {
        online: online.iter().map(|(node, seq)| (id(node), seen(*seq))).collect(),
        offline: offline.iter().map(|(node, seq)| (id(node), *seq)).collect(),
    }
}

fn requests(sends: &[Send<Card>]) -> Vec<(&str, &Digest)> {
    sends
        .iter()
        .filter_map(|send| match &send.what {
            What::Request(digest) => Some((send.to.as_str(), &**digest)),
            What::Response(_) => None,
        })
        .collect()
}

fn responses(sends: &[Send<Card>]) -> Vec<(&str, Arc<ResponseRows<Card>>)> {
    sends
        .iter()
        .filter_map(|send| match &send.what {
            What::Response(rows) => Some((send.to.as_str(), Arc::clone(rows))),
            What::Request(_) => None,
        })
        .collect()
}
