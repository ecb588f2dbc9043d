//! A second process under the id of a node that lives.

use futures_util::FutureExt as _;
use ligand::{Context, Error, ServiceDef, StartError};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tests_support::try_until;

use super::{Case, Cluster, Outcome, ensure};

pub(super) const CASE: Case = Case {
    name: "starts that are refused for their id cost its owner no call",
    run: |cluster| run(cluster).boxed_local(),
};

/// Starts are refused one after another,
const STARTS: usize = 10;
/// as many as fit into this time.
const TIME: Duration = Duration::from_secs(5);
/// Between two calls.
const PACE: Duration = Duration::from_millis(10);

/// Counts the runs of its action and of its event's handler, under every process that offers it.
fn service(runs: &Arc<AtomicUsize>, heard: &Arc<AtomicUsize>) -> ServiceDef {
    let (runs, heard) = (Arc::clone(runs), Arc::clone(heard));
    ServiceDef::builder("owned")
        .action("run", move |_, _: Value| {
            let runs = Arc::clone(&runs);
            async move {
                // Some are under way whenever a start begins or ends.
                tokio::time::sleep(PACE * 2).await;
                Ok::<_, Error>(runs.fetch_add(1, Ordering::Relaxed))
            }
        })
        .event("owned.happened", move |_: Context, _: Value| {
            heard.fetch_add(1, Ordering::Relaxed);
            async { Ok::<_, Error>(()) }
        })
        .build()
}

async fn run(cluster: &mut Cluster) -> Outcome {
    if !cluster.asks_for_its_id() {
        return Ok(());
    }
    let (runs, heard) = (Arc::default(), Arc::default());
    let [owner, caller] = cluster.start_all([vec![service(&runs, &heard)], vec![]]).await?;
    let over = Arc::new(AtomicBool::new(false));
    let calls = tokio::spawn({
        let (over, caller) = (Arc::clone(&over), caller.clone());
        async move {
            let mut calls = Vec::new();
            let mut emitted = 0;
            while !over.load(Ordering::Relaxed) {
                let caller = caller.clone();
                caller.emit("owned.happened", json!({})).await?;
                emitted += 1;
                calls.push(tokio::spawn(async move { caller.call::<usize>("owned.run", json!({})).await }));
                tokio::time::sleep(PACE).await;
            }
            let mut failed = Vec::new();
            let made = calls.len();
            for call in calls {
                failed.extend(call.await.map_err(Error::internal)?.err());
            }
            Ok::<_, Error>((made, emitted, failed))
        }
    });
    let from = Instant::now();
    let mut refused = 0;
    while refused < STARTS && (refused == 0 || from.elapsed() < TIME) {
        let second = cluster.build(0, [service(&runs, &heard)])?;
        match second.start().await {
            Err(StartError::DuplicateNode { node, .. }) if node == "node-0" => refused += 1,
            Err(other) => return Err(format!("start {refused} failed otherwise: {other}").into()),
            Ok(()) => {
                second.stop().await?;
                return Err(format!("start {refused} was not refused").into());
            }
        }
    }
    over.store(true, Ordering::Relaxed);
    let (made, emitted, failed) = calls.await??;
    ensure!(failed.is_empty(), "{} of {made} calls failed: {}", failed.len(), failed[0]);
    let ran = runs.load(Ordering::Relaxed);
    ensure!(ran == made, "{made} calls ran {ran} times");
    try_until(&format!("{emitted} events were heard"), async || heard.load(Ordering::Relaxed) >= emitted)
        .await?;
    let heard = heard.load(Ordering::Relaxed);
    ensure!(heard == emitted, "{emitted} events were heard {heard} times");
    let who: Value = caller.call("$node.health", json!({})).node(owner.node_id()).await?;
    ensure!(who.is_object(), "the owner does not answer any more");
    Ok(())
}
