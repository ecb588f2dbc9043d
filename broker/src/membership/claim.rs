//! This node's claim on its id. It is probed before this node is announced, and defended against others with
//! the same id.
//!
//! [`conflict`](crate::discovery::conflict) decides what counts as evidence, and how long to wait.

use ligand_transporters::{Membership, Name};
use serde_json::json;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::discoverer::Sender;
use super::env::{Env, nonce};
use super::turn::Turn;
use crate::config::OnIdConflict;
use crate::discovery::conflict::{Conflict, Evidence, Options, Probe, Start};
use crate::protocol::{GossipHello, Outgoing, Ping, Pong};
use crate::registry::LocalInfo;
use crate::transit::{echo, wall_clock_ms};

/// How many connections from nodes with our id are remembered.
const MAX_DOUBLES: usize = 64;

/// This node's claim on its id.
pub(super) struct Claim {
    pub(super) conflict: Conflict,
    waiting: Vec<Starting>,
    /// Whether the start is complete.
    started: bool,
    /// Connections over which a node with our id said HELLO, and the address in that HELLO. The newest is
    /// last.
    doubles: VecDeque<(SocketAddr, Name)>,
}

/// A start that waits for the verdict on our id.
struct Starting {
    /// Receives who has the id, or `None` if nobody seems to.
    done: oneshot::Sender<Option<Name>>,
    /// When to check again.
    look: Instant,
    /// What to announce if nobody has the id. `None` for a start that only asks.
    announce: Option<Arc<LocalInfo>>,
}

impl Claim {
    pub(super) fn new(instance: Name, wait: Duration, kind: Membership) -> Self {
        let options = Options { wait, addressed: kind == Membership::Gossip, ..Options::default() };
        let conflict = Conflict::new(instance, options);
        Self { conflict, waiting: Vec::new(), started: false, doubles: VecDeque::new() }
    }

    /// When a start has to be checked again.
    pub(super) fn due(&self) -> impl Iterator<Item = Instant> + '_ {
        self.waiting.iter().map(|starting| starting.look)
    }

    /// Drops announcements that were prepared before this.
    pub(super) fn announce_nothing(&mut self) {
        self.waiting.iter_mut().for_each(|starting| starting.announce = None);
    }

    /// A node with our id said HELLO over this connection.
    pub(super) fn remember_double(&mut self, peer: SocketAddr, hello: &GossipHello) {
        self.doubles.retain(|(known, _)| *known != peer);
        if self.doubles.len() >= MAX_DOUBLES {
            self.doubles.pop_front();
        }
        self.doubles.push_back((peer, format!("{}:{}", hello.host, hello.port).into()));
    }
}

impl Env<'_> {
    /// There is evidence against our claim on our id: probes whether it holds.
    pub(super) fn weigh(&mut self, evidence: &Evidence) {
        let now = self.std_now();
        if let Some(probe) = self.state.claim.conflict.evidence(evidence, nonce(), now) {
            self.transit.probe(&probe);
        }
    }

    /// Reports other nodes that have this node's id.
    pub(super) fn report_conflicts(&mut self) {
        let (broker, node) = (self.broker, self.transit.node());
        for report in self.state.claim.conflict.poll(self.now.into_std()) {
            let mut data = json!({ "owner": report.owner.as_str(), "proven": report.proven });
            if report.others > 0 {
                data["others"] = report.others.into();
            }
            let others = report.others;
            if report.proven {
                tracing::error!(node = %node, owner = %report.owner, others, "another node uses this node's id");
            } else {
                tracing::warn!(node = %node, owner = %report.owner, others, "another node may use this node's id");
            }
            broker.publish_local("$node.conflict", data);
            if report.proven && broker.config().on_id_conflict == OnIdConflict::Stop {
                broker.stop_in_background();
            }
        }
    }
}

impl Turn<'_> {
    /// A PING arrived under our own id. Either it is a probe of our own that came back, or a node with our id
    /// asks whether we have it.
    pub(super) fn probed(&mut self, from: Sender<'_>, ping: &Ping) {
        let (transit, now) = (self.env.transit, self.env.std_now());
        let claim = &mut self.env.state.claim;
        let nonce = ping.nonce().unwrap_or_default();
        if nonce.is_empty() || claim.conflict.pinged(nonce, now) {
            self.echoed(nonce);
            return;
        }
        if !self.discoverer.holds_id(transit, claim.started) {
            return;
        }
        // Between peers, the answer goes to the address in the HELLO. The id would lead back to this node.
        let addr = from.peer.and_then(|peer| claim.doubles.iter().find(|(known, _)| *known == peer));
        if from.peer.is_none() || addr.is_some() {
            let pong =
                Outgoing::Pong { time: ping.time, id: echo(ping.id.as_ref()), arrived: wall_clock_ms() };
            transit.send_to_double(addr.map(|(_, addr)| addr), from.version, &pong);
        }
    }

    /// A PONG arrived under our own id. It answers a probe of our own, and comes from this node or from
    /// another one with our id.
    pub(super) fn own_pong(&mut self, pong: &Pong) {
        let Some(nonce) = pong.nonce() else { return };
        let now = self.env.std_now();
        let conflict = &mut self.env.state.claim.conflict;
        if let Some(asked) = conflict.echo_of(nonce, now) {
            self.echoed(asked);
        } else if conflict.ponged(nonce) {
            self.settle_start();
        }
    }

    /// What we sent to our own id came back.
    fn echoed(&mut self, nonce: &str) {
        if self.env.state.claim.conflict.asks_again() {
            self.env.transit.probe(&Probe { address: None, nonce: nonce.into() });
        }
        self.settle_start();
    }

    /// Asks on a bus whether another node has our id, before anything is done under it.
    pub(super) fn claim(&mut self, done: oneshot::Sender<Option<Name>>) {
        let now = self.env.std_now();
        if let Some(probe) = self.env.state.claim.conflict.probe_bus(nonce(), now) {
            self.env.transit.probe(&probe);
        }
        self.await_verdict(done, None);
    }

    /// A start is complete except for the verdict on our id. After that, this node is announced.
    pub(super) fn ready(&mut self, done: oneshot::Sender<Option<Name>>, info: Arc<LocalInfo>) {
        self.await_verdict(done, Some(info));
    }

    fn await_verdict(&mut self, done: oneshot::Sender<Option<Name>>, announce: Option<Arc<LocalInfo>>) {
        self.env.state.claim.waiting.push(Starting { done, look: self.env.now, announce });
        self.settle_start();
    }

    /// Lets the start go on, or refuses the id, once the claim is decided or the time is over.
    pub(super) fn settle_start(&mut self) {
        let now = self.env.std_now();
        let claim = &mut self.env.state.claim;
        if claim.waiting.is_empty() {
            return;
        }
        let verdict = match claim.conflict.start(now) {
            Start::Wait(until) => {
                let until = Instant::from_std(until);
                claim.waiting.iter_mut().for_each(|starting| starting.look = until);
                return;
            }
            Start::Refuse { owner } => Some(owner),
            Start::Go => None,
        };
        if verdict.is_none() {
            claim.conflict.claimed();
            // The broker is running when a start asks for its last announcement.
            claim.started |= self.env.broker.shared().lifecycle.is_running();
        }
        for Starting { done, announce, .. } in std::mem::take(&mut claim.waiting) {
            let is_news = |info: &Arc<LocalInfo>| self.env.state.presence.is_outdone_by(info);
            if let Some(info) = announce.filter(|info| verdict.is_none() && is_news(info)) {
                self.announce_and_settle(info);
            }
            // The receiver may be gone.
            let _ = done.send(verdict.clone());
        }
    }
}
