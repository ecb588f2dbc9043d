//! Packets as a Node node writes them.

use serde_json::{Value, json};

/// The content of an INFO packet.
pub fn info(instance: &str, seq: u64, services: &Value) -> Value {
    json!({
        "services": services, "ipList": ["10.0.0.1"], "hostname": "host", "instanceID": instance, "seq": seq,
        "client": { "type": "nodejs", "version": "0.15.2", "langVersion": "v22" }, "config": {}, "metadata": {},
    })
}

/// The entry of a service in an INFO packet.
pub fn service(name: &str, actions: &[&str], events: &[(&str, &str)]) -> Value {
    let full = |action: &&str| format!("{name}.{action}");
    let actions =
        actions.iter().map(|action| (full(action), json!({ "rawName": action, "name": full(action) })));
    let events =
        events.iter().map(|(event, group)| ((*event).to_owned(), json!({ "name": event, "group": group })));
    json!({
        "name": name, "fullName": name, "settings": {}, "metadata": {},
        "actions": actions.collect::<serde_json::Map<_, _>>(),
        "events": events.collect::<serde_json::Map<_, _>>(),
    })
}

/// A packet that names another node as its sender.
pub fn forged(sender: &str, mut packet: Value) -> Value {
    packet["sender"] = json!(sender);
    packet
}
