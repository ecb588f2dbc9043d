//! INFO packets of nodes with 20 services, each with ten actions and one event.

use bytes::Bytes;
use serde_json::{Map, Value, json};

/// Services in each packet.
pub const SERVICES: usize = 20;
/// Actions of each service.
pub const ACTIONS: usize = 10;

/// Id of the n-th node.
#[must_use]
pub fn node(n: usize) -> String {
    format!("node-{n}")
}

/// The INFO of the n-th node. With `own`, its definitions differ from those of all other nodes.
#[must_use]
pub fn packet(n: usize, own: bool) -> Bytes {
    let services: Vec<_> = (0..SERVICES).map(|service| service_info(service, own.then_some(n))).collect();
    let id = node(n);
    let packet = json!({
        "ver": "5",
        "sender": id,
        "services": services,
        "ipList": ["192.0.2.7"],
        "hostname": "host",
        "client": { "type": "nodejs", "version": "0.15.2", "langVersion": "v20.20.2" },
        "config": {},
        "instanceID": format!("instance-of-{id}"),
        "metadata": {},
        "seq": 1,
    });
    packet.to_string().into()
}

fn service_info(service: usize, own: Option<usize>) -> Value {
    let name = format!("service{service}");
    let mut actions = Map::new();
    for action in 0..ACTIONS {
        let full = format!("{name}.action{action}");
        let mut definition = json!({ "name": full, "rawName": format!("action{action}"), "cache": false });
        if let Some(node) = own {
            definition["description"] = json!(format!("by {node}"));
        }
        actions.insert(full, definition);
    }
    let event = format!("event{service}.happened");
    json!({
        "name": name,
        "fullName": name,
        "settings": {},
        "metadata": {},
        "actions": actions,
        "events": { event.as_str(): { "name": event } },
    })
}
