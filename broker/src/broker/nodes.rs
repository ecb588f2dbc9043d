//! Who is in the cluster, as this node knows it: the typed side of `$node.list`.

use std::net::IpAddr;

use super::ServiceBroker;
use crate::registry::Node;
use crate::{Name, NodeId};

/// A node of the cluster, at the moment when it was asked for.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct NodeInfo {
    /// Its id.
    pub id: NodeId,
    /// Made anew at each start of it; empty until it has introduced itself.
    pub instance_id: Name,
    /// Whether it can be called: neither left nor missed.
    pub is_available: bool,
    /// Whether it is this node.
    pub is_local: bool,
    /// What kind of node it says it is: `rust`, `nodejs`, `go`…
    pub client: Name,
    /// The version of its framework.
    pub client_version: Name,
    /// The name of its machine, where it tells.
    pub hostname: Option<Name>,
    /// Its addresses, as far as they are such.
    pub addresses: Vec<IpAddr>,
    /// Its processors' load in percent, where it tells.
    pub cpu: Option<f32>,
    /// Full names of its services (`v2.math`), without `$node`.
    pub services: Vec<Name>,
}

impl ServiceBroker {
    /// The nodes that this one knows, itself first; those that left stay listed as not available for a
    /// while (option `registry.cleanOfflineNodesTimeout`).
    ///
    /// A look at a snapshot, which waits for nothing: to be told of changes use
    /// [`local_events`](Self::local_events) with `$node.*`. The whole of what each node says of itself is in
    /// the answers of the actions `$node.list` and `$node.services`.
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
