//! Membership by records in a store that all nodes can reach. The store is Redis, as with Node's Redis
//! discoverer (protocol chapter 11.1).
//!
//! Each node writes its INFO, and writes again and again that it is alive: a beat, which expires by itself.
//! Each node also looks for the beats of others. DISCOVER, INFO and HEARTBEAT are not sent, but a farewell
//! is.
//!
//! [`crate::discovery`] knows the names of the records, and decides what the beats that were found mean. This
//! module acts on that, on the control loop, which does no I/O. [`keeper`] is the task that reads and writes
//! the records. The two send each other messages ([`commands`]). [`store`] connects to the store at the
//! start.

#![cfg_attr(not(feature = "discovery-redis"), allow(dead_code, reason = "there is no store without it"))]

mod commands;
#[cfg(feature = "discovery-redis")]
mod keeper;
mod read;
mod store;

use ligand_transporters::{Membership, Name, NodeId};
use rand::RngExt as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::cpu::Cpu;
use super::discoverer::{Discoverer, Sender};
use super::env::Env;
use super::heartbeats::beat_every;
use crate::config::BrokerConfig;
use crate::discovery::Bucket;
use crate::discovery::beats::BeatLiveness;
use crate::protocol::{Packet, ProtocolVersion, beat_record};
use crate::registry::LocalInfo;
use crate::serializer::Serializer;
use crate::transit::{Outage, Transit};
pub(super) use commands::{Command, Commands};
pub(crate) use commands::{Store, StoreEvent};
use read::tell;
pub(crate) use store::open_store;

/// How often other packets are checked for signs of life.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// How often the store is scanned while a service waits for others. The next beat may be far away.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often nodes that have long been gone are forgotten.
const CLEAN_EVERY: Duration = Duration::from_secs(60);
/// A node without a beat stays alive through packets that are at most this old, or one beat interval old if
/// that is longer.
const SHORTEST_SILENCE: Duration = Duration::from_secs(2);
/// How many requests to the store per second the packets of others may cause.
const ASKED: u32 = 10;

/// What this node knows about which nodes are alive.
pub(super) struct Records {
    commands: Commands,
    serializer: Arc<dyn Serializer>,
    liveness: BeatLiveness,
    cpu: Cpu,
    beat_every: Duration,
    next_beat: Instant,
    next_check: Instant,
    next_clean: Instant,
    /// After how many scans the values are read, not only the names. 0 means never.
    full_check: u32,
    scans: u32,
    asked: Bucket,
    /// Whether the store is in reach.
    outage: Outage,
    /// Whether nodes are reached by their addresses, rather than through a server.
    addressed: bool,
    /// The sequence number of the INFO that was last written.
    written: u64,
    /// When the store is next scanned for services that are waited for.
    next_look: Option<Instant>,
    /// Whether this node's INFO could not be sent to the store's task, because its queue was full.
    unsaid: bool,
    /// How many control packets had been lost at the last check.
    dropped: u64,
}

impl Records {
    pub(super) fn new(
        store: Store,
        node: &NodeId,
        membership: Membership,
        config: &BrokerConfig,
        now: Instant,
    ) -> Self {
        let beat_every = beat_every(config);
        let silence = config.heartbeat_interval.max(SHORTEST_SILENCE);
        let liveness = BeatLiveness::new(node.clone(), config.heartbeat_timeout, silence);
        let Store { commands, full_check, serializer } = store;
        commands.give(Command::Scan);
        Self {
            commands,
            serializer,
            liveness,
            cpu: Cpu::new(),
            beat_every,
            next_beat: now + beat_every,
            next_check: now + CHECK_EVERY,
            next_clean: now + CLEAN_EVERY,
            full_check,
            // Nodes that start together do not all read the values at the same time.
            scans: rand::rng().random_range(0..full_check.max(1)),
            asked: Bucket::new(ASKED, Duration::from_secs(1) / ASKED),
            outage: Outage::default(),
            addressed: membership == Membership::Gossip,
            written: 0,
            next_look: None,
            unsaid: false,
            dropped: 0,
        }
    }

    /// The registry no longer knows the node.
    fn forget(&mut self, transit: &Transit, node: &NodeId) {
        self.liveness.forget(node);
        transit.addresses().set(node, None);
    }

    fn gone(&self, env: &mut Env<'_>, node: &NodeId, unexpected: bool) {
        if self.addressed {
            env.transit.addresses().set(node, None);
        }
        env.node_gone(node, unexpected);
    }

    /// Writes what this node offers, and a beat. `done` is notified once the first is written.
    fn write(&mut self, env: &Env<'_>, info: &LocalInfo, done: Option<oneshot::Sender<()>>) {
        let Some(value) = env.transit.info_record(&*self.serializer, &info.json) else { return };
        self.unsaid = !self.commands.offer(Command::Info { value, done });
        if !self.unsaid {
            self.written = info.seq;
        }
        self.beat(env);
    }

    fn beat(&mut self, env: &Env<'_>) {
        let (transit, broker) = (env.transit, env.broker);
        self.next_beat = env.now + self.beat_every;
        self.scans = self.scans.wrapping_add(1);
        // The beat names the INFO that was written, because others would look in vain for a newer one.
        let seq = self.written;
        let cpu = self.cpu.measure();
        let beat = beat_record(transit.own_version(), transit.node(), cpu, seq, broker.instance_id());
        let value = match self.serializer.codec().encode(&beat) {
            Ok(value) => value,
            Err(error) => {
                tracing::error!(error = %error, "this node's beat cannot be written");
                return;
            }
        };
        let values = self.full_check > 0 && self.scans.is_multiple_of(self.full_check);
        self.commands.give(Command::Beat { seq, value, values });
    }

    fn check(&mut self, env: &Env<'_>) {
        env.transit.heard_since(env.broker, |node, at| {
            self.liveness.heard(node, at);
        });
        if self.unsaid && env.is_present() {
            self.write(env, &env.current_info(), None);
        }
        let dropped = env.transit.control_dropped();
        if dropped > self.dropped {
            self.dropped = dropped;
            self.commands.give(Command::Scan);
        }
    }

    fn clean(&mut self, env: &Env<'_>) {
        for node in env.sweep(|node| self.liveness.last_heard(node)) {
            self.forget(env.transit, &node);
        }
        let registry = env.registry().snapshot();
        env.transit.addresses().retain(|node| registry.node_by_id(node.as_str()).is_some());
    }
}

impl Discoverer for Records {
    fn next_tick(&self) -> Instant {
        let own = self.next_beat.min(self.next_check).min(self.next_clean);
        self.next_look.map_or(own, |look| own.min(look))
    }

    fn tick(&mut self, env: &mut Env<'_>) {
        let now = env.now;
        if now >= self.next_beat {
            self.next_beat = now + self.beat_every;
            if env.is_present() {
                self.beat(env);
            } else {
                self.commands.give(Command::Scan);
            }
        }
        if self.next_look.is_some_and(|look| now >= look) {
            let wanted = env.broker.waits_for_services();
            self.next_look = wanted.then(|| now + LOOK_EVERY);
            if wanted {
                self.commands.give(Command::Scan);
            }
        }
        if now >= self.next_check {
            self.next_check = now + CHECK_EVERY;
            self.check(env);
        }
        if now >= self.next_clean {
            self.next_clean = now + CLEAN_EVERY;
            self.clean(env);
        }
    }

    /// A packet about membership arrived all the same: a farewell, a greeting, or a packet of a node that
    /// does not use the store.
    fn packet(&mut self, env: &mut Env<'_>, from: Sender<'_>, packet: Packet) {
        let node = from.node;
        match packet {
            Packet::Info(info) if env.is_own(node) => {
                if info.instance_id == *env.broker.instance_id() {
                    env.heard_of_us(&info);
                } else {
                    self.weigh(env, info.instance_id);
                }
            }
            Packet::Disconnect if env.is_own(node) => {
                env.state.presence.defence.farewell(env.now.into_std());
            }
            _ if env.is_own(node) => {}
            Packet::Info(info) => self.info(env, node, *info),
            // As in Node, whoever asks finds our record renewed.
            Packet::Discover if env.is_present() && self.asked.take(env.std_now()) => {
                self.write(env, &env.current_info(), None);
            }
            Packet::Disconnect => {
                let registry = env.registry().snapshot();
                if let Some(known) = registry.node_by_id(node.as_str()) {
                    self.liveness.left(node, known.instance_id().clone(), env.std_now());
                    self.gone(env, node, false);
                }
            }
            Packet::GossipHello(hello) if self.addressed => {
                // The requests of this peer follow at once and need answers.
                env.transit.addresses().set_of_stranger(node, address(&hello.host, hello.port));
                self.stranger(env, node, from.version);
            }
            _ => {}
        }
    }

    fn stranger(&mut self, env: &mut Env<'_>, node: &NodeId, _version: ProtocolVersion) {
        if !self.liveness.heard(node, env.std_now()) && self.asked.take(env.std_now()) {
            self.commands.give(Command::Fetch(vec![node.clone()]));
        }
    }

    /// The node may have gone: scans the beats.
    fn lost(&mut self, env: &mut Env<'_>, _node: &NodeId) {
        if self.asked.take(env.std_now()) {
            self.commands.give(Command::Scan);
        }
    }

    fn store_event(&mut self, env: &mut Env<'_>, event: StoreEvent) {
        match event {
            StoreEvent::Lost(error) => self.out_of_reach(env, &error),
            StoreEvent::Reached => {
                let said = self.outage.back(env.std_now());
                tell(env.transit, said);
                self.forgotten(env);
            }
            StoreEvent::Forgotten => {
                if let Some(left_out) = env.transit.uplink().log_line("discoverer record") {
                    let left_out = (left_out > 0).then_some(left_out);
                    tracing::warn!(node = %env.transit.node(), left_out, "the store of the discoverer has lost this node's record");
                }
                self.forgotten(env);
            }
            StoreEvent::Beats(beats) => self.beats(env, beats),
            StoreEvent::Info { node, value: None } => {
                tracing::debug!(node = %node, "a node with a beat has no INFO in the store");
            }
            StoreEvent::Info { node, value: Some(value) } => self.record(env, &node, value),
        }
    }

    /// Another node may write at any moment that it offers a service that is waited for.
    fn waiting(&mut self, now: Instant) {
        self.next_look.get_or_insert(now);
    }

    fn announce(&mut self, env: &mut Env<'_>, info: &LocalInfo) {
        self.write(env, info, None);
    }

    /// `done` is notified when it is written.
    fn announce_leaving(&mut self, env: &mut Env<'_>, info: &LocalInfo, done: oneshot::Sender<()>) {
        self.write(env, info, Some(done));
    }

    /// Removes what this node has written.
    fn leave(&mut self, done: oneshot::Sender<()>) {
        self.unsaid = false;
        self.commands.give(Command::Leave(done));
    }

    fn says_farewell(&self) -> bool {
        !self.addressed
    }

    fn log(&mut self, env: &Env<'_>) {
        let said = self.outage.owed(env.now.into_std());
        tell(env.transit, said);
    }

    #[cfg(test)]
    fn watched(&self) -> std::collections::BTreeMap<NodeId, bool> {
        self.liveness.all()
    }
}

fn address(host: &str, port: u16) -> Name {
    if host.contains(':') { format!("[{host}]:{port}").into() } else { format!("{host}:{port}").into() }
}
