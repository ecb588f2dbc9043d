//! Checks whether the nodes of a cluster know everything about each other.

use std::collections::BTreeSet;

use crate::broker::ServiceBroker;

/// Directions between nodes, from and to, that do not work.
#[derive(Debug, Default)]
pub(super) struct Ways {
    /// Frames in this direction are lost.
    pub(super) cut: BTreeSet<(String, String)>,
    /// Frames between these two wait, so their knowledge cannot be checked.
    pub(super) held: BTreeSet<(String, String)>,
}

impl Ways {
    fn is_cut(&self, from: &str, to: &str) -> bool {
        self.cut.contains(&(from.to_owned(), to.to_owned()))
    }

    fn is_held(&self, a: &str, b: &str) -> bool {
        let held = |a: &str, b: &str| self.held.contains(&(a.to_owned(), b.to_owned()));
        held(a, b) || held(b, a)
    }
}

/// Checks that every node knows exactly the nodes that it can reach, in their current state. The error names
/// a node that does not.
pub(super) fn check(nodes: &[&ServiceBroker], ways: &Ways) -> Result<(), String> {
    for observer in nodes {
        let here = observer.node_id().as_str();
        for subject in nodes.iter().filter(|subject| subject.node_id() != observer.node_id()) {
            let there = subject.node_id().as_str();
            if ways.is_held(here, there) {
                continue;
            }
            match (knows(observer, subject), ways.is_cut(there, here)) {
                (Knows::Nothing, false) => return Err(format!("`{here}` does not see `{there}`")),
                (Knows::Old, false) => return Err(format!("`{here}` has old news of `{there}`")),
                (Knows::Nothing, true) | (Knows::Current, false) => {}
                (_, true) => return Err(format!("`{here}` still takes `{there}` for online")),
            }
        }
        let snapshot = observer.shared().registry.load();
        let mut others = snapshot.nodes().filter(|node| !node.is_local() && node.is_available());
        if let Some(ghost) = others.find(|node| nodes.iter().all(|known| known.node_id() != node.id())) {
            return Err(format!("`{here}` still takes `{}` for online", ghost.id()));
        }
    }
    Ok(())
}

enum Knows {
    Nothing,
    Old,
    Current,
}

fn knows(observer: &ServiceBroker, subject: &ServiceBroker) -> Knows {
    let seq = subject.shared().registry.local_info().seq;
    let snapshot = observer.shared().registry.load();
    match snapshot.node_by_id(subject.node_id().as_str()).filter(|node| node.is_available()) {
        None => Knows::Nothing,
        Some(node) if node.seq() == seq && node.instance_id() == subject.instance_id() => Knows::Current,
        Some(_) => Knows::Old,
    }
}
