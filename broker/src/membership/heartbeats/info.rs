//! INFO on a bus. It is accepted at a bounded rate, and checked if it says that a node is now another
//! process.

use ligand_transporters::NodeId;
use std::time::Duration;

use super::{Heartbeats, ask, offers, online_instance};
use crate::discovery::Bucket;
use crate::discovery::held::What;
use crate::discovery::succession::{Room, Verdict};
use crate::membership::env::{Env, nonce};
use crate::protocol::{InfoPacket, ProtocolVersion};
use crate::registry::InfoKind;

/// How many INFO packets per second are accepted from one sender, and as many from others in its name.
const INFO_RATE: u32 = 10;
/// The shortest time between two DISCOVERs to one node.
const DISCOVER_EVERY: Duration = Duration::from_secs(1);
/// How many senders' rates are remembered.
const MAX_RATED: usize = 10_000;

/// Limits what is accepted from one node, and what it is asked.
pub(super) struct Rates {
    info: Bucket,
    /// Limits the INFO of another process than the one that is online. Somebody who sends these in a node's
    /// name must not use up the rate of the node itself.
    claims: Bucket,
    pub(super) discover: Bucket,
}

impl Heartbeats {
    /// Accepts an INFO. If it says that an online node is now another process, that is checked first.
    pub(super) fn info(
        &mut self,
        env: &mut Env<'_>,
        node: &NodeId,
        version: ProtocolVersion,
        info: Box<InfoPacket>,
    ) {
        let now = env.std_now();
        let online = online_instance(env, node);
        let is_claim = online.as_ref().is_some_and(|known| *known != info.instance_id);
        let rates = self.rates(node);
        let rate = if is_claim { &mut rates.claims } else { &mut rates.info };
        if !rate.take(now) {
            tracing::debug!(node = %node, "INFO packets come too fast, the newest waits");
            let due = rate.ready_at(now);
            // If there are several processes, the node itself has to say which of them is there now.
            let is_kept = if is_claim {
                self.held.ask(node, version, due)
            } else {
                self.held.info(node, version, info, due)
            };
            self.lost |= !is_kept;
            return;
        }
        if !is_claim {
            self.held.taken(node, &info);
        }
        let verdict = match online {
            Some(known) => {
                let due = now + DISCOVER_EVERY;
                match is_claim.then(|| self.succession.make_room(node, now)) {
                    Some(Room::InsteadOf(other)) => {
                        self.lost |= !self.held.ask(&other, env.transit.version_of(&other), due);
                    }
                    Some(Room::None) => {
                        self.liveness.heard(node, now);
                        self.lost |= !self.held.ask(node, version, due);
                        return;
                    }
                    Some(Room::Free) | None => {}
                }
                self.succession.info(node, &known, info, nonce(), now)
            }
            None => Verdict::Take(info),
        };
        match verdict {
            Verdict::Take(info) => self.take_info(env, node, *info),
            Verdict::Ask(nonce) => {
                self.liveness.heard(node, now);
                ask(env, node, version, &nonce);
            }
            Verdict::Wait => {
                self.liveness.heard(node, now);
            }
        }
    }

    fn take_info(&mut self, env: &mut Env<'_>, node: &NodeId, info: InfoPacket) {
        let now = env.std_now();
        let instance = info.instance_id.clone();
        let Some(change) = env.apply_info(node, info) else {
            // The INFO cannot be read, but the node did send it.
            self.liveness.heard(node, now);
            return;
        };
        if let Some(evicted) = &change.evicted {
            self.forget(evicted);
        }
        match change.kind {
            InfoKind::Refused | InfoKind::Own | InfoKind::Conflict => return,
            InfoKind::Restarted => self.liveness.replaced(node),
            InfoKind::Reconnected if self.farewells.is_back(node, &instance) => {
                // The node was never away, so the calls that it serves are not lost.
                env.state.departures.forgive(node);
            }
            _ => {}
        }
        self.liveness.online(node, now);
        // Topics are not ordered among each other, and this INFO offers nothing: the node did leave.
        if self.farewells.doubts(node) && !offers(env, node) {
            self.disconnect(env, node, env.transit.version_of(node));
        }
    }

    /// Handles what arrived too fast and may be accepted now.
    pub(super) fn take_held(&mut self, env: &mut Env<'_>) {
        let now = env.std_now();
        for (node, version, what) in self.held.due(now) {
            match what {
                What::Take(info) => self.info(env, &node, version, info),
                What::Ask => {
                    let rate = &mut self.rates(&node).discover;
                    if rate.has(now) {
                        self.discover(env, &node, version);
                    } else {
                        let due = rate.ready_at(now);
                        self.lost |= !self.held.ask(&node, version, due);
                    }
                }
            }
        }
    }

    /// Accepts the INFO of nodes that turned out to be other processes.
    pub(super) fn take_claims(&mut self, env: &mut Env<'_>) {
        for (node, info) in self.succession.due(env.std_now()) {
            self.take_info(env, &node, *info);
        }
    }

    pub(super) fn rates(&mut self, node: &NodeId) -> &mut Rates {
        if self.rates.len() >= MAX_RATED && !self.rates.contains_key(node) {
            // Somebody invents senders. If all are forgotten, each begins anew. If newcomers were refused,
            // real ones would be kept out too.
            self.rates.clear();
        }
        self.rates.entry(node.clone()).or_insert_with(|| Rates {
            info: Bucket::new(INFO_RATE, Duration::from_secs(1) / INFO_RATE),
            claims: Bucket::new(INFO_RATE, Duration::from_secs(1) / INFO_RATE),
            discover: Bucket::new(1, DISCOVER_EVERY),
        })
    }
}
