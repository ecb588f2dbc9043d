//! Membership over a message bus: DISCOVER, INFO, HEARTBEAT, DISCONNECT (protocol chapter 5).

mod info;

use ligand_transporters::{Name, NodeId};
use rand::RngExt as _;
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::cpu::Cpu;
use super::discoverer::{Discoverer, Sender};
use super::env::{Env, nonce};
use crate::config::BrokerConfig;
use crate::discovery::Bucket;
use crate::discovery::conflict::{Evidence, Source};
use crate::discovery::farewell::{Farewells, Verdict};
use crate::discovery::held::Held;
use crate::discovery::liveness::{Heard, Liveness};
use crate::discovery::succession::Succession;
use crate::protocol::{Heartbeat, Outgoing, Packet, ProtocolVersion};
use crate::registry::LocalInfo;
use info::Rates;

/// How often nodes are checked for silence.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// How often nodes that have long been gone are forgotten.
const CLEAN_EVERY: Duration = Duration::from_secs(60);
/// The shortest time between two DISCOVERs to everybody after something was lost here.
const DISCOVER_ALL_EVERY: Duration = Duration::from_secs(10);

/// How often this node says that it is alive. As in Node, the intervals are spread by half a second, so that
/// nodes that start together do not beat together.
pub(super) fn beat_every(config: &BrokerConfig) -> Duration {
    let jitter = Duration::from_millis(rand::rng().random_range(0..1000));
    let half = Duration::from_millis(500);
    match config.heartbeat_interval {
        interval if interval > Duration::from_secs(2) => interval - half + jitter,
        interval => interval,
    }
}

/// What this node knows about which nodes are alive.
pub(super) struct Heartbeats {
    liveness: Liveness,
    cpu: Cpu,
    beat_every: Duration,
    next_beat: Instant,
    next_check: Instant,
    next_clean: Instant,
    rates: HashMap<NodeId, Rates>,
    /// What arrived faster than those rates allow.
    held: Held,
    succession: Succession,
    farewells: Farewells,
    /// Whether something was lost and its sender is not known, so that everybody has to be asked.
    lost: bool,
    /// How many control packets had been lost at the last check.
    dropped: u64,
    discover_all: Bucket,
}

impl Heartbeats {
    pub(super) fn new(config: &BrokerConfig, now: Instant) -> Self {
        let beat_every = beat_every(config);
        Self {
            liveness: Liveness::new(config.heartbeat_timeout),
            cpu: Cpu::new(),
            beat_every,
            next_beat: now + beat_every,
            next_check: now + CHECK_EVERY,
            next_clean: now + CLEAN_EVERY,
            rates: HashMap::new(),
            held: Held::default(),
            succession: Succession::default(),
            farewells: Farewells::default(),
            lost: false,
            dropped: 0,
            discover_all: Bucket::new(1, DISCOVER_ALL_EVERY),
        }
    }

    fn disconnect(&mut self, env: &mut Env<'_>, node: &NodeId, version: ProtocolVersion) {
        let Some(instance) = online_instance(env, node) else { return };
        let verdict = self.farewells.said(node, &instance, offers(env, node), env.std_now());
        if verdict == Verdict::Believe {
            self.gone(env, node, false);
        }
        if verdict != Verdict::Wait {
            // A node that is still there answers, and so is back at once.
            env.ping(node, version, &nonce());
        }
    }

    fn gone(&mut self, env: &mut Env<'_>, node: &NodeId, unexpected: bool) {
        self.liveness.offline(node, env.std_now());
        self.succession.forget(node);
        self.held.forget(node);
        env.node_gone(node, unexpected);
    }

    fn heartbeat(&mut self, env: &Env<'_>, from: Sender<'_>, beat: &Heartbeat) {
        let node = from.node;
        let heard = self.liveness.beat(node, env.std_now());
        let cpu = beat.cpu.map(|cpu| cpu as f32);
        let alive = env.registry().heartbeat(node.as_str(), cpu, env.std_now());
        let snapshot = env.registry().snapshot();
        // A heartbeat may name the INFO it belongs to. If that is not the known one, the node is asked for
        // it.
        let outdated = snapshot.node_by_id(node.as_str()).is_some_and(|node| {
            beat.seq.is_some_and(|seq| seq != node.seq())
                || beat.instance_id.as_deref().is_some_and(|id| !node.instance_id().starts_with(id))
        });
        if heard != Heard::Online || !alive || outdated {
            self.discover(env, node, from.version);
        }
    }

    /// The registry no longer knows the node.
    fn forget(&mut self, node: &NodeId) {
        self.liveness.forget(node);
        self.succession.forget(node);
        self.farewells.forget(node);
        self.held.forget(node);
    }

    /// Asks a node who it is, in the version in which it was heard, because it may know no other. If it was
    /// asked a moment ago, its answer is on its way, and its next packet leads here again.
    fn discover(&mut self, env: &Env<'_>, node: &NodeId, version: ProtocolVersion) {
        if self.rates(node).discover.take(env.std_now()) {
            env.discover(node, version);
        }
    }

    /// Asks everybody if something was lost, because a node says each thing about itself only once.
    fn discover_what_was_lost(&mut self, env: &Env<'_>) {
        let dropped = env.transit.control_dropped();
        self.lost |= dropped > self.dropped;
        self.dropped = dropped;
        if self.lost && self.discover_all.take(env.std_now()) {
            self.lost = false;
            tracing::debug!("packets about nodes were lost, everybody is asked");
            env.transit.discover_all();
        }
    }

    fn beat(&mut self, env: &Env<'_>) {
        let cpu = self.cpu.measure().map(f64::from);
        if env.is_present()
            && let Err(error) = env.transit.broadcast(&Outgoing::Heartbeat { cpu })
        {
            tracing::debug!(error = %error, "heartbeat not sent");
        }
    }

    fn check_silence(&mut self, env: &mut Env<'_>) {
        env.transit.heard_since(env.broker, |node, at| {
            self.liveness.heard(node, at);
        });
        for node in self.liveness.expire(env.std_now()) {
            self.gone(env, &node, true);
        }
    }

    fn check_farewells(&mut self, env: &mut Env<'_>) {
        let due = self.farewells.due(env.std_now());
        for node in due.ask {
            env.ping(&node, env.transit.version_of(&node), &nonce());
        }
        for node in due.gone {
            self.gone(env, &node, false);
        }
    }

    fn clean(&mut self, env: &Env<'_>) {
        self.rates.clear();
        for node in env.sweep(|node| self.liveness.last_heard(node)) {
            self.forget(&node);
        }
    }
}

impl Discoverer for Heartbeats {
    fn next_tick(&self) -> Instant {
        let own = self.next_beat.min(self.next_check).min(self.next_clean);
        let asked = self.succession.next().into_iter().chain(self.farewells.next()).chain(self.held.next());
        asked.map(Instant::from_std).fold(own, Instant::min)
    }

    fn tick(&mut self, env: &mut Env<'_>) {
        let now = env.now;
        if now >= self.next_beat {
            self.next_beat = now + self.beat_every;
            self.beat(env);
        }
        if now >= self.next_check {
            self.next_check = now + CHECK_EVERY;
            self.check_silence(env);
            self.discover_what_was_lost(env);
        }
        self.take_held(env);
        self.check_farewells(env);
        self.take_claims(env);
        if now >= self.next_clean {
            self.next_clean = now + CLEAN_EVERY;
            self.clean(env);
        }
    }

    /// Any packet except INFO and DISCONNECT says that a node is there. Under its id, that may be the process
    /// that we know or another one.
    fn heard(&mut self, env: &mut Env<'_>, from: Sender<'_>, packet: &Packet) {
        if env.is_own(from.node) || matches!(packet, Packet::Info(_) | Packet::Disconnect) {
            return;
        }
        self.farewells.heard(from.node);
        self.stranger(env, from.node, from.version);
        if let Some(nonce) = self.succession.ask_again(from.node, nonce, env.std_now()) {
            ask(env, from.node, from.version, &nonce);
        }
    }

    fn packet(&mut self, env: &mut Env<'_>, from: Sender<'_>, packet: Packet) {
        match packet {
            Packet::Info(info) if env.is_own(from.node) => {
                if info.instance_id == *env.broker.instance_id() {
                    env.heard_of_us(&info);
                } else {
                    let instance = Some(info.instance_id.clone()).filter(|id| !id.is_empty());
                    env.weigh(&Evidence { source: Source::Info, address: None, instance });
                }
            }
            Packet::Disconnect if env.is_own(from.node) => {
                env.state.presence.defence.farewell(env.now.into_std());
            }
            _ if env.is_own(from.node) => {}
            Packet::Info(info) => {
                self.farewells.heard(from.node);
                self.info(env, from.node, from.version, info);
            }
            Packet::Heartbeat(beat) => self.heartbeat(env, from, &beat),
            Packet::Discover if env.is_present() => {
                let info = env.current_info();
                env.send(from.node, from.version, &Outgoing::Info(&info.json));
            }
            Packet::Disconnect => self.disconnect(env, from.node, from.version),
            _ => {}
        }
    }

    fn ponged(&mut self, env: &mut Env<'_>, node: &NodeId, nonce: &str) {
        self.succession.ponged(node, nonce, env.std_now());
    }

    fn stranger(&mut self, env: &mut Env<'_>, node: &NodeId, version: ProtocolVersion) {
        if self.liveness.heard(node, env.std_now()) != Heard::Online {
            self.discover(env, node, version);
        }
    }

    fn announce(&mut self, env: &mut Env<'_>, info: &LocalInfo) {
        if let Err(error) = env.transit.broadcast(&Outgoing::Info(&info.json)) {
            env.transit.uplink().log_unsent("INFO", &error);
        }
    }

    fn announce_leaving(&mut self, env: &mut Env<'_>, info: &LocalInfo, done: oneshot::Sender<()>) {
        self.announce(env, info);
        // The receiver may be gone, and there is nobody else to tell.
        let _ = done.send(());
    }

    fn is_broadcast(&self) -> bool {
        true
    }

    fn says_farewell(&self) -> bool {
        true
    }

    #[cfg(test)]
    fn watched(&self) -> std::collections::BTreeMap<NodeId, bool> {
        self.liveness.all()
    }
}

/// The instance id under which a node is online.
fn online_instance(env: &Env<'_>, node: &NodeId) -> Option<Name> {
    let snapshot = env.registry().load();
    let node = snapshot.node_by_id(node.as_str()).filter(|node| node.is_available())?;
    Some(node.instance_id().clone())
}

/// Whether a node is known to offer services.
fn offers(env: &Env<'_>, node: &NodeId) -> bool {
    let snapshot = env.registry().load();
    snapshot.node_by_id(node.as_str()).is_some_and(|node| !node.services().list().is_empty())
}

/// Asks a node whether it is there, and who it is.
fn ask(env: &Env<'_>, node: &NodeId, version: ProtocolVersion, nonce: &Name) {
    env.ping(node, version, nonce);
    env.discover(node, version);
}
