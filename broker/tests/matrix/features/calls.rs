//! Requests, answers and pings.

use ligand::{Code, Value};
use serde_json::json;
use std::collections::BTreeSet;

use super::id;
use crate::checks::Checks;
use crate::js::Version;
use crate::nodes::Nodes;

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

/// Calls both ways: by name, to one node, spread over all.
pub(super) async fn call(nodes: &mut Nodes, checks: &mut Checks) {
    for value in values() {
        for js in &nodes.js {
            let answer = js.call("v3.rs.echo", value.clone()).await;
            checks.eq("echoed by ours", answer, Ok(value.clone()));
            let answer = nodes.rust.call::<Value>("v2.js.echo", &value).node(id(&js.name)).await;
            checks.eq("echoed by theirs", answer.expect("an answer"), value.clone());
        }
    }
    let params = json!({ "a": 2, "b": 0.5 });
    checks.eq("added by theirs", nodes.rust.call::<f64>("v2.js.add", &params).await.expect("a sum"), 2.5);
    let nothing: Value = nodes.rust.call("v2.js.nothing", ()).await.expect("an answer");
    checks.eq("no result of theirs", nothing, Value::Null);
    for js in &nodes.js {
        checks.eq("added by ours", js.call("v3.rs.add", params.clone()).await, Ok(json!(2.5)));
        let nothing = js.call("v3.rs.nothing", json!({})).await.expect("an answer");
        checks.holds("no result of ours", nothing.is_null() || nothing["$undefined"] == true);
        // A call that passes through both kinds.
        let relay = json!({ "action": "v2.js.echo", "params": { "deep": 1 } });
        let answer = js.call("v3.rs.relay", relay).await.expect("an answer");
        checks.eq("relayed", &answer["inner"], &json!({ "deep": 1 }));
        spread(checks, nodes.shared_by(js), async || {
            let answer = js.call("shared.where", json!({})).await.expect("an answer");
            answer.as_str().unwrap_or_default().to_owned()
        })
        .await;
    }
    spread(checks, Nodes::everybody(), async || {
        nodes.rust.call::<String>("shared.where", json!({})).await.expect("an answer")
    })
    .await;
    for node in Nodes::everybody() {
        let answer = nodes.rust.call::<String>("shared.where", json!({})).node(id(node)).await;
        checks.eq("who answers when one is named", answer.expect("an answer").as_str(), node);
    }
}

/// Everybody answers in turn who should, and nobody else, in a dozen calls at least: a message server takes
/// turns as it likes.
async fn spread(checks: &mut Checks, wanted: BTreeSet<&str>, mut ask: impl AsyncFnMut() -> String) {
    let (mut who, mut asked) = (BTreeSet::new(), 0);
    checks
        .until("everybody answers in turn", async || {
            who.insert(ask().await);
            asked += 1;
            (asked >= 12 && who.len() >= wanted.len()).then_some(())
        })
        .await;
    let who: BTreeSet<_> = who.iter().map(String::as_str).collect();
    checks.eq("who answers", who, wanted);
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
pub(super) async fn error(nodes: &mut Nodes, checks: &mut Checks) {
    for js in &nodes.js {
        for (name, code, kind, retryable) in ERRORS {
            let params = json!({ "name": name });
            let told = js.call("v3.rs.fail", params.clone()).await.expect_err("it fails");
            checks.eq("name of ours", &told["name"], &json!(name));
            checks.eq("code of ours", &told["code"], &json!(code));
            checks.eq("type of ours", &told["type"], &json!(kind));
            checks.eq("retryable of ours", &told["retryable"], &json!(retryable));
            checks.eq("node of ours", &told["nodeID"], &json!("rust"));
            let told = nodes.rust.call::<Value>("v2.js.fail", &params).node(id(&js.name)).await;
            let told = told.expect_err("it fails");
            checks.eq("name of theirs", told.name(), name);
            checks.holds("code of theirs", told.code() == Some(&Code::Number(code)));
            checks.eq("type of theirs", told.error_type(), Some(kind));
            checks.eq("retryable of theirs", told.is_retryable(), retryable);
        }
        let unknown = json!({ "do": "call", "action": "v3.rs.none", "opts": { "nodeID": "rust" } });
        let unknown = js.attempt(unknown).await.expect_err("it is unknown");
        checks.eq("unknown to ours", &unknown["name"], &json!("ServiceNotFoundError"));
        let unknown = nodes.rust.call::<Value>("v2.js.none", ()).node(id(&js.name)).await;
        checks.eq("unknown to theirs", unknown.expect_err("it is unknown").name(), "ServiceNotFoundError");
    }
}

/// Meta travels down and comes back; headers travel where there are any.
pub(super) async fn meta(nodes: &mut Nodes, checks: &mut Checks) {
    for (js, version) in nodes.stock() {
        let headers = version == Version::V015;
        let mut command = json!({ "do": "callMeta", "action": "v3.rs.context", "params": {}, "meta": { "user": { "id": 7 } } });
        if headers {
            command["opts"] = json!({ "headers": { "trace": "x" } });
        }
        let told = js.ask(command).await;
        checks.eq("meta at ours", &told["data"]["meta"]["user"], &json!({ "id": 7 }));
        checks.eq("meta from ours", &told["meta"]["fromRust"], &json!("rust was here"));
        checks.eq("caller's request", &told["data"]["requestID"], &told["requestID"]);
        checks.eq("parent", &told["data"]["parentID"], &told["id"]);
        if headers {
            checks.eq("headers at ours", &told["data"]["headers"]["trace"], &json!("x"));
        }
        let call = nodes.rust.call::<()>("v2.js.context", json!({}));
        let mut call = call.node(id(&js.name)).meta("user", json!({ "id": 8 }));
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
}

/// Everybody answers everybody.
pub(super) async fn ping(nodes: &mut Nodes, checks: &mut Checks) {
    for js in &nodes.js {
        let pong = nodes.rust.ping(&id(&js.name)).await.expect("it is sent");
        checks.holds("theirs answers", pong.is_some());
        let pong = js.ask(json!({ "do": "ping", "node": "rust" })).await;
        checks.eq("ours answers", &pong["nodeID"], &json!("rust"));
        checks.holds("in some time", pong["elapsedTime"].is_number());
    }
    checks.eq("everybody", nodes.rust.ping_all().await.len(), 2);
}
