//! The record by which a node says that it is alive, where nodes learn of each other through a store
//! (protocol chapter 11.1). It is read as a HEARTBEAT.

use bytes::Bytes;
use ligand_transporters::NodeId;
use serde_json::json;

use super::ProtocolVersion;

/// As JSON, the only codec of these records.
pub(crate) fn beat_record(
    ver: ProtocolVersion,
    sender: &NodeId,
    cpu: Option<u32>,
    seq: u64,
    instance: &str,
) -> Bytes {
    let record = json!({
        "sender": sender.as_str(),
        "ver": ver.as_str(),
        "cpu": cpu,
        "seq": seq,
        "instanceID": instance,
    });
    record.to_string().into()
}
