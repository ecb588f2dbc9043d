//! The writing side of the registry.

use ligand_transporters::{Name, NodeId};
use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::availability::Availability;
use super::chunked::Chunked;
use super::events::{EventIndex, EventLists};
use super::fingerprint::fingerprint;
use super::idle::Idle;
use super::local::{Identity, LocalInfo};
use super::nodes::{About, Indexed, Live, Node, NodeIx};
use super::services::{NodeServices, Service};
use super::snapshot::Snapshot;
use super::trie::Trie;
use super::{Composer, InfoChange, InfoKind, RegistryOptions};
use crate::protocol::{InfoPacket, MAX_CLAIM, Raw, Services};

mod endpoints;
mod intern;
mod local;

use intern::Interner;

/// The state that only writers need, and the snapshot that they prepare.
pub(crate) struct Catalog {
    pub(super) snapshot: Snapshot,
    pub(super) changed: bool,
    events: EventLists,
    events_changed: bool,
    /// The lists among them that have local subscribers.
    local_events: EventLists,
    local_events_changed: bool,
    options: RegistryOptions,
    composer: Composer,
    /// All services of a node, by their text.
    shared: Interner<NodeServices>,
    /// Single services, by their content.
    shared_service: Interner<Service>,
    idle_actions: Idle,
    idle_events: Idle,
    /// Numbers names and lists in the order of their appearance.
    order: u64,
    /// Offline nodes, by the time at which they went offline.
    offline: BTreeSet<(Instant, NodeIx)>,
    free: VecDeque<NodeIx>,
    identity: Identity,
    /// The entries in INFO by full name, in the order of registration.
    local: Vec<(Name, String)>,
    local_info: Arc<LocalInfo>,
    /// The numbers and fingerprints of the last INFOs of this node, in order.
    said: VecDeque<(u64, Option<u64>)>,
    local_changed: bool,
    stopping: bool,
}

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalog").field("snapshot", &self.snapshot).finish_non_exhaustive()
    }
}

impl Catalog {
    pub(super) fn new(
        identity: Identity,
        options: RegistryOptions,
        composer: Composer,
        now: Instant,
    ) -> Self {
        let local = Arc::new(Node {
            id: identity.id.clone(),
            ix: NodeIx::LOCAL,
            seq: 1,
            about: Arc::new(About::of_local(&identity, None)),
            services: NodeServices::none(),
            availability: Availability::Online,
            live: Arc::new(Live::new(now.saturating_duration_since(options.base))),
        });
        let mut nodes = Chunked::default();
        let mut ids = Trie::default();
        ids.insert(Indexed { id: local.id.clone(), ix: local.ix });
        nodes.push(Some(local));
        let local_info = Arc::new(LocalInfo::new(&identity, 1, None, "[]"));
        Self {
            snapshot: Snapshot {
                nodes,
                ids,
                actions: Trie::default(),
                events: Arc::default(),
                local_events: Arc::default(),
            },
            changed: false,
            events: EventLists::default(),
            events_changed: false,
            local_events: EventLists::default(),
            local_events_changed: false,
            options,
            composer,
            shared: Interner::default(),
            shared_service: Interner::default(),
            idle_actions: Idle::default(),
            idle_events: Idle::default(),
            order: 0,
            offline: BTreeSet::new(),
            free: VecDeque::new(),
            local: Vec::new(),
            said: VecDeque::from([(1, fingerprint(&local_info.json))]),
            local_info,
            identity,
            local_changed: false,
            stopping: false,
        }
    }

    /// The snapshot to publish, if there is a new one.
    pub(super) fn take_changed(&mut self) -> Option<Arc<Snapshot>> {
        if std::mem::take(&mut self.events_changed) {
            self.snapshot.events = Arc::new(EventIndex::new(self.events.clone()));
        }
        if std::mem::take(&mut self.local_events_changed) {
            self.snapshot.local_events = Arc::new(EventIndex::new(self.local_events.clone()));
        }
        std::mem::take(&mut self.changed).then(|| Arc::new(self.snapshot.clone()))
    }

    /// Applies an INFO. See [`Registry::apply_info`](super::Registry::apply_info).
    ///
    /// # Errors
    /// The error of `parse`. Then nothing has changed.
    pub(crate) fn apply_info<E>(
        &mut self,
        id: &NodeId,
        packet: InfoPacket,
        now: Instant,
        parse: impl FnOnce(&Raw) -> Result<Services, E>,
    ) -> Result<InfoChange, E> {
        if *id == self.identity.id {
            let same = packet.instance_id == self.identity.instance_id;
            return Ok(InfoChange::quiet(if same { InfoKind::Own } else { InfoKind::Conflict }));
        }
        let known = self.snapshot.node_by_id(id.as_str()).cloned();
        let kind = match &known {
            None => InfoKind::New,
            Some(node) if !node.is_available() => InfoKind::Reconnected,
            Some(node) if *node.instance_id() != packet.instance_id => InfoKind::Restarted,
            Some(node) if packet.seq > node.seq => InfoKind::Updated,
            Some(node) if node.seq > MAX_CLAIM && !node.says(&packet) => InfoKind::Updated,
            Some(node) => return Ok(self.apply_same(node, packet)),
        };
        if known.is_none() && self.room() == 0 {
            return Ok(InfoChange::quiet(InfoKind::Refused));
        }
        let services = match self.shared_services(&packet.services_raw) {
            Some(shared) => shared,
            None => {
                let services = parse(&packet.services_raw)?;
                self.intern(services)
            }
        };
        // Only now: a node whose INFO cannot be read replaces no other node.
        let evicted = if known.is_none() { self.make_room() } else { None };

        let since_base = now.saturating_duration_since(self.options.base);
        let ix = known.as_ref().map_or_else(|| self.next_index(), |node| node.ix);
        let live = match &known {
            Some(node) => Arc::clone(&node.live),
            None => Arc::new(Live::new(since_base)),
        };
        if kind != InfoKind::Updated {
            live.begin(since_base);
        }
        live.guess_version(&packet.client);
        if let Some(since) = known.as_ref().and_then(|node| node.offline_since()) {
            self.offline.remove(&(since, ix));
        }
        let old = known.as_ref().map_or_else(NodeServices::none, |node| Arc::clone(&node.services));
        let services_changed = self.relink(ix, &old, &services);
        self.put(Node {
            id: id.clone(),
            ix,
            seq: packet.seq,
            about: Arc::new(About::of(packet)),
            services,
            availability: Availability::Online,
            live,
        });
        Ok(InfoChange { kind, services_changed, evicted })
    }

    /// An INFO whose services are not applied: they are known, or the INFO is older than the known one.
    fn apply_same(&mut self, node: &Arc<Node>, packet: InfoPacket) -> InfoChange {
        // Node applies the other parts of every INFO, even if a newer one has overtaken it.
        if packet.seq != node.seq || node.about.says(&packet) {
            return InfoChange::quiet(InfoKind::Unchanged);
        }
        let about = Arc::new(About::of(packet));
        self.put(Node { about, ..node.copy() });
        InfoChange::quiet(InfoKind::Updated)
    }

    /// Marks a node as offline. See [`Registry::node_lost`](super::Registry::node_lost).
    pub(crate) fn node_lost(&mut self, id: &str, now: Instant) -> Option<Arc<Node>> {
        let node =
            self.snapshot.node_by_id(id).filter(|node| !node.is_local() && node.is_available())?.clone();
        self.relink(node.ix, &node.services, &NodeServices::none());
        self.offline.insert((now, node.ix));
        Some(self.put(Node {
            seq: node.seq.saturating_add(1),
            about: Arc::new(node.about.without_frame()),
            services: NodeServices::none(),
            availability: Availability::Offline { since: now },
            ..node.copy()
        }))
    }

    /// Forgets a remote node, whether it is online or not.
    pub(crate) fn remove_node(&mut self, id: &str) -> Option<Arc<Node>> {
        let node = self.snapshot.node_by_id(id).filter(|node| !node.is_local())?.clone();
        self.relink(node.ix, &node.services, &NodeServices::none());
        if let Some(since) = node.offline_since() {
            self.offline.remove(&(since, node.ix));
        }
        self.snapshot.ids.remove(id);
        self.snapshot.nodes.set(node.ix.0.into(), None);
        self.free.push_back(node.ix);
        self.changed = true;
        Some(node)
    }

    fn put(&mut self, node: Node) -> Arc<Node> {
        let node = Arc::new(node);
        let at = usize::from(node.ix.0);
        if at < self.snapshot.nodes.len() {
            self.snapshot.nodes.set(at, Some(Arc::clone(&node)));
        } else {
            self.snapshot.nodes.push(Some(Arc::clone(&node)));
        }
        if self.snapshot.ids.get(node.id.as_str()).is_none() {
            self.snapshot.ids.insert(Indexed { id: node.id.clone(), ix: node.ix });
        }
        self.changed = true;
        node
    }

    /// Forgets nodes that have been offline for a long time. See [`Registry::sweep`](super::Registry::sweep).
    pub(crate) fn sweep(
        &mut self,
        now: Instant,
        after: Duration,
        heard: impl Fn(&NodeId) -> Option<Instant>,
    ) -> Vec<NodeId> {
        let is_old = |at: Instant| now.saturating_duration_since(at) > after;
        let offline = self.offline.iter().take_while(|(since, _)| is_old(*since));
        let offline = offline.filter_map(|(_, ix)| self.snapshot.node(*ix)).map(|node| &node.id);
        let mut old: Vec<_> = offline.filter(|id| heard(id).is_none_or(is_old)).cloned().collect();
        old.sort();
        for id in &old {
            self.remove_node(id.as_str());
        }
        old
    }

    /// See [`Registry::room`](super::Registry::room).
    pub(crate) fn room(&self) -> usize {
        let online = self.snapshot.ids.len().saturating_sub(1).saturating_sub(self.offline.len());
        self.options.max_nodes.saturating_sub(online)
    }

    /// Whether the largest number of remote nodes is reached.
    fn is_full(&self) -> bool {
        self.snapshot.ids.len() > self.options.max_nodes
    }

    /// Makes room for another node. Returns the node that was forgotten: the one that has been offline
    /// longest.
    fn make_room(&mut self) -> Option<NodeId> {
        let (_, oldest) = self.offline.first().filter(|_| self.is_full()).copied()?;
        let id = self.snapshot.node(oldest)?.id.clone();
        self.remove_node(id.as_str());
        Some(id)
    }

    fn next_index(&mut self) -> NodeIx {
        // The index that has been free longest, so that an index stays unused for as long as possible.
        self.free.pop_front().unwrap_or_else(|| {
            // `max_nodes` is limited to fewer than fit.
            NodeIx(u16::try_from(self.snapshot.nodes.len()).unwrap_or(u16::MAX))
        })
    }
}
