//! Who is in the cluster and what they offer.
//!
//! Readers take a [`Snapshot`], which never changes, without a lock. Writers change a [`Catalog`] under
//! one and publish at most one new snapshot each; whatever they did not touch is shared by the old
//! snapshot and the new one. What changes with every packet of a node (its CPU load, the time of its
//! last heartbeat) are atomics that need no new snapshot.
//!
//! Nothing here waits, reads a clock or sends: packets and the time come in, changes come out.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

mod actions;
mod catalog;
mod chunked;
mod endpoints;
mod events;
mod expression;
mod fingerprint;
mod idle;
mod local;
mod nodes;
mod pattern;
mod plan;
mod services;
mod snapshot;
mod trie;
pub(crate) mod view;

use arc_swap::{ArcSwap, Guard};
use ligand_transporters::locks::{Mutex, MutexGuard};
use ligand_transporters::{Name, NodeId};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::handler::Chains;
use crate::protocol::{ActionInfo, InfoPacket, ProtocolVersion, Raw, Services};
use crate::strategy::StrategyKind;

pub(crate) use actions::{Action, ActionEntry, Picked};
pub(crate) use catalog::Catalog;
pub(crate) use events::{Event, EventSub};
pub(crate) use local::{GossipRow, Identity, LocalInfo, LocalService};
pub(crate) use nodes::{Node, NodeIx};
pub(crate) use pattern::Pattern;
pub(crate) use plan::LocalSubs;
pub(crate) use snapshot::Snapshot;

/// Makes what runs a remote action of a service, once per distinct definition.
///
/// It is called while the registry is locked for writing, so it must not change the registry.
pub(crate) type Composer = Arc<dyn Fn(&Name, &ActionInfo) -> Chains + Send + Sync>;

/// Settings of a registry.
#[derive(Debug, Clone)]
pub(crate) struct RegistryOptions {
    /// How endpoints are chosen where a definition does not say.
    pub(crate) strategy: StrategyKind,
    /// Remote nodes that are kept at most, offline ones included; no more than 65,000. When there are as
    /// many, a new node takes the place of the one that is offline longest, and is refused if none is.
    pub(crate) max_nodes: usize,
    /// Whether the bus may choose among endpoints: then local actions can be called over it, too.
    pub(crate) by_bus: bool,
    /// What times of heartbeats are counted from, and not after any `now`.
    pub(crate) base: Instant,
}

/// What an INFO did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InfoChange {
    /// To the node.
    pub(crate) kind: InfoKind,
    /// Whether actions or subscriptions came, went or were defined anew.
    pub(crate) services_changed: bool,
    /// A node that is not known any more, because this one took its place.
    pub(crate) evicted: Option<NodeId>,
}

/// What an INFO did to its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InfoKind {
    /// It was unknown.
    New,
    /// It was offline.
    Reconnected,
    /// It has news.
    Updated,
    /// It is online as another process than before, whose requests nobody will answer.
    Restarted,
    /// Nothing.
    Unchanged,
    /// It is our own.
    Own,
    /// Somebody else uses our id.
    Conflict,
    /// There is no room for one more node.
    Refused,
}

impl InfoChange {
    fn quiet(kind: InfoKind) -> Self {
        Self { kind, services_changed: false, evicted: None }
    }
}

/// Whose words an INFO under our own id and instance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OwnWords {
    /// Ours: what we said, come back.
    Ours,
    /// Older than what we remember having said.
    Unsure,
    /// Somebody else's.
    Forged,
}

/// Why a local service cannot be registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RegisterError {
    /// This node has it already.
    #[error("service `{service}` is already registered: give one of the two another name or version")]
    DuplicateService {
        /// Full name.
        service: Name,
    },
    /// Another service of this node has it already.
    #[error(
        "action `{action}` of service `{second}` is already offered by service `{first}`: rename one of them"
    )]
    DuplicateAction {
        /// Full name of the action.
        action: Name,
        /// The service that has it.
        first: Name,
        /// The service that wanted it too.
        second: Name,
    },
}

/// Who is in the cluster: snapshots for readers, one lock for writers.
pub(crate) struct Registry {
    current: ArcSwap<Snapshot>,
    /// Counts the snapshots that were published.
    published: AtomicU64,
    writer: Mutex<Catalog>,
    base: Instant,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("current", &self.current).finish_non_exhaustive()
    }
}

impl Registry {
    /// Most nodes that `max_nodes` can ask for.
    pub(crate) const MOST_NODES: usize = 65_000;

    /// A registry that knows only this node.
    pub(crate) fn new(
        identity: Identity,
        mut options: RegistryOptions,
        composer: Composer,
        now: Instant,
    ) -> Self {
        options.max_nodes = options.max_nodes.min(Self::MOST_NODES);
        let base = options.base;
        let catalog = Catalog::new(identity, options, composer, now);
        Self {
            current: ArcSwap::from_pointee(catalog.snapshot.clone()),
            published: AtomicU64::new(0),
            writer: Mutex::new(catalog),
            base,
        }
    }

    /// The cluster now, for a moment: not to be kept across an `.await`.
    pub(crate) fn load(&self) -> Guard<Arc<Snapshot>> {
        self.current.load()
    }

    /// The cluster now, to keep.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// How many snapshots were published. One loaded after asking is at least as new as the answer.
    pub(crate) fn published(&self) -> u64 {
        self.published.load(Ordering::Acquire)
    }

    /// Makes several changes and publishes them as one.
    pub(crate) fn update<R>(&self, change: impl FnOnce(&mut Catalog) -> R) -> R {
        let mut catalog = self.writer();
        let result = change(&mut catalog);
        if let Some(snapshot) = catalog.take_changed() {
            self.current.store(snapshot);
            // After the snapshot: whoever sees the new number finds the new snapshot, or a newer one.
            self.published.fetch_add(1, Ordering::Release);
        }
        result
    }

    /// Works an INFO in as protocol chapter 5.4 says.
    ///
    /// The services count if the node is new, comes back, is another process than before, or has a higher
    /// sequence number; `parse` is called only then, and not if another node has the very same services.
    /// An INFO that is older than what is known changes nothing; above [`MAX_CLAIM`](crate::protocol::MAX_CLAIM)
    /// numbers do not tell what is older, and whatever comes counts. A new node may take the place of the one
    /// that is offline longest.
    ///
    /// # Errors
    /// What `parse` returns; then nothing has changed.
    pub(crate) fn apply_info<E>(
        &self,
        id: &NodeId,
        packet: InfoPacket,
        now: Instant,
        parse: impl FnOnce(&Raw) -> Result<Services, E>,
    ) -> Result<InfoChange, E> {
        self.update(|catalog| catalog.apply_info(id, packet, now, parse))
    }

    /// Marks a remote node offline: it loses its services and gets the next sequence number
    /// (protocol chapter 5.8). `None` when it is not known or was offline already.
    pub(crate) fn node_lost(&self, id: &str, now: Instant) -> Option<Arc<Node>> {
        self.update(|catalog| catalog.node_lost(id, now))
    }

    /// Forgets a remote node, online or not.
    pub(crate) fn remove_node(&self, id: &str) -> Option<Arc<Node>> {
        self.update(|catalog| catalog.remove_node(id))
    }

    /// Forgets remote nodes that have been offline for longer than `after`, unless `heard` says that a packet
    /// of them came since. In order of their ids.
    pub(crate) fn sweep(
        &self,
        now: Instant,
        after: Duration,
        heard: impl Fn(&NodeId) -> Option<Instant>,
    ) -> Vec<NodeId> {
        self.update(|catalog| catalog.sweep(now, after, heard))
    }

    /// How many more nodes can be known; those that are offline make room.
    pub(crate) fn room(&self) -> usize {
        self.writer().room()
    }

    /// Whose words an INFO is that came under our own id and instance.
    pub(crate) fn heard_of_us(&self, packet: &InfoPacket) -> OwnWords {
        self.writer().heard_of_us(packet)
    }

    /// Makes sure that our sequence number is higher than what somebody believes of us.
    pub(crate) fn outdo(&self, seq: u64) {
        self.update(|catalog| catalog.outdo(seq));
    }

    /// A node is alive. `false` when it is unknown or offline: then its INFO should be asked for.
    pub(crate) fn heartbeat(&self, id: &str, cpu: Option<f32>, now: Instant) -> bool {
        let snapshot = self.load();
        let Some(node) = snapshot.node_by_id(id).filter(|node| node.is_available()) else { return false };
        node.live.beat(now.saturating_duration_since(self.base));
        if let Some(cpu) = cpu {
            // Heartbeats carry no number; Node counts them as the first measurement.
            node.live.set_cpu(cpu, 1);
        }
        true
    }

    /// A packet of this protocol version came from a node.
    pub(crate) fn seen_version(&self, id: &str, version: ProtocolVersion) {
        if let Some(node) = self.load().node_by_id(id) {
            node.live.saw_version(version);
        }
    }

    /// Adds a service of this node.
    ///
    /// # Errors
    /// [`RegisterError`] when the service, or one of its actions, is there already.
    pub(crate) fn add_local(&self, service: LocalService) -> Result<(), RegisterError> {
        self.update(|catalog| catalog.add_local(service))
    }

    /// Removes a service of this node; `false` when there is none of that name.
    pub(crate) fn remove_local(&self, full_name: &str) -> bool {
        self.update(|catalog| catalog.remove_local(full_name))
    }

    /// What this node says about itself. The first one after a change has the next sequence number.
    pub(crate) fn local_info(&self) -> Arc<LocalInfo> {
        self.update(Catalog::local_info)
    }

    /// What this node says about itself while it is not to be reckoned with: no services. The next INFO after
    /// it offers again what there is.
    pub(crate) fn taken_back(&self) -> Arc<LocalInfo> {
        self.update(Catalog::taken_back)
    }

    /// What this node says about itself when it stops: no services, and the next sequence number.
    pub(crate) fn stopping(&self) -> Arc<LocalInfo> {
        self.update(|catalog| {
            catalog.stopping();
            catalog.local_info()
        })
    }

    fn writer(&self) -> MutexGuard<'_, Catalog> {
        self.writer.lock()
    }
}

#[cfg(test)]
#[cfg(test)]
mod tests;
