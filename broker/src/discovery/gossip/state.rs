//! The table of the cluster: our own row, the facts that the transporter reports, and lookups.

use ligand_transporters::{Name, NodeId};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::digest::{Info, MAX_SEQ, ResponseRows, Row};
use super::options::Options;
use super::peer::Peer;
use super::reach::Spot;
use super::step::{Send, Step, What};
use crate::discovery::conflict::{Evidence, Source};
use crate::discovery::limit::Bucket;

/// What this node knows about the cluster.
#[derive(Debug, Clone)]
pub(crate) struct Gossip<I> {
    pub(super) options: Options,
    pub(super) me: NodeId,
    pub(super) own: Own<I>,
    /// Ordered, so that the same inputs give the same outputs.
    pub(super) peers: BTreeMap<NodeId, Peer<I>>,
    /// Nodes that a peer calls offline while we see them online.
    pub(super) suspects: BTreeMap<NodeId, Suspicion>,
    /// Nodes that were never online, the oldest first. It may hold names that have left the table since.
    pub(super) unproven: VecDeque<NodeId>,
    /// Limits the requests outside the rounds to all nodes: 64 per second after a burst of 128.
    pub(super) asks: Bucket,
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

/// A question to a node that may be gone or replaced.
#[derive(Debug, Clone, Copy)]
pub(super) struct Suspicion {
    /// The number with which it is said to be offline. `None` if we only want to see its INFO.
    pub(super) claim: Option<u64>,
    /// When the question was sent. `None` until the limits allow it.
    pub(super) asked: Option<Instant>,
}

impl<I: Info> Gossip<I> {
    /// A table that holds only this node. `info` carries our sequence number (at least 1).
    pub(crate) fn new(me: NodeId, info: &I, options: Options) -> Self {
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

    /// Our own INFO with its current number.
    #[cfg(test)]
    pub(crate) fn own(&self) -> &I {
        &self.own.info
    }

    /// The `host` and `port` of our GOSSIP_HELLO. `None` before the port is known.
    pub(crate) fn greeting(&self) -> Option<(&str, u16)> {
        let info = &self.own.info;
        let host = if self.options.use_hostname { info.hostname().or(info.ip()) } else { info.ip() };
        Some((host?, info.port()?))
    }

    /// Our services, metadata or port changed. The number grows by one, whatever number `info` carries. The
    /// change is sent to up to [`Options::push_to`] peers: first to online ones, then to those that are about
    /// to be online.
    ///
    /// `choose(n)` returns a number below `n`.
    pub(crate) fn own_changed(&mut self, info: &I, choose: &mut dyn FnMut(usize) -> usize) -> Step<I> {
        self.own.info = info.clone();
        self.renumber_own(self.own.seq.saturating_add(1));
        let mut online: Vec<NodeId> = self.online().cloned().collect();
        for kept in 0..online.len().min(self.options.push_to) {
            let other = kept + choose(online.len() - kept) % (online.len() - kept);
            online.swap(kept, other);
        }
        // A node that came up since may have asked and got the old row, and has not told us so yet.
        let newcomers = self.peers.iter().filter(|(_, peer)| peer.spoke_while_offline());
        online.extend(newcomers.map(|(node, _)| node.clone()));
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

    /// We are about to stop: tells every online peer that we no longer have services. From now on no node is
    /// asked anything. Requests are still answered.
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

    /// Sends our own row to a node that has just come online, if it has changed since the node last got it.
    /// The change was not pushed to this node, and the node may have asked before it.
    pub(super) fn catch_up(&mut self, node: &NodeId, now: Instant, step: &mut Step<I>) {
        let Some(peer) = self.peers.get(node) else { return };
        // Other nodes learn it by gossip, because a newcomer need not connect to everybody at once.
        let is_ours_to_tell = peer.told > 0 || peer.reach.is_configured();
        if self.leaving || peer.told >= self.own.seq || !is_ours_to_tell || !self.asks.take(now) {
            return;
        }
        step.sends.extend(self.push_own(vec![node.clone()]).sends);
    }

    fn push_own(&mut self, to: Vec<NodeId>) -> Step<I> {
        let mut rows = ResponseRows::default();
        rows.online.insert(self.me.clone(), self.own_row());
        for node in &to {
            if let Some(peer) = self.peers.get_mut(node) {
                peer.told = self.own.seq;
            }
        }
        let rows = Arc::new(rows);
        let sends = to.into_iter().map(|to| Send { to, what: What::Response(Arc::clone(&rows)) }).collect();
        Step { sends, ..Step::default() }
    }

    /// A node may be at `addr` (`host:port`). The configuration names it (`source` is `None`), or a datagram
    /// from `source` does. An address that cannot be valid is ignored.
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
            let source = if source.is_some() { Source::Datagram } else { Source::Configured };
            step.evidence.push(Evidence { source, address: Some(addr.into()), instance: None });
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

    /// A GOSSIP_HELLO arrived over a connection from `remote`.
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
            // This is our own HELLO, on a connection to ourselves.
            if self.greeting() == Some((host, port)) {
                return step;
            }
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
            // A new port means a new process, or a forged packet. Only the node itself knows.
            peer.reach.note(spot);
            self.suspect(sender, None, now, &mut step);
        } else if let (Some(remote), true, false) = (remote, first, peer.reach.has_source()) {
            peer.reach.fill_source(remote.ip());
        }
        step
    }

    /// Any packet arrived from `sender`, with this protocol version.
    pub(crate) fn stamped(&mut self, sender: &NodeId, version: u8) {
        if let Some(peer) = self.peers.get_mut(sender) {
            peer.version = Some(version);
        }
    }

    /// A packet that is not gossip arrived from `sender`. If we hold `sender` offline, it is asked at once.
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

    /// The connection *to* a node broke or could not be made. `unexpected` is passed on to observers.
    pub(crate) fn lost(&mut self, node: &NodeId, unexpected: bool, now: Instant) -> Step<I> {
        let mut step = Step::default();
        let Some(peer) = self.peers.get_mut(node) else { return step };
        peer.lost = Some(now);
        peer.unasked = true;
        peer.reach.failed();
        let spoke = peer.heard.zip(peer.asked).is_some_and(|(heard, asked)| heard >= asked);
        if peer.available {
            self.drop_online(node, unexpected, now, &mut step);
        } else if spoke && !self.leaving {
            // The node came up while our connection to it was failing, and what we sent was lost with the
            // connection. It is sent again only once. If the node may not be asked now, the next round is
            // soon enough. Otherwise a node that spoke and is gone would be told again with every connection
            // that fails.
            self.ask(node, now, &mut step);
            if !step.sends.is_empty() {
                let news = self.push_own(vec![node.clone()]).sends;
                step.sends.splice(0..0, news);
            }
        }
        step
    }

    /// The `host:port` under which to connect to a node.
    pub(crate) fn address_of(&self, node: &NodeId) -> Option<Name> {
        self.peers.get(node).and_then(|peer| peer.reach.current().cloned())
    }

    /// The protocol version that a node understands: that of its last packet, or else the one that its INFO
    /// suggests.
    pub(crate) fn version_of(&self, node: &NodeId) -> Option<u8> {
        let peer = self.peers.get(node)?;
        peer.version.or_else(|| peer.info.as_ref().and_then(Info::protocol))
    }

    /// The newest INFO of a node, online or not.
    #[cfg(test)]
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

    /// The registry knows a node, from an INFO that it could read.
    pub(crate) fn listed(&mut self, node: &NodeId) {
        if let Some(peer) = self.peers.get_mut(node) {
            peer.listed = true;
        }
    }

    /// The nodes that the registry knows, and whether they are online.
    #[cfg(test)]
    pub(crate) fn all_listed(&self) -> BTreeMap<NodeId, bool> {
        let listed = self.peers.iter().filter(|(_, peer)| peer.listed);
        listed.map(|(node, peer)| (node.clone(), peer.available)).collect()
    }

    /// How many other nodes are in the table.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.peers.len()
    }
}
