//! Does what the pure parts decide: sends, changes of the registry, local events.
//!
//! Three kinds of membership share most of it: over a bus nodes broadcast that they are there
//! ([`super::bus`]), over TCP they gossip ([`super::tcp`]), and with a discoverer they leave records in a
//! store ([`super::records`]).

use ligand_transporters::{Membership, Name, NodeId, PacketKind};
use serde_json::json;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::bus::Bus;
use super::chores::{Chores, TakenBack};
use super::claim::Starting;
use super::conflict::Conflict;
use super::records::{Records, Store};
use super::tcp::Tcp;
use super::versions::VersionsHeard;
use crate::broker::ServiceBroker;
use crate::protocol::{Incoming, MAX_CLAIM, Outgoing, Packet, Ping, Pong, ProtocolVersion};
use crate::registry::LocalInfo;
use crate::transit::{Message, Transit, echo, wall_clock_ms};

/// How often the clock-driven parts are looked at.
const TICK: Duration = Duration::from_secs(1);

/// The membership of this node, and what goes with either kind.
pub(crate) struct Driver {
    pub(super) membership: Kind,
    pub(super) conflict: Conflict,
    pub(super) shared: Chores,
    versions: VersionsHeard,
    pub(super) waiting: Vec<Starting>,
    /// Whether the start has come to its end.
    pub(super) started: bool,
    /// Connections over which somebody with our id said HELLO, and the address in it; the newest last.
    pub(super) doubles: VecDeque<(SocketAddr, Name)>,
    next: Instant,
}

pub(super) enum Kind {
    Bus(Box<Bus>),
    Tcp(Box<Tcp>),
    Records(Box<Records>),
}

impl Driver {
    pub(crate) fn new(
        transit: &Transit,
        broker: &ServiceBroker,
        discoverer: Option<Store>,
        now: Instant,
    ) -> Self {
        let config = broker.config();
        let mut options =
            super::conflict::Options { wait: config.transit.id_conflict_wait, ..Default::default() };
        let kind = transit.membership();
        options.addressed = kind == Membership::Gossip;
        let membership = match (discoverer, kind) {
            (Some(store), kind) => {
                Kind::Records(Box::new(Records::new(store, transit.node(), kind, config, now)))
            }
            (None, Membership::Gossip) => Kind::Tcp(Box::new(Tcp::new(transit, broker, now))),
            (None, _) => Kind::Bus(Box::new(Bus::new(config, now))),
        };
        Self {
            membership,
            conflict: Conflict::new(broker.instance_id().clone(), options),
            shared: Chores::default(),
            versions: VersionsHeard::default(),
            waiting: Vec::new(),
            started: false,
            doubles: VecDeque::new(),
            next: now + TICK,
        }
    }

    /// When [`Driver::tick`] wants to be called.
    pub(crate) fn next_tick(&self) -> Instant {
        let own = match &self.membership {
            Kind::Bus(bus) => bus.next_tick(),
            Kind::Tcp(tcp) => tcp.next_tick(),
            Kind::Records(records) => records.next_tick(),
        };
        let ready = self.waiting.iter().map(|starting| starting.look);
        self.shared.due().chain(ready).chain([own]).fold(self.next, Instant::min)
    }

    pub(crate) fn take(
        &mut self,
        transit: &Arc<Transit>,
        broker: &ServiceBroker,
        message: Message,
        now: Instant,
    ) {
        match message {
            Message::Frame(frame) => {
                let peer = frame.peer;
                let Some(incoming) = transit.open_control(frame.kind, frame.payload) else { return };
                // Until the id stands, what others send to it is for its owner.
                if !transit.is_claimed() && incoming.sender != *transit.node() {
                    return;
                }
                // The gossip packets of TCP are not checked for their version (protocol chapter 1.1).
                let version = match incoming.packet.kind() {
                    PacketKind::GossipHello | PacketKind::GossipRequest | PacketKind::GossipResponse => {
                        incoming.ver.known()
                    }
                    _ => transit.accept(broker, &incoming),
                };
                let gossip = matches!(
                    incoming.packet,
                    Packet::GossipHello(_) | Packet::GossipRequest(_) | Packet::GossipResponse(_)
                );
                let Some(version) = version.or(gossip.then_some(transit.own_version())) else { return };
                self.packet(transit, broker, incoming, version, peer, now);
            }
            Message::Sighted { node, addr, source } => {
                if let Kind::Tcp(tcp) = &mut self.membership {
                    let step = tcp.gossip.sighted(&node, &addr, source, now.into_std());
                    tcp.apply(transit, broker, step, &mut self.conflict, &mut self.shared, now);
                }
            }
            Message::Lost { node } => {
                if let Kind::Tcp(tcp) = &mut self.membership {
                    let step = tcp.gossip.lost(&node, false, now.into_std());
                    tcp.apply(transit, broker, step, &mut self.conflict, &mut self.shared, now);
                }
                if let Kind::Records(records) = &mut self.membership {
                    records.lost(now);
                }
                if let Some(addr) = transit.stood_in_for(&node) {
                    self.conflict.unreachable(addr);
                    self.settle_start(transit, broker, now);
                }
                // Even a node that was not known as online may be waited for.
                self.shared.fail_later(transit, node, now);
            }
            Message::Stranger { node, version } => match &mut self.membership {
                Kind::Bus(bus) => bus.stranger(transit, &node, version, now),
                Kind::Records(records) => records.stranger(&node, now),
                Kind::Tcp(tcp) => {
                    let step = tcp.gossip.heard(&node, now.into_std());
                    tcp.apply(transit, broker, step, &mut self.conflict, &mut self.shared, now);
                }
            },
            Message::Discovered(found) => {
                if let Kind::Records(records) = &mut self.membership {
                    let evidence = records.found(transit, broker, found, &mut self.shared, now);
                    self.weigh(transit, evidence, now);
                }
            }
            Message::Up(how) => transit.came_up(broker, how),
            // A node that is not announced yet has nothing to repeat.
            Message::Announce(info) if self.shared.is_present(broker) => {
                let seq = info.seq;
                self.announce(transit, broker, info, now);
                transit.announced(broker, seq);
            }
            Message::Announce(_) => {}
            Message::Back(info) => self.come_back(transit, broker, info, now),
            Message::Waiting => {
                if let Kind::Records(records) = &mut self.membership {
                    records.look(now);
                }
            }
            Message::TakeBack(done) => self.take_back(transit, broker, done),
            Message::Away => self.go_away(transit),
            Message::WrongVersion { sender, ver } => {
                self.versions.heard(false, now.into_std());
                self.shared.wrong_version(transit, &sender, &ver, now);
            }
            Message::ServicesChanged => self.shared.changed(broker, now),
            Message::CaughtUp(done) => {
                // Who asked may have given up.
                let _ = done.send(());
            }
            Message::Claim(done) => self.claim(transit, broker, done, now),
            Message::Ready(done, info) => {
                self.waiting.push(Starting { done, look: now, announce: Some(info) });
                self.settle_start(transit, broker, now);
            }
            Message::Leaving(done) => {
                let info = broker.shared().registry.stopping();
                // Nothing is announced any more that was looked at before.
                self.waiting.iter_mut().for_each(|starting| starting.announce = None);
                if !self.shared.is_there() {
                    if self.shared.announced() {
                        self.shared.told = Some(info);
                    }
                    // What it would take back may be what another node with our id has said.
                    let _ = done.send(());
                    return;
                }
                let info = self.shared.tell(broker, info, now);
                self.shared.announce_at = None;
                match &mut self.membership {
                    Kind::Bus(_) => Bus::announce(transit, &info),
                    Kind::Tcp(tcp) => {
                        let step = tcp.gossip.leaving();
                        tcp.apply(transit, broker, step, &mut self.conflict, &mut self.shared, now);
                    }
                    // Whoever waits is told when it is written.
                    Kind::Records(records) => {
                        return records.announce(transit, broker, &info, Some(done), now);
                    }
                }
                // Who asked may have gone; there is nobody else to tell.
                let _ = done.send(());
            }
            Message::Farewell(done) => {
                if self.shared.is_there() {
                    self.say_farewell(transit);
                } else {
                    self.go_away(transit);
                }
                match &mut self.membership {
                    Kind::Records(records) if self.shared.announced() => records.leave(done),
                    _ => {
                        let _ = done.send(());
                    }
                }
            }
        }
    }

    fn packet(
        &mut self,
        transit: &Arc<Transit>,
        broker: &ServiceBroker,
        incoming: Incoming,
        version: ProtocolVersion,
        peer: Option<SocketAddr>,
        now: Instant,
    ) {
        let Incoming { sender, packet, ver } = incoming;
        tracing::trace!(node = %sender, packet = packet.kind().as_str(), "control packet");
        if let (Kind::Tcp(tcp), Some(known)) = (&mut self.membership, ver.known()) {
            tcp.stamped(&sender, known);
        }
        if let Packet::GossipHello(hello) = &packet
            && let Some(peer) = peer.filter(|_| sender == *transit.node())
        {
            self.remember_double(peer, hello);
        }
        if let Kind::Bus(bus) = &mut self.membership
            && sender != *transit.node()
            && !matches!(packet, Packet::Info(_) | Packet::Disconnect)
        {
            bus.sign_of_life(transit, &sender, version, now);
        }
        match packet {
            Packet::Ping(ping) if sender == *transit.node() => {
                self.probed(transit, broker, version, &ping, peer, now);
            }
            Packet::Ping(ping) => ping_back(transit, &sender, version, &ping),
            Packet::Pong(pong) => self.pong(transit, broker, &sender, &pong, now),
            packet => match &mut self.membership {
                Kind::Bus(bus) => {
                    let evidence =
                        bus.packet(transit, broker, (&sender, version), packet, &mut self.shared, now);
                    self.weigh(transit, evidence, now);
                }
                Kind::Records(records) => {
                    let evidence = records.packet(transit, broker, &sender, packet, &mut self.shared, now);
                    self.weigh(transit, evidence, now);
                }
                Kind::Tcp(tcp) => {
                    let greets = matches!(packet, Packet::GossipHello(_));
                    let step = tcp.packet(&sender, packet, peer, now);
                    if greets {
                        // Requests follow at once, and whoever sent them has to be answered.
                        transit.set_address(&sender, tcp.gossip.address_of(&sender).as_ref());
                    }
                    tcp.apply(transit, broker, step, &mut self.conflict, &mut self.shared, now);
                }
            },
        }
        // Only now is a node known that this was the first packet of.
        if let Some(known) = ver.known() {
            let snapshot = broker.shared().registry.load();
            let node = snapshot.node_by_id(sender.as_str());
            if node.is_some_and(|node| !node.is_local() && node.client().kind != "rust") {
                self.versions.heard(known == transit.own_version(), now.into_std());
            }
            drop(snapshot);
            broker.shared().registry.seen_version(sender.as_str(), known);
        }
    }

    fn pong(
        &mut self,
        transit: &Arc<Transit>,
        broker: &ServiceBroker,
        sender: &NodeId,
        pong: &Pong,
        now: Instant,
    ) {
        if sender == transit.node() {
            let Some(nonce) = pong.nonce() else { return };
            if let Some(asked) = self.conflict.echo_of(nonce, now.into_std()) {
                self.echoed(transit, broker, asked, now);
            } else if self.conflict.ponged(nonce) {
                self.settle_start(transit, broker, now);
            }
            return;
        }
        if let (Kind::Bus(bus), Some(nonce)) = (&mut self.membership, pong.nonce()) {
            bus.ponged(sender, nonce, now);
        }
        if let Some(reply) = transit.pinged(sender, pong, now) {
            broker.publish_local(
                "$node.pong",
                json!({
                    "nodeID": sender.as_str(),
                    "elapsedTime": reply.elapsed.as_millis() as u64,
                    "timeDiff": reply.time_diff_ms,
                }),
            );
        }
    }

    /// This node does not hear everything any more: nobody is to reckon with it.
    fn take_back(&mut self, transit: &Arc<Transit>, broker: &ServiceBroker, done: oneshot::Sender<()>) {
        if self.shared.taken_back == TakenBack::Nothing && !broker.shared().lifecycle.is_stopping() {
            self.shared.taken_back = TakenBack::Services;
            // What changed is announced when it is back.
            self.shared.announce_at = None;
            if self.shared.announced()
                && let Kind::Bus(_) = &self.membership
            {
                let info = broker.shared().registry.taken_back();
                if let Err(error) = transit.broadcast_leaving(&Outgoing::Info(&info.json)) {
                    tracing::debug!(error = %error, "services not taken back");
                }
                self.shared.told = Some(info);
            }
        }
        let _ = done.send(());
    }

    /// Says farewell for the time being.
    fn go_away(&mut self, transit: &Transit) {
        if self.shared.taken_back != TakenBack::Services {
            return;
        }
        self.shared.taken_back = TakenBack::All;
        if !self.shared.announced() {
            return;
        }
        if let Err(error) = transit.broadcast_leaving(&Outgoing::Disconnect) {
            tracing::debug!(error = %error, "farewell not sent");
        }
        if let Kind::Records(records) = &mut self.membership {
            // Nobody waits for it.
            records.leave(oneshot::channel().0);
        }
    }

    /// The connection is back, and this node hears everything.
    fn come_back(
        &mut self,
        transit: &Arc<Transit>,
        broker: &ServiceBroker,
        info: Arc<LocalInfo>,
        now: Instant,
    ) {
        self.shared.taken_back = TakenBack::Nothing;
        if !self.shared.is_present(broker) {
            return;
        }
        // It was looked at before what this node offered was taken back.
        let outdated = self.shared.told.as_ref().is_some_and(|told| told.seq > info.seq);
        if outdated && transit.is_balanced() {
            transit.rebalance_and_announce(broker);
        } else {
            let info = if outdated { broker.shared().registry.local_info() } else { info };
            let seq = info.seq;
            self.announce(transit, broker, info, now);
            transit.announced(broker, seq);
        }
    }

    pub(super) fn announce(
        &mut self,
        transit: &Transit,
        broker: &ServiceBroker,
        info: Arc<LocalInfo>,
        now: Instant,
    ) {
        let info = self.shared.tell(broker, info, now);
        transit.opens();
        transit.tell_own_oversize(&info.json);
        match &mut self.membership {
            // It is said when this node is back.
            _ if self.shared.taken_back != TakenBack::Nothing => {}
            Kind::Bus(_) => Bus::announce(transit, &info),
            Kind::Records(records) => records.announce(transit, broker, &info, None, now),
            // Says what there is now; between peers nothing else balances.
            Kind::Tcp(tcp) => {
                let step = tcp.own_changed(broker);
                tcp.apply(transit, broker, step, &mut self.conflict, &mut self.shared, now);
            }
        }
    }

    /// Says again what this node is, where somebody else spoke in its name.
    fn defend(&mut self, transit: &Transit, broker: &ServiceBroker, now: Instant) {
        let Some(answer) = self.shared.defence.take(now.into_std()) else { return };
        let registry = &broker.shared().registry;
        if let Some(seq) = answer.forged.filter(|seq| *seq <= MAX_CLAIM) {
            registry.outdo(seq);
        }
        if !self.shared.is_present(broker) {
            return;
        }
        if let Some(seq) = answer.forged {
            self.shared.report_forged(transit, broker, now);
            if seq > MAX_CLAIM {
                // Not to be exceeded for ever. After a farewell every number counts, for Node as well.
                registry.outdo(registry.local_info().seq);
                self.say_farewell(transit);
            }
        }
        self.shared.announce_at = Some(now);
    }

    /// As far as this membership knows the word.
    fn say_farewell(&self, transit: &Transit) {
        let broadcasts = match &self.membership {
            Kind::Bus(_) => true,
            Kind::Tcp(_) => false,
            Kind::Records(records) => !records.is_addressed(),
        };
        if broadcasts && let Err(error) = transit.broadcast(&Outgoing::Disconnect) {
            tracing::debug!(error = %error, "farewell not sent");
        }
    }

    /// Tells the log what could not be said before, or shares a line with more of its kind. To be called after
    /// every turn.
    pub(crate) fn log(&mut self, transit: &Transit, now: Instant) {
        self.shared.log(now);
        transit.log_outage(now);
        if let Kind::Records(records) = &mut self.membership {
            records.log(transit, now);
        }
    }

    pub(crate) fn tick(&mut self, transit: &Arc<Transit>, broker: &ServiceBroker, now: Instant) {
        self.defend(transit, broker, now);
        if self.shared.announce_at.is_some_and(|at| now >= at) {
            self.shared.announce_at = None;
            match self.shared.is_present(broker) {
                // Comes back as [`Message::Announce`] once the bus knows what to send here.
                true if transit.is_balanced() => transit.rebalance_and_announce(broker),
                true => self.announce(transit, broker, broker.shared().registry.local_info(), now),
                false => {}
            }
        }
        self.shared.fail_due(transit, now);
        if self.waiting.iter().any(|starting| now >= starting.look) {
            self.settle_start(transit, broker, now);
        }
        match &mut self.membership {
            Kind::Bus(bus) => bus.tick(transit, broker, &mut self.shared, now),
            Kind::Records(records) => records.tick(transit, broker, &self.shared, now),
            Kind::Tcp(tcp) if now >= tcp.next_tick() => {
                let step = tcp.round(now);
                tcp.apply(transit, broker, step, &mut self.conflict, &mut self.shared, now);
            }
            Kind::Tcp(_) => {}
        }
        if now >= self.next {
            self.next = now + TICK;
            if let Kind::Bus(_) = &self.membership
                && !transit.speaks_both()
                && self.versions.is_time_to_tell(now.into_std())
            {
                tracing::warn!(
                    own = transit.own_version().as_str(),
                    other = transit.own_version().other().as_str(),
                    "all other nodes speak the other protocol version and ignore what this one broadcasts, unless their version check is off: set `protocol` to theirs, or to \"both\""
                );
            }
            self.report_conflicts(transit, broker, now);
        }
    }
}

fn ping_back(transit: &Transit, sender: &NodeId, version: ProtocolVersion, ping: &Ping) {
    let pong = Outgoing::Pong { time: ping.time, id: echo(ping.id.as_ref()), arrived: wall_clock_ms() };
    if let Err(error) = transit.send_to(sender, version, 0, &pong, &mut |_| Ok(())) {
        tracing::debug!(node = %sender, error = %error, "pong not sent");
    }
}
