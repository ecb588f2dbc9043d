//! Whether to believe a DISCONNECT.
//!
//! On a bus, anybody can send one in another node's name. A node that leaves first says that it no longer
//! offers anything, and then its farewell is believed at once. If the node still offers something, it gets a
//! PING, and the farewell is only believed if no packet answers. So the calls that it serves do not fail
//! because somebody else spoke for it. The same goes for a process that has said farewell and come back,
//! which no process does. A node that answers is asked a second time, because a node that leaves may still
//! answer the first time.

use ligand_transporters::{Name, NodeId};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How long a node that is asked whether it has left may be silent. After that, it is gone.
const SILENCE: Duration = Duration::from_secs(2);
/// The same if nobody has spoken for the node before. It is short, because some implementations do not say
/// that they no longer offer anything.
const FIRST_SILENCE: Duration = Duration::from_millis(500);
/// How many nodes are remembered. Farewells of further nodes are believed.
const MAX_NODES: usize = 4096;

/// Nodes that are said to have left.
#[derive(Debug, Default)]
pub(crate) struct Farewells {
    past: HashMap<NodeId, Past>,
    /// There are few of these, so it costs nothing to check them often.
    doubts: HashMap<NodeId, Doubt>,
}

#[derive(Debug)]
struct Past {
    instance: Name,
    /// Whether it came back as the same process.
    returned: bool,
}

/// A farewell that is being checked.
#[derive(Debug)]
struct Doubt {
    asked: Instant,
    /// How long the node has to answer.
    patience: Duration,
    answered: bool,
    /// Whether the node was asked before, and answered.
    again: bool,
}

/// What to do with a DISCONNECT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The node has left.
    Believe,
    /// Ask the node. [`Farewells::due`] reports it if it has left.
    Ask,
    /// The node is being asked already.
    Wait,
}

/// The result of [`Farewells::due`].
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) gone: Vec<NodeId>,
    pub(crate) ask: Vec<NodeId>,
}

impl Farewells {
    /// A DISCONNECT arrived from an online node. `offers` says whether the node offers services.
    pub(crate) fn said(&mut self, node: &NodeId, instance: &Name, offers: bool, now: Instant) -> Verdict {
        let known = self.past.get(node);
        let patience = if known.is_some_and(|past| past.returned && past.instance == *instance) {
            Some(SILENCE)
        } else {
            offers.then_some(FIRST_SILENCE)
        };
        match patience {
            Some(_) if self.doubts.contains_key(node) => Verdict::Wait,
            Some(patience) => {
                let doubt = Doubt { asked: now, patience, answered: false, again: false };
                self.doubts.insert(node.clone(), doubt);
                Verdict::Ask
            }
            None => {
                if known.is_some() || self.past.len() < MAX_NODES {
                    self.past.insert(node.clone(), Past { instance: instance.clone(), returned: false });
                }
                self.doubts.remove(node);
                Verdict::Believe
            }
        }
    }

    /// A node is back online. Returns whether it is the same process, so that it was never away.
    pub(crate) fn is_back(&mut self, node: &NodeId, instance: &Name) -> bool {
        let Some(past) = self.past.get_mut(node).filter(|past| past.instance == *instance) else {
            return false;
        };
        past.returned = true;
        true
    }

    /// A packet other than a DISCONNECT arrived from the node.
    pub(crate) fn heard(&mut self, node: &NodeId) {
        if let Some(doubt) = self.doubts.get_mut(node) {
            doubt.answered = true;
        }
    }

    /// Whether the node is being asked.
    pub(crate) fn doubts(&self, node: &NodeId) -> bool {
        self.doubts.contains_key(node)
    }

    /// When [`Farewells::due`] returns something.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.doubts.values().map(|doubt| doubt.asked + doubt.patience).min()
    }

    /// Nodes that were asked and stayed silent, and nodes that must be asked once more.
    pub(crate) fn due(&mut self, now: Instant) -> Due {
        let mut due = Due::default();
        self.doubts.retain(|node, doubt| {
            if now.saturating_duration_since(doubt.asked) < doubt.patience {
                return true;
            }
            match (doubt.answered, doubt.again) {
                (false, _) => due.gone.push(node.clone()),
                (true, true) => {}
                (true, false) => {
                    *doubt = Doubt { asked: now, patience: SILENCE, answered: false, again: true };
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

    /// Forgets everything about the node.
    pub(crate) fn forget(&mut self, node: &NodeId) {
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
            assert_eq!(farewells.said(&node(), &instance, false, now), Verdict::Believe);
            assert!(!farewells.is_back(&node(), &Name::from_static("next")));
        }
    }

    #[test]
    fn a_process_that_came_back_is_asked_and_stays_as_long_as_it_answers() {
        let (mut farewells, mut now) = (Farewells::default(), Instant::now());
        assert_eq!(farewells.said(&node(), &ONE, false, now), Verdict::Believe);
        assert!(farewells.is_back(&node(), &ONE));
        for _ in 0..100 {
            assert_eq!(farewells.said(&node(), &ONE, false, now), Verdict::Ask);
            for asked in [1, 0] {
                assert_eq!(farewells.said(&node(), &ONE, false, now), Verdict::Wait);
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
        let _ = farewells.said(&node(), &ONE, false, now);
        assert!(farewells.is_back(&node(), &ONE));
        assert_eq!(farewells.said(&node(), &ONE, false, now), Verdict::Ask);
        assert_eq!(farewells.next(), Some(now + SILENCE));
        farewells.heard(&node());
        assert_eq!(farewells.due(now + SILENCE).ask, [node()]);
        assert_eq!(farewells.due(now + SILENCE * 2).gone, [node()]);
    }

    #[test]
    fn one_that_still_offers_something_is_asked_the_first_time_too() {
        let (mut farewells, now) = (Farewells::default(), Instant::now());
        assert_eq!(farewells.said(&node(), &ONE, true, now), Verdict::Ask);
        assert_eq!(farewells.said(&node(), &ONE, true, now), Verdict::Wait);
        assert!(farewells.doubts(&node()));
        farewells.heard(&node());
        assert_eq!(farewells.due(now + FIRST_SILENCE).ask, [node()]);
        farewells.heard(&node());
        assert_eq!(farewells.due(now + FIRST_SILENCE + SILENCE), Due::default());
        // It stayed. Later it has gone without another word.
        assert_eq!(farewells.said(&node(), &ONE, true, now), Verdict::Ask);
        assert_eq!(farewells.due(now + FIRST_SILENCE).gone, [node()]);
        // Or it says, while it is asked, that it offers nothing any more.
        assert_eq!(farewells.said(&node(), &TWO, true, now), Verdict::Ask);
        assert_eq!(farewells.said(&node(), &TWO, false, now), Verdict::Believe);
        assert!(!farewells.doubts(&node()));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (mut farewells, now) = (Farewells::default(), Instant::now());
        for n in 0..2 * MAX_NODES {
            let node = NodeId::new(format!("n{n}")).unwrap();
            assert_eq!(farewells.said(&node, &ONE, false, now), Verdict::Believe);
        }
        assert_eq!(farewells.past.len(), MAX_NODES);
    }
}
