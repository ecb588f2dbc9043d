//! A node that vanishes is noticed, and no caller waits for it for ever.

use ligand::{Error, ErrorKind, Outcome as Ran, ServiceDef};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tests_support::try_until;

use super::{Case, Cluster, Outcome, ensure};
use crate::conformance::cluster::{PATIENCE, meet};
use crate::conformance::services::echo;

pub(super) const CASE: Case = Case {
    name: "calls to a node that crashes fail, and later ones go elsewhere",
    run: |cluster| Box::pin(run(cluster)),
};

const WAITING: usize = 10;

async fn run(cluster: &mut Cluster) -> Outcome {
    let begun = Arc::new(AtomicUsize::new(0));
    let stuck = ServiceDef::builder("stuck")
        .action("wait", {
            let begun = Arc::clone(&begun);
            move |_cx, _: Value| {
                begun.fetch_add(1, Ordering::Relaxed);
                std::future::pending::<Result<(), Error>>()
            }
        })
        .build();
    let a = cluster.start(0, []).await?;
    let b = cluster.start(1, [echo("shared")]).await?;
    let doomed = cluster.start_apart(2, [echo("shared"), stuck]).await?;
    meet(&[a.clone(), b.clone(), doomed.clone()]).await?;
    a.wait_for(&["stuck"]).await?;
    let mut gone = a.local_events("$node.disconnected");

    // Where the bus chooses, nobody knows which calls are lost, and they settle at their deadlines.
    let (kind, timeout) = if cluster.is_balanced() {
        (ErrorKind::RequestTimeout, Duration::from_secs(3))
    } else {
        (ErrorKind::RequestRejected, PATIENCE)
    };
    let waiting: Vec<_> = (0..WAITING)
        .map(|_| {
            let a = a.clone();
            tokio::spawn(async move { a.call::<Value>("stuck.wait", json!({})).timeout(timeout).await })
        })
        .collect();
    try_until("all calls are being handled", async || begun.load(Ordering::Relaxed) == WAITING).await?;
    cluster.crash(&doomed).await?;
    for call in waiting {
        let error = call.await?.err().ok_or("a call to a dead node succeeded")?;
        ensure!(error.kind() == kind, "{error:?}");
        ensure!(error.outcome() == Ran::MayHaveRun, "{error:?}");
    }
    let event = gone.recv().await.ok_or("the broker is gone")?;
    ensure!(event.data["node"]["id"] == "node-2", "told was {event:?}");
    for _ in 0..20 {
        let place: String = a.call("shared.where", json!({})).await?;
        ensure!(place == "node-1", "{place} answered");
    }
    meet(&[a, b]).await
}
