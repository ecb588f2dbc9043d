//! Calls that lead to calls: ids, level, caller, meta and headers along the chain.

use ligand::Value;
use serde_json::json;

use crate::harness::{Pair, Version, with_both_versions};

with_both_versions! {
    a_chain_from_js_through_rust_to_js_keeps_ids_and_merges_meta_back
    a_chain_from_rust_through_js_to_rust_keeps_ids_and_merges_meta_back
    meta_comes_back_with_an_error_too
}

async fn a_chain_from_js_through_rust_to_js_keeps_ids_and_merges_meta_back(version: Version) {
    let pair = Pair::start(version).await;
    let relay = json!({ "action": "v2.js.context", "params": {} });
    let call = json!({
        "do": "callMeta", "action": "v3.rs.relay", "params": relay, "meta": { "user": "u1", "n": 1 },
        "opts": { "headers": { "hop": "1" } },
    });
    let answer = pair.js.ask(call).await;
    let (own, inner) = (&answer["data"]["own"], &answer["data"]["inner"]);
    // The root context was made by the script; the call is its child.
    assert_eq!(own["requestID"], answer["requestID"]);
    assert_eq!(own["parentID"], answer["id"]);
    assert_eq!(own["caller"], Value::Null);
    assert_eq!(own["nodeID"], "js");
    assert_eq!(inner["requestID"], own["requestID"]);
    assert_eq!(inner["parentID"], own["id"]);
    assert_eq!(inner["caller"], "v3.rs");
    assert_eq!(inner["nodeID"], "rust");
    assert_eq!(inner["level"].as_u64(), own["level"].as_u64().map(|level| level + 1));
    assert_eq!(inner["meta"], json!({ "user": "u1", "n": 1, "relay": "rust", "fromJs": "js was here" }));
    // Down, and all the way back up.
    assert_eq!(answer["data"]["meta"], inner["meta"]);
    assert_eq!(answer["meta"], inner["meta"]);
    // Headers go one hop only, and only between nodes of 0.15.
    let headers = if version == Version::V015 { json!({ "hop": "1" }) } else { json!({}) };
    assert_eq!(own["headers"], headers);
    assert!(inner["headers"].as_object().is_none_or(|headers| headers.is_empty()), "{}", inner["headers"]);
    pair.end().await;
}

async fn a_chain_from_rust_through_js_to_rust_keeps_ids_and_merges_meta_back(version: Version) {
    let pair = Pair::start(version).await;
    let relay = json!({ "action": "v3.rs.context", "params": {} });
    let call = pair.rust.call("v2.js.relay", relay).meta("user", "u1").header("hop", "1");
    let response = call.request_id("a-request-id-of-ours").raw().await.unwrap();
    let meta = Value::from(response.meta.clone());
    let data: Value = response.decode().unwrap();
    let (own, inner) = (&data["own"], &data["inner"]);
    assert_eq!((&own["level"], &inner["level"]), (&json!(1), &json!(2)));
    assert_eq!(own["requestID"], "a-request-id-of-ours");
    assert_eq!(inner["requestID"], own["requestID"]);
    assert_eq!(inner["parentID"], own["id"]);
    assert_eq!(inner["caller"], "v2.js");
    assert_eq!(inner["nodeID"], "js");
    assert_eq!(inner["meta"], json!({ "user": "u1", "relay": "js", "fromRust": "rust was here" }));
    assert_eq!(meta, inner["meta"]);
    if version == Version::V015 {
        assert_eq!(own["headers"], json!({ "hop": "1" }));
    }
    assert_eq!(inner["headers"], json!({}));
    pair.end().await;
}

async fn meta_comes_back_with_an_error_too(version: Version) {
    let pair = Pair::start(version).await;
    let relay = json!({ "action": "v2.js.fail", "params": { "name": "Error" } });
    let call =
        json!({ "do": "callMeta", "action": "v3.rs.relay", "params": relay, "meta": { "user": "u1" } });
    let answer = pair.js.ask(call).await;
    assert_eq!(answer["meta"], json!({ "user": "u1", "relay": "rust" }));
    // Relayed through a third party, an error still says where it was raised.
    assert_eq!(
        (&answer["error"]["message"], &answer["error"]["nodeID"]),
        (&json!("plain failed"), &json!("js"))
    );
    pair.end().await;
}
