//! The record with which a node shows that it is alive, if nodes discover each other through a store
//! (protocol chapter 11.1). It is read like a HEARTBEAT.

use ligand_transporters::NodeId;
use serde_json::{Value, json};

use super::ProtocolVersion;

/// Written in the serializer that is configured for the store.
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
