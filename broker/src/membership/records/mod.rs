//! Membership by records in a store that all nodes reach: Redis, as Node's Redis discoverer (protocol chapter
//! 11.1).
//!
//! Each node writes what it is (INFO) and, again and again, that it is alive (a beat, which vanishes by
//! itself); and it looks whose beats are there. DISCOVER, INFO and HEARTBEAT are not sent; a farewell is.
//!
//! What records are called and what the beats that were found mean, [`crate::discovery`] knows. This does what
//! it says, on the control loop, which has no I/O. [`keeper`] is the task that reads and writes the records;
//! the two send each other messages ([`orders`]). [`store`] connects to the store at the start.

#![cfg_attr(not(feature = "discovery-redis"), allow(dead_code, reason = "there is no store without it"))]

#[cfg(feature = "discovery-redis")]
mod keeper;
mod orders;
mod store;

use bytes::Bytes;
use ligand_transporters::{Membership, Name, NodeId, PacketKind, TransportError};
use rand::RngExt as _;
use serde_json::json;
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
use crate::discovery::conflict::{Evidence, Source};
use crate::discovery::names::Beat;
use crate::discovery::roll::{Known, Roll};
use crate::protocol::{InfoPacket, Packet, ProtocolVersion, beat_record};
use crate::registry::{InfoKind, LocalInfo};
use crate::serializer::Serializer;
use crate::transit::{Lost, Outage, Said, Transit, shown};
pub(crate) use orders::{Found, Store};
pub(super) use orders::{Order, Orders};
pub(crate) use store::open_store;

/// How often signs of life in other packets are looked at.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// How often the roll is called while a service waits for others: the next beat may be long away.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often nodes that are long gone are forgotten.
const CLEAN_EVERY: Duration = Duration::from_secs(60);
/// Packets that keep a node without a beat alive are at most this old, or one beat.
const SHORTEST_SILENCE: Duration = Duration::from_secs(2);
/// What packets of others make us ask of the store, per second.
const ASKED: u32 = 10;

/// What this node knows of who is alive.
pub(super) struct Records {
    orders: Orders,
    serializer: Arc<dyn Serializer>,
    roll: Roll,
    cpu: Cpu,
    beat_every: Duration,
    next_beat: Instant,
    next_check: Instant,
    next_clean: Instant,
    /// Every so many rolls values are read and not only names; 0 for never.
    full_check: u32,
    rolls: u32,
    asked: Bucket,
    /// Whether the store is in reach.
    outage: Outage,
    /// Whether nodes are reached by their addresses rather than over a server.
    addressed: bool,
    /// The sequence number of the INFO that is written.
    written: u64,
    /// When the roll is called for services that wait for others.
    next_look: Option<Instant>,
    /// What this node is could not be given to the store, which did not keep up.
    unsaid: bool,
    /// How many control packets were lost when that was last looked at.
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
        let roll = Roll::new(node.clone(), config.heartbeat_timeout, silence);
        let Store { orders, full_check, serializer } = store;
        orders.give(Order::Roll);
        Self {
            orders,
            serializer,
            roll,
            cpu: Cpu::new(),
            beat_every,
            next_beat: now + beat_every,
            next_check: now + CHECK_EVERY,
            next_clean: now + CLEAN_EVERY,
            full_check,
            // Nodes that start together do not read everything together.
            rolls: rand::rng().random_range(0..full_check.max(1)),
            asked: Bucket::new(ASKED, Duration::from_secs(1) / ASKED),
            outage: Outage::default(),
            addressed: membership == Membership::Gossip,
            written: 0,
            next_look: None,
            unsaid: false,
            dropped: 0,
        }
    }

    /// As [`Discoverer::found`], of the beats that are there.
    fn beats(&mut self, env: &mut Env<'_>, found: Vec<(Beat, Option<Bytes>)>) {
        let now = env.std_now();
        let mut double = None;
        let (mut beats, mut values) = (Vec::with_capacity(found.len()), Vec::new());
        for (beat, value) in found {
            if !env.is_own(&beat.node) {
                values.extend(value.map(|value| (beat.node.clone(), value)));
            } else if !env.broker.instance_id().starts_with(beat.instance.as_str()) {
                double = Some(beat.instance.clone());
            }
            beats.push(beat);
        }
        let registry = env.registry().snapshot();
        let known = |node: &NodeId| {
            let node = registry.node_by_id(node.as_str()).filter(|node| node.is_available())?;
            Some(Known { instance: node.instance_id().clone(), seq: node.seq() })
        };
        let verdict = self.roll.call(&beats, known, env.registry().room(), now);
        for node in &verdict.alive {
            env.registry().heartbeat(node.as_str(), None, now);
        }
        for node in &verdict.gone {
            self.gone(env, node, true);
        }
        if !verdict.fetch.is_empty() {
            self.orders.give(Order::Fetch(verdict.fetch));
        }
        for (node, value) in values {
            let incoming = env.transit.open_record(&*self.serializer, PacketKind::Heartbeat, value);
            if let Some(incoming) = incoming
                && let Packet::Heartbeat(beat) = incoming.packet
                && incoming.sender == node
            {
                let cpu = beat.cpu.map(|cpu| cpu as f32);
                env.registry().heartbeat(node.as_str(), cpu, now);
            }
        }
        // An earlier process of this node leaves beats behind as well: a probe tells.
        if let Some(instance) = double {
            self.weigh(env, instance);
        }
    }

    /// Another process wrote in this node's name. Between peers there is no way to ask a double that is known
    /// by its records alone.
    fn weigh(&self, env: &mut Env<'_>, instance: Name) {
        if !self.addressed {
            let instance = Some(instance).filter(|instance| !instance.is_empty());
            env.weigh(&Evidence { source: Source::Info, address: None, instance });
        }
    }

    /// Takes the INFO that a node has in the store.
    fn record(&mut self, env: &mut Env<'_>, node: &NodeId, value: Bytes) {
        let Some(incoming) = env.transit.open_record(&*self.serializer, PacketKind::Info, value) else {
            return;
        };
        if incoming.sender != *node || env.transit.accept(env.broker, &incoming).is_none() {
            tracing::debug!(node = %node, "the INFO of a node in the store cannot be used");
            return;
        }
        let version = incoming.ver.known();
        if let Packet::Info(info) = incoming.packet {
            self.info(env, node, *info);
        }
        if let Some(version) = version {
            env.registry().seen_version(node.as_str(), version);
        }
    }

    fn info(&mut self, env: &mut Env<'_>, node: &NodeId, info: InfoPacket) {
        let by_name = env.transit.peering().use_hostname;
        let host = info.hostname.as_ref().filter(|_| by_name).or(info.ip_list.first());
        let host = host.or(info.hostname.as_ref());
        let at = host.zip(info.port).map(|(host, port)| address(host, port));
        let Some(change) = env.apply_info(node, info) else {
            self.roll.heard(node, env.std_now());
            return;
        };
        if let Some(evicted) = &change.evicted {
            self.forget(env.transit, evicted);
        }
        if matches!(change.kind, InfoKind::Refused | InfoKind::Own | InfoKind::Conflict) {
            return;
        }
        self.roll.online(node, env.std_now());
        if let Some(at) = at.filter(|_| self.addressed) {
            env.transit.set_address(node, Some(&at));
        }
    }

    /// Records may be missing that their authors believe to be there.
    fn forgotten(&mut self, env: &Env<'_>) {
        self.roll.forbear(env.std_now());
        if env.is_present() {
            self.write(env, &env.current_info(), None);
        } else {
            self.orders.give(Order::Roll);
        }
    }

    fn out_of_reach(&mut self, env: &Env<'_>, error: &TransportError) {
        let said = self.outage.lost(error, Lost::Gone, env.std_now());
        tell(env.transit, said);
        let data = json!({
            "error": { "message": error.to_string() },
            "module": "discoverer",
            "type": "clientError",
        });
        env.broker.publish_local("$discoverer.error", data);
    }

    /// The registry does not know the node any more.
    fn forget(&mut self, transit: &Transit, node: &NodeId) {
        self.roll.forget(node);
        transit.set_address(node, None);
    }

    fn gone(&self, env: &mut Env<'_>, node: &NodeId, unexpected: bool) {
        if self.addressed {
            env.transit.set_address(node, None);
        }
        env.node_gone(node, unexpected);
    }

    /// Writes what this node offers, and a beat. `done` is told once the first is written.
    fn write(&mut self, env: &Env<'_>, info: &LocalInfo, done: Option<oneshot::Sender<()>>) {
        let Some(value) = env.transit.info_record(&*self.serializer, &info.json) else { return };
        self.unsaid = !self.orders.offer(Order::Info { value, done });
        if !self.unsaid {
            self.written = info.seq;
        }
        self.beat(env);
    }

    fn beat(&mut self, env: &Env<'_>) {
        let (transit, broker) = (env.transit, env.broker);
        self.next_beat = env.now + self.beat_every;
        self.rolls = self.rolls.wrapping_add(1);
        // What is not written yet would be looked for in vain.
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
        let values = self.full_check > 0 && self.rolls.is_multiple_of(self.full_check);
        self.orders.give(Order::Beat { seq, value, values });
    }

    fn check(&mut self, env: &Env<'_>) {
        env.transit.heard_since(env.broker, |node, at| {
            self.roll.heard(node, at);
        });
        if self.unsaid && env.is_present() {
            self.write(env, &env.current_info(), None);
        }
        let dropped = env.transit.control_dropped();
        if dropped > self.dropped {
            self.dropped = dropped;
            self.orders.give(Order::Roll);
        }
    }

    fn clean(&mut self, env: &Env<'_>) {
        for node in env.sweep(|node| self.roll.last_heard(node)) {
            self.forget(env.transit, &node);
        }
        let registry = env.registry().snapshot();
        env.transit.keep_addresses(|node| registry.node_by_id(node.as_str()).is_some());
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
                self.orders.give(Order::Roll);
            }
        }
        if self.next_look.is_some_and(|look| now >= look) {
            let wanted = env.broker.waits_for_services();
            self.next_look = wanted.then(|| now + LOOK_EVERY);
            if wanted {
                self.orders.give(Order::Roll);
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

    /// A packet about membership came all the same: a farewell, a greeting, or one of a node that does not
    /// use the store.
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
                    self.roll.left(node, known.instance_id().clone(), env.std_now());
                    self.gone(env, node, false);
                }
            }
            Packet::GossipHello(hello) if self.addressed => {
                // Its requests follow at once, and are to be answered.
                env.transit.set_stranger_address(node, address(&hello.host, hello.port));
                self.stranger(env, node, from.version);
            }
            _ => {}
        }
    }

    fn stranger(&mut self, env: &mut Env<'_>, node: &NodeId, _version: ProtocolVersion) {
        if !self.roll.heard(node, env.std_now()) && self.asked.take(env.std_now()) {
            self.orders.give(Order::Fetch(vec![node.clone()]));
        }
    }

    /// Perhaps the node has gone.
    fn lost(&mut self, env: &mut Env<'_>, _node: &NodeId) {
        if self.asked.take(env.std_now()) {
            self.orders.give(Order::Roll);
        }
    }

    fn found(&mut self, env: &mut Env<'_>, found: Found) {
        match found {
            Found::Lost(error) => self.out_of_reach(env, &error),
            Found::Reached => {
                let said = self.outage.back(env.std_now());
                tell(env.transit, said);
                self.forgotten(env);
            }
            Found::Forgotten => {
                if let Some(left_out) = env.transit.log_line("discoverer record") {
                    let left_out = (left_out > 0).then_some(left_out);
                    tracing::warn!(node = %env.transit.node(), left_out, "the store of the discoverer has lost this node's record");
                }
                self.forgotten(env);
            }
            Found::Beats(beats) => self.beats(env, beats),
            Found::Info { node, value: None } => {
                tracing::debug!(node = %node, "a node with a beat has no INFO in the store");
            }
            Found::Info { node, value: Some(value) } => self.record(env, &node, value),
        }
    }

    /// Others may write at any moment of the services that somebody waits for.
    fn waiting(&mut self, now: Instant) {
        self.next_look.get_or_insert(now);
    }

    fn announce(&mut self, env: &mut Env<'_>, info: &LocalInfo) {
        self.write(env, info, None);
    }

    /// Whoever waits is told when it is written.
    fn announce_leaving(&mut self, env: &mut Env<'_>, info: &LocalInfo, done: oneshot::Sender<()>) {
        self.write(env, info, Some(done));
    }

    /// Removes what this node has written.
    fn leave(&mut self, done: oneshot::Sender<()>) {
        self.unsaid = false;
        self.orders.give(Order::Leave(done));
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
        self.roll.all()
    }
}

fn address(host: &str, port: u16) -> Name {
    if host.contains(':') { format!("[{host}]:{port}").into() } else { format!("{host}:{port}").into() }
}

/// Tells the log of the store.
fn tell(transit: &Transit, said: Option<Said>) {
    let node = transit.node();
    match said {
        None => {}
        Some(Said::Lost { why, left_out, .. }) => tracing::error!(
            node = %node,
            left_out = (left_out > 0).then_some(left_out),
            "the store of the discoverer is lost: {why}; nodes that are known stay, trying again"
        ),
        Some(Said::Back { away, left_out }) => {
            let took = shown(away);
            tracing::info!(
                node = %node,
                away_ms = away.as_millis(),
                left_out = (left_out > 0).then_some(left_out),
                "the store of the discoverer is in reach again after {took}"
            );
        }
    }
}
