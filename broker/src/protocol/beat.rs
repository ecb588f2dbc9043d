//! The record by which a node says that it is alive, where nodes learn of each other through a store
//! (protocol chapter 11.1). It is read as a HEARTBEAT.

use ligand_transporters::NodeId;
use serde_json::{Value, json};

use super::ProtocolVersion;

/// Written in whatever the store is configured for.
pub(crate) fn beat_record(
    ver: ProtocolVersion,
    sender: &NodeId,
    cpu: Option<u32>,
    seq: u64,
    instance: &str,
) -> Value {
    json!({
        "sender": sender.as_str(),
        "ver": ver.as_str(),
        "cpu": cpu,
        "seq": seq,
        "instanceID": instance,
    })
}
