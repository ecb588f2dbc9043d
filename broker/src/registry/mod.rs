//! The nodes of the cluster, and what they offer.
//!
//! Readers take a [`Snapshot`] without a lock. It never changes. Writers change a [`Catalog`] under a lock,
//! and each of them publishes at most one new snapshot. The old and the new snapshot share whatever the
//! writer did not change. Values that change with every packet of a node (its CPU load, the time of its last
//! heartbeat) are atomics, and need no new snapshot.
//!
//! Nothing here waits, reads a clock or sends. Packets and the time come in, and changes come out.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

mod actions;
mod availability;
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
    /// How endpoints are chosen if a definition does not say so.
    pub(crate) strategy: StrategyKind,
    /// The largest number of remote nodes that are kept, including offline ones, at most 65,000. When it is
    /// reached, a new node replaces the one that has been offline longest. If none is offline, the new node
    /// is refused.
    pub(crate) max_nodes: usize,
    /// Whether the bus may choose among endpoints. Then local actions can be called through it, too.
    pub(crate) by_bus: bool,
    /// The time from which heartbeats are counted. It is not later than any `now`.
    pub(crate) base: Instant,
}

/// The effect of an INFO.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InfoChange {
    /// The effect on the node.
    pub(crate) kind: InfoKind,
    /// Whether actions or subscriptions were added, removed or changed.
    pub(crate) services_changed: bool,
    /// The node that was forgotten to make room for this one.
    pub(crate) evicted: Option<NodeId>,
}

/// The effect of an INFO on its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InfoKind {
    /// The node was unknown.
    New,
    /// The node was offline.
    Reconnected,
    /// The node has changed.
    Updated,
    /// The node runs as another process than before. Nobody will answer the requests to the old process.
    Restarted,
    /// Nothing has changed.
    Unchanged,
    /// It is the INFO of this node.
    Own,
    /// Another node uses the id of this one.
    Conflict,
    /// There is no room for another node.
    Refused,
}

impl InfoChange {
    fn quiet(kind: InfoKind) -> Self {
        Self { kind, services_changed: false, evicted: None }
    }
}

/// The origin of an INFO that has the id and the instance of this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OwnWords {
    /// This node sent it, and it has come back.
    Ours,
    /// It is older than what this node remembers.
    Unsure,
    /// Another node sent it.
    Forged,
}

/// Why a local service cannot be registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RegisterError {
    /// This node has registered it already.
    #[error("service `{service}` is already registered: give one of the two another name or version")]
    DuplicateService {
        /// Full name.
        service: Name,
    },
    /// Another service of this node offers the action already.
    #[error(
        "action `{action}` of service `{second}` is already offered by service `{first}`: rename one of them"
    )]
    DuplicateAction {
        /// Full name of the action.
        action: Name,
        /// The service that offers it.
        first: Name,
        /// The other service.
        second: Name,
    },
}

/// The nodes of the cluster: snapshots for readers, and one lock for writers.
pub(crate) struct Registry {
    current: ArcSwap<Snapshot>,
    /// Counts the published snapshots.
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
    /// The largest value of `max_nodes`.
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

    /// The current snapshot, for a short time. It must not be kept across an `.await`.
    pub(crate) fn load(&self) -> Guard<Arc<Snapshot>> {
        self.current.load()
    }

    /// The current snapshot, which may be kept.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// How many snapshots have been published. A snapshot that is loaded afterwards is at least as new as
    /// this number.
    pub(crate) fn published(&self) -> u64 {
        self.published.load(Ordering::Acquire)
    }

    /// Makes several changes and publishes them as one snapshot.
    pub(crate) fn update<R>(&self, change: impl FnOnce(&mut Catalog) -> R) -> R {
        let mut catalog = self.writer();
        let result = change(&mut catalog);
        if let Some(snapshot) = catalog.take_changed() {
            self.current.store(snapshot);
            // After the snapshot, so that a reader of the new number finds the new snapshot or a newer one.
            self.published.fetch_add(1, Ordering::Release);
        }
        result
    }

    /// Applies an INFO (protocol chapter 5.4).
    ///
    /// The services are applied if the node is new, comes back, runs as another process than before, or has a
    /// higher sequence number. Only then, `parse` is called, unless another node has exactly the same
    /// services. An INFO that is older than the known one changes nothing. Above
    /// [`MAX_CLAIM`](crate::protocol::MAX_CLAIM), numbers do not tell which INFO is older, and every INFO is
    /// applied. A new node may replace the one that has been offline longest.
    ///
    /// # Errors
    /// The error of `parse`. Then nothing has changed.
    pub(crate) fn apply_info<E>(
        &self,
        id: &NodeId,
        packet: InfoPacket,
        now: Instant,
        parse: impl FnOnce(&Raw) -> Result<Services, E>,
    ) -> Result<InfoChange, E> {
        self.update(|catalog| catalog.apply_info(id, packet, now, parse))
    }

    /// Marks a remote node as offline. It loses its services and gets the next sequence number (protocol
    /// chapter 5.8). `None` if it is unknown or already offline.
    pub(crate) fn node_lost(&self, id: &str, now: Instant) -> Option<Arc<Node>> {
        self.update(|catalog| catalog.node_lost(id, now))
    }

    /// Forgets a remote node, whether it is online or not.
    pub(crate) fn remove_node(&self, id: &str) -> Option<Arc<Node>> {
        self.update(|catalog| catalog.remove_node(id))
    }

    /// Forgets remote nodes that have been offline for longer than `after`, unless `heard` says that a packet
    /// of them has arrived since. Returns them in the order of their ids.
    pub(crate) fn sweep(
        &self,
        now: Instant,
        after: Duration,
        heard: impl Fn(&NodeId) -> Option<Instant>,
    ) -> Vec<NodeId> {
        self.update(|catalog| catalog.sweep(now, after, heard))
    }

    /// How many more nodes can be added. Offline nodes make room.
    pub(crate) fn room(&self) -> usize {
        self.writer().room()
    }

    /// The origin of an INFO that has the id and the instance of this node.
    pub(crate) fn heard_of_us(&self, packet: &InfoPacket) -> OwnWords {
        self.writer().heard_of_us(packet)
    }

    /// Makes the sequence number of this node higher than the one that others believe.
    pub(crate) fn outdo(&self, seq: u64) {
        self.update(|catalog| catalog.outdo(seq));
    }

    /// Records that a node is alive. `false` means that it is unknown or offline. Then its INFO should be
    /// requested.
    pub(crate) fn heartbeat(&self, id: &str, cpu: Option<f32>, now: Instant) -> bool {
        let snapshot = self.load();
        let Some(node) = snapshot.node_by_id(id).filter(|node| node.is_available()) else { return false };
        node.live.beat(now.saturating_duration_since(self.base));
        if let Some(cpu) = cpu {
            // Heartbeats carry no sequence number. Node counts each as the first measurement.
            node.live.set_cpu(cpu, 1);
        }
        true
    }

    /// Records the protocol version of a packet that a node has sent.
    pub(crate) fn seen_version(&self, id: &str, version: ProtocolVersion) {
        if let Some(node) = self.load().node_by_id(id) {
            node.live.saw_version(version);
        }
    }

    /// Adds a service of this node.
    ///
    /// # Errors
    /// [`RegisterError`] if the service, or one of its actions, is registered already.
    pub(crate) fn add_local(&self, service: LocalService) -> Result<(), RegisterError> {
        self.update(|catalog| catalog.add_local(service))
    }

    /// Removes a service of this node. `false` if there is no such service.
    pub(crate) fn remove_local(&self, full_name: &str) -> bool {
        self.update(|catalog| catalog.remove_local(full_name))
    }

    /// The INFO of this node. The first one after a change gets the next sequence number.
    pub(crate) fn local_info(&self) -> Arc<LocalInfo> {
        self.update(Catalog::local_info)
    }

    /// The INFO of this node while it is out of service: it has no services. The next INFO offers the
    /// services again.
    pub(crate) fn taken_back(&self) -> Arc<LocalInfo> {
        self.update(Catalog::taken_back)
    }

    /// The INFO of this node when it stops: no services, and the next sequence number.
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
