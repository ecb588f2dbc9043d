//! Where nodes can be reached. It is for transporters that connect to each node (TCP).

use ligand_transporters::locks::RwLock;
use ligand_transporters::{Name, NodeId};
use std::collections::HashMap;

/// The known addresses of nodes.
#[derive(Debug)]
pub(crate) struct Addresses {
    known: RwLock<HashMap<NodeId, Name>>,
    /// With this many addresses, those of further strangers are not remembered.
    max: usize,
}

impl Addresses {
    /// Makes room for twice as many addresses as nodes may be known, because strangers have addresses too.
    pub(super) fn new(max_nodes: usize) -> Self {
        Self { known: RwLock::default(), max: 2 * max_nodes }
    }

    pub(crate) fn of(&self, node: &NodeId) -> Option<Name> {
        self.known.read().get(node).cloned()
    }

    /// Sets where a node can be reached. `None` forgets it.
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

    /// Sets where a node can be reached that the registry does not know yet. If that stays so,
    /// [`Addresses::retain`] forgets the address.
    pub(crate) fn set_of_stranger(&self, node: &NodeId, addr: Name) {
        let mut known = self.known.write();
        if known.contains_key(node) || known.len() < self.max {
            known.insert(node.clone(), addr);
        }
    }

    /// Keeps the addresses of these nodes and forgets all others.
    pub(crate) fn retain(&self, of: impl Fn(&NodeId) -> bool) {
        self.known.write().retain(|node, _| of(node));
    }
}
