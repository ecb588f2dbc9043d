//! The nodes of the cluster, as this node knows them: the typed form of `$node.list`.

use std::net::IpAddr;

use super::ServiceBroker;
use crate::registry::Node;
use crate::{Name, NodeId};

/// A node of the cluster, as it was when the list was made.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct NodeInfo {
    /// Its id.
    pub id: NodeId,
    /// The id of this run of the node. Each start makes a new one. Empty until the node has introduced
    /// itself.
    pub instance_id: Name,
    /// Whether the node can be called: it has not left, and is not missing.
    pub is_available: bool,
    /// Whether it is this node.
    pub is_local: bool,
    /// The kind of client that it reports: `rust`, `nodejs`, `go`…
    pub client: Name,
    /// The version of its framework.
    pub client_version: Name,
    /// The name of its machine, if it reports one.
    pub hostname: Option<Name>,
    /// Its addresses, as far as they are valid.
    pub addresses: Vec<IpAddr>,
    /// The load of its processors in percent, if it reports that.
    pub cpu: Option<f32>,
    /// The full names of its services (`v2.math`), without `$node`.
    pub services: Vec<Name>,
}

impl ServiceBroker {
    /// The nodes that this node knows, with itself first. Nodes that have left stay in the list for a while,
    /// as not available (option `registry.cleanOfflineNodesTimeout`).
    ///
    ///
    /// This reads a snapshot and waits for nothing. To learn of changes, use
    /// [`local_events`](Self::local_events) with `$node.*`. The actions `$node.list` and `$node.services`
    /// return everything that each node reports about itself.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let broker = ligand::ServiceBroker::builder().node_id("one").build()?;
    /// broker.start().await?;
    /// let nodes = broker.nodes();
    /// assert_eq!(nodes.len(), 1);
    /// assert!(nodes[0].is_local && nodes[0].is_available && nodes[0].id.as_str() == "one");
    /// # broker.stop().await?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeInfo> {
        self.shared().registry.load().nodes().map(|node| info(node)).collect()
    }
}

fn info(node: &Node) -> NodeInfo {
    let services = node.services().list().iter().map(|service| service.full_name.clone());
    NodeInfo {
        id: node.id().clone(),
        instance_id: node.instance_id().clone(),
        is_available: node.is_available(),
        is_local: node.is_local(),
        client: node.client().kind.clone(),
        client_version: node.client().version.clone(),
        hostname: node.hostname().cloned(),
        addresses: node.ip_list().iter().filter_map(|ip| ip.as_str().parse().ok()).collect(),
        cpu: node.cpu().0,
        services: services.filter(|name| !name.starts_with('$')).collect(),
    }
}
