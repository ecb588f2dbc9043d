//! A graceful stop loses no call.

use ligand::{Error, ServiceBroker, ServiceDef};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tests_support::try_until;

use super::{Case, Cluster, Failure, Outcome, ensure};

pub(super) const CASE: Case =
    Case { name: "no call is lost when one of two workers stops", run: |cluster| Box::pin(run(cluster)) };

/// Calls in flight at each caller.
const AT_ONCE: usize = 8;

fn worker() -> ServiceDef {
    ServiceDef::builder("work")
        .action("at-once", |_cx, n: u64| async move { Ok::<_, Error>(n) })
        .action("slow", |_cx, n: u64| async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok::<_, Error>(n)
        })
        .build()
}

async fn run(cluster: &mut Cluster) -> Outcome {
    let [a, b, leaving, staying] =
        cluster.start_all([vec![], vec![], vec![worker()], vec![worker()]]).await?;
    let (done, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut callers = Vec::new();
    for broker in [&a, &b] {
        broker.wait_for(&["work"]).await?;
        for lane in 0..AT_ONCE {
            let (broker, done, calls) = (broker.clone(), Arc::clone(&done), Arc::clone(&calls));
            callers.push(tokio::spawn(async move { call(&broker, lane, &done, &calls).await }));
        }
    }
    let at_least = async |more: usize| {
        let from = calls.load(Ordering::Relaxed);
        try_until("calls go on", async || calls.load(Ordering::Relaxed) >= from + more).await
    };
    at_least(200).await?;
    let stopped = leaving.stop().await;
    at_least(200).await?;
    done.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await??;
    }
    stopped?;
    let other = format!("{} has gone", leaving.node_id());
    try_until(&other, async || {
        let list: Value =
            staying.call("$node.list", json!({})).node(staying.node_id()).await.unwrap_or_default();
        let node = list.as_array().and_then(|list| list.iter().find(|node| node["id"] == "node-2").cloned());
        node.is_none_or(|node| node["available"] == false)
    })
    .await?;
    Ok(())
}

async fn call(
    broker: &ServiceBroker,
    lane: usize,
    done: &AtomicBool,
    calls: &AtomicUsize,
) -> Result<(), Failure> {
    let action = if lane.is_multiple_of(2) { "work.at-once" } else { "work.slow" };
    while !done.load(Ordering::Relaxed) {
        let n = calls.fetch_add(1, Ordering::Relaxed) as u64;
        let answer: u64 =
            broker.call(action, n).await.map_err(|error| format!("a call was lost: {error:?}"))?;
        ensure!(answer == n, "call {n} was answered {answer}");
        // Constant, but not as fast as it goes: the stopping node is to be called, not drowned.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}
