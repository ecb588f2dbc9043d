//! Membership over a message bus: DISCOVER, INFO, HEARTBEAT, DISCONNECT (protocol chapter 5).

use ligand_transporters::{Name, NodeId};
use rand::RngExt as _;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

use super::chores::Chores;
use super::conflict::{Evidence, Source};
use super::cpu::Cpu;
use super::farewell::{Farewells, Verdict};
use super::held::{Held, What};
use super::limit::Bucket;
use super::liveness::{Heard, Liveness};
use super::succession::{self, Room, Succession};
use crate::broker::ServiceBroker;
use crate::config::BrokerConfig;
use crate::protocol::{Heartbeat, Id, InfoPacket, Outgoing, Packet, PacketId, ProtocolVersion};
use crate::registry::{InfoKind, LocalInfo};
use crate::transit::{Transit, wall_clock_ms};

/// How often silence is looked for.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// How often nodes that are long gone are forgotten.
const CLEAN_EVERY: Duration = Duration::from_secs(60);
/// INFO packets taken from one sender per second, and as many from others in its name.
const INFO_RATE: u32 = 10;
/// Shortest time between two DISCOVERs to one node.
const DISCOVER_EVERY: Duration = Duration::from_secs(1);
/// Shortest time between two DISCOVERs to everybody because something was lost here.
const DISCOVER_ALL_EVERY: Duration = Duration::from_secs(10);
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
    /// What came above those rates.
    held: Held,
    succession: Succession,
    farewells: Farewells,
    /// Something was lost of which nobody knows whose it was: everybody is to be asked.
    lost: bool,
    /// How many control packets were lost when that was last looked at.
    dropped: u64,
    discover_all: Bucket,
}

struct Rates {
    info: Bucket,
    /// INFO of another process than the one that is online. Whoever sends those in a node's name must not
    /// use up what the node itself may say.
    claims: Bucket,
    discover: Bucket,
}

impl Bus {
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

    pub(super) fn next_tick(&self) -> Instant {
        let own = self.next_beat.min(self.next_check).min(self.next_clean);
        let asked = self.succession.next().into_iter().chain(self.farewells.next()).chain(self.held.next());
        asked.map(Instant::from_std).fold(own, Instant::min)
    }

    /// Nodes that are watched, and whether they are online.
    #[cfg(test)]
    pub(super) fn watched(&self) -> std::collections::BTreeMap<NodeId, bool> {
        self.liveness.all()
    }

    pub(super) fn packet(
        &mut self,
        transit: &Transit,
        broker: &ServiceBroker,
        (sender, version): (&NodeId, ProtocolVersion),
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
            Packet::Info(info) => {
                self.farewells.heard(sender);
                self.claim(transit, broker, (sender, version), info, chores, now);
            }
            Packet::Heartbeat(beat) => self.heartbeat(transit, broker, (sender, version), &beat, now),
            Packet::Discover if chores.is_present(broker) => {
                transit.send_info(&chores.for_asker(transit, broker), sender, version)
            }
            Packet::Disconnect => self.disconnect(transit, broker, (sender, version), chores, now),
            _ => {}
        }
        None
    }

    /// Any packet but INFO and DISCONNECT says that a node is there, and under its id the one that we know
    /// or another one.
    pub(super) fn sign_of_life(
        &mut self,
        transit: &Transit,
        node: &NodeId,
        version: ProtocolVersion,
        now: Instant,
    ) {
        self.farewells.heard(node);
        if self.liveness.heard(node, now.into_std()) == Heard::Offline {
            self.discover(transit, node, version, now);
        }
        if let Some(nonce) = self.succession.ask_again(node, nonce, now.into_std()) {
            ask(transit, node, version, &nonce);
        }
    }

    pub(super) fn ponged(&mut self, node: &NodeId, nonce: &str, now: Instant) {
        self.succession.ponged(node, nonce, now.into_std());
    }

    fn disconnect(
        &mut self,
        transit: &Transit,
        broker: &ServiceBroker,
        (node, version): (&NodeId, ProtocolVersion),
        chores: &mut Chores,
        now: Instant,
    ) {
        let Some(instance) = online_instance(broker, node) else { return };
        let verdict = self.farewells.said(node, &instance, offers(broker, node), now.into_std());
        if verdict == Verdict::Believe {
            self.gone(transit, broker, node, false, chores, now);
        }
        if verdict != Verdict::Wait {
            // One that is still there answers, and so is back at once.
            ping(transit, node, version, &nonce());
        }
    }

    fn gone(
        &mut self,
        transit: &Transit,
        broker: &ServiceBroker,
        node: &NodeId,
        unexpected: bool,
        chores: &mut Chores,
        now: Instant,
    ) {
        self.liveness.offline(node, now.into_std());
        self.succession.forget(node);
        self.held.forget(node);
        transit.node_gone(broker, node, unexpected, chores, now);
    }

    /// Takes an INFO, unless it says that an online node is another process now: that is looked into.
    fn claim(
        &mut self,
        transit: &Transit,
        broker: &ServiceBroker,
        (sender, version): (&NodeId, ProtocolVersion),
        info: Box<InfoPacket>,
        chores: &mut Chores,
        now: Instant,
    ) {
        let online = online_instance(broker, sender);
        let is_claim = online.as_ref().is_some_and(|known| *known != info.instance_id);
        let rates = self.rates(sender);
        let rate = if is_claim { &mut rates.claims } else { &mut rates.info };
        if !rate.take(now.into_std()) {
            tracing::debug!(node = %sender, "INFO packets come too fast, the newest waits");
            let due = rate.ready_at(now.into_std());
            // Which of several processes is the one that is there now, the node itself has to say.
            let is_kept = if is_claim {
                self.held.ask(sender, version, due)
            } else {
                self.held.info(sender, version, info, due)
            };
            self.lost |= !is_kept;
            return;
        }
        if !is_claim {
            self.held.taken(sender, &info);
        }
        let verdict = match online {
            Some(known) => {
                let due = now.into_std() + DISCOVER_EVERY;
                match is_claim.then(|| self.succession.make_room(sender, now.into_std())) {
                    Some(Room::InsteadOf(other)) => {
                        self.lost |= !self.held.ask(&other, transit.version_of(&other), due);
                    }
                    Some(Room::None) => {
                        self.liveness.heard(sender, now.into_std());
                        self.lost |= !self.held.ask(sender, version, due);
                        return;
                    }
                    Some(Room::Free) | None => {}
                }
                self.succession.info(sender, &known, info, nonce(), now.into_std())
            }
            None => succession::Verdict::Take(info),
        };
        match verdict {
            succession::Verdict::Take(info) => self.info(transit, broker, sender, *info, chores, now),
            succession::Verdict::Ask(nonce) => {
                self.liveness.heard(sender, now.into_std());
                ask(transit, sender, version, &nonce);
            }
            succession::Verdict::Wait => {
                self.liveness.heard(sender, now.into_std());
            }
        }
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
        let instance = info.instance_id.clone();
        let Some(change) = transit.apply_info(broker, sender, info, chores, now) else {
            // It cannot be read, but it was sent.
            self.liveness.heard(sender, now.into_std());
            return;
        };
        if let Some(evicted) = &change.evicted {
            self.forget(evicted);
        }
        match change.kind {
            InfoKind::Refused | InfoKind::Own | InfoKind::Conflict => return,
            InfoKind::Restarted => self.liveness.replaced(sender),
            InfoKind::Reconnected if self.farewells.is_back(sender, &instance) => {
                // It never was away, so the calls that it serves are not lost.
                chores.forgive(sender);
            }
            _ => {}
        }
        self.liveness.online(sender, now.into_std());
        // Nothing keeps topics in order: it left after all.
        if self.farewells.doubts(sender) && !offers(broker, sender) {
            self.disconnect(transit, broker, (sender, transit.version_of(sender)), chores, now);
        }
    }

    fn heartbeat(
        &mut self,
        transit: &Transit,
        broker: &ServiceBroker,
        (sender, version): (&NodeId, ProtocolVersion),
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
            self.discover(transit, sender, version, now);
        }
    }

    /// A packet came from a node that is not known as online.
    pub(super) fn stranger(
        &mut self,
        transit: &Transit,
        node: &NodeId,
        version: ProtocolVersion,
        now: Instant,
    ) {
        if self.liveness.heard(node, now.into_std()) != Heard::Online {
            self.discover(transit, node, version, now);
        }
    }

    /// The registry does not know the node any more.
    fn forget(&mut self, node: &NodeId) {
        self.liveness.forget(node);
        self.succession.forget(node);
        self.farewells.forget(node);
        self.held.forget(node);
    }

    /// Asks a node who it is, in the version that it was heard in: it may know no other one. Where it was
    /// asked a moment ago its answer is on its way, and its next packet leads here again.
    fn discover(&mut self, transit: &Transit, node: &NodeId, version: ProtocolVersion, now: Instant) {
        if !self.rates(node).discover.take(now.into_std()) {
            return;
        }
        let sent = transit.send_to(node, version, 0, &Outgoing::Discover, &mut |_| Ok(()));
        if let Err(error) = sent {
            tracing::debug!(node = %node, error = %error, "DISCOVER not sent");
        }
    }

    /// What came too fast and may be taken now.
    fn take_held(&mut self, transit: &Transit, broker: &ServiceBroker, chores: &mut Chores, now: Instant) {
        for (node, version, what) in self.held.due(now.into_std()) {
            match what {
                What::Take(info) => self.claim(transit, broker, (&node, version), info, chores, now),
                What::Ask => {
                    let rate = &mut self.rates(&node).discover;
                    if rate.has(now.into_std()) {
                        self.discover(transit, &node, version, now);
                    } else {
                        let due = rate.ready_at(now.into_std());
                        self.lost |= !self.held.ask(&node, version, due);
                    }
                }
            }
        }
    }

    /// Asks everybody, where something was lost: what a node says of itself it says once.
    fn discover_what_was_lost(&mut self, transit: &Transit, now: Instant) {
        let dropped = transit.control_dropped();
        self.lost |= dropped > self.dropped;
        self.dropped = dropped;
        if self.lost && self.discover_all.take(now.into_std()) {
            self.lost = false;
            tracing::debug!("packets about nodes were lost, everybody is asked");
            transit.discover_all();
        }
    }

    fn rates(&mut self, node: &NodeId) -> &mut Rates {
        if self.rates.len() >= MAX_RATED && !self.rates.contains_key(node) {
            // Somebody invents senders. To forget all of them lets each begin anew; to refuse newcomers
            // would keep out those that are not invented.
            self.rates.clear();
        }
        self.rates.entry(node.clone()).or_insert_with(|| Rates {
            info: Bucket::new(INFO_RATE, Duration::from_secs(1) / INFO_RATE),
            claims: Bucket::new(INFO_RATE, Duration::from_secs(1) / INFO_RATE),
            discover: Bucket::new(1, DISCOVER_EVERY),
        })
    }

    /// Tells everybody what this node offers.
    pub(super) fn announce(transit: &Transit, info: &LocalInfo) {
        if let Err(error) = transit.broadcast(&Outgoing::Info(&info.json)) {
            transit.log_unsent("INFO", &error);
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
            if chores.is_present(broker)
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
                self.gone(transit, broker, &node, true, chores, now);
            }
            self.discover_what_was_lost(transit, now);
        }
        self.take_held(transit, broker, chores, now);
        let due = self.farewells.due(now.into_std());
        for node in due.ask {
            ping(transit, &node, transit.version_of(&node), &nonce());
        }
        for node in due.gone {
            self.gone(transit, broker, &node, false, chores, now);
        }
        for (node, info) in self.succession.due(now.into_std()) {
            self.info(transit, broker, &node, *info, chores, now);
        }
        if now >= self.next_clean {
            self.next_clean = now + CLEAN_EVERY;
            self.rates.clear();
            let heard = |node: &NodeId| self.liveness.last_heard(node);
            for node in transit.sweep(broker, heard, now) {
                self.forget(&node);
            }
        }
    }
}

/// The instance that a node is online as.
fn online_instance(broker: &ServiceBroker, node: &NodeId) -> Option<Name> {
    let snapshot = broker.shared().registry.load();
    let node = snapshot.node_by_id(node.as_str()).filter(|node| node.is_available())?;
    Some(node.instance_id().clone())
}

/// Whether a node is known to offer services.
fn offers(broker: &ServiceBroker, node: &NodeId) -> bool {
    let snapshot = broker.shared().registry.load();
    snapshot.node_by_id(node.as_str()).is_some_and(|node| !node.services().list().is_empty())
}

fn nonce() -> Name {
    PacketId::random().to_string().into()
}

/// Asks a node whether it is there, and who it is.
fn ask(transit: &Transit, node: &NodeId, version: ProtocolVersion, nonce: &Name) {
    ping(transit, node, version, nonce);
    if let Err(error) = transit.send_to(node, version, 0, &Outgoing::Discover, &mut |_| Ok(())) {
        tracing::debug!(node = %node, error = %error, "DISCOVER not sent");
    }
}

fn ping(transit: &Transit, node: &NodeId, version: ProtocolVersion, nonce: &Name) {
    let ping = Outgoing::Ping { time: wall_clock_ms(), id: Id::Text(nonce) };
    if let Err(error) = transit.send_to(node, version, 0, &ping, &mut |_| Ok(())) {
        tracing::debug!(node = %node, error = %error, "PING not sent");
    }
}
