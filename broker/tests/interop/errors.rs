//! Errors both ways: every class of Moleculer, classes of a service's own, plain errors, thrown texts.
//!
//! A stock node that gets an incomplete error waits until its timeout, for ever without one (quirk Q1 of
//! protocol chapter 13.2), so that each call here is answered at all is half of what is shown.

use ligand::{Code, Error, ErrorKind, Outcome, ServiceDef, Value};
use serde_json::json;

use crate::harness::{Pair, Version, rs, with_both_versions};

with_both_versions! {
    every_error_of_ours_is_rebuilt_as_its_class
    every_error_of_theirs_keeps_what_it_says
    failures_of_our_broker_are_rebuilt_as_their_class
}

/// Name, code, type, retryable: protocol chapter 6.6.
const CLASSES: [(&str, i64, &str, bool); 17] = [
    ("MoleculerError", 455, "TOLD", false),
    ("MoleculerRetryableError", 455, "TOLD", true),
    ("MoleculerServerError", 455, "TOLD", true),
    ("MoleculerClientError", 455, "TOLD", false),
    ("ValidationError", 422, "CUSTOM_TYPE", false),
    ("ServiceNotFoundError", 404, "SERVICE_NOT_FOUND", true),
    ("ServiceNotAvailableError", 404, "SERVICE_NOT_AVAILABLE", true),
    ("RequestTimeoutError", 504, "REQUEST_TIMEOUT", true),
    ("RequestSkippedError", 514, "REQUEST_SKIPPED", false),
    ("RequestRejectedError", 503, "REQUEST_REJECTED", true),
    ("QueueIsFullError", 429, "QUEUE_FULL", true),
    ("MaxCallLevelError", 500, "MAX_CALL_LEVEL", false),
    ("ServiceSchemaError", 500, "SERVICE_SCHEMA_ERROR", false),
    ("BrokerOptionsError", 500, "BROKER_OPTIONS_ERROR", false),
    ("GracefulStopTimeoutError", 500, "GRACEFUL_STOP_TIMEOUT", false),
    ("ProtocolVersionMismatchError", 500, "PROTOCOL_VERSION_MISMATCH", false),
    ("InvalidPacketDataError", 500, "INVALID_PACKET_DATA", false),
];

fn data_of(name: &str, node: &str) -> Value {
    match name {
        "MoleculerError" | "MoleculerRetryableError" | "MoleculerServerError" | "MoleculerClientError" => {
            json!({ "a": [1, { "b": null }] })
        }
        "ValidationError" => json!([{ "field": "a" }]),
        "ServiceSchemaError" | "BrokerOptionsError" => json!({ "a": 1 }),
        "MaxCallLevelError" => json!({ "nodeID": node, "level": 7 }),
        _ => json!({ "action": "some.action", "nodeID": node }),
    }
}

async fn every_error_of_ours_is_rebuilt_as_its_class(version: Version) {
    let pair = Pair::start(version).await;
    for (name, code, error_type, retryable) in CLASSES {
        let error = pair.js.call("v3.rs.fail", json!({ "name": name })).await.unwrap_err();
        assert_eq!(error["class"], name, "{error:#}");
        assert_eq!(error["known"], true, "{error:#}");
        assert_eq!((&error["code"], &error["type"]), (&json!(code), &json!(error_type)), "{error:#}");
        assert_eq!((&error["retryable"], &error["nodeID"]), (&json!(retryable), &json!("rust")), "{error:#}");
        if name != "GracefulStopTimeoutError" && name != "QueueIsFullError" {
            assert_eq!(error["data"], data_of(name, "rust"), "{error:#}");
        }
    }
    let error = pair.js.call("v3.rs.fail", json!({ "name": "TeapotError" })).await.unwrap_err();
    // A class that the caller does not have: a plain error that carries everything.
    assert_eq!((&error["class"], &error["name"]), (&json!("Error"), &json!("TeapotError")));
    assert_eq!((&error["code"], &error["type"]), (&json!(418), &json!("TEAPOT")));
    assert_eq!((&error["retryable"], &error["message"]), (&json!(false), &json!("told so")));
    assert_eq!(error["data"], json!({ "volume": 1.5, "lid": null }));
    let error = pair.js.call("v3.rs.fail", json!({ "name": "none of these" })).await.unwrap_err();
    assert_eq!((&error["name"], &error["code"]), (&json!("MoleculerError"), &json!(500)));
    assert_eq!(error["message"], "no error is named `none of these`");
    pair.end().await;
}

async fn every_error_of_theirs_keeps_what_it_says(version: Version) {
    let pair = Pair::start(version).await;
    let fail = async |name: &str| {
        let call = pair.rust.call::<Value>("v2.js.fail", json!({ "name": name }));
        call.await.expect_err("it fails")
    };
    for (name, code, error_type, retryable) in CLASSES {
        let error = fail(name).await;
        assert_eq!(error.name(), name);
        assert_eq!(error.code(), Some(&Code::Number(code)), "{error:?}");
        assert_eq!((error.error_type(), error.is_retryable()), (Some(error_type), retryable), "{error:?}");
        assert_eq!(error.node().map(|node| node.as_str()), Some("js"));
        // The handler answered it, whatever its class says: it speaks of another action.
        assert_eq!(error.outcome(), Outcome::Ran, "{error:?}");
        match name {
            "GracefulStopTimeoutError" => assert_eq!(error.data(), Some(&json!({ "name": "x" }))),
            "QueueIsFullError" => assert_eq!(error.data().unwrap()["limit"], 5),
            _ => assert_eq!(error.data(), Some(&data_of(name, "js")), "{error:?}"),
        }
        assert!(error.stack().is_some_and(|stack| stack.starts_with(name)), "{error:?}");
    }
    let error = fail("TeapotError").await;
    assert_eq!((error.name(), error.kind()), ("TeapotError", ErrorKind::Application));
    assert_eq!((error.code(), error.error_type()), (Some(&Code::Number(418)), Some("TEAPOT")));
    assert_eq!(error.data(), Some(&json!({ "volume": 1.5, "lid": null })));
    // The code of a system error is a text.
    let error = fail("SystemError").await;
    assert_eq!(error.code(), Some(&Code::Text("ECONNREFUSED".to_owned())));
    let error = fail("TypeError").await;
    assert_eq!((error.name(), error.message(), error.code()), ("TypeError", "no such property", None));
    // What is thrown without being an error.
    let error = fail("string").await;
    assert_eq!((error.name(), error.message()), ("MoleculerError", "just a string"));
    // Their validator's.
    let error = pair.rust.call::<Value>("v2.js.add", json!({ "a": "x", "b": 1 })).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Validation);
    let data = error.data().unwrap();
    assert_eq!((&data[0]["field"], &data[0]["type"]), (&json!("a"), &json!("number")));
    // And relayed by us to them, nothing is lost.
    for name in ["TeapotError", "SystemError", "ServiceSchemaError"] {
        let relay = json!({ "action": "v2.js.fail", "params": { "name": name } });
        let relayed = pair.js.call("v3.rs.relay", relay).await.unwrap_err();
        let mut direct = pair.js.call("v2.js.fail", json!({ "name": name })).await.unwrap_err();
        // A local error is the very object: its class and, in a plain one, the node are not yet decided.
        for key in ["class", "known", "nodeID", "retryable"] {
            direct[key] = relayed[key].clone();
        }
        assert_eq!(relayed, direct);
        assert_eq!(relayed["nodeID"], "js");
    }
    pair.end().await;
}

async fn failures_of_our_broker_are_rebuilt_as_their_class(version: Version) {
    let busy =
        ServiceDef::builder("busy").action("wait", |_cx: ligand::Context, _params: Value| async move {
            std::future::pending::<()>().await;
            Ok::<_, Error>(())
        });
    let pair = Pair::with(version, &["js"], vec![rs(), busy.build()]).await;
    // Parameters that do not fit: a list of what is wrong, as their validator makes.
    let error = pair.js.call("v3.rs.add", json!({ "a": "x", "b": 1 })).await.unwrap_err();
    assert_eq!((&error["class"], &error["code"]), (&json!("ValidationError"), &json!(422)), "{error:#}");
    let wrong = &error["data"][0];
    assert_eq!((&wrong["field"], &wrong["action"]), (&json!("a"), &json!("v3.rs.add")), "{error:#}");
    assert!(wrong["type"].is_string() && wrong["message"].is_string(), "{error:#}");
    // A handler that panics.
    let error = pair.js.call("v3.rs.panics", json!({})).await.unwrap_err();
    assert_eq!((&error["class"], &error["code"]), (&json!("MoleculerError"), &json!(500)), "{error:#}");
    // A service that calls itself without end.
    let error = pair.js.call("v3.rs.deeper", json!({})).await.unwrap_err();
    assert_eq!(
        (&error["class"], &error["type"]),
        (&json!("MaxCallLevelError"), &json!("MAX_CALL_LEVEL")),
        "{error:#}"
    );
    // Our answer to an action that we do not have, relayed from a nested call.
    let relay = json!({ "action": "no.such.action", "params": {} });
    let error = pair.js.call("v3.rs.relay", relay).await.unwrap_err();
    assert_eq!(
        (&error["class"], &error["data"]["action"]),
        (&json!("ServiceNotFoundError"), &json!("no.such.action"))
    );
    // The time of the caller, kept by us.
    let call = json!({ "do": "call", "action": "busy.wait", "params": {}, "opts": { "timeout": 100 } });
    let error = pair.js.attempt(call).await.unwrap_err();
    assert_eq!(error["class"], "RequestTimeoutError");
    pair.end().await;
}
