//! Services and nodes that come and go.

use ligand::{Error, ErrorKind, Outcome, ServiceDef, Value};
use serde_json::json;

use crate::harness::{
    Cluster, Js, Pair, RustChild, Version, rs, rust_node, services_of, until, with_both_versions,
};

with_both_versions! {
    a_service_comes_and_goes_on_either_side
    a_killed_stock_node_fails_its_calls_and_comes_back
    a_killed_node_of_ours_fails_its_calls_and_comes_back
    nodes_restart_gracefully
}

fn late() -> ServiceDef {
    ServiceDef::builder("late")
        .action("where", |cx: ligand::Context, _params: Value| async move {
            Ok::<_, Error>(cx.broker().node_id().to_string())
        })
        .build()
}

async fn a_service_comes_and_goes_on_either_side(version: Version) {
    let pair = Pair::with(version, &["js"], vec![rs()]).await;
    // Ours.
    pair.rust.add(late()).await.unwrap();
    pair.js.ask(json!({ "do": "waitForServices", "names": ["late"] })).await;
    assert_eq!(pair.js.call("late.where", json!({})).await, Ok(json!("rust")));
    assert!(pair.rust.remove("late").await);
    pair.js.ask(json!({ "do": "waitForNoAction", "action": "late.where" })).await;
    let error = pair.js.call("late.where", json!({})).await.unwrap_err();
    assert_eq!(error["name"], "ServiceNotAvailableError");
    // Theirs.
    pair.js.ask(json!({ "do": "add", "service": "late" })).await;
    pair.rust.wait_for(&["late"]).await.unwrap();
    assert_eq!(pair.rust.call::<Value>("late.where", json!({})).await.unwrap(), "js");
    pair.js.ask(json!({ "do": "remove", "service": "late" })).await;
    until("it has gone", async || {
        (!services_of(&pair.rust, "js").await.contains(&"late".to_owned())).then_some(())
    })
    .await;
    let error = pair.rust.call::<Value>("late.where", json!({})).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::ServiceNotAvailable, Outcome::NotRun));
    // What had been there before is there still.
    assert_eq!(pair.js.call("v3.rs.echo", json!(1)).await, Ok(json!(1)));
    assert_eq!(pair.rust.call::<Value>("v2.js.echo", json!(1)).await.unwrap(), 1);
    pair.end().await;
}

async fn a_killed_stock_node_fails_its_calls_and_comes_back(version: Version) {
    let mut pair = Pair::start(version).await;
    let broker = pair.rust.clone();
    let running =
        tokio::spawn(async move { broker.call::<Value>("v2.js.slow", json!({ "ms": 60_000 })).await });
    // It is under way once a later call has been answered: one connection, in order.
    let _: Value = pair.rust.call("v2.js.node", json!({})).await.unwrap();
    pair.js.kill().await;
    let error = running.await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::RequestRejected, Outcome::MayHaveRun));
    until("it is offline", async || services_of(&pair.rust, "js").await.is_empty().then_some(())).await;
    let error = pair.rust.call::<Value>("v2.js.node", json!({})).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::ServiceNotAvailable, Outcome::NotRun));
    // Again under the same name and port, with a number that starts anew.
    let options = pair.cluster.js_options("js");
    pair.js = Js::start(version, options, &["js", "shared", "mail", "late"]).await;
    pair.meet().await;
    assert_eq!(pair.rust.call::<Value>("late.where", json!({})).await.unwrap(), "js");
    assert_eq!(pair.js.call("v3.rs.echo", json!("again")).await, Ok(json!("again")));
    pair.end().await;
}

async fn a_killed_node_of_ours_fails_its_calls_and_comes_back(version: Version) {
    let cluster = Cluster::new(&["rust", "js"]);
    let js = Js::start(version, cluster.js_options("js"), &["js"]).await;
    for life in 0..2 {
        let rust = RustChild::start(&cluster, "rust");
        js.ask(json!({ "do": "waitForServices", "names": ["late"] })).await;
        assert_eq!(js.call("late.where", json!({})).await, Ok(json!("rust")), "life {life}");
        let (failed, ()) = tokio::join!(js.call("late.slow", json!({})), async {
            // The second call overtakes nothing, so the first one is under way.
            assert_eq!(js.call("late.where", json!({})).await, Ok(json!("rust")));
            tokio::task::spawn_blocking(|| rust.kill()).await.unwrap();
        });
        assert_eq!(failed.unwrap_err()["name"], "RequestRejectedError");
        js.ask(json!({ "do": "waitForNode", "node": "rust", "available": false })).await;
        let error = js.call("late.where", json!({})).await.unwrap_err();
        assert_eq!(error["name"], "ServiceNotAvailableError");
    }
}

async fn nodes_restart_gracefully(version: Version) {
    let mut pair = Pair::start(version).await;
    for _ in 0..2 {
        pair.rust.stop().await.unwrap();
        pair.js.ask(json!({ "do": "waitForNode", "node": "rust", "available": false })).await;
        pair.rust = rust_node(&pair.cluster, "rust", vec![rs(), late()]).await;
        pair.meet().await;
        assert_eq!(pair.js.call("late.where", json!({})).await, Ok(json!("rust")));
    }
    let mut events = pair.rust.local_events("$node.disconnected");
    pair.js.ask(json!({ "do": "stop" })).await;
    pair.js.exit().await;
    let event = events.recv().await.unwrap();
    assert_eq!(event.data["node"]["id"], "js");
    pair.js = Js::start(version, pair.cluster.js_options("js"), &["js"]).await;
    pair.meet().await;
    assert_eq!(pair.rust.call::<Value>("v2.js.node", json!({})).await.unwrap(), "js");
    pair.end().await;
}
