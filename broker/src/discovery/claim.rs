//! This node's claim on its id: probed before it is announced, and held against whoever else has it.
//!
//! What counts as evidence, and for how long one waits, [`super::conflict`] decides.

use ligand_transporters::Name;
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::conflict::{Evidence, Start};
use super::driver::{Driver, Kind};
use crate::broker::ServiceBroker;
use crate::config::OnIdConflict;
use crate::protocol::{GossipHello, Outgoing, PacketId, Ping, ProtocolVersion};
use crate::transit::{Transit, echo, wall_clock_ms};

/// Connections from nodes with our id that are remembered.
const MAX_DOUBLES: usize = 64;

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
        transit: &Transit,
        broker: &ServiceBroker,
        version: ProtocolVersion,
        ping: &Ping,
        peer: Option<SocketAddr>,
        now: Instant,
    ) {
        let nonce = ping.id.as_deref().unwrap_or_default();
        if nonce.is_empty() || self.conflict.pinged(nonce, now.into_std()) {
            self.settle_ready(transit, broker, now);
            return;
        }
        if !self.shared.announced {
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

    /// Nothing speaks against this node's id, so far: announces it.
    pub(super) fn ready(
        &mut self,
        transit: &Arc<Transit>,
        broker: &ServiceBroker,
        done: oneshot::Sender<Option<Name>>,
        now: Instant,
    ) {
        let on_bus = match &self.membership {
            Kind::Bus(_) => true,
            Kind::Tcp(_) => false,
            Kind::Records(records) => !records.is_addressed(),
        };
        if on_bus {
            let nonce = PacketId::random().to_string().into();
            if let Some(probe) = self.conflict.probe_bus(nonce, now.into_std()) {
                transit.probe(&probe);
            }
        }
        self.waiting.push((done, now));
        self.settle_ready(transit, broker, now);
    }

    /// Announces this node, or refuses its id, once the claim is decided or its time is over.
    pub(super) fn settle_ready(&mut self, transit: &Transit, broker: &ServiceBroker, now: Instant) {
        if self.waiting.is_empty() {
            return;
        }
        let verdict = match self.conflict.start(now.into_std()) {
            Start::Wait(until) => {
                let until = Instant::from_std(until);
                self.waiting.iter_mut().for_each(|(_, look)| *look = until);
                return;
            }
            Start::Refuse { owner } => Some(owner),
            Start::Go => None,
        };
        if verdict.is_none() {
            self.announce(transit, broker, now);
        }
        for (done, _) in self.waiting.drain(..) {
            let _ = done.send(verdict.clone());
        }
    }

    /// Tells of those who have this node's id.
    pub(super) fn report_conflicts(&mut self, transit: &Transit, broker: &ServiceBroker, now: Instant) {
        for report in self.conflict.poll(now.into_std()) {
            let data = json!({ "owner": report.owner.as_str(), "proven": report.proven });
            match report.proven {
                true => {
                    tracing::error!(node = %transit.node(), owner = %report.owner, "another node uses this node's id")
                }
                false => {
                    tracing::warn!(node = %transit.node(), owner = %report.owner, "another node may use this node's id")
                }
            }
            broker.publish_local("$node.conflict", data);
            if report.proven && broker.config().on_id_conflict == OnIdConflict::Stop {
                broker.stop_in_background();
            }
        }
    }
}
