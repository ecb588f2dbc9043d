//! Does what the roll says: changes of the registry, orders to the store.

use bytes::Bytes;
use ligand_transporters::{Membership, Name, NodeId, PacketKind, TransportError};
use rand::RngExt as _;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::names::Beat;
use super::orders::{Found, Order, Orders, Store};
use super::roll::{Known, Roll};
use crate::broker::ServiceBroker;
use crate::config::BrokerConfig;
use crate::discovery::bus::beat_every;
use crate::discovery::chores::Chores;
use crate::discovery::conflict::{Evidence, Source};
use crate::discovery::cpu::Cpu;
use crate::discovery::limit::Bucket;
use crate::protocol::{InfoPacket, Packet, beat_record};
use crate::registry::{InfoKind, LocalInfo};
use crate::serializer::Serializer;
use crate::transit::{Lost, Outage, Said, Transit, shown};

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
pub(crate) struct Records {
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
    pub(crate) fn new(
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

    /// Nodes that are watched, and whether they are online.
    #[cfg(test)]
    pub(crate) fn watched(&self) -> std::collections::BTreeMap<NodeId, bool> {
        self.roll.all()
    }

    /// Whether nodes are reached by their addresses rather than over a server.
    pub(crate) fn is_addressed(&self) -> bool {
        self.addressed
    }

    pub(crate) fn next_tick(&self) -> Instant {
        let own = self.next_beat.min(self.next_check).min(self.next_clean);
        self.next_look.map_or(own, |look| own.min(look))
    }

    /// Somebody waits for services that others may write of at any moment.
    pub(crate) fn look(&mut self, now: Instant) {
        self.next_look.get_or_insert(now);
    }

    /// A packet about membership came all the same: a farewell, a greeting, or one of a node that does not
    /// use the store.
    pub(crate) fn packet(
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
                Packet::Info(info) if info.instance_id != *broker.instance_id() => {
                    self.evidence(Some(info.instance_id))
                }
                Packet::Info(info) => {
                    chores.heard_of_us(broker, &info, now);
                    None
                }
                Packet::Disconnect => {
                    chores.defence.farewell(now.into_std());
                    None
                }
                _ => None,
            };
        }
        match packet {
            Packet::Info(info) => self.info(transit, broker, sender, *info, chores, now),
            // As in Node, whoever asks finds our record renewed.
            Packet::Discover if chores.is_present(broker) && self.asked.take(now.into_std()) => {
                self.announce(transit, broker, &chores.for_asker(transit, broker), None, now);
            }
            Packet::Disconnect => {
                let registry = broker.shared().registry.snapshot();
                if let Some(known) = registry.node_by_id(sender.as_str()) {
                    self.roll.left(sender, known.instance_id().clone(), now.into_std());
                    self.gone(transit, broker, sender, false, chores, now);
                }
            }
            Packet::GossipHello(hello) if self.addressed => {
                // Its requests follow at once, and are to be answered.
                transit.set_stranger_address(sender, address(&hello.host, hello.port));
                self.stranger(sender, now);
            }
            _ => {}
        }
        None
    }

    /// A packet came from a node that is not known as online.
    pub(crate) fn stranger(&mut self, node: &NodeId, now: Instant) {
        if !self.roll.heard(node, now.into_std()) && self.asked.take(now.into_std()) {
            self.orders.give(Order::Fetch(vec![node.clone()]));
        }
    }

    /// The connection to a node broke: perhaps it has gone.
    pub(crate) fn lost(&mut self, now: Instant) {
        if self.asked.take(now.into_std()) {
            self.orders.give(Order::Roll);
        }
    }

    /// Something came from the store.
    pub(crate) fn found(
        &mut self,
        transit: &Arc<Transit>,
        broker: &ServiceBroker,
        found: Found,
        chores: &mut Chores,
        now: Instant,
    ) -> Option<Evidence> {
        match found {
            Found::Lost(error) => self.out_of_reach(transit, broker, &error, now),
            Found::Reached => {
                let said = self.outage.back(now.into_std());
                tell(transit, said);
                self.forgotten(transit, broker, chores, now);
            }
            Found::Forgotten => {
                if let Some(left_out) = transit.log_line("discoverer record") {
                    let left_out = (left_out > 0).then_some(left_out);
                    tracing::warn!(node = %transit.node(), left_out, "the store of the discoverer has lost this node's record");
                }
                self.forgotten(transit, broker, chores, now);
            }
            Found::Beats(beats) => return self.beats(transit, broker, beats, chores, now),
            Found::Info { node, value: None } => {
                tracing::debug!(node = %node, "a node with a beat has no INFO in the store");
            }
            Found::Info { node, value: Some(value) } => {
                let incoming = transit.open_record(&*self.serializer, PacketKind::Info, value)?;
                if incoming.sender != node || transit.accept(broker, &incoming).is_none() {
                    tracing::debug!(node = %node, "the INFO of a node in the store cannot be used");
                    return None;
                }
                let version = incoming.ver.known();
                if let Packet::Info(info) = incoming.packet {
                    self.info(transit, broker, &node, *info, chores, now);
                }
                if let Some(version) = version {
                    broker.shared().registry.seen_version(node.as_str(), version);
                }
            }
        }
        None
    }

    /// Records may be missing that their authors believe to be there.
    fn forgotten(&mut self, transit: &Transit, broker: &ServiceBroker, chores: &Chores, now: Instant) {
        self.roll.forbear(now.into_std());
        if chores.is_present(broker) {
            self.announce(transit, broker, &chores.for_asker(transit, broker), None, now);
        } else {
            self.orders.give(Order::Roll);
        }
    }

    fn out_of_reach(
        &mut self,
        transit: &Transit,
        broker: &ServiceBroker,
        error: &TransportError,
        now: Instant,
    ) {
        let said = self.outage.lost(error, Lost::Gone, now.into_std());
        tell(transit, said);
        let data = json!({
            "error": { "message": error.to_string() },
            "module": "discoverer",
            "type": "clientError",
        });
        broker.publish_local("$discoverer.error", data);
    }

    /// Tells the log what could not be said before.
    pub(crate) fn log(&mut self, transit: &Transit, now: Instant) {
        let said = self.outage.owed(now.into_std());
        tell(transit, said);
    }

    fn beats(
        &mut self,
        transit: &Transit,
        broker: &ServiceBroker,
        found: Vec<(Beat, Option<Bytes>)>,
        chores: &mut Chores,
        now: Instant,
    ) -> Option<Evidence> {
        let mut double = None;
        let (mut beats, mut values) = (Vec::with_capacity(found.len()), Vec::new());
        for (beat, value) in found {
            if beat.node != *transit.node() {
                values.extend(value.map(|value| (beat.node.clone(), value)));
            } else if !broker.instance_id().starts_with(beat.instance.as_str()) {
                double = Some(beat.instance.clone());
            }
            beats.push(beat);
        }
        let registry = broker.shared().registry.snapshot();
        let known = |node: &NodeId| {
            let node = registry.node_by_id(node.as_str()).filter(|node| node.is_available())?;
            Some(Known { instance: node.instance_id().clone(), seq: node.seq() })
        };
        let room = broker.shared().registry.room();
        let verdict = self.roll.call(&beats, known, room, now.into_std());
        for node in &verdict.alive {
            broker.shared().registry.heartbeat(node.as_str(), None, now.into_std());
        }
        for node in &verdict.gone {
            self.gone(transit, broker, node, true, chores, now);
        }
        if !verdict.fetch.is_empty() {
            self.orders.give(Order::Fetch(verdict.fetch));
        }
        for (node, value) in values {
            let Some(incoming) = transit.open_record(&*self.serializer, PacketKind::Heartbeat, value) else {
                continue;
            };
            if let Packet::Heartbeat(beat) = incoming.packet
                && incoming.sender == node
            {
                let cpu = beat.cpu.map(|cpu| cpu as f32);
                broker.shared().registry.heartbeat(node.as_str(), cpu, now.into_std());
            }
        }
        // An earlier process of this node leaves beats behind as well: a probe tells.
        double.and_then(|instance| self.evidence(Some(instance)))
    }

    /// Between peers there is no way to ask a double that is known by its records alone.
    fn evidence(&self, instance: Option<Name>) -> Option<Evidence> {
        let instance = instance.filter(|instance| !instance.is_empty());
        (!self.addressed).then_some(Evidence { source: Source::Info, address: None, instance })
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
        let by_name = transit.peering().use_hostname;
        let host = info.hostname.as_ref().filter(|_| by_name).or(info.ip_list.first());
        let host = host.or(info.hostname.as_ref());
        let at = host.zip(info.port).map(|(host, port)| address(host, port));
        let Some(change) = transit.apply_info(broker, sender, info, chores, now) else {
            self.roll.heard(sender, now.into_std());
            return;
        };
        if let Some(evicted) = &change.evicted {
            self.forget(transit, evicted);
        }
        if matches!(change.kind, InfoKind::Refused | InfoKind::Own | InfoKind::Conflict) {
            return;
        }
        self.roll.online(sender, now.into_std());
        if let Some(at) = at.filter(|_| self.addressed) {
            transit.set_address(sender, Some(&at));
        }
    }

    /// The registry does not know the node any more.
    fn forget(&mut self, transit: &Transit, node: &NodeId) {
        self.roll.forget(node);
        transit.set_address(node, None);
    }

    fn gone(
        &self,
        transit: &Transit,
        broker: &ServiceBroker,
        node: &NodeId,
        unexpected: bool,
        chores: &mut Chores,
        now: Instant,
    ) {
        if self.addressed {
            transit.set_address(node, None);
        }
        transit.node_gone(broker, node, unexpected, chores, now);
    }

    /// Writes what this node offers, and a beat. `done` is told once the first is written.
    pub(crate) fn announce(
        &mut self,
        transit: &Transit,
        broker: &ServiceBroker,
        info: &LocalInfo,
        done: Option<oneshot::Sender<()>>,
        now: Instant,
    ) {
        let Some(value) = transit.info_record(&*self.serializer, &info.json) else { return };
        self.unsaid = !self.orders.offer(Order::Info { value, done });
        if !self.unsaid {
            self.written = info.seq;
        }
        self.beat(transit, broker, now);
    }

    /// Removes what this node has written; `done` is told then.
    pub(crate) fn leave(&mut self, done: oneshot::Sender<()>) {
        self.unsaid = false;
        self.orders.give(Order::Leave(done));
    }

    fn beat(&mut self, transit: &Transit, broker: &ServiceBroker, now: Instant) {
        self.next_beat = now + self.beat_every;
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

    pub(crate) fn tick(&mut self, transit: &Transit, broker: &ServiceBroker, chores: &Chores, now: Instant) {
        if now >= self.next_beat {
            self.next_beat = now + self.beat_every;
            if chores.is_present(broker) {
                self.beat(transit, broker, now);
            } else {
                self.orders.give(Order::Roll);
            }
        }
        if self.next_look.is_some_and(|look| now >= look) {
            let wanted = broker.waits_for_services();
            self.next_look = wanted.then(|| now + LOOK_EVERY);
            if wanted {
                self.orders.give(Order::Roll);
            }
        }
        if now >= self.next_check {
            self.next_check = now + CHECK_EVERY;
            transit.heard_since(broker, |node, at| {
                self.roll.heard(node, at);
            });
            if self.unsaid && chores.is_present(broker) {
                self.announce(transit, broker, &chores.for_asker(transit, broker), None, now);
            }
            let dropped = transit.control_dropped();
            if dropped > self.dropped {
                self.dropped = dropped;
                self.orders.give(Order::Roll);
            }
        }
        if now >= self.next_clean {
            self.next_clean = now + CLEAN_EVERY;
            for node in transit.sweep(broker, |node| self.roll.last_heard(node), now) {
                self.forget(transit, &node);
            }
            let registry = broker.shared().registry.snapshot();
            transit.keep_addresses(|node| registry.node_by_id(node.as_str()).is_some());
        }
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
