//! Waiting until the cluster is complete.
//!
//! An event reaches the nodes that its sender knows. So the first ride has to wait until every node knows all
//! others, not only this one. Each node is asked which services it knows.

use std::collections::BTreeSet;
use std::time::Duration;

use ligand::{NodeId, ServiceBroker};
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::Failure;
use crate::role::{Role, SERVICES};

/// How long the nodes may take to find each other.
const PATIENCE: Duration = Duration::from_secs(20);

/// Time between two questions.
const PAUSE: Duration = Duration::from_millis(20);

/// What `$node.services` returns about a service.
#[derive(Debug, Deserialize)]
struct Listed {
    name: String,
    nodes: Vec<String>,
}

/// Waits until every node knows the services of all others.
pub(crate) async fn wait(broker: &ServiceBroker, replicas: u16) -> Result<(), Failure> {
    let nodes = SERVICES.iter().flat_map(|role| (1..=replicas).map(|replica| role.node_id(replica)));
    let deadline = Instant::now() + PATIENCE;
    for node in nodes.chain([Role::App.node_id(1)]) {
        loop {
            let missing = missing(broker, &node, replicas).await;
            if missing.is_empty() {
                break;
            }
            if Instant::now() > deadline {
                return Err(Failure::NotReady { waited: PATIENCE.as_secs(), missing });
            }
            sleep(PAUSE).await;
        }
    }
    Ok(())
}

/// What a node does not know yet, as text. Empty if it knows everything.
async fn missing(broker: &ServiceBroker, node: &str, replicas: u16) -> String {
    let Ok(id) = NodeId::new(node.to_owned()) else { return format!("`{node}` is no node id") };
    let list = broker.call("$node.services", json!({ "onlyAvailable": true, "skipInternal": true }));
    let listed: Vec<Listed> = match list.node(&id).timeout(Duration::from_secs(2)).await {
        Ok(listed) => listed,
        Err(error) => return format!("`{node}` does not answer ({error})"),
    };
    let listed: BTreeSet<(String, String)> = listed
        .into_iter()
        .flat_map(|service| service.nodes.into_iter().map(move |node| (service.name.clone(), node)))
        .collect();
    let services = SERVICES.iter().flat_map(|role| (1..=replicas).map(|n| (role.name(), role.node_id(n))));
    let absent = services
        .chain([("journal", Role::App.node_id(1))])
        .filter(|(service, node)| !listed.contains(&((*service).to_owned(), node.clone())))
        .map(|(_, node)| format!("`{node}`"));
    match absent.collect::<Vec<_>>() {
        absent if absent.is_empty() => String::new(),
        absent => format!("`{node}` does not see {}", absent.join(", ")),
    }
}
