//! Calls both ways: values of every kind, no parameters, timeouts.

use ligand::{ErrorKind, Outcome, Value};
use serde_json::json;
use std::time::Duration;

use crate::harness::{Pair, Version, with_both_versions};

with_both_versions! {
    values_of_every_kind_pass_unchanged_both_ways
    timeouts_are_kept_by_caller_and_callee
    an_unknown_action_is_answered_at_once
}

async fn values_of_every_kind_pass_unchanged_both_ways(version: Version) {
    let pair = Pair::start(version).await;
    let values = [
        json!({}),
        json!([]),
        json!(true),
        json!(false),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(1e300),
        json!(9007199254740991_i64),
        json!(0.1),
        json!(""),
        json!("text with \"quotes\", \\, \n, \u{0}, ü, 漢字, 🦀, \u{2028}"),
        json!([null, [[], {}], "x", 1]),
        json!({ "": 1, "nested": { "a": [1, 2, { "b": null }] }, "__proto": "x", "日本": "🦀" }),
        json!("x".repeat(200_000)),
    ];
    for value in values {
        let back: Value = pair.rust.call("v2.js.echo", value.clone()).await.unwrap();
        assert_eq!(back, value, "through a stock node");
        assert_eq!(pair.js.call("v3.rs.echo", value.clone()).await, Ok(value), "through ours");
    }
    // Null stays null; nothing becomes an empty object on the way out of either (protocol chapter 6.1).
    let kind: Value = pair.rust.call("v2.js.kind", Value::Null).await.unwrap();
    assert_eq!(kind, "null");
    let kind: Value = pair.rust.call("v2.js.kind", ()).await.unwrap();
    assert!(kind == "null" || kind == "object", "{kind}");
    let kind: Value = pair.rust.call("v2.js.kind", ligand::Empty).await.unwrap();
    assert_eq!(kind, "object");
    assert_eq!(pair.js.call("v3.rs.echo", Value::Null).await, Ok(Value::Null));
    let nothing = json!({ "do": "call", "action": "v3.rs.echo", "omitParams": true });
    assert_eq!(pair.js.ask(nothing).await, json!({}));
    // A result that is `undefined`.
    pair.rust.call::<()>("v2.js.nothing", json!({})).await.unwrap();
    let nothing: Option<Value> = pair.rust.call("v2.js.nothing", json!({})).await.unwrap();
    assert_eq!(nothing, None);
    assert_eq!(pair.js.call("v3.rs.nothing", json!({})).await, Ok(json!({ "$undefined": true })));
    pair.end().await;
}

async fn timeouts_are_kept_by_caller_and_callee(version: Version) {
    let pair = Pair::start(version).await;
    let short = Duration::from_millis(150);
    // The caller's own.
    let error =
        pair.rust.call::<Value>("v2.js.slow", json!({ "ms": 60_000 })).timeout(short).await.unwrap_err();
    // Whether our clock or the callee's answer was first, nobody may take it for a call that did not run.
    assert_eq!(error.kind(), ErrorKind::RequestTimeout);
    assert_ne!(error.outcome(), Outcome::NotRun);
    assert_eq!(error.data().unwrap()["action"], "v2.js.slow");
    let call = json!({ "do": "call", "action": "v3.rs.slow", "params": { "ms": 60_000 }, "opts": { "timeout": 150 } });
    let error = pair.js.attempt(call).await.unwrap_err();
    assert_eq!((&error["name"], &error["code"]), (&json!("RequestTimeoutError"), &json!(504)));
    // The callee is told how much is left, as a number that may have a fraction.
    let told: Value =
        pair.rust.call("v2.js.context", json!({})).timeout(Duration::from_secs(60)).await.unwrap();
    let left = told["timeout"].as_f64().unwrap();
    assert!(left > 50_000.0 && left <= 60_000.0, "{left}");
    let call =
        json!({ "do": "call", "action": "v3.rs.context", "params": {}, "opts": { "timeout": 60_000 } });
    let left = pair.js.ask(call).await["timeout"].as_f64().unwrap();
    assert!(left > 50_000.0 && left <= 60_000.0, "{left}");
    // A nested call gets what is left, however much it asks for, and the callee cuts it.
    let nested = json!({ "action": "v2.js.slow", "params": { "ms": 60_000 }, "opts": { "timeout": 30_000 } });
    let call = json!({ "do": "call", "action": "v3.rs.relay", "params": nested, "opts": { "timeout": 400 } });
    let from = std::time::Instant::now();
    let error = pair.js.attempt(call).await.unwrap_err();
    assert_eq!(error["name"], "RequestTimeoutError");
    assert!(from.elapsed() < Duration::from_secs(5), "{:?}", from.elapsed());
    let nested = json!({ "action": "v3.rs.slow", "params": { "ms": 60_000 }, "opts": { "timeout": 30_000 } });
    let call = pair.rust.call::<Value>("v2.js.relay", nested).timeout(Duration::from_millis(400));
    let error = call.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RequestTimeout);
    // A call without any limit is answered all the same.
    let call =
        json!({ "do": "call", "action": "v3.rs.slow", "params": { "ms": 10 }, "opts": { "timeout": 0 } });
    assert_eq!(pair.js.ask(call).await, "rust");
    let told: Value =
        pair.rust.call("v2.js.context", json!({})).timeout(ligand::Timeout::Never).await.unwrap();
    assert_eq!(told["timeout"], json!(0));
    pair.end().await;
}

async fn an_unknown_action_is_answered_at_once(version: Version) {
    let pair = Pair::start(version).await;
    // Known to the caller's registry only: the service is taken away behind its back by asking the node.
    let error = pair.rust.call::<Value>("v2.js.none", json!({})).node(pair.js_id()).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::ServiceNotFound, Outcome::NotRun));
    let call = json!({ "do": "call", "action": "v3.rs.none", "params": {}, "opts": { "nodeID": "rust" } });
    let error = pair.js.attempt(call).await.unwrap_err();
    assert_eq!(error["name"], "ServiceNotFoundError");
    // What is not for others is not listed, and not found.
    let error = pair.rust.call::<Value>("v2.js.protected", json!({})).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ServiceNotFound);
    pair.end().await;
}
