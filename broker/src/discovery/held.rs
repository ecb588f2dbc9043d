//! INFO packets that came faster than they are taken.
//!
//! What a node says of itself is said once. So of a sender that is over its rate the newest INFO is kept, and
//! taken as soon as the rate allows. Where that would take too much memory, and where it cannot be told which
//! one is the node's own, nothing is kept and the node is asked again instead. Either way what is known of a
//! node is what it said last, a moment later.

use ligand_transporters::NodeId;
use std::collections::HashMap;
use std::time::Instant;

use crate::protocol::{InfoPacket, MAX_CLAIM, ProtocolVersion};

/// Nodes that something is held of.
const MAX_NODES: usize = 10_000;
/// Bytes of INFO that are held of all of them.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// What waits for its sender's rate.
#[derive(Debug, Default)]
pub(crate) struct Held {
    nodes: HashMap<NodeId, Waiting>,
    bytes: usize,
    /// Not after the first of them is due.
    next: Option<Instant>,
}

#[derive(Debug)]
struct Waiting {
    due: Instant,
    version: ProtocolVersion,
    what: What,
}

/// What is to be done when the rate allows.
#[derive(Debug)]
pub(crate) enum What {
    /// Take this INFO.
    Take(Box<InfoPacket>),
    /// Ask the node for one.
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
    /// Keeps an INFO until `due`, unless a newer one is kept already. `false` when there is no room even for
    /// the name of its sender: then everybody has to be asked.
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

    /// Has the node asked at `due`, unless an INFO of it is kept. `false` as for [`Held::info`].
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

    /// An INFO of the node was taken: one that is held and not newer has nothing to say any more.
    pub(crate) fn taken(&mut self, node: &NodeId, info: &InfoPacket) {
        let held = self.nodes.get(node).map(|waiting| &waiting.what);
        if let Some(What::Take(held)) = held
            && !is_newer(held, info)
        {
            self.forget(node);
        }
    }

    /// What was said before does not count any more.
    pub(crate) fn forget(&mut self, node: &NodeId) {
        if let Some(waiting) = self.nodes.remove(node) {
            self.bytes = self.bytes.saturating_sub(waiting.what.size());
        }
    }

    /// When [`Held::due`] may have something.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// What is to be done now.
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

/// Whether what came first is newer than what came second: they may have overtaken each other, where they are
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
