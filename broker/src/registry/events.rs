//! Event subscriptions, and their subscribers (protocol chapter 7).
//!
//!
//! The subscribers of one pattern in one group form a list. Of each list that matches an event, one
//! subscriber receives it. The lists that match a name are looked up once, and remembered until the
//! subscriptions change.

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
    /// Counts the running handlers of its service. Remote subscriptions have none, and neither have ordered
    /// ones, because their queue counts by itself.
    pub(crate) gate: Option<Arc<Gate>>,
    /// The name by which its queue is known in a [`Chain`](crate::chain::Chain), if it has one.
    pub(crate) queue: Option<u64>,
    /// Handles the event. Only local subscriptions have it.
    pub(crate) run: Option<EventFn>,
}

impl EventSub {
    pub(super) fn fingerprint_of(service: &str, definition: &Raw) -> u64 {
        fingerprint((service, definition.bytes()))
    }

    /// The key of its list.
    pub(super) fn key(&self) -> String {
        list_key(&self.pattern, &self.group)
    }
}

/// The key of the list of a pattern and a group.
pub(super) fn list_key(pattern: &str, group: &str) -> String {
    // Names contain no control characters. If one did, two lists would be merged, and nothing worse would
    // happen.
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

/// The subscribers of one pattern in one group.
#[derive(Debug, Clone)]
pub(crate) struct EventList {
    pub(super) key: Name,
    pub(super) pattern: Name,
    pub(super) group: Name,
    pub(super) local: Vec<Arc<EventSub>>,
    /// Includes the local node, if it subscribes.
    pub(super) available: Endpoints<EventSub>,
    pub(super) strategy: Arc<dyn Strategy>,
    /// Its position among all lists, by first appearance.
    pub(super) order: u64,
    /// When it lost its last endpoint. 0 while it has one.
    pub(super) idle: u64,
}

impl Keyed for Arc<EventList> {
    fn key(&self) -> &str {
        &self.key
    }
}

/// A pattern, and the keys of its lists.
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

/// All lists. They can be found by pattern and group, or by a name that they match.
#[derive(Debug, Clone, Default)]
pub(super) struct EventLists {
    lists: Trie<Arc<EventList>>,
    patterns: Trie<Arc<Subscribed>>,
    /// The patterns that match more than one name. Each of them has to be tried.
    wild: Trie<Arc<Pattern>>,
}

impl EventLists {
    pub(super) fn len(&self) -> usize {
        self.lists.len()
    }

    /// Whether a subscription to `pattern` adds a pattern that has to be tried with each event name.
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

    /// The lists that match an event, in order of appearance. Empty lists are included.
    fn matching(&self, event: &str) -> Vec<Arc<EventList>> {
        // A name with a star may equal the text of a pattern without matching it.
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

/// [`EventLists`] with a cache of the names that were looked up.
#[derive(Debug, Default)]
pub(super) struct EventIndex {
    pub(super) lists: EventLists,
    memo: ArcSwap<Trie<Arc<Event>>>,
}

/// An event by its name, in one snapshot.
#[derive(Debug)]
pub(crate) struct Event {
    name: Name,
    plan: EventPlan,
}

impl Event {
    /// The name, which can be shared.
    pub(crate) fn name(&self) -> &Name {
        &self.name
    }

    /// See [`Snapshot::emit`]. `snapshot` is the one in which the event was found.
    pub(crate) fn emit(
        &self,
        snapshot: &Snapshot,
        groups: &[Name],
        prefer_local: bool,
        key: Option<u64>,
    ) -> Emission {
        self.plan.emit(snapshot, groups, prefer_local, key)
    }

    /// See [`Snapshot::broadcast`]. `snapshot` is the one in which the event was found.
    pub(crate) fn broadcast(&self, snapshot: &Snapshot, groups: &[Name]) -> Broadcast {
        self.plan.broadcast(snapshot, groups)
    }

    /// The groups that have ever had a subscriber to it, whether they have one now or not.
    pub(crate) fn groups(&self) -> &[Name] {
        self.plan.groups()
    }

    /// Whether this group receives it only through patterns that match more than this name.
    pub(crate) fn is_by_pattern_only(&self, group: &Name) -> bool {
        self.plan.is_by_pattern_only(group)
    }

    /// The protocol version for a packet that any subscriber in this group may receive.
    pub(crate) fn version_by_bus(
        &self,
        snapshot: &Snapshot,
        group: &Name,
        own: ProtocolVersion,
    ) -> ProtocolVersion {
        self.plan.version_by_bus(snapshot, group, own)
    }

    /// See [`Snapshot::local_handlers`]. Looks only among the local lists.
    pub(super) fn received(&self, groups: &[Name], broadcast: bool) -> LocalSubs {
        self.plan.received(groups, broadcast)
    }
}

impl Keyed for Arc<Event> {
    fn key(&self) -> &str {
        &self.name
    }
}

/// How many event names are cached. If there are more, the cache is cleared.
const MEMO_NAMES: usize = 4_096;
/// The longest event name in bytes that is cached.
const MEMO_NAME_LENGTH: usize = 255;

impl EventIndex {
    pub(super) fn new(lists: EventLists) -> Self {
        Self { lists, memo: ArcSwap::default() }
    }

    /// The event with this name, with its plan.
    pub(super) fn get(&self, event: &str) -> Arc<Event> {
        if let Some(known) = self.memo.load().get(event) {
            return Arc::clone(known);
        }
        let plan = EventPlan::new(self.lists.matching(event));
        let found = Arc::new(Event { name: event.into(), plan });
        if event.len() <= MEMO_NAME_LENGTH {
            self.memo.rcu(|known| {
                // Names also come from peers. A peer that invents names clears the cache, but cannot make it
                // grow.
                let mut known = if known.len() < MEMO_NAMES { Trie::clone(known) } else { Trie::default() };
                known.insert(Arc::clone(&found));
                known
            });
        }
        found
    }
}
