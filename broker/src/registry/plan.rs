//! The receivers of an event, when the matching lists are known.

use foldhash::HashSet;
use ligand_transporters::Name;
use smallvec::SmallVec;
use std::sync::{Arc, OnceLock};

use super::actions::version_among;
use super::events::{EventList, EventSub};
use super::nodes::{Node, NodeIx};
use super::pattern::Pattern;
use super::snapshot::Snapshot;
use crate::protocol::ProtocolVersion;

/// The lists of subscribers that match an event.
#[derive(Debug)]
pub(super) struct EventPlan {
    lists: Box<[Arc<EventList>]>,
    /// Groups whose lists are empty are included.
    groups: Box<[Name]>,
    /// The remote nodes among the subscribers. The first broadcast computes them.
    remote: OnceLock<Box<[NodeIx]>>,
}

/// Local subscribers of an event.
pub(crate) type LocalSubs = SmallVec<[Arc<EventSub>; 4]>;

/// The receivers of an emitted event.
#[derive(Debug, Default)]
pub(crate) struct Emission {
    /// Subscribers of this node.
    pub(crate) local: LocalSubs,
    /// Other nodes, each with the groups for which it receives the event. A group occurs twice if two of its
    /// patterns match and both chose that node, as in Node.
    pub(crate) remote: Vec<(Arc<Node>, Vec<Name>)>,
}

/// The receivers of a broadcast event.
#[derive(Debug, Default)]
pub(crate) struct Broadcast {
    /// All subscribers of this node.
    pub(crate) local: LocalSubs,
    /// The other nodes, each once.
    pub(crate) remote: Vec<Arc<Node>>,
}

impl EventPlan {
    /// Made from all matching lists, including empty ones.
    pub(super) fn new(mut lists: Vec<Arc<EventList>>) -> Self {
        let mut known = HashSet::default();
        let groups = lists.iter().map(|list| list.group.clone()).filter(|group| known.insert(group.clone()));
        let groups: Vec<_> = groups.collect();
        lists.retain(|list| !list.available.is_empty());
        Self { lists: lists.into(), groups: groups.into(), remote: OnceLock::new() }
    }

    pub(super) fn groups(&self) -> &[Name] {
        &self.groups
    }

    pub(super) fn is_by_pattern_only(&self, group: &Name) -> bool {
        let mut lists = self.lists.iter().filter(|list| list.group == *group).peekable();
        lists.peek().is_some() && lists.all(|list| !Pattern::new(&list.pattern).is_exact())
    }

    pub(super) fn version_by_bus(
        &self,
        snapshot: &Snapshot,
        group: &Name,
        own: ProtocolVersion,
    ) -> ProtocolVersion {
        let lists = self.lists.iter().filter(|list| list.group == *group);
        version_among(lists.flat_map(|list| list.available.iter()).map(|target| target.node), snapshot, own)
    }

    /// Lets each list choose one subscriber (protocol chapters 7.1 and 8.1).
    pub(super) fn emit(
        &self,
        snapshot: &Snapshot,
        groups: &[Name],
        prefer_local: bool,
        key: Option<u64>,
    ) -> Emission {
        let mut emission = Emission::default();
        let mut chosen = Vec::new();
        for list in self.wanted(groups) {
            let target = if list.prefers_local(prefer_local) { None } else { list.pick(key) };
            match target {
                Some(node) if node != NodeIx::LOCAL => chosen.push((node, list.group.clone())),
                _ => emission.local.extend(list.pick_local(key)),
            }
        }
        // Sorted by node. The order of the groups is kept.
        chosen.sort_by_key(|(node, _)| *node);
        for of_node in chosen.chunk_by(|(one, _), (other, _)| one == other) {
            if let Some(node) = of_node.first().and_then(|(node, _)| snapshot.node(*node)) {
                let groups = of_node.iter().map(|(_, group)| group.clone()).collect();
                emission.remote.push((Arc::clone(node), groups));
            }
        }
        emission
    }

    /// All subscribers. Each remote node occurs once (protocol chapter 7.1).
    pub(super) fn broadcast(&self, snapshot: &Snapshot, groups: &[Name]) -> Broadcast {
        let nodes = |list: &[NodeIx]| list.iter().filter_map(|ix| snapshot.node(*ix)).cloned().collect();
        let remote = if groups.is_empty() {
            nodes(self.remote.get_or_init(|| remote_nodes(self.lists.iter())))
        } else {
            nodes(&remote_nodes(self.wanted(groups)))
        };
        Broadcast { local: self.all_local(groups), remote }
    }

    /// The subscribers of this node for a received event (protocol chapter 7.3).
    pub(super) fn received(&self, groups: &[Name], broadcast: bool) -> LocalSubs {
        if broadcast {
            return self.all_local(groups);
        }
        self.wanted(groups).filter_map(|list| list.pick_local(None)).collect()
    }

    fn all_local(&self, groups: &[Name]) -> LocalSubs {
        self.wanted(groups).flat_map(|list| list.local.iter().cloned()).collect()
    }

    fn wanted<'a>(&'a self, groups: &'a [Name]) -> impl Iterator<Item = &'a Arc<EventList>> {
        self.lists.iter().filter(move |list| groups.is_empty() || groups.contains(&list.group))
    }
}

impl EventList {
    fn prefers_local(&self, prefer_local: bool) -> bool {
        !self.local.is_empty() && (prefer_local || self.pattern.starts_with('$'))
    }

    fn pick(&self, key: Option<u64>) -> Option<NodeIx> {
        let at = match self.available.len() {
            0 => return None,
            1 => 0,
            count => self.strategy.pick(count, key) % count,
        };
        self.available.get(at).map(|target| target.node)
    }

    fn pick_local(&self, key: Option<u64>) -> Option<Arc<EventSub>> {
        let at = match self.local.len() {
            0 => return None,
            1 => 0,
            count => self.strategy.pick(count, key) % count,
        };
        self.local.get(at).cloned()
    }
}

fn remote_nodes<'a>(lists: impl Iterator<Item = &'a Arc<EventList>>) -> Box<[NodeIx]> {
    let nodes = lists.flat_map(|list| list.available.iter()).map(|target| target.node);
    let mut nodes: Vec<_> = nodes.filter(|node| *node != NodeIx::LOCAL).collect();
    nodes.sort_unstable();
    nodes.dedup();
    nodes.into()
}
