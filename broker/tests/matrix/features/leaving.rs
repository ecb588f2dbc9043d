//! Nodes that leave, and nodes that are lost.

use ligand::Value;
use serde_json::json;

use super::id;
use crate::checks::Checks;
use crate::js::Js;
use crate::node::Alone;
use crate::nodes::Nodes;

/// What a stock node was told of a node that went.
async fn told_of(node: &str, js: &Js, checks: &mut Checks) -> Value {
    checks
        .until("theirs notices that a node has gone", async || {
            let mut heard = js.heard().await.into_iter();
            heard.find(|heard| heard["what"] == "disconnected" && heard["node"] == node)
        })
        .await
}

/// What ours is told of a stock node that goes when `end` ends it.
async fn ours_told_of(nodes: &mut Nodes, which: usize, end: impl AsyncFnOnce(&mut Js)) -> Value {
    let mut events = nodes.rust.local_events("$node.disconnected");
    end(&mut nodes.js[which]).await;
    let name = &nodes.js[which].name;
    let told = async {
        loop {
            let event = events.recv().await.expect("an event");
            if event.data["node"]["id"] == **name {
                return event.data.clone();
            }
        }
    };
    tokio::time::timeout(crate::PATIENCE, told).await.expect("ours notices")
}

/// Starts a second node of ours, and waits until the stock ones that still run know it.
async fn second(nodes: &Nodes, stock: &[&Js], checks: &mut Checks) -> Alone {
    let second = Alone::start("rust-2", &nodes.place).await;
    for js in stock {
        js.ask(json!({ "do": "waitForServicesOf", "node": "rust-2", "names": ["late"] })).await;
        let opts = json!({ "nodeID": "rust-2" });
        let answer = js.ask(json!({ "do": "call", "action": "late.where", "opts": opts })).await;
        checks.eq("it works", answer, json!("rust-2"));
    }
    second
}

/// Nodes of both kinds leave in peace, and are not taken for lost. Over TCP nobody says farewell.
pub(super) async fn leave(nodes: &mut Nodes, checks: &mut Checks) {
    let farewells = !nodes.place.set.is_tcp();
    let stock: Vec<_> = nodes.js.iter().collect();
    second(nodes, &stock, checks).await.leave().await;
    for js in stock {
        let told = told_of("rust-2", js, checks).await;
        if farewells {
            checks.eq("ours was lost", &told["unexpected"], &json!(false));
        }
    }
    let told = ours_told_of(nodes, 1, async |js| drop(js.ask(json!({ "do": "stop" })).await)).await;
    if farewells {
        checks.eq("theirs was lost", &told["unexpected"], &json!(false));
    }
    let error = nodes.rust.call::<Value>("v2.js.node", ()).node(id("js-2")).await.expect_err("it has gone");
    checks.holds("calls to it fail at once", error.name().starts_with("ServiceNot"));
}

/// Nodes of both kinds are killed, and are missed. Over TCP the end of a socket looks the same however a
/// process ended.
pub(super) async fn crash(nodes: &mut Nodes, checks: &mut Checks) {
    let missed = !nodes.place.set.is_tcp();
    second(nodes, &[&nodes.js[0]], checks).await.kill().await;
    let told = told_of("rust-2", &nodes.js[0], checks).await;
    if missed {
        checks.eq("ours was lost", &told["unexpected"], &json!(true));
    }
    let told = ours_told_of(nodes, 0, async |js| js.kill().await).await;
    checks.eq("ours is told", &told["node"]["id"], &json!("js-1"));
    if missed {
        checks.eq("theirs was lost", &told["unexpected"], &json!(true));
    }
}
