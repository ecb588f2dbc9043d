//! What is tried on every set, in this order: the last three take nodes away.

use futures_util::future::LocalBoxFuture;
use ligand::{Code, NodeId, Value};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

use crate::checks::{Checks, rows};
use crate::js::Version;
use crate::node::{Alone, late};
use crate::set::Nodes;
use crate::sets::Set;

/// A column of the matrix.
pub(crate) struct Feature {
    pub(crate) name: &'static str,
    pub(crate) applies: fn(&Set) -> bool,
    pub(crate) run: for<'a> fn(&'a mut Nodes, &'a mut Checks) -> LocalBoxFuture<'a, ()>,
}

macro_rules! feature {
    ($name:literal, $run:ident) => {
        Feature { name: $name, applies: |_| true, run: |nodes, checks| Box::pin($run(nodes, checks)) }
    };
}

pub(crate) const ALL: [Feature; 10] = [
    feature!("call", call),
    feature!("error", error),
    feature!("meta", meta),
    feature!("emit", emit),
    feature!("broadcast", broadcast),
    feature!("ping", ping),
    feature!("registry", registry),
    feature!("service change", service_change),
    feature!("leave", leave),
    feature!("crash", crash),
];

fn values() -> Vec<Value> {
    vec![
        json!({}),
        json!([]),
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(9007199254740991_i64),
        json!(""),
        json!("text with \"quotes\", \\, \n, ü, 漢字, 🦀, [[ES]]"),
        json!([null, [[], {}], "x", 1]),
        json!({ "": 1, "nested": { "a": [1, 2, { "b": null }] }, "日本": "🦀" }),
        json!("x".repeat(100_000)),
    ]
}

fn id(name: &str) -> NodeId {
    NodeId::new(name).expect("a valid name")
}

/// Calls both ways: by name, to one node, balanced over all.
async fn call(nodes: &mut Nodes, checks: &mut Checks) {
    for value in values() {
        let answer = nodes.js[0].call("v3.rs.echo", value.clone()).await;
        checks.eq("echoed by ours", answer, Ok(value.clone()));
        for js in &nodes.js {
            let answer = nodes.rust.call::<Value>("v2.js.echo", &value).node(&id(&js.name)).await;
            checks.eq("echoed by theirs", answer.expect("an answer"), value.clone());
        }
    }
    let params = json!({ "a": 2, "b": 0.5 });
    checks.eq("added by ours", nodes.js[1].call("v3.rs.add", params.clone()).await, Ok(json!(2.5)));
    checks.eq("added by theirs", nodes.rust.call::<f64>("v2.js.add", &params).await.expect("a sum"), 2.5);
    let nothing = nodes.js[0].call("v3.rs.nothing", json!({})).await.expect("an answer");
    checks.holds("no result", nothing.is_null() || nothing["$undefined"] == true);
    let nothing: Value = nodes.rust.call("v2.js.nothing", ()).await.expect("an answer");
    checks.eq("no result", nothing, Value::Null);
    // A call that passes through both kinds.
    let relay = json!({ "action": "v2.js.echo", "params": { "deep": 1 } });
    let answer = nodes.js[0].call("v3.rs.relay", relay).await.expect("an answer");
    checks.eq("relayed", &answer["inner"], &json!({ "deep": 1 }));
    let everybody: BTreeSet<_> = ["rust", "js-1", "js-2"].map(String::from).into();
    let mut by_ours = BTreeSet::new();
    let mut by_theirs = BTreeSet::new();
    for _ in 0..12 {
        // Ours prefers itself, so it asks for each by name.
        by_theirs.extend(
            nodes.js[0].call("shared.where", json!({})).await.expect("an answer").as_str().map(String::from),
        );
    }
    for node in &everybody {
        by_ours.insert(
            nodes.rust.call::<String>("shared.where", json!({})).node(&id(node)).await.expect("an answer"),
        );
    }
    checks.eq("nodes that ours reaches", by_ours, everybody);
    checks.holds("theirs calls more than itself, or prefers itself", !by_theirs.is_empty());
}

/// Name, code, type, retryable.
const ERRORS: [(&str, i64, &str, bool); 8] = [
    ("MoleculerError", 455, "TOLD", false),
    ("MoleculerRetryableError", 455, "TOLD", true),
    ("MoleculerClientError", 455, "TOLD", false),
    ("ValidationError", 422, "CUSTOM_TYPE", false),
    ("ServiceNotFoundError", 404, "SERVICE_NOT_FOUND", true),
    ("RequestTimeoutError", 504, "REQUEST_TIMEOUT", true),
    ("RequestRejectedError", 503, "REQUEST_REJECTED", true),
    ("TeapotError", 418, "TEAPOT", false),
];

/// Errors of both keep what they say on the other side.
async fn error(nodes: &mut Nodes, checks: &mut Checks) {
    for (name, code, kind, retryable) in ERRORS {
        let params = json!({ "name": name });
        let told = nodes.js[0].call("v3.rs.fail", params.clone()).await.expect_err("it fails");
        checks.eq("name of ours", &told["name"], &json!(name));
        checks.eq("code of ours", &told["code"], &json!(code));
        checks.eq("type of ours", &told["type"], &json!(kind));
        checks.eq("retryable of ours", &told["retryable"], &json!(retryable));
        checks.eq("node of ours", &told["nodeID"], &json!("rust"));
        let told =
            nodes.rust.call::<Value>("v2.js.fail", &params).node(&id("js-2")).await.expect_err("it fails");
        checks.eq("name of theirs", told.name(), name);
        checks.holds("code of theirs", told.code() == Some(&Code::Number(code)));
        checks.eq("type of theirs", told.error_type(), Some(kind));
        checks.eq("retryable of theirs", told.is_retryable(), retryable);
    }
    let unknown =
        nodes.js[0].attempt(json!({ "do": "call", "action": "v3.rs.none", "opts": { "nodeID": "rust" } }));
    checks.eq(
        "unknown to ours",
        &unknown.await.expect_err("it is unknown")["name"],
        &json!("ServiceNotFoundError"),
    );
    let unknown =
        nodes.rust.call::<Value>("v2.js.none", ()).node(&id("js-1")).await.expect_err("it is unknown");
    checks.eq("unknown to theirs", unknown.name(), "ServiceNotFoundError");
}

/// Meta travels down and comes back; headers travel where there are any.
async fn meta(nodes: &mut Nodes, checks: &mut Checks) {
    let headers = nodes.place.version == Version::V015;
    let mut command =
        json!({ "do": "callMeta", "action": "v3.rs.context", "params": {}, "meta": { "user": { "id": 7 } } });
    if headers {
        command["opts"] = json!({ "headers": { "trace": "x" } });
    }
    let told = nodes.js[0].ask(command).await;
    checks.eq("meta at ours", &told["data"]["meta"]["user"], &json!({ "id": 7 }));
    checks.eq("meta from ours", &told["meta"]["fromRust"], &json!("rust was here"));
    checks.eq("caller's request", &told["data"]["requestID"], &told["requestID"]);
    checks.eq("parent", &told["data"]["parentID"], &told["id"]);
    if headers {
        checks.eq("headers at ours", &told["data"]["headers"]["trace"], &json!("x"));
    }
    let mut call =
        nodes.rust.call::<()>("v2.js.context", json!({})).node(&id("js-1")).meta("user", json!({ "id": 8 }));
    if headers {
        call = call.header("trace", "y");
    }
    let response = call.raw().await.expect("an answer");
    checks.eq("meta from theirs", response.meta.get("fromJs").cloned(), Some(json!("js was here")));
    let told: Value = response.decode().expect("an object");
    checks.eq("meta at theirs", &told["meta"]["user"], &json!({ "id": 8 }));
    checks.eq("level at theirs", &told["level"], &json!(1));
    if headers {
        checks.eq("headers at theirs", &told["headers"]["trace"], &json!("y"));
    }
}

/// What every node's `mail` service has heard: node, handler, event.
async fn heard(nodes: &Nodes) -> Vec<(String, Value)> {
    let mut all: Vec<_> = nodes.heard.take().into_iter().map(|event| ("rust".to_owned(), event)).collect();
    for js in &nodes.js {
        let events = js.heard().await.into_iter().filter(|heard| heard["what"] == "event");
        all.extend(events.map(|event| (js.name.clone(), event)));
    }
    all
}

/// Waits for so many events; whatever came too much has arrived after pings in every direction.
async fn collect(nodes: &Nodes, checks: &mut Checks, count: usize) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    checks
        .until("all events come", async || {
            all.extend(heard(nodes).await);
            (all.len() >= count).then_some(())
        })
        .await;
    nodes.rust.ping_all().await;
    for js in &nodes.js {
        js.ask(json!({ "do": "ping", "node": "rust" })).await;
    }
    all.extend(heard(nodes).await);
    all
}

fn by_handler(all: &[(String, Value)]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for (_, event) in all {
        *counts.entry(event["handler"].as_str().unwrap_or_default().to_owned()).or_insert(0) += 1;
    }
    counts
}

/// One member of each group gets an emitted event, whoever emits it.
async fn emit(nodes: &mut Nodes, checks: &mut Checks) {
    let expected = BTreeMap::from([("audit".to_owned(), 10), ("mail".to_owned(), 10)]);
    let _ = heard(nodes).await;
    for n in 0..10 {
        nodes.rust.emit("user.created", json!({ "n": n })).meta("m", 1).await.expect("it is sent");
    }
    let all = collect(nodes, checks, 20).await;
    checks.eq("emitted by ours, by group", by_handler(&all), expected.clone());
    for (_, event) in &all {
        checks.eq(
            "event",
            (&event["event"], &event["type"], &event["meta"]),
            (&json!("user.created"), &json!("emit"), &json!({ "m": 1 })),
        );
    }
    let command = json!({ "do": "emit", "event": "user.created", "data": { "n": 1 }, "times": 10 });
    nodes.js[0].ask(command).await;
    let all = collect(nodes, checks, 20).await;
    checks.eq("emitted by theirs, by group", by_handler(&all), expected);
    nodes.rust.emit("user.created", json!({})).group("audit").await.expect("it is sent");
    let opts = json!({ "groups": ["audit"] });
    nodes.js[1].ask(json!({ "do": "emit", "event": "user.created", "data": {}, "opts": opts })).await;
    let all = collect(nodes, checks, 2).await;
    checks.eq("to one group", by_handler(&all), BTreeMap::from([("audit".to_owned(), 2)]));
}

/// Everybody gets a broadcast event once, whoever sends it.
async fn broadcast(nodes: &mut Nodes, checks: &mut Checks) {
    nodes.rust.broadcast("order.a.b", json!({ "n": 1 })).await.expect("it is sent");
    nodes.js[0].ask(json!({ "do": "broadcast", "event": "order.a.b", "data": { "n": 2 } })).await;
    let all = collect(nodes, checks, 6).await;
    for n in [1, 2] {
        let mut at: Vec<_> =
            all.iter().filter(|(_, event)| event["data"]["n"] == n).map(|(node, _)| node.as_str()).collect();
        at.sort_unstable();
        checks.eq("who got it", at, vec!["js-1", "js-2", "rust"]);
    }
    checks.eq("all in all", all.len(), 6);
}

/// Everybody answers everybody.
async fn ping(nodes: &mut Nodes, checks: &mut Checks) {
    for js in &nodes.js {
        let pong = nodes.rust.ping(&id(&js.name)).await.expect("it is sent");
        checks.holds("theirs answers", pong.is_some());
        let pong = js.ask(json!({ "do": "ping", "node": "rust" })).await;
        checks.eq("ours answers", &pong["nodeID"], &json!("rust"));
        checks.holds("in some time", pong["elapsedTime"].is_number());
    }
    checks.eq("everybody", nodes.rust.ping_all().await.len(), 2);
}

/// Each has the other in its registry, in the shape of its own.
async fn registry(nodes: &mut Nodes, checks: &mut Checks) {
    let list = nodes.js[0].call("$node.list", json!({})).await.expect("a list");
    let ours = rows(&list).iter().find(|node| node["id"] == "rust").expect("ours is listed").clone();
    let theirs = rows(&list).iter().find(|node| node["id"] == "js-2").expect("theirs is listed").clone();
    checks.eq("client", &ours["client"]["type"], &json!("rust"));
    checks.eq("available", &ours["available"], &json!(true));
    for key in ["ipList", "hostname", "config", "metadata", "seq", "instanceID"] {
        checks.eq(key, ours[key].is_null(), theirs[key].is_null());
    }
    let actions = nodes.js[1].call("$node.actions", json!({ "onlyAvailable": true })).await.expect("a list");
    let add =
        rows(&actions).iter().find(|action| action["name"] == "v3.rs.add").expect("our action is listed");
    checks.eq("definition", &add["action"]["rest"], &json!("GET /add"));
    let list: Value = nodes.rust.call("$node.list", json!({})).await.expect("a list");
    for js in &nodes.js {
        let node = rows(&list).iter().find(|node| node["id"] == *js.name).expect("theirs is listed");
        checks.eq("client", &node["client"]["type"], &json!("nodejs"));
        checks.eq("version", &node["client"]["version"], &json!(nodes.place.version.full()));
    }
    let services = nodes.services().await;
    let js = services.iter().find(|service| service["fullName"] == "v2.js").expect("their service is listed");
    checks.eq("settings", &js["settings"], &json!({ "open": 1 }));
    checks.eq("metadata", &js["metadata"], &json!({ "region": "eu" }));
}

/// A service comes and goes on either side while the nodes run.
async fn service_change(nodes: &mut Nodes, checks: &mut Checks) {
    nodes.rust.add(late()).await.expect("it starts");
    nodes.js[0].ask(json!({ "do": "waitForServices", "names": ["late"] })).await;
    checks.eq("ours has come", nodes.js[0].call("late.where", json!({})).await, Ok(json!("rust")));
    nodes.rust.remove("late").await;
    nodes.js[0].ask(json!({ "do": "waitForNoAction", "action": "late.where" })).await;
    let gone = nodes.js[0].call("late.where", json!({})).await.expect_err("it has gone");
    checks.eq("ours has gone", &gone["name"], &json!("ServiceNotAvailableError"));
    nodes.js[1].ask(json!({ "do": "add", "service": "late" })).await;
    nodes.rust.wait_for(&["late"]).await.expect("it comes");
    let answer = nodes.rust.call::<String>("late.where", ()).await.expect("an answer");
    checks.eq("theirs has come", answer.as_str(), "js-2");
    nodes.js[1].ask(json!({ "do": "remove", "service": "late" })).await;
    let nodes = &*nodes;
    checks
        .until("theirs goes", async || {
            let services = nodes.services().await;
            (!services.iter().any(|service| service["fullName"] == "late")).then_some(())
        })
        .await;
    nodes.js[0].ask(json!({ "do": "waitForNoAction", "action": "late.where" })).await;
    checks.eq("what was there is there", nodes.js[0].call("v3.rs.echo", json!(1)).await, Ok(json!(1)));
}

/// What a stock node was told of a node that went.
async fn told_of(nodes: &Nodes, node: &str, checks: &mut Checks) -> Value {
    let js = &nodes.js[0];
    checks
        .until("theirs notices that a node has gone", async || {
            js.heard()
                .await
                .into_iter()
                .find(|heard| heard["what"] == "disconnected" && heard["node"] == node)
        })
        .await
}

/// Nodes of both kinds leave in peace, and are not taken for lost.
async fn leave(nodes: &mut Nodes, checks: &mut Checks) {
    let second = Alone::start("rust-2", &nodes.place).await;
    nodes.js[0].ask(json!({ "do": "waitForServicesOf", "node": "rust-2", "names": ["late"] })).await;
    checks.eq("it works", nodes.js[0].call("late.where", json!({})).await, Ok(json!("rust-2")));
    second.leave().await;
    let told = told_of(nodes, "rust-2", checks).await;
    if nodes.place.url.starts_with("tcp:") {
        checks.holds("over TCP a stock node hears no farewell", told["node"] == "rust-2");
    } else {
        checks.eq("unexpected", &told["unexpected"], &json!(false));
    }
    let mut events = nodes.rust.local_events("$node.disconnected");
    nodes.js[1].ask(json!({ "do": "stop" })).await;
    loop {
        let event = tokio::time::timeout(crate::PATIENCE, events.recv())
            .await
            .expect("ours notices")
            .expect("an event");
        if event.data["node"]["id"] == "js-2" {
            if !nodes.place.url.starts_with("tcp:") {
                checks.eq("unexpected", &event.data["unexpected"], &json!(false));
            }
            break;
        }
    }
    let error = nodes.rust.call::<Value>("v2.js.node", ()).node(&id("js-2")).await.expect_err("it has gone");
    checks.holds("calls to it fail at once", error.name().starts_with("ServiceNot"));
}

/// Nodes of both kinds are killed, and are missed.
async fn crash(nodes: &mut Nodes, checks: &mut Checks) {
    let second = Alone::start("rust-2", &nodes.place).await;
    nodes.js[0].ask(json!({ "do": "waitForServicesOf", "node": "rust-2", "names": ["late"] })).await;
    second.kill().await;
    told_of(nodes, "rust-2", checks).await;
    let mut events = nodes.rust.local_events("$node.disconnected");
    nodes.js[0].kill().await;
    let gone = async {
        loop {
            let event = events.recv().await.expect("an event");
            if event.data["node"]["id"] == "js-1" {
                return event;
            }
        }
    };
    let event = tokio::time::timeout(crate::PATIENCE, gone).await.expect("ours notices");
    // Over TCP the end of a socket looks the same, however the process ended.
    if !nodes.place.url.starts_with("tcp:") {
        checks.eq("unexpected", &event.data["unexpected"], &json!(true));
    }
}
