//! The rows of the table, and the questions to their nodes. Every input uses them.

use ligand_transporters::NodeId;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use super::digest::{Digest, Info, MAX_SEQ, Seen};
use super::peer::Peer;
use super::state::{Gossip, Suspicion};
use super::step::{Change, Send, Step, What};

impl<I: Info> Gossip<I> {
    /// The row of a node. It is made if there is room.
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

    /// Makes room. Nodes that were never online go first, the oldest first, then the node that has been
    /// offline longest.
    fn make_room(&mut self, step: &mut Step<I>) -> bool {
        while self.peers.len() >= self.options.max_nodes {
            let node = match self.unproven.pop_front() {
                Some(oldest) if self.peers.get(&oldest).is_some_and(Peer::is_unproven) => oldest,
                Some(_) => continue,
                None => match self.offline_longest() {
                    Some(node) => node,
                    None => return false,
                },
            };
            self.peers.remove(&node);
            step.changes.push(Change::Forgotten { node });
        }
        if self.unproven.len() > self.options.max_nodes.saturating_mul(2) {
            // Names that left the table in other ways have piled up.
            let mut known = BTreeSet::new();
            let peers = &self.peers;
            self.unproven
                .retain(|node| peers.get(node).is_some_and(Peer::is_unproven) && known.insert(node.clone()));
        }
        true
    }

    fn offline_longest(&self) -> Option<NodeId> {
        let offline = self.peers.iter().filter(|(_, peer)| !peer.available && !peer.reach.is_configured());
        offline.min_by_key(|(_, peer)| peer.offline_since).map(|(node, _)| node.clone())
    }

    /// Sends a request outside the rounds, if the limits allow it.
    pub(super) fn ask(&mut self, node: &NodeId, now: Instant, step: &mut Step<I>) {
        let gap = self.options.ask_gap;
        let Some(peer) = self.peers.get_mut(node) else { return };
        if self.leaving || !self.asks.has(now) || !peer.may_be_asked(gap, now) || !self.asks.take(now) {
            return;
        }
        let digest = Arc::new(self.digest());
        self.send_request(node, &digest, now, step);
    }

    /// Sends `digest` to a node, adapted to what we want from the node.
    pub(super) fn send_request(
        &mut self,
        node: &NodeId,
        digest: &Arc<Digest>,
        now: Instant,
        step: &mut Step<I>,
    ) {
        if let Some(peer) = self.peers.get_mut(node) {
            peer.asked = Some(now);
            peer.unasked = false;
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

    /// What we know, in the form of a request.
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

    /// Asks an online node whether it is still there as the same process. Does nothing while too many nodes
    /// are asked.
    pub(super) fn suspect(&mut self, node: &NodeId, claim: Option<u64>, now: Instant, step: &mut Step<I>) {
        let full = self.suspects.len() >= self.options.max_suspects;
        let enough = match self.suspects.get(node) {
            Some(suspicion) => claim <= suspicion.claim,
            None => full,
        };
        if enough {
            return;
        }
        // A higher claim is put to the node again, with its own time to answer.
        self.suspects.insert(node.clone(), Suspicion { claim, asked: None });
        self.ask(node, now, step);
    }

    /// Takes an online node offline, with a number one above the last, or with the claimed number.
    pub(super) fn drop_online(&mut self, node: &NodeId, unexpected: bool, now: Instant, step: &mut Step<I>) {
        let claim = self.suspects.remove(node).and_then(|suspicion| suspicion.claim);
        let Some(peer) = self.peers.get_mut(node) else { return };
        peer.available = false;
        peer.offline_since = Some(now);
        peer.seq = peer.seq.saturating_add(1).min(MAX_SEQ).max(claim.unwrap_or(0));
        step.changes.push(Change::Offline { node: node.clone(), unexpected });
    }
}
