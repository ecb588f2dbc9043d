//! Membership over TCP: moves gossip packets into and out of [`Gossip`].

mod rows;

use ligand_transporters::{Name, NodeId, SendError};
use rand::RngExt as _;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::cpu::Cpu;
use super::discoverer::{Discoverer, Sender};
use super::env::Env;
use crate::broker::ServiceBroker;
#[cfg(test)]
use crate::discovery::gossip::Info as _;
use crate::discovery::gossip::{Change, Gossip, Options, Step, What};
use crate::protocol::{Outgoing, Packet, ProtocolVersion};
use crate::registry::{LocalInfo, Registry};
use crate::transit::Transit;
use rows::{GossipInfo, digest_in, digest_out, own_info, response_in, response_out};

/// Membership of a node that gossips.
pub(super) struct Gossiper {
    gossip: Gossip<GossipInfo>,
    cpu: Cpu,
    period: Duration,
    next: Instant,
}

impl Gossiper {
    pub(super) fn new(transit: &Transit, broker: &ServiceBroker, now: Instant) -> Self {
        let peering = &transit.uplink().peering;
        let config = broker.config();
        let options = Options {
            use_hostname: peering.use_hostname,
            period: peering.gossip_period,
            max_nodes: config.registry.max_nodes.min(Registry::MOST_NODES),
            forget_after: config.registry.clean_offline_nodes_timeout,
            ..Options::default()
        };
        let gossip = Gossip::new(transit.node().clone(), &own_info(broker), options);
        Self { gossip, cpu: Cpu::new(), period: peering.gossip_period, next: now + peering.gossip_period }
    }

    /// Carries out a step: first the changes, then the packets.
    fn apply(&mut self, env: &mut Env<'_>, step: Step<GossipInfo>) {
        for change in step.changes {
            self.change(env, change);
        }
        for send in step.sends {
            self.send(env, &send.to, &send.what);
        }
        if let Some(seq) = step.forged {
            env.state.presence.defence.forged(seq, env.now.into_std());
        }
        for evidence in &step.evidence {
            env.weigh(evidence);
        }
    }

    fn change(&mut self, env: &mut Env<'_>, change: Change<GossipInfo>) {
        match change {
            Change::Online { node, info, .. } | Change::Updated { node, info, .. } => {
                self.tell_address(env, &node);
                // The table has no more rows than the registry has room for, so the registry evicts and
                // refuses nobody.
                if env.apply_info(&node, info.packet()).is_some() {
                    self.gossip.listed(&node);
                }
            }
            Change::Offline { node, unexpected } => env.node_gone(&node, unexpected),
            Change::Cpu { node, cpu } => {
                // Whole percents up to 100 are exact in an `f32`.
                env.registry().heartbeat(node.as_str(), Some(cpu as f32), env.std_now());
            }
            Change::Forgotten { node } => {
                env.transit.addresses().set(&node, None);
                env.forget_node(&node);
            }
        }
    }

    fn send(&mut self, env: &mut Env<'_>, to: &NodeId, what: &What<GossipInfo>) {
        self.tell_address(env, to);
        tracing::trace!(node = %to, packet = match what { What::Request(_) => "GOSSIP_REQ", What::Response(_) => "GOSSIP_RES" }, "gossip");
        let version = match self.gossip.version_of(to) {
            Some(4) => ProtocolVersion::V4,
            Some(_) => ProtocolVersion::V5,
            None => env.transit.own_version(),
        };
        let send = |packet: &Outgoing<'_>| env.transit.send_to(to, version, 0, packet, &mut |_| Ok(()));
        let sent = match what {
            What::Request(digest) => send(&Outgoing::GossipRequest(&digest_out(digest))),
            What::Response(response) => send(&Outgoing::GossipResponse(&response_out(response))),
        };
        match sent {
            Ok(()) => {}
            // A node without a route counts as lost. The next round tries another of its addresses.
            Err(SendError::NoRoute) => {
                let step = self.gossip.lost(to, true, env.std_now());
                for change in step.changes {
                    self.change(env, change);
                }
            }
            Err(error) => {
                if let SendError::TooLarge { .. } = error {
                    env.transit.tell_own_too_large(&error);
                }
                tracing::debug!(node = %to, error = %error, "gossip not sent");
            }
        }
    }

    /// Tells the transporter where a node can be reached.
    fn tell_address(&self, env: &Env<'_>, node: &NodeId) {
        env.transit.addresses().set(node, self.gossip.address_of(node).as_ref());
    }
}

impl Discoverer for Gossiper {
    fn next_tick(&self) -> Instant {
        self.next
    }

    /// Runs one round of gossip.
    fn tick(&mut self, env: &mut Env<'_>) {
        if env.now < self.next {
            return;
        }
        self.next = env.now + self.period;
        if let Some(load) = self.cpu.measure() {
            self.gossip.measured(load);
        }
        let step = self.gossip.tick(env.std_now(), &mut choose);
        self.apply(env, step);
    }

    fn heard(&mut self, _env: &mut Env<'_>, from: Sender<'_>, _packet: &Packet) {
        if let Some(version) = from.stamped {
            self.gossip.stamped(from.node, if version == ProtocolVersion::V4 { 4 } else { 5 });
        }
    }

    fn packet(&mut self, env: &mut Env<'_>, from: Sender<'_>, packet: Packet) {
        let (node, now) = (from.node, env.std_now());
        let step = match packet {
            Packet::GossipHello(hello) => {
                let step = self.gossip.hello(node, &hello.host, hello.port, from.peer, now);
                // Requests of this peer follow at once, and need answers.
                self.tell_address(env, node);
                step
            }
            Packet::GossipRequest(digest) => self.gossip.request(node, &digest_in(&digest), now),
            Packet::GossipResponse(response) => self.gossip.response(node, &response_in(*response), now),
            _ => return,
        };
        self.apply(env, step);
    }

    fn stranger(&mut self, env: &mut Env<'_>, node: &NodeId, _version: ProtocolVersion) {
        let step = self.gossip.heard(node, env.std_now());
        self.apply(env, step);
    }

    fn sighted(&mut self, env: &mut Env<'_>, node: &NodeId, addr: &Name, source: Option<SocketAddr>) {
        let step = self.gossip.sighted(node, addr, source, env.std_now());
        self.apply(env, step);
    }

    fn lost(&mut self, env: &mut Env<'_>, node: &NodeId) {
        let step = self.gossip.lost(node, false, env.std_now());
        self.apply(env, step);
    }

    /// Announces what this node offers now. Between peers nothing balances, so there is nothing to wait for.
    fn announce(&mut self, env: &mut Env<'_>, _info: &LocalInfo) {
        let step = self.gossip.own_changed(&own_info(env.broker), &mut choose);
        self.apply(env, step);
    }

    fn announce_leaving(&mut self, env: &mut Env<'_>, _info: &LocalInfo, done: oneshot::Sender<()>) {
        let step = self.gossip.leaving();
        self.apply(env, step);
        // The receiver may be gone, and there is nobody else to tell.
        let _ = done.send(());
    }

    /// Between peers, the owner of an id appears sooner or later, so a start may be refused until it is
    /// complete.
    fn holds_id(&self, _transit: &Transit, started: bool) -> bool {
        started
    }

    #[cfg(test)]
    fn watched(&self) -> std::collections::BTreeMap<NodeId, bool> {
        self.gossip.all_listed()
    }

    #[cfg(test)]
    fn gossiped_seq(&self) -> Option<u64> {
        Some(self.gossip.own().seq())
    }
}

/// A number below `n`.
fn choose(n: usize) -> usize {
    rand::rng().random_range(0..n.max(1))
}
