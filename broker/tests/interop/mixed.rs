//! One node of ours, one of 0.14 and one of 0.15 in one cluster, with version checks at their defaults.

use ligand::Value;
use serde_json::json;

use crate::harness::{Cluster, Heard, Js, Version, logs, mail, rs, rust_node, services_of, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_node_of_ours_works_with_both_versions_at_once() {
    logs();
    let cluster = Cluster::new(&["rust", "new", "old"]);
    let heard = Heard::default();
    let (new, old, rust) = tokio::join!(
        Js::start(Version::V015, cluster.js_options("new"), &["js", "mail"]),
        Js::start(Version::V014, cluster.js_options("old"), &["js", "mail"]),
        rust_node(&cluster, "rust", vec![rs(), mail(&heard)]),
    );
    for node in ["new", "old"] {
        until("both are known", async || {
            let services = services_of(&rust, node).await;
            (services.contains(&"v2.js".to_owned()) && services.contains(&"mail".to_owned())).then_some(())
        })
        .await;
    }
    for js in [&new, &old] {
        js.ask(json!({ "do": "waitForServicesOf", "node": "rust", "names": ["v3.rs", "mail"] })).await;
    }
    for round in 0..3 {
        for (name, js) in [("new", &new), ("old", &old)] {
            let node = ligand::NodeId::new(name).unwrap();
            let who: Value = rust.call("v2.js.node", json!({})).node(&node).await.unwrap();
            assert_eq!(who, name);
            assert_eq!(js.call("v3.rs.echo", json!({ "n": round })).await, Ok(json!({ "n": round })));
            let pong = js.ask(json!({ "do": "ping", "node": "rust" })).await;
            assert_eq!(pong["nodeID"], "rust");
            assert!(rust.ping(&node).await.unwrap().is_some());
            // Called while it serves a call of the other kind: both stamps within one tree.
            let relay = json!({ "action": "v3.rs.context", "params": {} });
            let through: Value = rust.call("v2.js.relay", relay).node(&node).await.unwrap();
            assert_eq!(through["inner"]["nodeID"], name);
        }
    }
    // One call of ours balanced over both, and a broadcast to both.
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..4 {
        seen.insert(rust.call::<String>("v2.js.node", json!({})).await.unwrap());
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["new", "old"]);
    rust.broadcast("user.created", json!({ "n": 1 })).await.unwrap();
    for js in [&new, &old] {
        let events = until("the broadcast comes", async || {
            let events: Vec<_> =
                js.heard().await.into_iter().filter(|heard| heard["what"] == "event").collect();
            (!events.is_empty()).then_some(events)
        })
        .await;
        assert!(events.iter().all(|event| event["from"] == "rust"), "{events:?}");
    }
    assert_eq!(heard.len(), 2, "our own two handlers");
    // Between the two of them there is no way, as ever: they know each other, but their checks are on.
    new.ask(json!({ "do": "waitForServicesOf", "node": "old", "names": ["v2.js"] })).await;
    let call = json!({ "do": "call", "action": "v2.js.node", "params": {}, "opts": { "nodeID": "old", "timeout": 300 } });
    assert_eq!(new.attempt(call).await.unwrap_err()["name"], "RequestTimeoutError");
    rust.stop().await.unwrap();
}
