//! Whether a DISCONNECT is to be believed.
//!
//! On a bus anybody can send one in another node's name. The first one of a process is believed at once,
//! because that is how nodes leave. But a process that has said farewell does not come back: where the
//! same instance does, somebody else spoke for it, and from then on its farewells are only believed when
//! a PING stays without any packet in answer. It is asked twice, because one that leaves may still answer
//! the first time.

use ligand_transporters::{Name, NodeId};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// A node that is asked whether it has left is gone after so much silence.
const SILENCE: Duration = Duration::from_secs(2);
/// Nodes that are remembered; farewells of further ones are believed.
const MAX_NODES: usize = 4096;

/// Nodes that are said to have left.
#[derive(Debug, Default)]
pub(super) struct Farewells {
    past: HashMap<NodeId, Past>,
    /// Few, so that it costs nothing to look at them often.
    doubts: HashMap<NodeId, Doubt>,
}

#[derive(Debug)]
struct Past {
    instance: Name,
    /// It came back as the same process.
    returned: bool,
}

/// A farewell that is being looked into.
#[derive(Debug)]
struct Doubt {
    asked: Instant,
    answered: bool,
    /// It has been asked before, and has answered.
    again: bool,
}

/// What to do with a DISCONNECT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The node has left.
    Believe,
    /// Ask it; [`Farewells::due`] says when it has left.
    Ask,
    /// It is being asked already.
    Wait,
}

/// See [`Farewells::due`].
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) gone: Vec<NodeId>,
    pub(super) ask: Vec<NodeId>,
}

impl Farewells {
    /// A DISCONNECT came from an online node.
    pub(super) fn said(&mut self, node: &NodeId, instance: &Name, now: Instant) -> Verdict {
        match self.past.get(node) {
            Some(past) if past.returned && past.instance == *instance => {
                if self.doubts.contains_key(node) {
                    return Verdict::Wait;
                }
                self.doubts.insert(node.clone(), Doubt { asked: now, answered: false, again: false });
                Verdict::Ask
            }
            known => {
                if known.is_some() || self.past.len() < MAX_NODES {
                    self.past.insert(node.clone(), Past { instance: instance.clone(), returned: false });
                }
                self.doubts.remove(node);
                Verdict::Believe
            }
        }
    }

    /// A node is back online. `true`: as the same process, so it never was away.
    pub(super) fn is_back(&mut self, node: &NodeId, instance: &Name) -> bool {
        let Some(past) = self.past.get_mut(node).filter(|past| past.instance == *instance) else {
            return false;
        };
        past.returned = true;
        true
    }

    /// Any packet but a DISCONNECT came from the node.
    pub(super) fn heard(&mut self, node: &NodeId) {
        if let Some(doubt) = self.doubts.get_mut(node) {
            doubt.answered = true;
        }
    }

    /// When [`Farewells::due`] has something.
    pub(super) fn next(&self) -> Option<Instant> {
        let asked = self.doubts.values().map(|doubt| doubt.asked);
        asked.min().map(|asked| asked + SILENCE)
    }

    /// Nodes that were asked and kept silent, and those that are to be asked once more.
    pub(super) fn due(&mut self, now: Instant) -> Due {
        let mut due = Due::default();
        self.doubts.retain(|node, doubt| {
            if now.saturating_duration_since(doubt.asked) < SILENCE {
                return true;
            }
            match (doubt.answered, doubt.again) {
                (false, _) => due.gone.push(node.clone()),
                (true, true) => {}
                (true, false) => {
                    *doubt = Doubt { asked: now, answered: false, again: true };
                    due.ask.push(node.clone());
                    return true;
                }
            }
            false
        });
        for node in &due.gone {
            self.past.remove(node);
        }
        due
    }

    /// Nothing is to be remembered of the node.
    pub(super) fn forget(&mut self, node: &NodeId) {
        self.past.remove(node);
        self.doubts.remove(node);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node() -> NodeId {
        NodeId::new("n").unwrap()
    }

    const ONE: Name = Name::from_static("one");
    const TWO: Name = Name::from_static("two");

    #[test]
    fn a_node_leaves_at_once_and_may_come_back_as_another_process_as_often_as_it_likes() {
        let (mut farewells, now) = (Farewells::default(), Instant::now());
        for instance in [ONE, TWO, ONE] {
            assert_eq!(farewells.said(&node(), &instance, now), Verdict::Believe);
            assert!(!farewells.is_back(&node(), &Name::from_static("next")));
        }
    }

    #[test]
    fn a_process_that_came_back_is_asked_and_stays_as_long_as_it_answers() {
        let (mut farewells, mut now) = (Farewells::default(), Instant::now());
        assert_eq!(farewells.said(&node(), &ONE, now), Verdict::Believe);
        assert!(farewells.is_back(&node(), &ONE));
        for _ in 0..100 {
            assert_eq!(farewells.said(&node(), &ONE, now), Verdict::Ask);
            for asked in [1, 0] {
                assert_eq!(farewells.said(&node(), &ONE, now), Verdict::Wait);
                farewells.heard(&node());
                now += SILENCE;
                let due = farewells.due(now);
                assert_eq!((due.gone.len(), due.ask.len()), (0, asked));
            }
        }
        assert_eq!(farewells.next(), None);
    }

    #[test]
    fn one_that_answered_once_and_then_no_more_has_left() {
        let (mut farewells, now) = (Farewells::default(), Instant::now());
        let _ = farewells.said(&node(), &ONE, now);
        assert!(farewells.is_back(&node(), &ONE));
        assert_eq!(farewells.said(&node(), &ONE, now), Verdict::Ask);
        assert_eq!(farewells.next(), Some(now + SILENCE));
        farewells.heard(&node());
        assert_eq!(farewells.due(now + SILENCE).ask, [node()]);
        assert_eq!(farewells.due(now + SILENCE * 2).gone, [node()]);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (mut farewells, now) = (Farewells::default(), Instant::now());
        for n in 0..2 * MAX_NODES {
            let node = NodeId::new(format!("n{n}")).unwrap();
            assert_eq!(farewells.said(&node, &ONE, now), Verdict::Believe);
        }
        assert_eq!(farewells.past.len(), MAX_NODES);
    }
}
