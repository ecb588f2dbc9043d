//! Compares tables: what to answer to a request, and what to accept from a response.

use ligand_transporters::NodeId;
use std::sync::Arc;
use std::time::Instant;

use super::digest::{Digest, Info, MAX_CLAIM, MAX_SEQ, ResponseRows, Row, Said, Seen, is_claim};
use super::state::Gossip;
use super::step::{Change, Send, Step, What};
use crate::discovery::conflict::{Evidence, Source};

/// How many of the nodes that a response introduced are greeted at once. Gossip reaches the others.
const INTRODUCTIONS: usize = 8;

impl<I: Info> Gossip<I> {
    /// A GOSSIP_REQ arrived. Answers with what we know better, and accepts what the sender knows better and
    /// what needs no INFO. If there is more, asks back at once.
    pub(crate) fn request(&mut self, sender: &NodeId, digest: &Digest, now: Instant) -> Step<I> {
        let mut step = Step::default();
        if *sender == self.me {
            step.evidence.push(Evidence { source: Source::GossipRow, address: None, instance: None });
            return step;
        }
        // The HELLO made a row for the sender. Without one, there is no address to answer to.
        let Some(peer) = self.peers.get_mut(sender) else { return step };
        peer.heard = Some(now);

        let mut answer =
            ResponseBuilder { rows: ResponseRows::default(), left: self.options.response_weight };
        self.compare_own(digest.about(&self.me), &mut answer);
        let mut claims = Vec::new();
        for (node, peer) in &mut self.peers {
            let said = digest.about(node);
            match said {
                Said::Online(seen) if seen.seq >= peer.seq && peer.available => {
                    if seen.cpu_seq > peer.cpu_seq {
                        peer.cpu_seq = seen.cpu_seq;
                        peer.cpu = seen.cpu;
                        step.changes.push(Change::Cpu { node: node.clone(), cpu: seen.cpu });
                    } else if seen.cpu_seq < peer.cpu_seq {
                        answer.cpu(node, peer.cpu_seq, peer.cpu);
                    }
                }
                // The next request fetches its INFO.
                Said::Online(seen) if seen.seq >= peer.seq => {}
                Said::Offline(seq) if seq >= peer.seq && peer.available => {
                    claims.push((node.clone(), Some(seq)));
                }
                Said::Offline(seq) if seq >= peer.seq => peer.seq = seq,
                _ => match (&peer.info, peer.available) {
                    (Some(info), true) => answer.info(node, info, peer.cpu_seq, peer.cpu),
                    _ => {
                        answer.rows.offline.insert(node.clone(), peer.seq);
                    }
                },
            }
        }
        if let Some(peer) = self.peers.get_mut(sender)
            && answer.rows.online.contains_key(&self.me)
        {
            peer.told = self.own.seq;
        }
        if !answer.rows.is_empty() {
            step.sends.push(Send { to: sender.clone(), what: What::Response(Arc::new(answer.rows)) });
        }

        if let Said::Online(seen) = digest.about(sender)
            && let Some(peer) = self.peers.get(sender)
            && peer.available
            && seen.seq < peer.seq
        {
            // Numbers only grow within one run, so this is a new run that has to learn our number.
            claims.push((sender.clone(), Some(peer.seq)));
        }
        for (node, claim) in claims {
            self.suspect(&node, claim, now, &mut step);
        }
        if self.has_news(sender, digest) {
            self.ask(sender, now, &mut step);
        }
        step
    }

    /// Handles what the sender says about this node.
    fn compare_own(&mut self, said: Said, answer: &mut ResponseBuilder<I>) {
        match said {
            Said::Offline(seq) if seq >= self.own.seq => {
                self.renumber_own(seq + 1);
            }
            // The sender remembers an earlier run of this node. Node does not answer here, and its peers keep
            // the services of that run.
            Said::Online(seen) if seen.seq > self.own.seq && seen.seq <= MAX_CLAIM => {
                self.renumber_own(seen.seq + 1);
            }
            // Somebody spoke in our name. Our own row counts, whatever its number, because it comes from us.
            Said::Online(seen) if seen.seq > self.own.seq => {}
            Said::Online(seen) if seen.seq >= self.own.seq => {
                if seen.cpu_seq > self.own.cpu_seq {
                    self.own.cpu_seq = seen.cpu_seq.saturating_add(1).min(MAX_SEQ);
                } else if seen.cpu_seq < self.own.cpu_seq {
                    answer.cpu(&self.me, self.own.cpu_seq, self.own.cpu);
                }
                return;
            }
            _ => {}
        }
        // Our own row always fits, because it is what the sender needs most.
        answer.left = answer.left.saturating_sub(self.own.info.weight());
        answer.rows.online.insert(self.me.clone(), self.own_row());
    }

    /// Whether the sender of `digest` can tell us something that we do not know.
    fn has_news(&self, sender: &NodeId, digest: &Digest) -> bool {
        let room = self.peers.len() < self.options.max_nodes;
        digest.online.iter().any(|(node, Seen { seq, .. })| {
            if *node == self.me || *seq > MAX_SEQ {
                return false;
            }
            match self.peers.get(node) {
                Some(peer) if node == sender => !peer.available || *seq > peer.seq,
                // Above that number, only the node itself is believed.
                _ if *seq > MAX_CLAIM => false,
                Some(peer) => *seq > peer.seq,
                None => *seq > 0 && room,
            }
        })
    }

    /// A GOSSIP_RES arrived, requested or not. Each row is about the node that is its key, whoever sent it.
    pub(crate) fn response(&mut self, sender: &NodeId, rows: &ResponseRows<I>, now: Instant) -> Step<I> {
        let mut step = Step::default();
        if let Some(peer) = self.peers.get_mut(sender) {
            peer.heard = Some(now);
        }
        let mut introductions = 0;
        for (node, row) in &rows.online {
            if *node == self.me {
                self.check_own_row(row, &mut step);
                continue;
            }
            let (info, cpu_seq, cpu) = match row {
                Row::Info { info, cpu_seq, cpu } => (Some(info), *cpu_seq, *cpu),
                Row::Cpu { cpu_seq, cpu } => (None, *cpu_seq, *cpu),
            };
            if let Some(info) = info {
                let new = !self.peers.contains_key(node);
                self.take_info(node, info, node == sender, now, &mut step);
                if new && node != sender && introductions < INTRODUCTIONS && self.is_online(node) {
                    introductions += 1;
                    self.ask(node, now, &mut step);
                }
            }
            if let Some(peer) = self.peers.get_mut(node)
                && peer.available
                && cpu_seq > peer.cpu_seq
                && cpu_seq <= MAX_SEQ
            {
                peer.cpu_seq = cpu_seq;
                peer.cpu = cpu;
                step.changes.push(Change::Cpu { node: node.clone(), cpu });
            }
        }
        for (node, &seq) in &rows.offline {
            // Node reports configured peers that it never met as unknown nodes, or with number 0 (protocol
            // chapter 13.2, Q17).
            let Some(peer) = self.peers.get_mut(node) else { continue };
            if !is_claim(seq) || peer.seq >= seq {
                continue;
            }
            if peer.available {
                self.suspect(node, Some(seq), now, &mut step);
            } else {
                peer.seq = seq;
            }
        }
        // If the table was full, a later row may have replaced a node that was about to be asked.
        step.sends.retain(|send| self.peers.contains_key(&send.to));
        step
    }

    /// Checks a row about this node. We know ourselves best. But another instance under our id may be a
    /// conflict. A row with our instance, and with a number that we have not reached, was forged: whoever has
    /// it must be corrected.
    fn check_own_row(&mut self, row: &Row<I>, step: &mut Step<I>) {
        let Row::Info { info, .. } = row else { return };
        if info.instance_id() == self.own.info.instance_id() {
            if info.seq() > self.own.seq {
                if info.seq() <= MAX_CLAIM {
                    self.renumber_own(info.seq() + 1);
                }
                step.forged = step.forged.max(Some(info.seq()));
            }
        } else {
            let host = if self.options.use_hostname { info.hostname().or(info.ip()) } else { info.ip() };
            let address = host.zip(info.port()).map(|(host, port)| format!("{host}:{port}").into());
            let instance = Some(info.instance_id().into());
            step.evidence.push(Evidence { source: Source::GossipRow, address, instance });
        }
    }

    /// An INFO of `node` arrived. `direct` says whether it came from the node itself.
    fn take_info(&mut self, node: &NodeId, info: &I, direct: bool, now: Instant, step: &mut Step<I>) {
        let seq = info.seq().max(1);
        if seq > MAX_SEQ || (!direct && seq > MAX_CLAIM) {
            return;
        }
        let hold = self.options.hold;
        if let Some(peer) = self.peers.get_mut(node) {
            let same = peer.same_instance(info);
            // Above that number, a number does not tell which INFO is newer. What the node says itself does.
            let corrects = direct && peer.available && same && peer.seq > MAX_CLAIM && seq != peer.seq;
            let replaces = corrects || (direct && peer.available && seq == peer.seq && !same);
            if direct && peer.available && same && seq >= peer.seq {
                // The node is there and is itself. A question without a claim asks only for that.
                self.suspects.retain(|suspect, s| suspect != node || s.claim.is_some());
            }
            if direct && peer.available && seq < peer.seq && !same {
                let claim = peer.seq;
                return self.suspect(node, Some(claim), now, step);
            }
            if seq <= peer.seq && !replaces {
                return;
            }
            if !direct && peer.available && !same {
                return self.suspect(node, None, now, step);
            }
            if !direct && !peer.available && peer.is_unreachable(hold, now) {
                return self.ask(node, now, step);
            }
        }
        let Some(peer) = self.peer_or_new(node, now, step) else { return };
        if !peer.infos.take(now) {
            return;
        }
        let reconnected = peer.info.is_some();
        let replaced = peer.info.is_some() && !peer.same_instance(info);
        let was_available = peer.available;
        peer.seq = seq;
        peer.available = true;
        peer.offline_since = None;
        if direct {
            peer.lost = None;
        }
        if replaced {
            // The load of a new process counts from the start, and the new process has been told nothing.
            peer.cpu_seq = 0;
            peer.told = 0;
        }
        peer.reach.advertised(info.hostname(), info.ip(), info.port());
        peer.info = Some(info.clone());
        self.suspects.retain(|suspect, s| {
            suspect != node || s.claim.is_some_and(|claim| claim >= seq) || (s.claim.is_none() && !direct)
        });
        step.changes.push(if was_available {
            Change::Updated { node: node.clone(), info: info.clone(), replaced }
        } else {
            Change::Online { node: node.clone(), info: info.clone(), reconnected }
        });
        if !was_available {
            self.catch_up(node, now, step);
        }
    }
}

/// A response that is being built.
struct ResponseBuilder<I> {
    rows: ResponseRows<I>,
    /// How many bytes of INFO still fit.
    left: usize,
}

impl<I: Info> ResponseBuilder<I> {
    fn cpu(&mut self, node: &NodeId, cpu_seq: u64, cpu: u32) {
        self.rows.online.insert(node.clone(), Row::Cpu { cpu_seq, cpu });
    }

    fn info(&mut self, node: &NodeId, info: &I, cpu_seq: u64, cpu: u32) {
        if let Some(left) = self.left.checked_sub(info.weight()) {
            self.left = left;
            self.rows.online.insert(node.clone(), Row::Info { info: info.clone(), cpu_seq, cpu });
        }
    }
}
