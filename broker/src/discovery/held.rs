//! INFO packets that arrive faster than they are accepted.
//!
//! A node says each thing about itself only once. So if a sender exceeds its rate, its newest INFO is kept
//! and accepted as soon as the rate allows. If that would take too much memory, or if it is not clear which
//! INFO is the node's own, nothing is kept and the node is asked again. Either way, what is known about a
//! node is what it said last, a moment later.

use ligand_transporters::NodeId;
use std::collections::HashMap;
use std::time::Instant;

use crate::protocol::{InfoPacket, MAX_CLAIM, ProtocolVersion};

/// For how many nodes something is held.
const MAX_NODES: usize = 10_000;
/// How many bytes of INFO are held in total.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// What waits for the rate of its sender.
#[derive(Debug, Default)]
pub(crate) struct Held {
    nodes: HashMap<NodeId, Waiting>,
    bytes: usize,
    /// At this time or later, the first of them is due.
    next: Option<Instant>,
}

#[derive(Debug)]
struct Waiting {
    due: Instant,
    version: ProtocolVersion,
    what: What,
}

/// What to do when the rate allows it.
#[derive(Debug)]
pub(crate) enum What {
    /// Accept this INFO.
    Take(Box<InfoPacket>),
    /// Ask the node for its INFO.
    Ask,
}

impl What {
    fn size(&self) -> usize {
        match self {
            Self::Take(info) => info.raw.bytes().len(),
            Self::Ask => 0,
        }
    }
}

impl Held {
    /// Keeps an INFO until `due`, unless a newer one is kept already. Returns `false` if there is not even
    /// room for the name of its sender. Then everybody has to be asked.
    pub(crate) fn info(
        &mut self,
        node: &NodeId,
        version: ProtocolVersion,
        info: Box<InfoPacket>,
        due: Instant,
    ) -> bool {
        let known = match self.nodes.get(node) {
            Some(Waiting { what: What::Take(known), .. }) if is_newer(known, &info) => return true,
            Some(waiting) => waiting.what.size(),
            None => 0,
        };
        let fits = self.bytes.saturating_sub(known).saturating_add(info.raw.bytes().len()) <= MAX_BYTES;
        self.put(node, version, if fits { What::Take(info) } else { What::Ask }, due)
    }

    /// Asks the node at `due`, unless an INFO of it is kept. Returns `false` as [`Held::info`] does.
    pub(crate) fn ask(&mut self, node: &NodeId, version: ProtocolVersion, due: Instant) -> bool {
        self.nodes.contains_key(node) || self.put(node, version, What::Ask, due)
    }

    fn put(&mut self, node: &NodeId, version: ProtocolVersion, what: What, due: Instant) -> bool {
        if self.nodes.len() >= MAX_NODES && !self.nodes.contains_key(node) {
            return false;
        }
        self.bytes = self.bytes.saturating_add(what.size());
        self.next = Some(self.next.map_or(due, |next| next.min(due)));
        if let Some(before) = self.nodes.insert(node.clone(), Waiting { due, version, what }) {
            self.bytes = self.bytes.saturating_sub(before.what.size());
        }
        true
    }

    /// An INFO of the node was accepted, so an INFO that is held and not newer is dropped.
    pub(crate) fn taken(&mut self, node: &NodeId, info: &InfoPacket) {
        let held = self.nodes.get(node).map(|waiting| &waiting.what);
        if let Some(What::Take(held)) = held
            && !is_newer(held, info)
        {
            self.forget(node);
        }
    }

    /// Forgets what the node said before.
    pub(crate) fn forget(&mut self, node: &NodeId) {
        if let Some(waiting) = self.nodes.remove(node) {
            self.bytes = self.bytes.saturating_sub(waiting.what.size());
        }
    }

    /// When [`Held::due`] may return something.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Returns what to do now.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<(NodeId, ProtocolVersion, What)> {
        if self.next.is_none_or(|next| now < next) {
            return Vec::new();
        }
        let due: Vec<_> = self
            .nodes
            .extract_if(|_, waiting| now >= waiting.due)
            .map(|(node, waiting)| (node, waiting.version, waiting.what))
            .collect();
        for (.., what) in &due {
            self.bytes = self.bytes.saturating_sub(what.size());
        }
        self.next = self.nodes.values().map(|waiting| waiting.due).min();
        due
    }
}

/// Whether the first INFO to arrive is newer than the second. One may have overtaken the other, if both are
/// of one process and their numbers tell.
fn is_newer(first: &InfoPacket, second: &InfoPacket) -> bool {
    first.instance_id == second.instance_id && first.seq > second.seq && first.seq <= MAX_CLAIM
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Client, Raw};
    use std::time::Duration;

    fn info(instance: &str, seq: u64, size: usize) -> Box<InfoPacket> {
        Box::new(InfoPacket {
            raw: Raw::new(vec![b' '; size].into()),
            services_raw: Raw::empty_object(),
            ip_list: Vec::new(),
            hostname: None,
            client: Client::default(),
            config: Raw::empty_object(),
            instance_id: instance.into(),
            metadata: Raw::empty_object(),
            seq,
            port: None,
        })
    }

    fn node(n: usize) -> NodeId {
        NodeId::new(format!("n{n}")).unwrap()
    }

    const V5: ProtocolVersion = ProtocolVersion::V5;

    /// Numbers of the INFOs that are to be taken, and 0 for a question.
    fn due(held: &mut Held, now: Instant) -> Vec<u64> {
        let mut due: Vec<_> = held
            .due(now)
            .into_iter()
            .map(|(.., what)| match what {
                What::Take(info) => info.seq,
                What::Ask => 0,
            })
            .collect();
        due.sort_unstable();
        due
    }

    #[test]
    fn the_newest_of_each_sender_is_kept_and_comes_when_it_is_due_and_once() {
        let (mut held, now) = (Held::default(), Instant::now());
        let at = now + Duration::from_millis(100);
        for seq in [3, 7, 5, 7] {
            assert!(held.info(&node(1), V5, info("i", seq, 10), at));
        }
        assert!(held.info(&node(2), V5, info("i", 1, 10), at));
        assert!(held.info(&node(2), V5, info("j", 2, 10), at), "another process: the last one counts");
        assert!(held.info(&node(2), V5, info("k", 1, 10), at));
        assert!(held.ask(&node(2), V5, at), "its INFO says more than it would be asked for");
        assert!(held.ask(&node(3), V5, at + Duration::from_millis(1)));
        assert_eq!((held.next(), held.bytes), (Some(at), 20));
        assert_eq!(due(&mut held, now), [0_u64; 0]);
        assert_eq!(due(&mut held, at), [1, 7]);
        assert_eq!((due(&mut held, at), held.bytes), (vec![], 0));
        assert_eq!(due(&mut held, at + Duration::from_millis(1)), [0]);
        assert_eq!(held.next(), None);
    }

    #[test]
    fn numbers_that_cannot_be_exceeded_do_not_keep_the_last_word_out() {
        let (mut held, now) = (Held::default(), Instant::now());
        held.info(&node(1), V5, info("i", u64::MAX, 1), now);
        held.info(&node(1), V5, info("i", 2, 1), now);
        assert_eq!(due(&mut held, now), [2]);
    }

    #[test]
    fn one_that_was_taken_meanwhile_ends_what_is_older() {
        let (mut held, now) = (Held::default(), Instant::now());
        held.info(&node(1), V5, info("i", 5, 1), now);
        held.taken(&node(1), &info("i", 4, 1));
        assert_eq!(held.nodes.len(), 1);
        held.taken(&node(1), &info("i", 5, 1));
        assert_eq!((due(&mut held, now), held.bytes), (vec![], 0));
    }

    #[test]
    fn over_the_bound_of_bytes_nodes_are_asked_and_over_that_of_nodes_everybody() {
        let (mut held, now) = (Held::default(), Instant::now());
        let large = MAX_BYTES / 4;
        for n in 0..5 {
            assert!(held.info(&node(n), V5, info("i", 9, large), now));
        }
        assert!(held.info(&node(0), V5, info("i", 10, large), now), "in the place of the one before");
        assert_eq!(held.bytes, 4 * large);
        for n in 5..MAX_NODES {
            assert!(held.info(&node(n), V5, info("i", 1, 1), now));
        }
        assert!(!held.info(&node(MAX_NODES), V5, info("i", 1, 1), now));
        assert!(!held.ask(&node(MAX_NODES), V5, now));
        assert!(held.bytes <= MAX_BYTES && held.nodes.len() == MAX_NODES);
        let due = due(&mut held, now);
        assert_eq!(due[due.len() - 4..], [9, 9, 9, 10]);
        assert_eq!((due.iter().filter(|seq| **seq == 0).count(), held.bytes), (MAX_NODES - 4, 0));
    }
}
