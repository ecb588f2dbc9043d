//! The endpoints of an action, or of an event in one group.

use foldhash::fast::FixedState;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use super::chunked::Chunked;
use super::nodes::NodeIx;

/// An available endpoint: its node, and the number of its definition in the list.
///
///
/// It takes four bytes, because a list may have an endpoint on every node of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target {
    pub(super) node: NodeIx,
    definition: u16,
}

/// Means the definition of the local node.
const LOCAL_DEFINITION: u16 = u16::MAX;

/// A definition, which several nodes may share.
pub(super) trait Definition {
    /// Equal for equal definitions, and usually different for different ones.
    fn fingerprint(&self) -> u64;
    fn same(&self, other: &Self) -> bool;
}

/// A fingerprint of the parts of a definition.
pub(super) fn fingerprint(parts: impl Hash) -> u64 {
    // If two fingerprints are equal, the definitions are compared in full. So a fixed seed gives an attacker
    // no advantage.
    FixedState::default().hash_one(parts)
}

/// All endpoints of a list. Each is available, and each node has at most one.
#[derive(Debug)]
pub(super) struct Endpoints<D> {
    targets: Chunked<Target, 512>,
    definitions: Chunked<Option<(u64, Arc<D>)>, 32>,
}

impl<D> Clone for Endpoints<D> {
    fn clone(&self) -> Self {
        Self { targets: self.targets.clone(), definitions: self.definitions.clone() }
    }
}

impl<D> Default for Endpoints<D> {
    fn default() -> Self {
        Self { targets: Chunked::default(), definitions: Chunked::default() }
    }
}

impl<D: Definition> Endpoints<D> {
    pub(super) fn len(&self) -> usize {
        self.targets.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    pub(super) fn get(&self, index: usize) -> Option<Target> {
        self.targets.get(index).copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Target> {
        self.targets.iter().copied()
    }

    pub(super) fn of_node(&self, node: NodeIx) -> Option<Target> {
        self.get(self.position(node)?)
    }

    /// The definition of an endpoint. The owner of the list keeps the local one.
    pub(super) fn definition(&self, target: Target) -> Option<&Arc<D>> {
        self.definitions.get(target.definition.into())?.as_ref().map(|(_, definition)| definition)
    }

    /// The known definition that equals `definition`.
    pub(super) fn known(&self, fingerprint: u64, same: impl Fn(&D) -> bool) -> Option<&Arc<D>> {
        self.definitions.iter().flatten().find(|(known, d)| *known == fingerprint && same(d)).map(|(_, d)| d)
    }

    /// Adds an endpoint of a node that has none in this list.
    pub(super) fn add(&mut self, node: NodeIx, definition: &Arc<D>) {
        let definition = self.definition_index(definition);
        self.targets.push(Target { node, definition });
    }

    /// Adds the local node, which has no endpoint in this list.
    ///
    ///
    /// Its definition is not stored here, so that an equal definition of a remote node never runs the local
    /// handler.
    pub(super) fn add_local(&mut self) {
        self.targets.push(Target { node: NodeIx::LOCAL, definition: LOCAL_DEFINITION });
    }

    /// Gives the endpoint of `node` another definition.
    pub(super) fn replace(&mut self, node: NodeIx, definition: &Arc<D>) {
        let Some(at) = self.position(node) else { return self.add(node, definition) };
        let old = self.get(at);
        let definition = self.definition_index(definition);
        self.targets.set(at, Target { node, definition });
        self.forget_unused(old);
    }

    /// Removes the endpoint of `node`.
    pub(super) fn remove(&mut self, node: NodeIx) {
        if let Some(at) = self.position(node) {
            let old = self.get(at);
            self.targets.swap_remove(at);
            self.forget_unused(old);
        }
    }

    fn position(&self, node: NodeIx) -> Option<usize> {
        self.targets.position(|target| target.node == node)
    }

    fn definition_index(&mut self, definition: &Arc<D>) -> u16 {
        let fingerprint = definition.fingerprint();
        let same = |slot: &Option<(u64, Arc<D>)>| {
            slot.as_ref().is_some_and(|(known, d)| {
                *known == fingerprint && (Arc::ptr_eq(d, definition) || d.same(definition))
            })
        };
        let index = self.definitions.position(same).unwrap_or_else(|| {
            let slot = Some((fingerprint, Arc::clone(definition)));
            if let Some(free) = self.definitions.position(Option::is_none) {
                self.definitions.set(free, slot);
                free
            } else {
                self.definitions.push(slot);
                self.definitions.len() - 1
            }
        });
        // There are at most as many definitions as remote nodes, plus one, so the index fits.
        u16::try_from(index).unwrap_or(LOCAL_DEFINITION)
    }

    fn forget_unused(&mut self, old: Option<Target>) {
        let Some(Target { definition, .. }) = old else { return };
        if self.targets.is_empty() {
            self.definitions = Chunked::default();
        } else if definition != LOCAL_DEFINITION
            && self.targets.position(|target| target.definition == definition).is_none()
        {
            self.definitions.set(definition.into(), None);
        }
    }
}
