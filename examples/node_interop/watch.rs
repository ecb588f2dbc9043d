//! What the node sees of the cluster, and what it does on request.

use ligand::{LocalEvents, ServiceBroker, Value};

use super::output::say;

/// Prints which nodes come and go, until the broker ends.
pub(crate) async fn nodes(broker: ServiceBroker, mut events: LocalEvents) {
    while let Some(event) = events.recv().await {
        let node = event.data["node"]["id"].as_str().unwrap_or_default();
        match event.name.as_str() {
            "$node.connected" => {
                say(&broker, format_args!("sees {node} ({})", client_of(&broker, node).await))
            }
            "$node.disconnected" => say(&broker, format_args!("misses {node}")),
            _ => {}
        }
    }
}

/// The kind of node.
async fn client_of(broker: &ServiceBroker, node: &str) -> String {
    let nodes = broker.call::<Value>("$node.list", ()).await.unwrap_or_default();
    let found = nodes.as_array().into_iter().flatten().find(|row| row["id"] == node);
    let client = found.map_or(&Value::Null, |row| &row["client"]["type"]);
    client.as_str().unwrap_or("unknown").to_owned()
}

/// Calls an action as soon as its service is available, and prints the result.
pub(crate) async fn call(broker: &ServiceBroker, action: &str, params: &Value) {
    if let Some((service, _)) = action.rsplit_once('.')
        && let Err(missing) = broker.wait_for(&[service]).await
    {
        say(broker, format_args!("{action} -> {missing}"));
        return;
    }
    match broker.call::<Value>(action, params).await {
        Ok(result) => say(broker, format_args!("{action} {params} -> {result}")),
        Err(error) => say(broker, format_args!("{action} {params} -> {} {error}", error.name())),
    }
}
