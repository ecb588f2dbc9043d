//! A network of gossip tables in virtual time: connections, HELLO first, latency, loss, copies, partitions.

use ligand_transporters::{Name, NodeId};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::node::NodeJs;
use super::{Card, Dice, Digest, ResponseRows, Send, What, id, ms, secs, start};
use crate::discovery::gossip::{Change, Gossip, Options, Step};

/// A process in the network.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) id: NodeId,
    pub(super) member: Member,
    pub(super) alive: bool,
    /// Which side of a partition it is on.
    pub(super) side: usize,
    address: Name,
    run: u32,
    /// Outgoing connections: the peer's slot and run.
    connected: BTreeSet<(usize, u32)>,
    pub(super) changes: Vec<(Duration, Change<Card>)>,
    /// Packets it sent.
    pub(super) sent: usize,
}

#[derive(Debug)]
pub(super) enum Member {
    Ours(Box<Gossip<Card>>),
    Node(NodeJs),
}

#[derive(Debug, Clone)]
enum Packet {
    Hello(Name, u16),
    Request(Arc<Digest>),
    Response(Arc<ResponseRows<Card>>),
}

#[derive(Debug)]
enum Event {
    Deliver { from: NodeId, remote: Name, packet: Packet },
    Lost(NodeId),
    Tick,
}

#[derive(Debug)]
pub(super) struct Network {
    pub(super) slots: Vec<Slot>,
    pub(super) now: Duration,
    pub(super) dice: Dice,
    /// Percent of packets that vanish, and that come twice.
    pub(super) loss: usize,
    pub(super) copies: usize,
    /// Longest latency. Packets of a connection keep their order unless `reorder`.
    pub(super) latency: Duration,
    pub(super) reorder: bool,
    /// Two processes that cannot connect to each other.
    pub(super) cut: Option<(usize, usize)>,
    base: Instant,
    queue: BinaryHeap<Reverse<(Duration, u64)>>,
    events: BTreeMap<u64, (usize, u32, Event)>,
    order: u64,
    last: BTreeMap<(usize, usize), Duration>,
}

impl Network {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            slots: Vec::new(),
            now: Duration::ZERO,
            dice: Dice(seed),
            loss: 0,
            copies: 0,
            latency: ms(2),
            reorder: false,
            cut: None,
            base: start(),
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            order: 0,
            last: BTreeMap::new(),
        }
    }

    pub(super) fn name(slot: usize) -> NodeId {
        id(&format!("node-{slot:03}"))
    }

    /// `host:port` of run `run` of a slot; each run listens on another port.
    fn place(slot: usize, run: u32) -> (String, u16) {
        (format!("10.0.{}.{}", slot / 200, slot % 200 + 1), 4_000 + u16::try_from(run).unwrap())
    }

    fn card(slot: usize, run: u32) -> Card {
        let (host, port) = Self::place(slot, run);
        Card::new(&host, port, &format!("{slot}-{run}"))
    }

    /// Starts a process that knows `peers` by their first address.
    pub(super) fn ours(&mut self, peers: &[usize]) -> usize {
        let slot = self.slots.len();
        let gossip = Gossip::new(Self::name(slot), &Self::card(slot, 0), Options::default());
        self.enter(Member::Ours(Box::new(gossip)), peers)
    }

    pub(super) fn node_js(&mut self, peers: &[usize]) -> usize {
        let slot = self.slots.len();
        let node = NodeJs::new(Self::name(slot), Self::card(slot, 0));
        self.enter(Member::Node(node), peers)
    }

    fn enter(&mut self, member: Member, peers: &[usize]) -> usize {
        let slot = self.slots.len();
        let (host, port) = Self::place(slot, 0);
        self.slots.push(Slot {
            id: Self::name(slot),
            member,
            alive: true,
            side: 0,
            address: Name::from(format!("{host}:{port}")),
            run: 0,
            connected: BTreeSet::new(),
            changes: Vec::new(),
            sent: 0,
        });
        self.begin(slot, peers);
        slot
    }

    fn begin(&mut self, slot: usize, peers: &[usize]) {
        let phase = ms(self.dice.next() % 2_000);
        self.schedule(phase, slot, Event::Tick);
        for peer in peers {
            let (host, port) = Self::place(*peer, 0);
            let node = Self::name(*peer);
            let now = self.instant();
            match &mut self.slots[slot].member {
                Member::Ours(gossip) => {
                    let step = gossip.sighted(&node, &format!("{host}:{port}"), None, now);
                    self.take(slot, step);
                }
                Member::Node(js) => js.add_offline(&node, &host, port, None),
            }
        }
    }

    /// Ends a process without a word: its sockets end.
    pub(super) fn crash(&mut self, slot: usize) {
        self.slots[slot].alive = false;
        let gone = (slot, self.slots[slot].run);
        self.slots[slot].run += 1;
        self.slots[slot].connected.clear();
        let node = Self::name(slot);
        for other in 0..self.slots.len() {
            if self.slots[other].connected.remove(&gone) && self.slots[other].side == self.slots[slot].side {
                self.schedule(ms(1), other, Event::Lost(node.clone()));
            }
        }
    }

    /// Starts a crashed process again, as another instance with sequence number 1, on another port.
    pub(super) fn restart(&mut self, slot: usize, peers: &[usize]) {
        let run = self.slots[slot].run;
        let (host, port) = Self::place(slot, run);
        let card = Self::card(slot, run);
        self.slots[slot].address = Name::from(format!("{host}:{port}"));
        self.slots[slot].alive = true;
        self.slots[slot].member = match self.slots[slot].member {
            Member::Ours(_) => {
                Member::Ours(Box::new(Gossip::new(Self::name(slot), &card, Options::default())))
            }
            Member::Node(_) => Member::Node(NodeJs::new(Self::name(slot), card)),
        };
        self.begin(slot, peers);
    }

    pub(super) fn gossip(&mut self, slot: usize) -> &mut Gossip<Card> {
        match &mut self.slots[slot].member {
            Member::Ours(gossip) => gossip,
            Member::Node(_) => panic!("slot {slot} is a Node model"),
        }
    }

    /// Changes the services of a process.
    pub(super) fn change_services(&mut self, slot: usize) {
        let mut dice = self.dice.clone();
        match &mut self.slots[slot].member {
            Member::Ours(gossip) => {
                let mut card = gossip.own().clone();
                card.services += 1;
                let step = gossip.own_changed(&card, &mut |n| dice.below(n));
                self.take(slot, step);
            }
            Member::Node(js) => js.own_changed(),
        }
    }

    pub(super) fn leave(&mut self, slot: usize) {
        let step = self.gossip(slot).leaving();
        self.take(slot, step);
    }

    pub(super) fn instant(&self) -> Instant {
        self.base + self.now
    }

    /// Lets time pass.
    pub(super) fn run(&mut self, span: Duration) {
        let end = self.now + span;
        self.run_until(end, |_| false);
        self.now = end;
    }

    /// Lets time pass until all agree with the truth, and returns how much passed.
    pub(super) fn converge(&mut self, within: Duration) -> Duration {
        let from = self.now;
        if !self.run_until(from + within, Self::agrees) {
            panic!("not converged after {within:?}: {:#?}", self.disagreements());
        }
        self.now - from
    }

    fn run_until(&mut self, end: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let mut looked = None;
        while let Some(Reverse((at, _))) = self.queue.peek().copied() {
            // Looking at everything after each packet would cost more than the simulation.
            if looked.is_none_or(|looked| at >= looked + ms(50)) {
                looked = Some(at);
                if done(self) {
                    return true;
                }
            }
            if at > end {
                break;
            }
            let Some(Reverse((at, order))) = self.queue.pop() else { break };
            self.now = at;
            if let Some((slot, run, event)) = self.events.remove(&order)
                && self.slots[slot].alive
                && self.slots[slot].run == run
            {
                if matches!(event, Event::Tick) {
                    self.schedule(secs(2), slot, Event::Tick);
                }
                self.handle(slot, event);
            }
        }
        done(self)
    }

    /// What is wrong in the tables, as text.
    pub(super) fn disagreements(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (a, slot) in self.slots.iter().enumerate().filter(|(_, slot)| slot.alive) {
            for (b, other) in self.slots.iter().enumerate().filter(|(b, _)| *b != a) {
                let reachable = other.alive && other.side == slot.side;
                let truth = reachable.then(|| other.card().clone());
                let view = slot.view_of(&other.id);
                if view != truth.as_ref() {
                    wrong.push(format!("{a} sees {b} as {view:?}, it is {truth:?}"));
                }
            }
        }
        wrong
    }

    fn agrees(&self) -> bool {
        let alive = || self.slots.iter().filter(|slot| slot.alive);
        alive().all(|slot| {
            self.slots.iter().filter(|other| other.id != slot.id).all(|other| {
                let there = other.alive && other.side == slot.side;
                slot.view_of(&other.id) == there.then(|| other.card())
            })
        })
    }

    fn handle(&mut self, slot: usize, event: Event) {
        let now = self.instant();
        let mut dice = self.dice.clone();
        let step = match (&mut self.slots[slot].member, event) {
            (Member::Ours(gossip), Event::Tick) => gossip.tick(now, &mut |n| dice.below(n)),
            (Member::Ours(gossip), Event::Lost(node)) => gossip.lost(&node, false, now),
            (Member::Ours(gossip), Event::Deliver { from, remote, packet }) => match packet {
                Packet::Hello(host, port) => {
                    let remote: Option<SocketAddr> = format!("{remote}:5").parse().ok();
                    gossip.hello(&from, &host, port, remote, now)
                }
                Packet::Request(digest) => gossip.request(&from, &digest, now),
                Packet::Response(rows) => gossip.response(&from, &rows, now),
            },
            (Member::Node(js), event) => {
                let mut step = Step::default();
                match event {
                    Event::Tick => step.sends = js.tick(&mut dice),
                    Event::Lost(node) => js.lost(&node),
                    Event::Deliver { from, remote, packet } => match packet {
                        Packet::Hello(host, port) => js.hello(&from, &host, port, &remote),
                        Packet::Request(digest) => {
                            let answer = js.request(&digest).map(Arc::new).map(What::Response);
                            step.sends.extend(answer.map(|what| Send { to: from, what }));
                        }
                        Packet::Response(rows) => js.response(&rows),
                    },
                }
                step
            }
        };
        self.dice = dice;
        self.take(slot, step);
    }

    pub(super) fn take(&mut self, slot: usize, step: Step<Card>) {
        let now = self.now;
        self.slots[slot].changes.extend(step.changes.into_iter().map(|change| (now, change)));
        for send in step.sends {
            self.send(slot, send);
        }
    }

    fn send(&mut self, from: usize, send: Send<Card>) {
        self.slots[from].sent += 1;
        let address = match &self.slots[from].member {
            Member::Ours(gossip) => gossip.address_of(&send.to),
            Member::Node(js) => js.address_of(&send.to),
        };
        let Some(address) = address else { return };
        let Some(to) = self.slots.iter().position(|slot| slot.alive && slot.address == address) else {
            return self.schedule(ms(1), from, Event::Lost(send.to));
        };
        let peer = (to, self.slots[to].run);
        if self.slots[from].side != self.slots[to].side || self.is_cut(from, to) {
            self.slots[from].connected.remove(&peer);
            return self.schedule(secs(1), from, Event::Lost(send.to));
        }
        if self.slots[from].connected.insert(peer) {
            let (host, port) = self.slots[from].address.rsplit_once(':').unwrap();
            let hello = Packet::Hello(Name::from(host), port.parse().unwrap());
            self.transmit(from, to, &hello, false);
        }
        let packet = match send.what {
            What::Request(digest) => Packet::Request(digest),
            What::Response(rows) => Packet::Response(rows),
        };
        self.transmit(from, to, &packet, true);
    }

    fn is_cut(&self, from: usize, to: usize) -> bool {
        self.cut == Some((from, to)) || self.cut == Some((to, from))
    }

    fn transmit(&mut self, from: usize, to: usize, packet: &Packet, faults: bool) {
        if faults && self.dice.chance(self.loss) {
            return;
        }
        let copies = if faults && self.dice.chance(self.copies) { 2 } else { 1 };
        for _ in 0..copies {
            let span = u64::try_from(self.latency.as_micros()).unwrap();
            let mut at = self.now + Duration::from_micros(200 + self.dice.next() % span);
            if !self.reorder {
                let last = self.last.entry((from, to)).or_default();
                at = at.max(*last);
                *last = at;
            }
            let remote = self.slots[from].address.rsplit_once(':').unwrap().0.into();
            let event = Event::Deliver { from: Self::name(from), remote, packet: packet.clone() };
            self.schedule(at - self.now, to, event);
        }
    }

    fn schedule(&mut self, after: Duration, slot: usize, event: Event) {
        self.order += 1;
        self.queue.push(Reverse((self.now + after, self.order)));
        self.events.insert(self.order, (slot, self.slots[slot].run, event));
    }
}

impl Slot {
    fn card(&self) -> &Card {
        match &self.member {
            Member::Ours(gossip) => gossip.own(),
            Member::Node(js) => js.own().info.as_ref().unwrap(),
        }
    }

    /// The INFO of a node that it sees online.
    fn view_of(&self, node: &NodeId) -> Option<&Card> {
        match &self.member {
            Member::Ours(gossip) => gossip.is_online(node).then(|| gossip.info_of(node)).flatten(),
            Member::Node(js) => {
                js.nodes.get(node).filter(|entry| entry.available).and_then(|entry| entry.info.as_ref())
            }
        }
    }

    /// How often it reported a node gone since a moment.
    pub(super) fn departures(&self, since: Duration) -> usize {
        let gone = |change: &Change<Card>| matches!(change, Change::Offline { .. });
        self.changes.iter().filter(|(at, change)| *at >= since && gone(change)).count()
    }
}
