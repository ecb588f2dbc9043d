//! What the nodes know of each other, and how it changes.

use ligand::Value;
use serde_json::json;

use super::id;
use crate::checks::{Checks, rows};
use crate::js::Js;
use crate::node::late;
use crate::nodes::Nodes;

/// What a stock node itself answers: with the bus balancing, another one might.
async fn own(js: &Js, action: &str, params: Value) -> Value {
    let opts = json!({ "nodeID": js.name });
    js.ask(json!({ "do": "call", "action": action, "params": params, "opts": opts })).await
}

/// Each has the other in its registry, in the shape of its own.
pub(super) async fn registry(nodes: &mut Nodes, checks: &mut Checks) {
    for js in &nodes.js {
        let list = own(js, "$node.list", json!({})).await;
        let find = |name: &str| rows(&list).iter().find(|node| node["id"] == name).cloned();
        let ours = find("rust").expect("ours is listed");
        checks.eq("client", &ours["client"]["type"], &json!("rust"));
        checks.eq("available", &ours["available"], &json!(true));
        let other = nodes.reached_by(js).into_iter().find(|name| *name != "rust" && *name != js.name);
        if let Some(other) = other {
            let theirs = find(other).expect("theirs is listed");
            for key in ["ipList", "hostname", "config", "metadata", "seq", "instanceID"] {
                checks.eq(key, ours[key].is_null(), theirs[key].is_null());
            }
        }
        let actions = own(js, "$node.actions", json!({ "onlyAvailable": true })).await;
        let add = rows(&actions).iter().find(|action| action["name"] == "v3.rs.add");
        checks.eq("definition", &add.expect("our action is listed")["action"]["rest"], &json!("GET /add"));
    }
    let list = nodes.rust.call::<Value>("$node.list", json!({})).node(id("rust")).await.expect("a list");
    let services = nodes.services().await;
    for (js, version) in nodes.stock() {
        let node = rows(&list).iter().find(|node| node["id"] == *js.name).expect("theirs is listed");
        checks.eq("client", &node["client"]["type"], &json!("nodejs"));
        checks.eq("version", &node["client"]["version"], &json!(version.full()));
        let of_theirs =
            |service: &&Value| service["fullName"] == "v2.js" && service["nodeID"] == js.name.as_str();
        let service = services.iter().find(of_theirs).expect("their service is listed");
        checks.eq("settings", &service["settings"], &json!({ "open": 1 }));
        checks.eq("metadata", &service["metadata"], &json!({ "region": "eu" }));
    }
}

/// A service comes and goes on either side while the nodes run, and comes back.
pub(super) async fn service_change(nodes: &mut Nodes, checks: &mut Checks) {
    ours_comes_and_goes(nodes, checks, 1).await;
    for js in &nodes.js {
        js.ask(json!({ "do": "add", "service": "late" })).await;
        nodes.rust.wait_for(&["late"]).await.expect("it comes");
        let answer = nodes.rust.call::<String>("late.where", ()).await.expect("an answer");
        checks.eq("theirs has come", answer.as_str(), js.name.as_str());
        js.ask(json!({ "do": "remove", "service": "late" })).await;
        checks
            .until("theirs goes", async || {
                let services = nodes.services().await;
                (!services.iter().any(|service| service["fullName"] == "late")).then_some(())
            })
            .await;
    }
    // Nobody who had it meanwhile may answer.
    ours_comes_and_goes(nodes, checks, 6).await;
    for js in &nodes.js {
        checks.eq("what was there is there", js.call("v3.rs.echo", json!(1)).await, Ok(json!(1)));
    }
}

async fn ours_comes_and_goes(nodes: &Nodes, checks: &mut Checks, calls: usize) {
    nodes.rust.add(late()).await.expect("it starts");
    for js in &nodes.js {
        js.ask(json!({ "do": "waitForServicesOf", "node": "rust", "names": ["late"] })).await;
        for _ in 0..calls {
            checks.eq("ours has come", js.call("late.where", json!({})).await, Ok(json!("rust")));
        }
    }
    nodes.rust.remove("late").await;
    for js in &nodes.js {
        js.ask(json!({ "do": "waitForNoAction", "action": "late.where" })).await;
        let gone = js.call("late.where", json!({})).await.expect_err("it has gone");
        checks.eq("ours has gone", &gone["name"], &json!("ServiceNotAvailableError"));
    }
}
