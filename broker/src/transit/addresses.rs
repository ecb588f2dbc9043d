//! Where nodes can be reached, for transporters that connect to each (TCP).

use ligand_transporters::{Name, NodeId};

use super::Transit;

impl Transit {
    pub(crate) fn address_of(&self, node: &NodeId) -> Option<Name> {
        self.addresses.read().get(node).cloned()
    }

    /// Where a node can be reached; `None` forgets it.
    pub(crate) fn set_address(&self, node: &NodeId, addr: Option<&Name>) {
        let mut addresses = self.addresses.write();
        match addr {
            Some(addr) if addresses.get(node) == Some(addr) => {}
            Some(addr) => {
                addresses.insert(node.clone(), addr.clone());
            }
            None => {
                addresses.remove(node);
            }
        }
    }

    /// Where a node can be reached that the registry does not know yet. It is forgotten by
    /// [`Transit::keep_addresses`] if that goes on; there are as many such addresses as there may be nodes.
    pub(crate) fn set_stranger_address(&self, node: &NodeId, addr: Name) {
        let mut addresses = self.addresses.write();
        if addresses.contains_key(node) || addresses.len() < 2 * self.config.registry.max_nodes {
            addresses.insert(node.clone(), addr);
        }
    }

    /// Forgets the addresses of all other nodes.
    pub(crate) fn keep_addresses(&self, of: impl Fn(&NodeId) -> bool) {
        self.addresses.write().retain(|node, _| of(node));
    }
}
