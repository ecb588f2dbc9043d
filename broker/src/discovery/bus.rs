//! Membership over a message bus: DISCOVER, INFO, HEARTBEAT, DISCONNECT (protocol chapter 5).

use ligand_transporters::NodeId;
use rand::RngExt as _;
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

use super::conflict::{Evidence, Source};
use super::cpu::Cpu;
use super::driver::Chores;
use super::limit::Bucket;
use super::liveness::{Heard, Liveness};
use crate::broker::ServiceBroker;
use crate::config::BrokerConfig;
use crate::protocol::{Heartbeat, InfoPacket, Outgoing, Packet};
use crate::registry::InfoKind;
use crate::transit::Transit;

/// How often silence is looked for.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// How often nodes that are long gone are forgotten.
const CLEAN_EVERY: Duration = Duration::from_secs(60);
/// INFO packets taken from one sender per second.
const INFO_RATE: u32 = 10;
/// Shortest time between two DISCOVERs to one node.
const DISCOVER_EVERY: Duration = Duration::from_secs(1);
/// Senders whose rates are remembered.
const MAX_RATED: usize = 10_000;

/// How often this node says that it is alive. Node spreads its timers by half a second, so that nodes that
/// start together do not beat together.
pub(super) fn beat_every(config: &BrokerConfig) -> Duration {
    let jitter = Duration::from_millis(rand::rng().random_range(0..1000));
    let half = Duration::from_millis(500);
    match config.heartbeat_interval {
        interval if interval > Duration::from_secs(2) => interval - half + jitter,
        interval => interval,
    }
}

/// What this node knows of who is alive.
pub(super) struct Bus {
    liveness: Liveness,
    cpu: Cpu,
    beat_every: Duration,
    next_beat: Instant,
    next_check: Instant,
    next_clean: Instant,
    rates: HashMap<NodeId, Rates>,
}

struct Rates {
    info: Bucket,
    discover: Bucket,
}

impl Bus {
    pub(super) fn new(config: &BrokerConfig, now: Instant) -> Self {
        let beat_every = beat_every(config);
        let clean_after = config.registry.clean_offline_nodes_timeout;
        Self {
            liveness: Liveness::new(config.heartbeat_timeout, clean_after, config.registry.max_nodes),
            cpu: Cpu::new(),
            beat_every,
            next_beat: now + beat_every,
            next_check: now + CHECK_EVERY,
            next_clean: now + CLEAN_EVERY,
            rates: HashMap::new(),
        }
    }

    pub(super) fn next_tick(&self) -> Instant {
        self.next_beat.min(self.next_check).min(self.next_clean)
    }

    pub(super) fn packet(
        &mut self,
        transit: &Transit,
        broker: &ServiceBroker,
        sender: &NodeId,
        packet: Packet,
        chores: &mut Chores,
        now: Instant,
    ) -> Option<Evidence> {
        if sender == transit.node() {
            return match packet {
                Packet::Info(info) if info.instance_id != *broker.instance_id() => Some(Evidence {
                    source: Source::Info,
                    address: None,
                    instance: Some(info.instance_id.clone()).filter(|id| !id.is_empty()),
                }),
                _ => None,
            };
        }
        match packet {
            Packet::Info(info) => self.info(transit, broker, sender, *info, chores, now),
            Packet::Heartbeat(beat) => self.heartbeat(transit, broker, sender, &beat, now),
            Packet::Discover if chores.announced && broker.shared().lifecycle.is_running() => {
                transit.send_info(broker, sender)
            }
            Packet::Disconnect => {
                self.liveness.offline(sender, now.into_std());
                transit.node_gone(broker, sender, false, chores, now);
            }
            _ => {}
        }
        None
    }

    fn info(
        &mut self,
        transit: &Transit,
        broker: &ServiceBroker,
        sender: &NodeId,
        info: InfoPacket,
        chores: &mut Chores,
        now: Instant,
    ) {
        if !self.rates(sender).is_some_and(|rates| rates.info.take(now.into_std())) {
            tracing::debug!(node = %sender, "too many INFO packets, ignored");
            return;
        }
        if !self.liveness.online(sender, now.into_std()) {
            return;
        }
        if transit.apply_info(broker, sender, info, chores, now) == Some(InfoKind::Restarted) {
            self.liveness.replaced(sender);
        }
    }

    fn heartbeat(
        &mut self,
        transit: &Transit,
        broker: &ServiceBroker,
        sender: &NodeId,
        beat: &Heartbeat,
        now: Instant,
    ) {
        let heard = self.liveness.beat(sender, now.into_std());
        let cpu = beat.cpu.map(|cpu| cpu as f32);
        let alive = broker.shared().registry.heartbeat(sender.as_str(), cpu, now.into_std());
        let snapshot = broker.shared().registry.snapshot();
        // A heartbeat may say which INFO it belongs to; another one than the known is asked for.
        let outdated = snapshot.node_by_id(sender.as_str()).is_some_and(|node| {
            beat.seq.is_some_and(|seq| seq != node.seq())
                || beat.instance_id.as_deref().is_some_and(|id| !node.instance_id().starts_with(id))
        });
        if heard != Heard::Online || !alive || outdated {
            self.discover(transit, sender, now);
        }
    }

    /// A packet came from a node that is not known as online.
    pub(super) fn stranger(&mut self, transit: &Transit, node: &NodeId, now: Instant) {
        if self.liveness.heard(node, now.into_std()) != Heard::Online {
            self.discover(transit, node, now);
        }
    }

    fn discover(&mut self, transit: &Transit, node: &NodeId, now: Instant) {
        if !self.rates(node).is_some_and(|rates| rates.discover.take(now.into_std())) {
            return;
        }
        let sent = transit.send_to(node, transit.version_of(node), 0, &Outgoing::Discover, &mut |_| Ok(()));
        if let Err(error) = sent {
            tracing::debug!(node = %node, error = %error, "DISCOVER not sent");
        }
    }

    fn rates(&mut self, node: &NodeId) -> Option<&mut Rates> {
        if self.rates.len() >= MAX_RATED && !self.rates.contains_key(node) {
            return None;
        }
        Some(self.rates.entry(node.clone()).or_insert_with(|| Rates {
            info: Bucket::new(INFO_RATE, Duration::from_secs(1) / INFO_RATE),
            discover: Bucket::new(1, DISCOVER_EVERY),
        }))
    }

    /// Tells everybody what this node offers now.
    pub(super) fn announce(transit: &Transit, broker: &ServiceBroker) {
        let info = broker.shared().registry.local_info();
        if let Err(error) = transit.broadcast(&Outgoing::Info(&info.json)) {
            tracing::warn!(error = %error, "INFO not sent");
        }
    }

    pub(super) fn tick(
        &mut self,
        transit: &Arc<Transit>,
        broker: &ServiceBroker,
        chores: &mut Chores,
        now: Instant,
    ) {
        if now >= self.next_beat {
            self.next_beat = now + self.beat_every;
            let cpu = self.cpu.measure().map(f64::from);
            if chores.announced
                && broker.shared().lifecycle.is_running()
                && let Err(error) = transit.broadcast(&Outgoing::Heartbeat { cpu })
            {
                tracing::debug!(error = %error, "heartbeat not sent");
            }
        }
        if now >= self.next_check {
            self.next_check = now + CHECK_EVERY;
            transit.heard_since(broker, |node, at| {
                self.liveness.heard(node, at);
            });
            for node in self.liveness.expire(now.into_std()) {
                transit.node_gone(broker, &node, true, chores, now);
            }
        }
        if now >= self.next_clean {
            self.next_clean = now + CLEAN_EVERY;
            self.rates.clear();
            for node in self.liveness.clean(now.into_std()) {
                broker.shared().registry.remove_node(node.as_str());
                broker.publish_local("$node.removed", json!({ "node": { "id": node.as_str() } }));
            }
        }
    }
}
