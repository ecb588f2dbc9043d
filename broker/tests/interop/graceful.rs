//! Stopping gracefully under load, on either side.

use ligand::{ErrorKind, Outcome};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::harness::{Cluster, Js, Version, logs, rust_node, services_of, shared, until};

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
                (state["byNode"]["leaves"].as_u64() > Some(80)).then_some(())
            })
            .await;
        }
        leaves.stop().await.unwrap();
        for js in [&js_1, &js_2] {
            let before = js.ask(json!({ "do": "loadState" })).await["ok"].as_u64().unwrap_or_default();
            until("calls go on", async || {
                let state = js.ask(json!({ "do": "loadState" })).await;
                (state["ok"].as_u64() > Some(before + 100)).then_some(())
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

/// A stock node that stops cuts the handlers that run (`tracking` is off by default): the callers learn
/// that their calls may have run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_is_settled_while_a_stock_node_cuts_its_handlers() {
    logs();
    for version in [Version::V015, Version::V014] {
        let (refused, tally) = stop_a_stock_node(version, &["shared"]).await;
        println!("{version:?}: {:?}, {refused} refused, {} failed", tally.by_node, tally.failures.len());
        tally.check_failures();
    }
}

/// While the services of a stock node stop, it refuses requests; each of those goes elsewhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_that_a_stopping_stock_node_refuses_is_rerouted() {
    logs();
    for version in [Version::V015, Version::V014] {
        let (refused, tally) = stop_a_stock_node(version, &["shared", "lingering"]).await;
        println!("{version:?}: {:?}, {refused} refused, {} failed", tally.by_node, tally.failures.len());
        assert!(refused > 10, "{refused}");
        // A refusal that was not followed up would be a failure of another kind. What was on its way when
        // the node closed its sockets has no answer; how much that is depends on how fast the machine is.
        tally.check_failures();
    }
}

/// Stops one of two stock nodes that share the calls of a node of ours. How many requests it refused, and
/// what became of all calls: each of them is settled.
async fn stop_a_stock_node(version: Version, services: &[&str]) -> (u64, Tally) {
    // No round of gossip tells meanwhile that the node stops: the worst case.
    let cluster = Cluster::gossiping_every(60, &["caller", "stays", "leaves"]);
    let (leaves, stays) = tokio::join!(
        Js::start(version, cluster.js_options("leaves"), services),
        Js::start(version, cluster.js_options("stays"), &["shared"]),
    );
    let caller = rust_node(&cluster, "caller", vec![]).await;
    for node in ["leaves", "stays"] {
        until("both offer the action", async || {
            services_of(&caller, node).await.contains(&"shared".to_owned()).then_some(())
        })
        .await;
    }
    let tally = Arc::new(Mutex::new(Tally::default()));
    let mut lost = caller.local_events("$node.disconnected");
    let watching = tokio::spawn({
        let tally = Arc::clone(&tally);
        async move {
            while lost.recv().await.expect("the node lives").data["node"]["id"] != "leaves" {}
            tally.lock().unwrap().gone = Some(Instant::now());
        }
    });
    let load = tokio::spawn({
        let (caller, tally) = (caller.clone(), Arc::clone(&tally));
        async move {
            let mut pace = tokio::time::interval(Duration::from_millis(1000 / RATE));
            loop {
                pace.tick().await;
                tally.lock().unwrap().sent += 1;
                let (caller, tally) = (caller.clone(), Arc::clone(&tally));
                tokio::spawn(async move {
                    let made = Instant::now();
                    let answer = caller.call::<String>("shared.where", json!({ "ms": 20 })).await;
                    tally.lock().unwrap().settle(made, answer);
                });
            }
        }
    });
    let answered = |node: &str| tally.lock().unwrap().by_node.get(node).copied().unwrap_or_default();
    for node in ["leaves", "stays"] {
        until("both answer", async || (answered(node) > 40).then_some(())).await;
    }
    let stopped = leaves.ask(json!({ "do": "stop" })).await;
    let before = answered("stays");
    until("calls go on", async || (answered("stays") > before + 100).then_some(())).await;
    load.abort();
    until("every call is settled", async || {
        let tally = tally.lock().unwrap();
        (tally.settled() == tally.sent).then_some(())
    })
    .await;
    drop(stays);
    until("the loss is noticed", async || tally.lock().unwrap().gone).await;
    watching.abort();
    caller.stop().await.unwrap();
    let tally = std::mem::take(&mut *tally.lock().unwrap());
    (stopped["refused"].as_u64().unwrap_or_default(), tally)
}

/// What became of the calls of one caller.
#[derive(Debug, Default)]
struct Tally {
    sent: usize,
    by_node: BTreeMap<String, usize>,
    failures: Vec<Failure>,
    /// When the caller learned that the node has gone.
    gone: Option<Instant>,
}

#[derive(Debug)]
struct Failure {
    made: Instant,
    kind: ErrorKind,
    outcome: Outcome,
    text: String,
}

impl Tally {
    fn settle(&mut self, made: Instant, answer: ligand::Result<String>) {
        match answer {
            Ok(node) => *self.by_node.entry(node).or_default() += 1,
            Err(error) => {
                let (kind, outcome, text) = (error.kind(), error.outcome(), error.to_string());
                self.failures.push(Failure { made, kind, outcome, text });
            }
        }
    }

    /// Each names its reason: the node was asked and has gone, and nobody knows how far it came. None was
    /// made after that was known.
    fn check_failures(&self) {
        let gone = self.gone.expect("the caller has learned that the node has gone");
        for Failure { made, kind, outcome, text } in &self.failures {
            assert!(*made <= gone, "{text}");
            assert_eq!((*kind, *outcome), (ErrorKind::RequestRejected, Outcome::MayHaveRun), "{text}");
            assert!(text.contains("shared.where") && text.contains("leaves"), "{text}");
        }
    }

    fn settled(&self) -> usize {
        self.by_node.values().sum::<usize>() + self.failures.len()
    }
}
