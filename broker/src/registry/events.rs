//! Event subscriptions and who listens (protocol chapter 7).
//!
//! Subscribers of one pattern in one group form a list; of each list that matches an event one subscriber
//! gets it. Which lists match a name is found out once and remembered until the subscriptions change.

use arc_swap::ArcSwap;
use ligand_transporters::Name;
use std::fmt;
use std::sync::Arc;

use super::endpoints::{Definition, Endpoints, fingerprint};
use super::pattern::Pattern;
use super::plan::{Broadcast, Emission, EventPlan, LocalSubs};
use super::snapshot::Snapshot;
use super::trie::{Keyed, Trie};
use crate::handler::EventFn;
use crate::protocol::{ProtocolVersion, Raw};
use crate::service::Gate;
use crate::strategy::Strategy;

/// A subscription as one service defines it, local or remote.
pub(crate) struct EventSub {
    /// The event name or pattern.
    pub(crate) pattern: Name,
    /// Its group.
    pub(crate) group: Name,
    /// Full name of its service.
    pub(crate) service: Name,
    /// The definition as INFO carries it.
    pub(crate) definition: Raw,
    /// Who runs a handler of its service; only local subscriptions have it, unless they are ordered: their
    /// queue counts by itself.
    pub(crate) gate: Option<Arc<Gate>>,
    /// By which its queue is known in a [`Chain`](crate::chain::Chain), if it has one.
    pub(crate) queue: Option<u64>,
    /// Handles the event; only local subscriptions have it.
    pub(crate) run: Option<EventFn>,
}

impl EventSub {
    pub(super) fn fingerprint_of(service: &str, definition: &Raw) -> u64 {
        fingerprint((service, definition.bytes()))
    }

    /// What its list goes by.
    pub(super) fn key(&self) -> String {
        list_key(&self.pattern, &self.group)
    }
}

/// What the list of a pattern and a group goes by.
pub(super) fn list_key(pattern: &str, group: &str) -> String {
    // Names hold no control characters, and where one did, two lists would merge, nothing worse.
    format!("{pattern}\0{group}")
}

impl fmt::Debug for EventSub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventSub")
            .field("pattern", &self.pattern)
            .field("group", &self.group)
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}

impl Definition for EventSub {
    fn fingerprint(&self) -> u64 {
        Self::fingerprint_of(&self.service, &self.definition)
    }

    fn same(&self, other: &Self) -> bool {
        self.service == other.service && self.definition == other.definition
    }
}

/// Everybody who listens to one pattern in one group.
#[derive(Debug, Clone)]
pub(crate) struct EventList {
    pub(super) key: Name,
    pub(super) pattern: Name,
    pub(super) group: Name,
    pub(super) local: Vec<Arc<EventSub>>,
    /// The local node, if it listens, included.
    pub(super) available: Endpoints<EventSub>,
    pub(super) strategy: Arc<dyn Strategy>,
    /// Its place among all lists, by first appearance.
    pub(super) order: u64,
    /// When it lost its last endpoint; 0 while it has one.
    pub(super) idle: u64,
}

impl Keyed for Arc<EventList> {
    fn key(&self) -> &str {
        &self.key
    }
}

/// A pattern and the keys of the lists that go by it.
#[derive(Debug, Clone)]
struct Subscribed {
    pattern: Arc<Pattern>,
    lists: Trie<Name>,
}

impl Keyed for Arc<Subscribed> {
    fn key(&self) -> &str {
        self.pattern.as_str()
    }
}

impl Keyed for Arc<Pattern> {
    fn key(&self) -> &str {
        self.as_str()
    }
}

impl Keyed for Name {
    fn key(&self) -> &str {
        self
    }
}

/// All lists, found by pattern and group or by a name that they match.
#[derive(Debug, Clone, Default)]
pub(super) struct EventLists {
    lists: Trie<Arc<EventList>>,
    patterns: Trie<Arc<Subscribed>>,
    /// The patterns that stand for more than one name; each of them has to be tried.
    wild: Trie<Arc<Pattern>>,
}

impl EventLists {
    pub(super) fn len(&self) -> usize {
        self.lists.len()
    }

    /// Whether a subscription to `pattern` makes one more pattern to try with each event name.
    pub(super) fn is_new_wild(&self, pattern: &str) -> bool {
        pattern.contains(['*', '?']) && self.wild.get(pattern).is_none()
    }

    pub(super) fn wild(&self) -> usize {
        self.wild.len()
    }

    pub(super) fn get(&self, key: &str) -> Option<&Arc<EventList>> {
        self.lists.get(key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<EventList>> {
        self.lists.iter()
    }

    pub(super) fn insert(&mut self, list: EventList) {
        if self.lists.get(&list.key).is_none() {
            let mut subscribed = match self.patterns.get(&list.pattern) {
                Some(known) => Subscribed::clone(known),
                None => {
                    let pattern = Arc::new(Pattern::new(&list.pattern));
                    if !pattern.is_exact() {
                        self.wild.insert(Arc::clone(&pattern));
                    }
                    Subscribed { pattern, lists: Trie::default() }
                }
            };
            subscribed.lists.insert(list.key.clone());
            self.patterns.insert(Arc::new(subscribed));
        }
        self.lists.insert(Arc::new(list));
    }

    pub(super) fn remove(&mut self, key: &str) {
        let Some(list) = self.lists.get(key).cloned() else { return };
        self.lists.remove(key);
        let Some(subscribed) = self.patterns.get(&list.pattern) else { return };
        let mut subscribed = Subscribed::clone(subscribed);
        subscribed.lists.remove(key);
        if subscribed.lists.len() == 0 {
            self.patterns.remove(&list.pattern);
            self.wild.remove(&list.pattern);
        } else {
            self.patterns.insert(Arc::new(subscribed));
        }
    }

    /// The lists that match an event, in order of appearance; those without anybody in them, too.
    fn matching(&self, event: &str) -> Vec<Arc<EventList>> {
        // A name with a star in it may be a pattern's text without being matched by it.
        let exact = self.patterns.get(event).filter(|subscribed| subscribed.pattern.is_exact());
        let wild = self.wild.iter().filter(|pattern| pattern.matches(event));
        let wild = wild.filter_map(|pattern| self.patterns.get(pattern.as_str()));
        let mut lists: Vec<_> = exact
            .into_iter()
            .chain(wild)
            .flat_map(|subscribed| subscribed.lists.iter())
            .filter_map(|key| self.lists.get(key))
            .cloned()
            .collect();
        lists.sort_by_key(|list| list.order);
        lists
    }
}

/// [`EventLists`] with a memory for the names that were asked for.
#[derive(Debug, Default)]
pub(super) struct EventIndex {
    pub(super) lists: EventLists,
    memo: ArcSwap<Trie<Arc<Event>>>,
}

/// An event by its name, as of one snapshot.
#[derive(Debug)]
pub(crate) struct Event {
    name: Name,
    plan: EventPlan,
}

impl Event {
    /// The name, to share.
    pub(crate) fn name(&self) -> &Name {
        &self.name
    }

    /// See [`Snapshot::emit`]; `snapshot` is the one it was found in.
    pub(crate) fn emit(
        &self,
        snapshot: &Snapshot,
        groups: &[Name],
        prefer_local: bool,
        key: Option<u64>,
    ) -> Emission {
        self.plan.emit(snapshot, groups, prefer_local, key)
    }

    /// See [`Snapshot::broadcast`]; `snapshot` is the one it was found in.
    pub(crate) fn broadcast(&self, snapshot: &Snapshot, groups: &[Name]) -> Broadcast {
        self.plan.broadcast(snapshot, groups)
    }

    /// The groups in which anybody ever subscribed to it, whether somebody is there now or not.
    pub(crate) fn groups(&self) -> &[Name] {
        self.plan.groups()
    }

    /// Whether somebody in this group gets it by a pattern only that stands for more than this name.
    pub(crate) fn is_by_pattern_only(&self, group: &Name) -> bool {
        self.plan.is_by_pattern_only(group)
    }

    /// The version for a packet of which nobody knows who in this group will read it.
    pub(crate) fn version_by_bus(
        &self,
        snapshot: &Snapshot,
        group: &Name,
        own: ProtocolVersion,
    ) -> ProtocolVersion {
        self.plan.version_by_bus(snapshot, group, own)
    }

    /// See [`Snapshot::local_handlers`], which looks among the local lists only.
    pub(super) fn received(&self, groups: &[Name], broadcast: bool) -> LocalSubs {
        self.plan.received(groups, broadcast)
    }
}

impl Keyed for Arc<Event> {
    fn key(&self) -> &str {
        &self.name
    }
}

/// How many event names are remembered before all are forgotten.
const MEMO_NAMES: usize = 4_096;
/// Longest event name in bytes that is remembered.
const MEMO_NAME_LENGTH: usize = 255;

impl EventIndex {
    pub(super) fn new(lists: EventLists) -> Self {
        Self { lists, memo: ArcSwap::default() }
    }

    /// An event by its name, with the plan for it.
    pub(super) fn get(&self, event: &str) -> Arc<Event> {
        if let Some(known) = self.memo.load().get(event) {
            return Arc::clone(known);
        }
        let plan = EventPlan::new(self.lists.matching(event));
        let found = Arc::new(Event { name: event.into(), plan });
        if event.len() <= MEMO_NAME_LENGTH {
            self.memo.rcu(|known| {
                // Names come from peers too: whoever invents them makes us forget, not grow.
                let mut known = if known.len() < MEMO_NAMES { Trie::clone(known) } else { Trie::default() };
                known.insert(Arc::clone(&found));
                known
            });
        }
        found
    }
}
