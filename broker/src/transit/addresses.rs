//! Where nodes can be reached, for transporters that connect to each (TCP).

use ligand_transporters::locks::RwLock;
use ligand_transporters::{Name, NodeId};
use std::collections::HashMap;

/// See the module.
#[derive(Debug)]
pub(crate) struct Addresses {
    known: RwLock<HashMap<NodeId, Name>>,
    /// Above so many, none of a stranger is remembered.
    max: usize,
}

impl Addresses {
    /// Room for twice as many as nodes may be known: strangers have addresses, too.
    pub(super) fn new(max_nodes: usize) -> Self {
        Self { known: RwLock::default(), max: 2 * max_nodes }
    }

    pub(crate) fn of(&self, node: &NodeId) -> Option<Name> {
        self.known.read().get(node).cloned()
    }

    /// Where a node can be reached; `None` forgets it.
    pub(crate) fn set(&self, node: &NodeId, addr: Option<&Name>) {
        let mut known = self.known.write();
        match addr {
            Some(addr) if known.get(node) == Some(addr) => {}
            Some(addr) => {
                known.insert(node.clone(), addr.clone());
            }
            None => {
                known.remove(node);
            }
        }
    }

    /// Where a node can be reached that the registry does not know yet. It is forgotten by
    /// [`Addresses::retain`] if that goes on.
    pub(crate) fn set_of_stranger(&self, node: &NodeId, addr: Name) {
        let mut known = self.known.write();
        if known.contains_key(node) || known.len() < self.max {
            known.insert(node.clone(), addr);
        }
    }

    /// Forgets the addresses of all other nodes.
    pub(crate) fn retain(&self, of: impl Fn(&NodeId) -> bool) {
        self.known.write().retain(|node, _| of(node));
    }
}
