//! Actions, and the nodes that offer them.

use ligand_transporters::Name;
use std::fmt;
use std::sync::Arc;

use super::endpoints::{Definition, Endpoints, Target, fingerprint};
use super::nodes::{Node, NodeIx};
use super::snapshot::Snapshot;
use super::trie::Keyed;
use crate::config::Timeout;
use crate::handler::ActionFn;
use crate::protocol::{ProtocolVersion, Raw, Visibility};
use crate::service::Gate;
use crate::strategy::Strategy;

/// An action as one service defines it, local or remote.
///
/// Nodes whose definitions of an action are equal share one `Action`, and so its `run`.
pub(crate) struct Action {
    /// Full name, as callers use it.
    pub(crate) name: Name,
    /// Full name of its service.
    pub(crate) service: Name,
    /// Who may call it.
    pub(crate) visibility: Visibility,
    /// Its own timeout.
    pub(crate) timeout: Option<Timeout>,
    /// The definition as INFO carries it.
    pub(crate) definition: Raw,
    /// Whether its bodies always go through the codec. Only local actions may ask for that.
    pub(crate) encode: bool,
    /// Counts the running handlers of its service. Only local actions have it.
    pub(crate) gate: Option<Arc<Gate>>,
    /// Runs it, wherever it is.
    pub(crate) run: ActionFn,
    /// The layers around the choice of who runs it, if any wraps that.
    pub(crate) around: Option<ActionFn>,
}

impl Action {
    /// Whether a request from another node may reach it. For other nodes, any other action does not exist.
    pub(crate) fn callable_remotely(&self) -> bool {
        self.visibility.is_remote()
    }

    pub(super) fn fingerprint_of(service: &str, definition: &Raw) -> u64 {
        fingerprint((service, definition.bytes()))
    }
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Action")
            .field("name", &self.name)
            .field("service", &self.service)
            .field("definition", &self.definition)
            .finish_non_exhaustive()
    }
}

impl Definition for Action {
    fn fingerprint(&self) -> u64 {
        Self::fingerprint_of(&self.service, &self.definition)
    }

    fn same(&self, other: &Self) -> bool {
        self.service == other.service && self.definition == other.definition
    }
}

/// The name of an action, with all nodes that offer it.
#[derive(Debug, Clone)]
pub(crate) struct ActionEntry {
    pub(super) name: Name,
    pub(super) local: Option<Arc<Action>>,
    /// The local action as a caller on another node sees it, if the bus may choose among endpoints.
    pub(super) local_by_bus: Option<Arc<Action>>,
    /// Includes the local endpoint, if there is one.
    pub(super) available: Endpoints<Action>,
    pub(super) strategy: Arc<dyn Strategy>,
    /// Its position among all names, by first appearance.
    pub(super) order: u64,
    /// When it lost its last endpoint. 0 while it has one.
    pub(super) idle: u64,
}

/// The endpoint that a call goes to.
#[derive(Debug, Clone)]
pub(crate) enum Picked {
    /// An action of this node.
    Local(Arc<Action>),
    /// An action of another node.
    Remote(Arc<Node>, Arc<Action>),
    /// An action of the node that the bus chooses, which may be this one.
    Bus(Arc<Action>),
}

impl Picked {
    /// The action, as one of its nodes defines it.
    pub(crate) fn action(&self) -> &Arc<Action> {
        match self {
            Self::Local(action) | Self::Remote(_, action) | Self::Bus(action) => action,
        }
    }
}

impl ActionEntry {
    /// The action's name.
    pub(crate) fn name(&self) -> &Name {
        &self.name
    }

    /// The action of this node.
    pub(crate) fn local(&self) -> Option<&Arc<Action>> {
        self.local.as_ref()
    }

    /// The number of available endpoints, including the local one.
    pub(crate) fn available(&self) -> usize {
        self.available.len()
    }

    /// Chooses an endpoint (protocol chapter 8.1).
    ///
    /// `snapshot` is the one in which this entry was found. `exclude` contains the nodes that have been
    /// tried. `None` means that no endpoint is left: the action is known but not available.
    pub(crate) fn pick(
        &self,
        snapshot: &Snapshot,
        prefer_local: bool,
        key: Option<u64>,
        exclude: &[NodeIx],
    ) -> Option<Picked> {
        if let Some(local) = &self.local
            && (prefer_local || self.name.starts_with('$'))
            && !exclude.contains(&NodeIx::LOCAL)
        {
            return Some(Picked::Local(Arc::clone(local)));
        }
        let first = match self.available.len() {
            0 => return None,
            1 => 0,
            count => self.strategy.pick(count, key) % count,
        };
        let target = self.available.get(first)?;
        if exclude.is_empty() || !exclude.contains(&target.node) {
            return self.resolve(snapshot, target);
        }
        // The next endpoint in the list that has not been tried.
        let behind = (first + 1..self.available.len()).chain(0..first);
        let target = behind.filter_map(|at| self.available.get(at)).find(|t| !exclude.contains(&t.node))?;
        self.resolve(snapshot, target)
    }

    /// The action for a call whose endpoint the bus chooses (protocol chapter 3.1). `None` if no node that
    /// the bus could choose offers it.
    pub(crate) fn by_bus(&self) -> Option<Picked> {
        // At most one endpoint is local, so a remote endpoint, if there is one, is among the first two.
        let first = [0, 1].into_iter().filter_map(|at| self.available.get(at));
        let remote =
            first.filter(|target| target.node != NodeIx::LOCAL).find_map(|t| self.available.definition(t));
        remote.or(self.local_by_bus.as_ref()).cloned().map(Picked::Bus)
    }

    /// The protocol version for a packet that any of these nodes may receive: `own`, unless all of them are
    /// known to use the other version.
    pub(crate) fn version_by_bus(&self, snapshot: &Snapshot, own: ProtocolVersion) -> ProtocolVersion {
        version_among(self.available.iter().map(|target| target.node), snapshot, own)
    }

    /// The endpoint on one node, for calls that name it.
    pub(crate) fn pick_node(&self, snapshot: &Snapshot, node: &str) -> Option<Picked> {
        let node = snapshot.node_by_id(node)?;
        self.resolve(snapshot, self.available.of_node(node.ix())?)
    }

    /// The nodes that offer it, with their definitions, in no particular order.
    pub(crate) fn endpoints<'a>(
        &'a self,
        snapshot: &'a Snapshot,
    ) -> impl Iterator<Item = (&'a Arc<Node>, &'a Arc<Action>)> {
        self.available.iter().filter_map(|target| {
            let local = self.local.as_ref().filter(|_| target.node == NodeIx::LOCAL);
            Some((snapshot.node(target.node)?, local.or_else(|| self.available.definition(target))?))
        })
    }

    fn resolve(&self, snapshot: &Snapshot, target: Target) -> Option<Picked> {
        if target.node == NodeIx::LOCAL {
            return self.local.clone().map(Picked::Local);
        }
        let action = self.available.definition(target)?;
        let node = snapshot.node(target.node)?;
        debug_assert!(node.is_available(), "a node that takes no calls has no endpoints");
        Some(Picked::Remote(Arc::clone(node), Arc::clone(action)))
    }
}

/// `own`, unless there are other nodes among these, and all of them are known to use the other version.
pub(super) fn version_among(
    nodes: impl Iterator<Item = NodeIx>,
    snapshot: &Snapshot,
    own: ProtocolVersion,
) -> ProtocolVersion {
    // This node understands both versions.
    let others = nodes.filter(|node| *node != NodeIx::LOCAL).filter_map(|node| snapshot.node(node));
    let mut versions = others.map(|node| node.version().unwrap_or(own));
    match versions.next() {
        Some(first) if first != own && versions.all(|version| version == first) => first,
        _ => own,
    }
}

impl Keyed for Arc<ActionEntry> {
    fn key(&self) -> &str {
        &self.name
    }
}
