//! One gossip period (protocol chapter 4.5, items 2–5).

use ligand_transporters::NodeId;
use std::sync::Arc;
use std::time::Instant;

use super::digest::{Digest, Info};
use super::state::Gossip;
use super::step::{Change, Step};

impl<I: Info> Gossip<I> {
    /// Runs one round. Call it every [`Options::period`](super::Options::period), for the first time one
    /// period after the start. Measure the CPU load before each call.
    ///
    /// `choose(n)` returns a number below `n`, each with the same probability.
    pub(crate) fn tick(&mut self, now: Instant, choose: &mut dyn FnMut(usize) -> usize) -> Step<I> {
        let mut step = Step::default();
        self.forget_old(now, &mut step);
        self.judge_suspects(now, &mut step);
        if self.leaving || self.peers.is_empty() {
            return step;
        }
        let digest = Arc::new(self.digest());
        let (online, offline): (Vec<NodeId>, Vec<NodeId>) = {
            let (on, off): (Vec<_>, Vec<_>) = self.peers.iter().partition(|(_, peer)| peer.available);
            (
                on.into_iter().map(|(n, _)| n.clone()).collect(),
                off.into_iter().map(|(n, _)| n.clone()).collect(),
            )
        };
        self.send_to_one_of(&online, &digest, now, choose, &mut step);
        // With probability offline / (online + 1): one draw out of equally likely ones.
        if !offline.is_empty() && choose(online.len() + 1) < offline.len() {
            self.send_to_one_of(&offline, &digest, now, choose, &mut step);
        }
        for node in self.due_retries(&offline, now) {
            self.send_request(&node, &digest, now, &mut step);
        }
        let waiting: Vec<NodeId> =
            self.suspects.iter().filter(|(_, s)| s.asked.is_none()).map(|(node, _)| node.clone()).collect();
        for node in waiting {
            self.send_request(&node, &digest, now, &mut step);
        }
        step
    }

    fn send_to_one_of(
        &mut self,
        nodes: &[NodeId],
        digest: &Arc<Digest>,
        now: Instant,
        choose: &mut dyn FnMut(usize) -> usize,
        step: &mut Step<I>,
    ) {
        if nodes.is_empty() {
            return;
        }
        if let Some(node) = nodes.get(choose(nodes.len())) {
            self.send_request(node, digest, now, step);
        }
    }

    /// Lost and configured nodes. Those that were not asked for the longest time come first.
    fn due_retries(&self, offline: &[NodeId], now: Instant) -> Vec<NodeId> {
        let mut due: Vec<_> = offline
            .iter()
            .filter_map(|node| Some((node, self.peers.get(node)?)))
            .filter(|(_, peer)| peer.asked != Some(now))
            .filter(|(_, peer)| {
                let fresh = peer
                    .offline_since
                    .is_some_and(|at| now.saturating_duration_since(at) < self.options.retry_for);
                peer.reach.is_configured() || (peer.info.is_some() && fresh)
            })
            .collect();
        due.sort_by_key(|(_, peer)| peer.asked);
        due.into_iter().take(self.options.retries).map(|(node, _)| node.clone()).collect()
    }

    /// Drops nodes that did not answer for themselves.
    fn judge_suspects(&mut self, now: Instant, step: &mut Step<I>) {
        let patience = self.options.suspicion;
        let mut gone = Vec::new();
        for (node, suspicion) in &mut self.suspects {
            let Some(asked) = suspicion.asked else { continue };
            if now.saturating_duration_since(asked) < patience {
                continue;
            }
            // A node that talks to us is not gone. It is asked again.
            if self.peers.get(node).and_then(|peer| peer.heard).is_some_and(|heard| heard > asked) {
                suspicion.asked = None;
            } else {
                gone.push(node.clone());
            }
        }
        for node in gone {
            self.drop_online(&node, true, now, step);
        }
    }

    fn forget_old(&mut self, now: Instant, step: &mut Step<I>) {
        let limit = self.options.forget_after;
        self.peers.retain(|node, peer| {
            let old = peer.offline_since.is_some_and(|at| now.saturating_duration_since(at) >= limit);
            let forget = !peer.available && old && !peer.reach.is_configured();
            if forget {
                step.changes.push(Change::Forgotten { node: node.clone() });
            }
            !forget
        });
    }
}
