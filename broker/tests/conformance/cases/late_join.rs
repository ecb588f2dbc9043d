//! A node that comes later finds the others, and is found.

use serde_json::{Value, json};

use super::{Case, Cluster, Outcome, ensure};
use crate::conformance::cluster::meet;
use crate::conformance::services::echo;

pub(super) const CASE: Case =
    Case { name: "a node that joins later calls and is called", run: |cluster| Box::pin(run(cluster)) };

async fn run(cluster: &mut Cluster) -> Outcome {
    let [a, b] = cluster.start_all([vec![echo("at-a")], vec![echo("at-b")]]).await?;
    let mut joined = a.local_events("$node.connected");
    let late = cluster.start(2, [echo("late")]).await?;
    for broker in [&a, &b] {
        broker.wait_for(&["late"]).await?;
        let answer: String = broker.call("late.where", json!({})).await?;
        ensure!(answer == "node-2", "{answer} answered");
    }
    late.wait_for(&["at-a", "at-b"]).await?;
    let answer: Value = late.call("at-b.echo", json!({ "n": 1 })).await?;
    ensure!(answer == json!({ "n": 1 }), "it was answered {answer}");
    meet(&[a, b, late]).await?;
    let event = joined.try_recv().ok_or("nobody was told that a node connected")?;
    ensure!(event.data["node"]["id"] == "node-2", "told was {event:?}");
    Ok(())
}
