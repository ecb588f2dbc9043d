//! This node's claim on its id: probed before it is announced, and held against whoever else has it.
//!
//! What counts as evidence, and for how long one waits, [`super::conflict`] decides.

use ligand_transporters::Name;
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::conflict::{Evidence, Probe, Start};
use super::driver::{Driver, Kind};
use crate::broker::ServiceBroker;
use crate::config::OnIdConflict;
use crate::protocol::{GossipHello, Outgoing, PacketId, Ping, ProtocolVersion};
use crate::registry::LocalInfo;
use crate::transit::{Transit, echo, wall_clock_ms};

/// Connections from nodes with our id that are remembered.
const MAX_DOUBLES: usize = 64;

/// A start that waits for the verdict on our id.
pub(super) struct Starting {
    /// Told who has it, or that nobody seems to.
    pub(super) done: oneshot::Sender<Option<Name>>,
    /// When to look again.
    pub(super) look: Instant,
    /// What is announced if nobody has; nothing yet by a start that only asks.
    pub(super) announce: Option<Arc<LocalInfo>>,
}

impl Driver {
    /// Somebody with our id said HELLO over this connection.
    pub(super) fn remember_double(&mut self, peer: SocketAddr, hello: &GossipHello) {
        self.doubles.retain(|(known, _)| *known != peer);
        if self.doubles.len() >= MAX_DOUBLES {
            self.doubles.pop_front();
        }
        self.doubles.push_back((peer, format!("{}:{}", hello.host, hello.port).into()));
    }

    /// Something speaks against our claim on our id: asks whether that is so.
    pub(super) fn weigh(&mut self, transit: &Transit, evidence: Option<Evidence>, now: Instant) {
        let Some(evidence) = evidence else { return };
        let nonce = PacketId::random().to_string().into();
        if let Some(probe) = self.conflict.evidence(&evidence, nonce, now.into_std()) {
            transit.probe(&probe);
        }
    }

    /// A PING under our own id: either a probe of our own that came back, or somebody who has our id asks
    /// whether we have it.
    pub(super) fn probed(
        &mut self,
        transit: &Arc<Transit>,
        broker: &ServiceBroker,
        version: ProtocolVersion,
        ping: &Ping,
        peer: Option<SocketAddr>,
        now: Instant,
    ) {
        let nonce = ping.nonce().unwrap_or_default();
        if nonce.is_empty() || self.conflict.pinged(nonce, now.into_std()) {
            self.echoed(transit, broker, nonce, now);
            return;
        }
        if !self.holds_id(transit) {
            return;
        }
        // Between peers the answer goes to the address in the HELLO; the id would lead to ourselves.
        let addr = peer.and_then(|peer| self.doubles.iter().find(|(known, _)| *known == peer));
        if peer.is_none() || addr.is_some() {
            let pong =
                Outgoing::Pong { time: ping.time, id: echo(ping.id.as_ref()), arrived: wall_clock_ms() };
            transit.send_to_double(addr.map(|(_, addr)| addr), version, &pong);
        }
    }

    /// What we sent to our own id has come back.
    pub(super) fn echoed(
        &mut self,
        transit: &Arc<Transit>,
        broker: &ServiceBroker,
        nonce: &str,
        now: Instant,
    ) {
        if self.conflict.asks_again() {
            transit.probe(&Probe { address: None, nonce: nonce.into() });
        }
        self.settle_start(transit, broker, now);
    }

    /// Whether our id is ours against anybody who asks. Over a bus it is once nobody has answered the probe.
    /// Between peers, where an owner shows itself sooner or later, a start may be refused up to its end.
    fn holds_id(&self, transit: &Transit) -> bool {
        match &self.membership {
            Kind::Tcp(_) => self.started,
            _ => transit.is_claimed(),
        }
    }

    /// Asks on a bus whether somebody has our id, before anything is done under it.
    pub(super) fn claim(
        &mut self,
        transit: &Arc<Transit>,
        broker: &ServiceBroker,
        done: oneshot::Sender<Option<Name>>,
        now: Instant,
    ) {
        let nonce = PacketId::random().to_string().into();
        if let Some(probe) = self.conflict.probe_bus(nonce, now.into_std()) {
            transit.probe(&probe);
        }
        self.waiting.push(Starting { done, look: now, announce: None });
        self.settle_start(transit, broker, now);
    }

    /// Lets the start go on, or refuses its id, once the claim is decided or its time is over.
    pub(super) fn settle_start(&mut self, transit: &Arc<Transit>, broker: &ServiceBroker, now: Instant) {
        if self.waiting.is_empty() {
            return;
        }
        let verdict = match self.conflict.start(now.into_std()) {
            Start::Wait(until) => {
                let until = Instant::from_std(until);
                self.waiting.iter_mut().for_each(|starting| starting.look = until);
                return;
            }
            Start::Refuse { owner } => Some(owner),
            Start::Go => None,
        };
        if verdict.is_none() {
            self.conflict.claimed();
            // So it is when the last announcement of a start is asked for.
            self.started |= broker.shared().lifecycle.is_running();
        }
        for Starting { done, announce, .. } in std::mem::take(&mut self.waiting) {
            let news =
                |info: &Arc<LocalInfo>| self.shared.told.as_ref().is_none_or(|told| told.seq < info.seq);
            if let Some(info) = announce.filter(|info| verdict.is_none() && news(info)) {
                let seq = info.seq;
                self.announce(transit, broker, info, now);
                transit.announced(broker, seq);
            }
            // Who asked may have given up.
            let _ = done.send(verdict.clone());
        }
    }

    /// Tells of those who have this node's id.
    pub(super) fn report_conflicts(&mut self, transit: &Transit, broker: &ServiceBroker, now: Instant) {
        for report in self.conflict.poll(now.into_std()) {
            let mut data = json!({ "owner": report.owner.as_str(), "proven": report.proven });
            if report.others > 0 {
                data["others"] = report.others.into();
            }
            let others = report.others;
            if report.proven {
                tracing::error!(node = %transit.node(), owner = %report.owner, others, "another node uses this node's id");
            } else {
                tracing::warn!(node = %transit.node(), owner = %report.owner, others, "another node may use this node's id");
            }
            broker.publish_local("$node.conflict", data);
            if report.proven && broker.config().on_id_conflict == OnIdConflict::Stop {
                broker.stop_in_background();
            }
        }
    }
}
