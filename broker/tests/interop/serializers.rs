//! Every serializer that both sides have, over TCP: calls, errors, events and meta, and what JSON has no
//! form for.

use ligand::config::SerializerKind;
use ligand::{Date, Error, ErrorKind, Outcome, ServiceDef, Value};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::{Arc, Mutex};

use crate::harness::{Heard, Pair, Version, logs, mail, rs, until};

/// Makes a test of each pair of a version and a serializer.
macro_rules! speaks {
    ($($name:ident $version:ident $serializer:ident;)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            logs();
            all_that_nodes_say_is_understood(Version::$version, SerializerKind::$serializer).await;
        }
    )*};
}

speaks! {
    msgpack_is_spoken_with_0_15 V015 MsgPack;
    msgpack_is_spoken_with_0_14 V014 MsgPack;
    notepack_is_spoken_with_0_15 V015 Notepack;
    notepack_is_spoken_with_0_14 V014 Notepack;
    cbor_is_spoken_with_0_15 V015 Cbor;
    cbor_is_spoken_with_0_14 V014 Cbor;
    json_ext_is_spoken_with_0_15 V015 JsonExt;
}

async fn all_that_nodes_say_is_understood(version: Version, serializer: SerializerKind) {
    let heard = Heard::default();
    let seen = Arc::new(Mutex::new(None));
    let services = vec![rs(), mail(&heard), special(&seen)];
    let pair = Pair::speaking(serializer, version, &["js", "mail", "special"], services).await;
    values(&pair).await;
    errors(&pair).await;
    context(&pair).await;
    events(&pair, &heard).await;
    specials(&pair, &seen).await;
    let reply = pair.rust.ping(&pair.js_id()).await.expect("a node that is known").expect("it answers");
    assert!(reply.time_diff_ms.abs() < 60_000.0, "{reply:?}");
    let pong = pair.js.ask(json!({ "do": "ping", "node": "rust" })).await;
    assert!(pong["timeDiff"].as_f64().is_some_and(|diff| diff.abs() < 60_000.0), "{pong}");
    pair.end().await;
}

async fn values(pair: &Pair) {
    for value in [
        json!({}),
        json!([]),
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(0.1),
        json!(-33),
        json!(70_000),
        json!(4_294_967_296_u64),
        json!(-4_294_967_297_i64),
        json!(9_007_199_254_740_991_u64),
        json!(""),
        json!("[[DT]]5 is no date, \u{0}, ü, 漢字, 🦀"),
        json!([null, [[], {}], "x", 1]),
        json!({ "": 1, "nested": { "a": [1, 2, { "b": null }] }, "日本": "🦀" }),
        json!("x".repeat(70_000)),
        (0..70).map(|n| (format!("key{n}"), json!(n))).collect::<serde_json::Map<_, _>>().into(),
        (0..70_000).collect::<Value>(),
    ] {
        let back: Value = pair.rust.call("v2.js.echo", value.clone()).await.unwrap();
        assert_eq!(back, value, "through a stock node");
        assert_eq!(pair.js.call("v3.rs.echo", value.clone()).await, Ok(value), "through ours");
    }
    assert_eq!(pair.js.call("v3.rs.add", json!({ "a": 1.5, "b": 2 })).await, Ok(json!(3.5)));
    let kind: Value = pair.rust.call("v2.js.kind", ligand::Empty).await.unwrap();
    assert_eq!(kind, "object");
    let nothing = json!({ "do": "call", "action": "v3.rs.echo", "omitParams": true });
    assert_eq!(pair.js.ask(nothing).await, json!({}));
    pair.rust.call::<()>("v2.js.nothing", json!({})).await.unwrap();
    assert_eq!(pair.js.call("v3.rs.nothing", json!({})).await, Ok(json!({ "$undefined": true })));
}

async fn errors(pair: &Pair) {
    let error = pair.js.call("v3.rs.fail", json!({ "name": "ValidationError" })).await.unwrap_err();
    assert_eq!((&error["class"], &error["code"]), (&json!("ValidationError"), &json!(422)), "{error:#}");
    assert_eq!((&error["data"], &error["nodeID"]), (&json!([{ "field": "a" }]), &json!("rust")), "{error:#}");
    let error = pair.rust.call::<Value>("v2.js.fail", json!({ "name": "TeapotError" })).await.unwrap_err();
    assert_eq!((error.name(), error.message()), ("TeapotError", "I am a teapot"));
    assert_eq!(error.data(), Some(&json!({ "volume": 1.5, "lid": null })));
    let error = pair.rust.call::<Value>("v2.js.none", json!({})).node(pair.js_id()).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::ServiceNotFound, Outcome::NotRun));
}

async fn context(pair: &Pair) {
    let call = json!({ "do": "callMeta", "action": "v3.rs.context", "params": {}, "meta": { "user": { "id": 5 }, "odd": "[[x" }, "opts": { "timeout": 5000 } });
    let told = pair.js.ask(call).await;
    assert_eq!(told["meta"], json!({ "user": { "id": 5 }, "odd": "[[x", "fromRust": "rust was here" }));
    assert_eq!((&told["data"]["meta"]["odd"], &told["data"]["nodeID"]), (&json!("[[x"), &json!("js")));
    let call = pair
        .rust
        .call::<Value>("v2.js.context", json!({}))
        .meta("trip", json!({ "n": 1.5, "odd": "[[ES]]" }));
    let told = call.await.unwrap();
    assert_eq!(told["meta"], json!({ "trip": { "n": 1.5, "odd": "[[ES]]" }, "fromJs": "js was here" }));
    // There and back, through both.
    let params = json!({ "action": "v3.rs.context", "params": {}, "opts": {} });
    let told: Value = pair.rust.call("v2.js.relay", params).await.unwrap();
    assert_eq!((&told["inner"]["caller"], &told["inner"]["level"]), (&json!("v2.js"), &json!(2)), "{told:#}");
}

async fn events(pair: &Pair, heard: &Heard) {
    pair.js.heard().await;
    heard.take();
    pair.rust.broadcast("user.created", json!({ "from": "rust" })).await.unwrap();
    let broadcast = json!({ "do": "broadcast", "event": "user.created", "data": { "from": "js" }, "opts": { "meta": { "m": 1 } } });
    pair.js.ask(broadcast).await;
    // Two handlers on each side, two events.
    until("our node has heard all", async || (heard.len() >= 4).then_some(())).await;
    let ours = heard.take();
    assert!(
        ours.iter().any(|event| event["data"]["from"] == "js" && event["meta"] == json!({ "m": 1 })),
        "{ours:?}"
    );
    let mut theirs = Vec::new();
    until("the stock node has heard all", async || {
        theirs.extend(pair.js.heard().await.into_iter().filter(|heard| heard["what"] == "event"));
        (theirs.len() >= 4).then_some(())
    })
    .await;
    let from_us = |event: &&Value| event["data"]["from"] == "rust" && event["from"] == "rust";
    assert_eq!(theirs.iter().filter(from_us).count(), 2, "{theirs:#?}");
    // Groups: one member each gets it, here or there.
    pair.js.ask(json!({ "do": "emit", "event": "order.x", "data": 5, "times": 4 })).await;
    let mut got = 0;
    until("four members have got it", async || {
        got += heard.take().len();
        got += pair.js.heard().await.iter().filter(|heard| heard["what"] == "event").count();
        (got >= 4).then_some(())
    })
    .await;
    assert_eq!(got, 4);
}

/// What JSON has no form for, with the types that a Rust handler gives it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Special {
    date: Date,
    #[serde(with = "as_bytes")]
    buffer: Vec<u8>,
}

/// What the crate `serde_bytes` does.
mod as_bytes {
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        struct Bytes;
        impl serde::de::Visitor<'_> for Bytes {
            type Value = Vec<u8>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }
        }
        deserializer.deserialize_byte_buf(Bytes)
    }
}

fn special(seen: &Arc<Mutex<Option<Special>>>) -> ServiceDef {
    let seen = Arc::clone(seen);
    ServiceDef::builder("special-rs")
        .action("keep", move |_cx, special: Special| {
            *seen.lock().unwrap() = Some(special.clone());
            async move { Ok::<_, Error>(special) }
        })
        .build()
}

async fn specials(pair: &Pair, seen: &Mutex<Option<Special>>) {
    let special = Special { date: Date::from_millis(1_700_000_000_123), buffer: vec![0, 1, 254, 255] };
    // The stock node says of what class they are over there.
    let classes: Value = pair.rust.call("special.classes", special.clone()).await.unwrap();
    assert_eq!(classes, json!({ "date": "Date 1700000000123", "buffer": "Buffer 0001feff" }));
    let made: Special = pair.rust.call("special.make", json!({})).await.unwrap();
    assert_eq!(made, special);
    let untyped: Value = pair.rust.call("special.make", json!({})).await.unwrap();
    assert_eq!(
        untyped,
        json!({ "date": "2023-11-14T22:13:20.123Z", "buffer": { "type": "Buffer", "data": [0, 1, 254, 255] } })
    );
    // It calls our service with them, and gets them back as they were.
    let classes: Value = pair.rust.call("special.there", json!({})).await.unwrap();
    assert_eq!(classes, json!({ "date": "Date 1700000000123", "buffer": "Buffer 0001feff" }));
    assert_eq!(seen.lock().unwrap().take(), Some(special));
}
