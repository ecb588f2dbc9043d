//! The table of the cluster, its inputs and its outputs.

use ligand_transporters::{Name, NodeId};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::digest::{Digest, Info, MAX_SEQ, Response, Row, Seen};
use crate::discovery::limit::Bucket;
use super::peer::Peer;
use super::reach::Spot;
use crate::discovery::conflict::{Evidence, Source};

/// Numbers that govern gossip.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Connect to and advertise host names rather than addresses (Node's `useHostname`, default true).
    pub(crate) use_hostname: bool,
    /// Time between two rounds (Node's `gossipPeriod`, 2 s). Here it only paces requests outside rounds.
    pub(crate) period: Duration,
    /// Largest number of other nodes in the table (10,000). When it is full, nodes that were never
    /// online make room, oldest first; when there are none, newcomers are refused.
    pub(crate) max_nodes: usize,
    /// INFO rows per second taken about one node, whoever relays them (10).
    pub(crate) info_rate: u32,
    /// Shortest time between two requests to one peer outside the rounds (200 ms).
    pub(crate) ask_gap: Duration,
    /// Peers to which a change of our own INFO is pushed at once (32).
    pub(crate) push_to: usize,
    /// How long a node may take to answer a claim that it is gone (2 s, looked at in each round).
    pub(crate) suspicion: Duration,
    /// Nodes under suspicion at a time (64); claims beyond are left to later rounds.
    pub(crate) max_suspects: usize,
    /// Lost or configured nodes retried per round beside the random one (4).
    pub(crate) retries: usize,
    /// For how long after it was lost a node is retried in each round (2 min).
    pub(crate) retry_for: Duration,
    /// For how long after a failed connection only the node itself can bring itself back (60 s).
    pub(crate) hold: Duration,
    /// When an offline node that is not configured is forgotten (`cleanOfflineNodesTimeout`, 600 s).
    pub(crate) forget_after: Duration,
    /// Bytes of INFO in one response; what does not fit is left to later rounds (768 KiB).
    pub(crate) response_weight: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            use_hostname: true,
            period: Duration::from_secs(2),
            max_nodes: 10_000,
            info_rate: 10,
            ask_gap: Duration::from_millis(200),
            push_to: 32,
            suspicion: Duration::from_secs(2),
            max_suspects: 64,
            retries: 4,
            retry_for: Duration::from_secs(120),
            hold: Duration::from_secs(60),
            forget_after: Duration::from_secs(600),
            response_weight: 768 * 1024,
        }
    }
}

/// What follows from an input: first apply the changes, then send in order.
#[derive(Debug, Clone)]
#[must_use]
pub(crate) struct Step<I> {
    /// For the registry.
    pub(crate) changes: Vec<Change<I>>,
    /// For the transporter, to [`Gossip::address_of`] each node.
    pub(crate) sends: Vec<Send<I>>,
    /// Signs that another process uses our id, for [`conflict`](crate::discovery::conflict).
    pub(crate) evidence: Vec<Evidence>,
}

impl<I> Default for Step<I> {
    fn default() -> Self {
        Self { changes: Vec::new(), sends: Vec::new(), evidence: Vec::new() }
    }
}

/// A packet to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Send<I> {
    /// The receiver.
    pub(crate) to: NodeId,
    /// The packet.
    pub(crate) what: What<I>,
}

/// The content of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What<I> {
    /// A GOSSIP_REQ.
    Request(Arc<Digest>),
    /// A GOSSIP_RES.
    Response(Arc<Response<I>>),
}

/// A difference in the table that others care about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change<I> {
    /// A node came, for the first time or back again.
    Online {
        /// The node.
        node: NodeId,
        /// Its description.
        info: I,
        /// Whether it was known before.
        reconnected: bool,
    },
    /// An online node has a new INFO.
    Updated {
        /// The node.
        node: NodeId,
        /// Its description.
        info: I,
        /// Another process run took over: what was pending at the old one may have run.
        replaced: bool,
    },
    /// A node went.
    Offline {
        /// The node.
        node: NodeId,
        /// Whether it went without a sign.
        unexpected: bool,
    },
    /// The load of an online node changed.
    Cpu {
        /// The node.
        node: NodeId,
        /// Percent.
        cpu: u32,
    },
    /// An offline node is no longer known.
    Forgotten {
        /// The node.
        node: NodeId,
    },
}

/// What this node knows of the cluster.
#[derive(Debug, Clone)]
pub(crate) struct Gossip<I> {
    pub(super) options: Options,
    pub(super) me: NodeId,
    pub(super) own: Own<I>,
    /// Ordered, so that the same inputs give the same outputs.
    pub(super) peers: BTreeMap<NodeId, Peer<I>>,
    /// Nodes that somebody calls offline while we see them online.
    pub(super) suspects: BTreeMap<NodeId, Suspicion>,
    /// Nodes that were never online, oldest first; may hold names that have left the table since.
    unproven: VecDeque<NodeId>,
    /// Requests outside the rounds, to anybody: 64 per second after a burst of 128.
    asks: Bucket,
    pub(super) leaving: bool,
}

/// Our own row.
#[derive(Debug, Clone)]
pub(super) struct Own<I> {
    pub(super) seq: u64,
    pub(super) cpu_seq: u64,
    pub(super) cpu: u32,
    pub(super) info: I,
}

/// A question put to a node that may be gone or replaced.
#[derive(Debug, Clone, Copy)]
pub(super) struct Suspicion {
    /// The number at which it is said to be offline. `None`: we only want to see its INFO.
    pub(super) claim: Option<u64>,
    /// When the question was sent; `None` until the limits let it.
    pub(super) asked: Option<Instant>,
}

impl<I: Info> Gossip<I> {
    /// A table that holds only ourselves. `info` carries our sequence number (at least 1).
    pub(crate) fn new(me: NodeId, info: I, options: Options) -> Self {
        let seq = info.seq().clamp(1, MAX_SEQ);
        let own = Own { seq, cpu_seq: 0, cpu: 0, info: info.renumbered(seq) };
        Self {
            me,
            own,
            peers: BTreeMap::new(),
            suspects: BTreeMap::new(),
            unproven: VecDeque::new(),
            asks: Bucket::new(128, Duration::from_secs(1) / 64),
            leaving: false,
            options,
        }
    }

    // Our own row.

    /// Our own INFO with its current number.
    pub(crate) fn own(&self) -> &I {
        &self.own.info
    }

    /// `host` and `port` of our GOSSIP_HELLO; `None` before the port is known.
    pub(crate) fn greeting(&self) -> Option<(&str, u16)> {
        let info = &self.own.info;
        let host = if self.options.use_hostname { info.hostname().or(info.ip()) } else { info.ip() };
        Some((host?, info.port()?))
    }

    /// Our services, metadata or port changed. The number grows by one, whatever `info` carries, and the
    /// news goes to up to [`Options::push_to`] online peers.
    ///
    /// `choose(n)` returns a number below `n`.
    pub(crate) fn own_changed(
        &mut self,
        info: &I,
        choose: &mut dyn FnMut(usize) -> usize,
    ) -> Step<I> {
        self.own.info = info.clone();
        self.renumber_own(self.own.seq.saturating_add(1));
        let mut online: Vec<NodeId> = self.online().cloned().collect();
        for kept in 0..online.len().min(self.options.push_to) {
            let other = kept + choose(online.len() - kept) % (online.len() - kept);
            online.swap(kept, other);
        }
        online.truncate(self.options.push_to);
        self.push_own(online)
    }

    /// The CPU load was measured (percent). Only a changed value counts.
    pub(crate) fn measured(&mut self, cpu: u32) {
        if self.own.cpu_seq == 0 || self.own.cpu != cpu {
            self.own.cpu = cpu;
            self.own.cpu_seq = self.own.cpu_seq.saturating_add(1).min(MAX_SEQ);
        }
    }

    /// We are about to stop: tells every online peer that we have no services any more. From now on
    /// nobody is asked anything; requests are still answered.
    pub(crate) fn leaving(&mut self) -> Step<I> {
        self.leaving = true;
        self.own.info = self.own.info.without_services();
        self.renumber_own(self.own.seq.saturating_add(1));
        let online = self.online().cloned().collect();
        self.push_own(online)
    }

    pub(super) fn renumber_own(&mut self, seq: u64) {
        self.own.seq = seq.min(MAX_SEQ);
        self.own.info = self.own.info.renumbered(self.own.seq);
    }

    pub(super) fn own_row(&self) -> Row<I> {
        Row::Info { info: self.own.info.clone(), cpu_seq: self.own.cpu_seq, cpu: self.own.cpu }
    }

    fn push_own(&self, to: Vec<NodeId>) -> Step<I> {
        let mut rows = Response::default();
        rows.online.insert(self.me.clone(), self.own_row());
        let rows = Arc::new(rows);
        let sends = to.into_iter().map(|to| Send { to, what: What::Response(Arc::clone(&rows)) }).collect();
        Step { sends, ..Step::default() }
    }

    // Facts of the transporter.

    /// A node may be at `addr` (`host:port`): named by the configuration (`source` is `None`) or by a
    /// datagram from `source`. An address that cannot be one is ignored.
    pub(crate) fn sighted(
        &mut self,
        node: &NodeId,
        addr: &str,
        source: Option<SocketAddr>,
        now: Instant,
    ) -> Step<I> {
        let mut step = Step::default();
        let Some(spot) = Spot::parse(addr, source.map(|source| source.ip())) else { return step };
        if *node == self.me {
            if source.is_some() {
                step.evidence.push(Evidence { source: Source::Datagram, address: Some(addr.into()), instance: None });
            }
            return step;
        }
        let Some(peer) = self.peer_or_new(node, now, &mut step) else { return step };
        match (source, peer.available) {
            (None, _) => peer.reach.configure(&spot),
            (Some(_), false) => peer.reach.move_to(&spot),
            (Some(_), true) => peer.reach.note(spot),
        }
        if !peer.available {
            self.ask(node, now, &mut step);
        }
        step
    }

    /// A GOSSIP_HELLO came over a connection from `remote`.
    pub(crate) fn hello(
        &mut self,
        sender: &NodeId,
        host: &str,
        port: u16,
        remote: Option<SocketAddr>,
        now: Instant,
    ) -> Step<I> {
        let mut step = Step::default();
        let Some(spot) = Spot::new(host, port, remote.map(|remote| remote.ip())) else { return step };
        if *sender == self.me {
            let address = Some(Name::from(format!("{}:{port}", spot.host)));
            step.evidence.push(Evidence { source: Source::Hello, address, instance: None });
            return step;
        }
        let Some(peer) = self.peer_or_new(sender, now, &mut step) else { return step };
        let first = peer.heard.is_none();
        peer.heard = Some(now);
        if !peer.available {
            peer.reach.move_to(&spot);
            self.ask(sender, now, &mut step);
        } else if spot.port != peer.reach.port() {
            // A new port means a new process, or somebody else's packet. The node itself knows.
            peer.reach.note(spot);
            self.suspect(sender, None, now, &mut step);
        } else if let (Some(remote), true, false) = (remote, first, peer.reach.has_source()) {
            peer.reach.fill_source(remote.ip());
        }
        step
    }

    /// Any packet came from `sender`, stamped with this protocol version.
    pub(crate) fn stamped(&mut self, sender: &NodeId, version: u8) {
        if let Some(peer) = self.peers.get_mut(sender) {
            peer.version = Some(version);
        }
    }

    /// A packet that is not gossip came from `sender`. One that we hold offline is asked at once.
    pub(crate) fn heard(&mut self, sender: &NodeId, now: Instant) -> Step<I> {
        let mut step = Step::default();
        if let Some(peer) = self.peers.get_mut(sender) {
            peer.heard = Some(now);
            if !peer.available {
                self.ask(sender, now, &mut step);
            }
        }
        step
    }

    /// The connection *to* a node broke or could not be made. `unexpected` is what observers are told.
    pub(crate) fn lost(&mut self, node: &NodeId, unexpected: bool, now: Instant) -> Step<I> {
        let mut step = Step::default();
        if let Some(peer) = self.peers.get_mut(node) {
            peer.lost = Some(now);
            peer.reach.failed();
            if peer.available {
                self.drop_online(node, unexpected, now, &mut step);
            }
        }
        step
    }

    // Questions.

    /// The `host:port` under which to connect to a node.
    pub(crate) fn address_of(&self, node: &NodeId) -> Option<Name> {
        self.peers.get(node).and_then(|peer| peer.reach.current().cloned())
    }

    /// The protocol version a node understands: that of its last packet, else what its INFO tells.
    pub(crate) fn version_of(&self, node: &NodeId) -> Option<u8> {
        let peer = self.peers.get(node)?;
        peer.version.or_else(|| peer.info.as_ref().and_then(Info::protocol))
    }

    /// The newest INFO of a node, online or not.
    pub(crate) fn info_of(&self, node: &NodeId) -> Option<&I> {
        self.peers.get(node).and_then(|peer| peer.info.as_ref())
    }

    /// Whether we see a node online.
    pub(crate) fn is_online(&self, node: &NodeId) -> bool {
        self.peers.get(node).is_some_and(|peer| peer.available)
    }

    /// Other nodes that we see online.
    pub(crate) fn online(&self) -> impl Iterator<Item = &NodeId> {
        self.peers.iter().filter(|(_, peer)| peer.available).map(|(node, _)| node)
    }

    /// How many other nodes are in the table.
    pub(crate) fn len(&self) -> usize {
        self.peers.len()
    }

    // Shared by the parts.

    /// The row of a node, made if there is room.
    pub(super) fn peer_or_new(
        &mut self,
        node: &NodeId,
        now: Instant,
        step: &mut Step<I>,
    ) -> Option<&mut Peer<I>> {
        if !self.peers.contains_key(node) {
            if !self.make_room(step) {
                return None;
            }
            self.peers.insert(node.clone(), Peer::new(&self.options, now));
            self.unproven.push_back(node.clone());
        }
        self.peers.get_mut(node)
    }

    fn make_room(&mut self, step: &mut Step<I>) -> bool {
        while self.peers.len() >= self.options.max_nodes {
            let Some(oldest) = self.unproven.pop_front() else { return false };
            if self.peers.get(&oldest).is_some_and(Peer::is_unproven) {
                self.peers.remove(&oldest);
                step.changes.push(Change::Forgotten { node: oldest });
            }
        }
        if self.unproven.len() > self.options.max_nodes.saturating_mul(2) {
            // Names that left the table by other ways have piled up.
            let mut known = std::collections::BTreeSet::new();
            let peers = &self.peers;
            self.unproven
                .retain(|node| peers.get(node).is_some_and(Peer::is_unproven) && known.insert(node.clone()));
        }
        true
    }

    /// Sends a request outside the rounds, if the limits allow.
    pub(super) fn ask(&mut self, node: &NodeId, now: Instant, step: &mut Step<I>) {
        let gap = self.options.ask_gap;
        let Some(peer) = self.peers.get_mut(node) else { return };
        if self.leaving || !self.asks.has(now) || !peer.may_be_asked(gap, now) || !self.asks.take(now) {
            return;
        }
        let digest = Arc::new(self.digest());
        self.send_request(node, &digest, now, step);
    }

    /// Sends `digest` to a node, adapted to what we want from it.
    pub(super) fn send_request(
        &mut self,
        node: &NodeId,
        digest: &Arc<Digest>,
        now: Instant,
        step: &mut Step<I>,
    ) {
        if let Some(peer) = self.peers.get_mut(node) {
            peer.asked = Some(now);
        }
        let mut digest = Arc::clone(digest);
        if let Some(suspicion) = self.suspects.get_mut(node) {
            suspicion.asked.get_or_insert(now);
            let digest = Arc::make_mut(&mut digest);
            digest.online.remove(node);
            if let Some(claim) = suspicion.claim {
                digest.offline.insert(node.clone(), claim);
            }
        }
        step.sends.push(Send { to: node.clone(), what: What::Request(digest) });
    }

    /// What we know, as a request.
    pub(super) fn digest(&self) -> Digest {
        let mut digest = Digest::default();
        let own = Seen { seq: self.own.seq, cpu_seq: self.own.cpu_seq, cpu: self.own.cpu };
        digest.online.insert(self.me.clone(), own);
        for (node, peer) in &self.peers {
            if peer.available {
                let seen = Seen { seq: peer.seq, cpu_seq: peer.cpu_seq, cpu: peer.cpu };
                digest.online.insert(node.clone(), seen);
            } else if peer.seq > 0 {
                digest.offline.insert(node.clone(), peer.seq);
            }
        }
        digest
    }

    /// Asks an online node whether it is still there, as itself. Does nothing while too many are asked.
    pub(super) fn suspect(&mut self, node: &NodeId, claim: Option<u64>, now: Instant, step: &mut Step<I>) {
        let full = self.suspects.len() >= self.options.max_suspects;
        let enough = match self.suspects.get(node) {
            Some(suspicion) => claim <= suspicion.claim,
            None => full,
        };
        if enough {
            return;
        }
        // A higher claim is put to it again, in its own time.
        self.suspects.insert(node.clone(), Suspicion { claim, asked: None });
        self.ask(node, now, step);
    }

    /// Takes an online node offline, at one number more than the last, or at the number claimed.
    pub(super) fn drop_online(&mut self, node: &NodeId, unexpected: bool, now: Instant, step: &mut Step<I>) {
        let claim = self.suspects.remove(node).and_then(|suspicion| suspicion.claim);
        let Some(peer) = self.peers.get_mut(node) else { return };
        peer.available = false;
        peer.offline_since = Some(now);
        peer.seq = peer.seq.saturating_add(1).min(MAX_SEQ).max(claim.unwrap_or(0));
        step.changes.push(Change::Offline { node: node.clone(), unexpected });
    }
}
