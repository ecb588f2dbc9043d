//! A broadcast reaches every subscriber of every node, once.

use serde_json::json;
use tests_support::try_until;

use super::{Case, Cluster, Outcome, ensure};
use crate::conformance::services::Log;

pub(super) const CASE: Case =
    Case { name: "a broadcast reaches every subscriber exactly once", run: |cluster| Box::pin(run(cluster)) };

const EVENTS: usize = 20;

async fn run(cluster: &mut Cluster) -> Outcome {
    let log = Log::default();
    let both = || vec![log.listener("mail", "order.*", None), log.listener("stock", "order.created", None)];
    let [a, b, c] = cluster.start_all([both(), both(), both()]).await?;
    for n in 0..EVENTS {
        a.broadcast("order.created", json!(n)).await?;
    }
    // Behind the others on every way, so that a second copy of one of them would have come before it.
    for from in [&a, &b, &c] {
        from.broadcast("order.created", json!("end")).group("mail").await?;
    }
    let ends = || log.lines().iter().filter(|line| line.ends_with("\"end\"")).count();
    try_until("the last broadcasts have arrived", async || ends() >= 9).await?;
    // One that was being handled meanwhile may still be.
    try_until("every broadcast has arrived", async || log.lines().len() >= 6 * EVENTS + 9).await?;

    let lines = log.lines();
    for n in 0..EVENTS {
        let ending = format!(" {n}");
        let mut seen: Vec<_> = lines.iter().filter(|line| line.ends_with(&ending)).collect();
        seen.sort();
        seen.dedup();
        let count = lines.iter().filter(|line| line.ends_with(&ending)).count();
        ensure!(seen.len() == 6 && count == 6, "broadcast {n} was seen {count} times: {seen:?}");
    }
    let ends: Vec<_> = lines.iter().filter(|line| line.ends_with("\"end\"")).collect();
    ensure!(
        ends.len() == 9 && ends.iter().all(|line| line.contains(" mail ")),
        "a broadcast for one group was seen by {ends:?}"
    );
    b.broadcast_local("order.created", json!("local")).await?;
    let local: Vec<_> = log.lines().into_iter().filter(|line| line.ends_with("\"local\"")).collect();
    ensure!(
        local.len() == 2 && local.iter().all(|line| line.starts_with("node-1 ")),
        "a local broadcast was seen by {local:?}"
    );
    Ok(())
}
