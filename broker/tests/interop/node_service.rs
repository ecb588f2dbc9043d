//! `$node` both ways: how each kind of node looks to the other.

use ligand::Value;
use serde_json::json;

use crate::harness::{Cluster, Js, Pair, Version, rust_node, shared, until, with_both_versions};

with_both_versions! {
    a_stock_node_lists_us_as_it_lists_its_own_kind
    node_actions_are_answered_across
    pings_are_answered_both_ways
    definition_keys_travel_untouched_and_secrets_do_not
}

async fn a_stock_node_lists_us_as_it_lists_its_own_kind(version: Version) {
    let cluster = Cluster::new(&["rust", "js", "other"]);
    let (js, other, rust) = tokio::join!(
        Js::start(version, cluster.js_options("js"), &["js"]),
        // A second stock node, so that there is a remote one of its own kind to compare with.
        Js::start(version, cluster.js_options("other"), &["shared"]),
        rust_node(&cluster, "rust", vec![shared()]),
    );
    let pair = Pair { cluster, js, rust };
    pair.meet().await;
    // Their load is told with the gossip, some time after they are known, and each may be known from the
    // other one's gossip before it says HELLO itself.
    let list = until("the stock node has met both, and knows their load", async || {
        let list = pair.js.call("$node.list", json!({})).await.unwrap();
        let met = |id: &str| {
            row(&list, id).is_some_and(|at| list[at]["cpu"].is_number() && list[at]["udpAddress"].is_string())
        };
        (met("rust") && met("other")).then_some(list)
    })
    .await;
    let ours = &list[row(&list, "rust").unwrap()];
    assert_eq!(ours["client"]["type"], "rust");
    assert_eq!(ours["client"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!((&ours["available"], &ours["local"]), (&json!(true), &json!(false)));
    assert!(ours["seq"].as_u64() >= Some(1), "{ours}");
    assert_eq!(ours["ipList"][0], "127.0.0.1");
    assert_eq!(ours["instanceID"], pair.rust.instance_id().as_str());
    // Keys and types of values, down to those of nested objects.
    let types = pair.js.ask(json!({ "do": "typesOf", "action": "$node.list", "params": {} })).await;
    let of = |id: &str| types[row(&list, id).unwrap()].clone();
    assert_eq!(of("rust"), of("other"), "the rows are {list:#}");
    other.ask(json!({ "do": "stop" })).await;
    pair.end().await;
}

/// Where a node stands in a list of nodes.
fn row(list: &Value, id: &str) -> Option<usize> {
    list.as_array()?.iter().position(|node| node["id"] == id)
}

async fn node_actions_are_answered_across(version: Version) {
    let pair = Pair::start(version).await;
    let shape = |value: &Value| match value {
        Value::Array(items) => {
            items.first().and_then(Value::as_object).map(|row| row.keys().cloned().collect())
        }
        Value::Object(row) => Some(row.keys().cloned().collect::<Vec<_>>()),
        _ => None,
    };
    for (action, params) in [
        ("list", json!({})),
        ("list", json!({ "onlyAvailable": true })),
        ("services", json!({ "skipInternal": true })),
        ("services", json!({ "onlyLocal": true, "withActions": true, "withEvents": true })),
        ("services", json!({ "grouping": false, "onlyLocal": true })),
        ("actions", json!({ "onlyLocal": true, "skipInternal": true })),
        ("actions", json!({ "onlyLocal": true, "withEndpoints": true })),
        ("events", json!({ "skipInternal": true, "onlyLocal": true })),
        ("events", json!({ "withEndpoints": true, "onlyLocal": true })),
        ("health", json!({})),
    ] {
        let action = format!("$node.{action}");
        let call = json!({ "do": "call", "action": action, "params": params, "opts": { "nodeID": "rust" } });
        let ours = pair.js.ask(call).await;
        let theirs: Value = pair.rust.call(action.as_str(), params.clone()).node(pair.js_id()).await.unwrap();
        let (mut of_ours, mut of_theirs) =
            (shape(&ours).unwrap_or_default(), shape(&theirs).unwrap_or_default());
        of_ours.sort_unstable();
        of_theirs.sort_unstable();
        // A service without a version, such as `$node`, has no such key.
        of_ours.retain(|key| key != "version");
        of_theirs.retain(|key| key != "version");
        assert_eq!(of_ours, of_theirs, "{action} {params}: {ours:#} {theirs:#}");
    }
    // Our options are not for everybody; our metrics are not there.
    let call = json!({ "do": "call", "action": "$node.options", "params": {}, "opts": { "nodeID": "rust" } });
    assert_eq!(pair.js.attempt(call).await.unwrap_err()["name"], "ServiceNotFoundError");
    let call = json!({ "do": "call", "action": "$node.metrics", "params": {}, "opts": { "nodeID": "rust" } });
    let error = pair.js.attempt(call).await.unwrap_err();
    assert_eq!((&error["type"], &error["code"]), (&json!("METRICS_DISABLED"), &json!(400)));
    let theirs: Value = pair.rust.call("$node.options", json!({})).node(pair.js_id()).await.unwrap();
    assert_eq!(theirs["nodeID"], "js");
    pair.end().await;
}

async fn pings_are_answered_both_ways(version: Version) {
    let pair = Pair::start(version).await;
    let pong = pair.js.ask(json!({ "do": "ping", "node": "rust" })).await;
    assert_eq!(pong["nodeID"], "rust");
    let elapsed = pong["elapsedTime"].as_f64().unwrap();
    assert!((0.0..2000.0).contains(&elapsed), "{pong}");
    // One clock, so no more apart than the way took.
    assert!(pong["timeDiff"].as_f64().unwrap().abs() <= elapsed + 2.0, "{pong}");
    let all = pair.js.ask(json!({ "do": "ping" })).await;
    assert_eq!(all["rust"]["nodeID"], "rust", "{all}");
    let reply = pair.rust.ping(&pair.js_id()).await.unwrap().unwrap();
    assert!(reply.elapsed.as_secs() < 2, "{reply:?}");
    let way = reply.elapsed.as_secs_f64() * 1000.0;
    assert!(reply.time_diff_ms.abs() <= way + 2.0, "{reply:?}");
    assert!(pair.rust.ping_all().await["js"].is_some());
    pair.end().await;
}

async fn definition_keys_travel_untouched_and_secrets_do_not(version: Version) {
    let pair = Pair::start(version).await;
    let actions = pair.js.call("$node.actions", json!({ "skipInternal": true })).await.unwrap();
    let add = actions.as_array().unwrap().iter().find(|action| action["name"] == "v3.rs.add").unwrap();
    let definition = &add["action"];
    assert_eq!(
        (&definition["rest"], &definition["description"]),
        (&json!("GET /add"), &json!("Adds two numbers"))
    );
    assert_eq!(definition["x-nested"], json!({ "deep": [1, { "null": null }] }));
    assert_eq!(definition["params"], json!({ "a": "number", "b": { "type": "number", "optional": true } }));
    assert_eq!((&definition["rawName"], &definition["name"]), (&json!("add"), &json!("v3.rs.add")));
    let services = pair.js.call("$node.services", json!({ "skipInternal": true })).await.unwrap();
    let rs = services.as_array().unwrap().iter().find(|service| service["fullName"] == "v3.rs").unwrap();
    assert_eq!((&rs["name"], &rs["version"]), (&json!("rs"), &json!(3)));
    assert_eq!((&rs["settings"], &rs["metadata"]), (&json!({ "open": 1 }), &json!({ "region": "eu" })));
    // And theirs with us.
    let actions: Value = pair.rust.call("$node.actions", json!({ "skipInternal": true })).await.unwrap();
    let add = actions.as_array().unwrap().iter().find(|action| action["name"] == "v2.js.add").unwrap();
    assert_eq!(add["action"]["rest"], "GET /add");
    assert_eq!(add["action"]["params"], json!({ "a": "number", "b": "number" }));
    pair.end().await;
}
