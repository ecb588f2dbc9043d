//! What else happens if `LIGAND_TRANSPORTER` is set: this node greets every other `hello` that it finds,
//! until Ctrl-C.

use std::collections::HashSet;
use std::error::Error;

use ligand::{NodeId, Outcome, ServiceBroker, Value};
use serde_json::json;

use super::GreeterClient;

/// Greets other nodes as they appear. Does nothing on a node that is alone.
pub(crate) async fn others(broker: &ServiceBroker) -> Result<(), Box<dyn Error>> {
    if broker.config().transporter.is_none() {
        return Ok(());
    }
    println!("{} looks for others, Ctrl-C to leave", broker.node_id());
    // Subscribed before the first check, so that no node is missed in between.
    let mut changes = broker.local_events("$*.*");
    let mut met = HashSet::new();
    loop {
        greet(broker, &mut met).await?;
        tokio::select! {
            change = changes.recv() => if change.is_none() { return Ok(()) },
            signal = tokio::signal::ctrl_c() => return Ok(signal?),
        }
    }
}

/// Calls the greeter of every node that has not been greeted yet.
async fn greet(broker: &ServiceBroker, met: &mut HashSet<NodeId>) -> Result<(), Box<dyn Error>> {
    let nodes: Vec<Value> = broker.call("$node.list", json!({ "onlyAvailable": true })).await?;
    for id in nodes.iter().filter_map(|node| node.get("id")?.as_str()) {
        let id = NodeId::new(id)?;
        if id == *broker.node_id() || met.contains(&id) {
            continue;
        }
        match GreeterClient::new(broker).hello(broker.node_id().to_string()).node(&id).await {
            Ok(greeting) => {
                println!("{id} says: {greeting}");
                met.insert(id);
            }
            // The node has not announced its greeter yet. Its announcement will cause another check.
            Err(error) if error.outcome() == Outcome::NotRun => {}
            Err(error) => println!("{id} fails: {error}"),
        }
    }
    Ok(())
}
