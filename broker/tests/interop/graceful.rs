//! Stopping gracefully under load, on either side.

use ligand::{ErrorKind, Outcome, Value};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::harness::{Cluster, Js, Version, logs, rust_node, shared, until};

/// Calls per second of each caller.
const RATE: u64 = 200;

/// Two stock callers, one of each version, and two nodes of ours, of which one stops. Retries are off, as
/// they are by default, so whatever is lost shows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_is_lost_while_a_node_of_ours_stops() {
    logs();
    let cluster = Cluster::new(&["js-1", "js-2", "stays", "leaves"]);
    let (js_1, js_2, stays) = tokio::join!(
        Js::start(Version::V015, cluster.js_options("js-1"), &[]),
        Js::start(Version::V014, cluster.js_options("js-2"), &[]),
        rust_node(&cluster, "stays", vec![shared()]),
    );
    for run in 0..5 {
        let leaves = rust_node(&cluster, "leaves", vec![shared()]).await;
        for js in [&js_1, &js_2] {
            for node in ["stays", "leaves"] {
                js.ask(json!({ "do": "waitForServicesOf", "node": node, "names": ["shared"] })).await;
            }
            js.ask(json!({ "do": "loadStart", "action": "shared.work", "rate": RATE })).await;
        }
        for js in [&js_1, &js_2] {
            until("both nodes are being called", async || {
                let state = js.ask(json!({ "do": "loadState" })).await;
                (state["byNode"]["leaves"].as_u64() > Some(40)).then_some(())
            })
            .await;
        }
        leaves.stop().await.unwrap();
        for js in [&js_1, &js_2] {
            let before = js.ask(json!({ "do": "loadState" })).await["ok"].as_u64().unwrap_or_default();
            until("calls go on", async || {
                let state = js.ask(json!({ "do": "loadState" })).await;
                (state["ok"].as_u64() > Some(before + 20)).then_some(())
            })
            .await;
            let state = js.ask(json!({ "do": "loadEnd" })).await;
            println!("run {run}, {}: {} calls, {}", js.name, state["sent"], state["byNode"]);
            assert_eq!(state["failures"], json!([]), "run {run}, {}", js.name);
            assert_eq!(state["settled"], state["sent"], "run {run}, {}", js.name);
        }
    }
    stays.stop().await.unwrap();
}

/// What became of the calls of one caller.
#[derive(Debug, Default)]
struct Tally {
    by_node: BTreeMap<String, usize>,
    failures: Vec<(ErrorKind, Outcome, String)>,
}

/// A stock node that stops cuts the handlers that run (`tracking` is off by default), and refuses what
/// comes during its last 100 ms.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_is_settled_while_a_stock_node_stops() {
    logs();
    for version in [Version::V015, Version::V014] {
        let cluster = Cluster::new(&["caller", "stays", "leaves"]);
        let (leaves, stays, caller) = tokio::join!(
            Js::start(version, cluster.js_options("leaves"), &["shared"]),
            Js::start(version, cluster.js_options("stays"), &["shared"]),
            rust_node(&cluster, "caller", vec![]),
        );
        until("both offer the action", async || {
            let services: Value = caller.call("$node.services", json!({})).await.unwrap();
            let shared = services.as_array()?.iter().find(|service| service["name"] == "shared")?.clone();
            (shared["nodes"].as_array()?.len() == 2).then_some(())
        })
        .await;
        let tally = Arc::new(Mutex::new(Tally::default()));
        let (sent, settled) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let load = {
            let (caller, tally, sent, settled) = (caller.clone(), tally.clone(), sent.clone(), settled.clone());
            tokio::spawn(async move {
                let mut pace = tokio::time::interval(Duration::from_millis(1000 / RATE));
                loop {
                    pace.tick().await;
                    sent.fetch_add(1, Ordering::SeqCst);
                    let (caller, tally, settled) = (caller.clone(), tally.clone(), settled.clone());
                    tokio::spawn(async move {
                        let answer = caller.call::<String>("shared.where", json!({ "ms": 20 })).await;
                        let mut tally = tally.lock().unwrap();
                        match answer {
                            Ok(node) => *tally.by_node.entry(node).or_default() += 1,
                            Err(error) => tally.failures.push((error.kind(), error.outcome(), error.to_string())),
                        }
                        settled.fetch_add(1, Ordering::SeqCst);
                    });
                }
            })
        };
        let answered = |node: &'static str| {
            let tally = tally.clone();
            async move || (tally.lock().unwrap().by_node.get(node).copied().unwrap_or_default() > 40).then_some(())
        };
        until("the first node answers", answered("leaves")).await;
        until("the second node answers", answered("stays")).await;
        leaves.ask(json!({ "do": "stop" })).await;
        let before = settled.load(Ordering::SeqCst);
        until("calls go on", async || (settled.load(Ordering::SeqCst) > before + 100).then_some(())).await;
        load.abort();
        until("every call is settled", async || {
            (settled.load(Ordering::SeqCst) == sent.load(Ordering::SeqCst)).then_some(())
        })
        .await;
        let tally = tally.lock().unwrap();
        println!("{version:?}: {} calls, {:?}, {} failed", sent.load(Ordering::SeqCst), tally.by_node, tally.failures.len());
        for (kind, outcome, text) in &tally.failures {
            // Cut handlers only: the node was asked, and nobody knows how far it came.
            assert_eq!((*kind, *outcome), (ErrorKind::RequestRejected, Outcome::MayHaveRun), "{text}");
            assert!(text.contains("shared.where") && text.contains("leaves"), "{text}");
        }
        drop(stays);
        caller.stop().await.unwrap();
    }
}
