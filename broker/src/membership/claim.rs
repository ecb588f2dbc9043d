//! This node's claim on its id: probed before it is announced, and held against whoever else has it.
//!
//! What counts as evidence, and for how long one waits, [`conflict`](crate::discovery::conflict) decides.

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

/// Connections from nodes with our id that are remembered.
const MAX_DOUBLES: usize = 64;

/// See the module.
pub(super) struct Claim {
    pub(super) conflict: Conflict,
    waiting: Vec<Starting>,
    /// Whether the start has come to its end.
    started: bool,
    /// Connections over which somebody with our id said HELLO, and the address in it; the newest last.
    doubles: VecDeque<(SocketAddr, Name)>,
}

/// A start that waits for the verdict on our id.
struct Starting {
    /// Told who has it, or that nobody seems to.
    done: oneshot::Sender<Option<Name>>,
    /// When to look again.
    look: Instant,
    /// What is announced if nobody has; nothing yet by a start that only asks.
    announce: Option<Arc<LocalInfo>>,
}

impl Claim {
    pub(super) fn new(instance: Name, wait: Duration, kind: Membership) -> Self {
        let options = Options { wait, addressed: kind == Membership::Gossip, ..Options::default() };
        let conflict = Conflict::new(instance, options);
        Self { conflict, waiting: Vec::new(), started: false, doubles: VecDeque::new() }
    }

    /// When a start wants to look again.
    pub(super) fn due(&self) -> impl Iterator<Item = Instant> + '_ {
        self.waiting.iter().map(|starting| starting.look)
    }

    /// Nothing is announced any more that was looked at before.
    pub(super) fn announce_nothing(&mut self) {
        self.waiting.iter_mut().for_each(|starting| starting.announce = None);
    }

    /// Somebody with our id said HELLO over this connection.
    pub(super) fn remember_double(&mut self, peer: SocketAddr, hello: &GossipHello) {
        self.doubles.retain(|(known, _)| *known != peer);
        if self.doubles.len() >= MAX_DOUBLES {
            self.doubles.pop_front();
        }
        self.doubles.push_back((peer, format!("{}:{}", hello.host, hello.port).into()));
    }
}

impl Env<'_> {
    /// Something speaks against our claim on our id: asks whether that is so.
    pub(super) fn weigh(&mut self, evidence: &Evidence) {
        let now = self.std_now();
        if let Some(probe) = self.state.claim.conflict.evidence(evidence, nonce(), now) {
            self.transit.probe(&probe);
        }
    }

    /// Tells of those who have this node's id.
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
    /// A PING under our own id: either a probe of our own that came back, or somebody who has our id asks
    /// whether we have it.
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
        // Between peers the answer goes to the address in the HELLO; the id would lead to ourselves.
        let addr = from.peer.and_then(|peer| claim.doubles.iter().find(|(known, _)| *known == peer));
        if from.peer.is_none() || addr.is_some() {
            let pong =
                Outgoing::Pong { time: ping.time, id: echo(ping.id.as_ref()), arrived: wall_clock_ms() };
            transit.send_to_double(addr.map(|(_, addr)| addr), from.version, &pong);
        }
    }

    /// A PONG under our own id: to a probe of our own, from ourselves or from whoever else has our id.
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

    /// What we sent to our own id has come back.
    fn echoed(&mut self, nonce: &str) {
        if self.env.state.claim.conflict.asks_again() {
            self.env.transit.probe(&Probe { address: None, nonce: nonce.into() });
        }
        self.settle_start();
    }

    /// Asks on a bus whether somebody has our id, before anything is done under it.
    pub(super) fn claim(&mut self, done: oneshot::Sender<Option<Name>>) {
        let now = self.env.std_now();
        if let Some(probe) = self.env.state.claim.conflict.probe_bus(nonce(), now) {
            self.env.transit.probe(&probe);
        }
        self.await_verdict(done, None);
    }

    /// A start is done but for the verdict on our id. Announces this node then.
    pub(super) fn ready(&mut self, done: oneshot::Sender<Option<Name>>, info: Arc<LocalInfo>) {
        self.await_verdict(done, Some(info));
    }

    fn await_verdict(&mut self, done: oneshot::Sender<Option<Name>>, announce: Option<Arc<LocalInfo>>) {
        self.env.state.claim.waiting.push(Starting { done, look: self.env.now, announce });
        self.settle_start();
    }

    /// Lets the start go on, or refuses its id, once the claim is decided or its time is over.
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
            // So it is when the last announcement of a start is asked for.
            claim.started |= self.env.broker.shared().lifecycle.is_running();
        }
        for Starting { done, announce, .. } in std::mem::take(&mut claim.waiting) {
            let is_news = |info: &Arc<LocalInfo>| self.env.state.presence.is_outdone_by(info);
            if let Some(info) = announce.filter(|info| verdict.is_none() && is_news(info)) {
                self.announce_and_settle(info);
            }
            // Who asked may have given up.
            let _ = done.send(verdict.clone());
        }
    }
}
