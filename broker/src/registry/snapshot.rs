//! A snapshot: the cluster at one moment, for readers.

use ligand_transporters::Name;
use std::sync::Arc;

use super::actions::ActionEntry;
use super::chunked::Chunked;
use super::events::{Event, EventIndex, EventList};
use super::nodes::{Indexed, Node, NodeIx};
use super::plan::LocalSubs;
#[cfg(test)]
use super::plan::{Broadcast, Emission};
use super::trie::Trie;

/// Nodes, actions and subscriptions at one moment. Never changes.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub(super) nodes: Chunked<Option<Arc<Node>>, 32>,
    pub(super) ids: Trie<Indexed>,
    pub(super) actions: Trie<Arc<ActionEntry>>,
    pub(super) events: Arc<EventIndex>,
    /// The lists with local subscribers, for events from other nodes. Subscriptions of remote nodes neither
    /// slow these lists down nor clear their cache. Remote endpoints in these lists may be outdated.
    pub(super) local_events: Arc<EventIndex>,
}

/// With how many names an unknown name is compared.
const NEAREST_AMONG: usize = 10_000;
/// How many similar names an error contains.
const NEAREST: usize = 3;

impl Snapshot {
    /// An action, with the nodes that offer it. An action that nobody offers any more is still known.
    pub(crate) fn action(&self, name: &str) -> Option<&Arc<ActionEntry>> {
        self.actions.get(name)
    }

    /// The node at an index.
    pub(crate) fn node(&self, ix: NodeIx) -> Option<&Arc<Node>> {
        self.nodes.get(ix.0.into())?.as_ref()
    }

    /// The node with an id, whether it is online or not.
    pub(crate) fn node_by_id(&self, id: &str) -> Option<&Arc<Node>> {
        self.node(self.ids.get(id)?.ix)
    }

    /// All nodes, including offline ones. The local node is the first.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.nodes.iter().flatten()
    }

    /// All action names that have been seen and not forgotten.
    pub(crate) fn actions(&self) -> impl Iterator<Item = &Arc<ActionEntry>> {
        self.actions.iter()
    }

    pub(super) fn event_lists(&self) -> impl Iterator<Item = &Arc<EventList>> {
        self.events.lists.iter()
    }

    /// Whether an available node offers a service with this full name.
    pub(crate) fn has_service(&self, full_name: &str) -> bool {
        self.nodes().any(|node| {
            node.is_available() && node.services().list().iter().any(|s| s.full_name == full_name)
        })
    }

    /// An event by its name. Known names are shared instead of allocated again.
    pub(crate) fn event(&self, name: &str) -> Arc<Event> {
        self.events.get(name)
    }

    /// The receivers of an event that is emitted to `groups`. Empty means all groups.
    #[cfg(test)]
    pub(crate) fn emit(
        &self,
        event: &str,
        groups: &[Name],
        prefer_local: bool,
        key: Option<u64>,
    ) -> Emission {
        self.event(event).emit(self, groups, prefer_local, key)
    }

    /// The receivers of an event that is broadcast to `groups`. Empty means all groups.
    #[cfg(test)]
    pub(crate) fn broadcast(&self, event: &str, groups: &[Name]) -> Broadcast {
        self.event(event).broadcast(self, groups)
    }

    /// The subscribers of this node for an event from another node.
    ///
    ///
    /// A broadcast that stays on this node uses it too, with `broadcast` set.
    pub(crate) fn local_handlers(&self, event: &str, groups: &[Name], broadcast: bool) -> LocalSubs {
        self.local_events.get(event).received(groups, broadcast)
    }

    /// Up to three available actions with names similar to `name`, the nearest first.
    ///
    ///
    /// It looks at no more than 10,000 names, and is meant for the text of an error.
    pub(crate) fn nearest_actions(&self, name: &str) -> Vec<Name> {
        let most = (name.chars().count() / 3).clamp(1, 8);
        let candidates = self.actions.iter().take(NEAREST_AMONG).filter(|entry| entry.available() > 0);
        let mut near: Vec<_> = candidates
            .filter(|entry| entry.name().len().abs_diff(name.len()) <= most * 4)
            .filter_map(|entry| Some((distance(name, entry.name(), most)?, entry.name())))
            .collect();
        near.sort_unstable();
        near.truncate(NEAREST);
        near.into_iter().map(|(_, name)| name.clone()).collect()
    }
}

/// How many characters have to be inserted, removed or replaced. `None` if more than `most`.
fn distance(one: &str, other: &str, most: usize) -> Option<usize> {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, c) in one.chars().enumerate() {
        let mut diagonal = at;
        let mut left = at + 1;
        let mut best = left;
        for (cell, o) in row.iter_mut().skip(1).zip(&other) {
            let replaced = diagonal + usize::from(c != *o);
            diagonal = *cell;
            left = replaced.min(*cell + 1).min(left + 1);
            *cell = left;
            best = best.min(left);
        }
        if let Some(first) = row.first_mut() {
            *first = at + 1;
        }
        if best > most {
            return None;
        }
    }
    row.last().copied().filter(|distance| *distance <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits_up_to_a_limit() {
        assert_eq!(distance("math.add", "math.add", 2), Some(0));
        assert_eq!(distance("math.ad", "math.add", 2), Some(1));
        assert_eq!(distance("maht.add", "math.add", 2), Some(2));
        assert_eq!(distance("", "ab", 2), Some(2));
        assert_eq!(distance("math.add", "users.list", 3), None);
    }
}
