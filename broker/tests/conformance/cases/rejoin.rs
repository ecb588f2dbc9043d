//! A node comes back under its old id as a new run.

use serde_json::{Value, json};
use tests_support::try_until;

use super::{Case, Cluster, Outcome, ensure};
use crate::conformance::cluster::meet;
use crate::conformance::services::{Log, echo};

pub(super) const CASE: Case = Case {
    name: "a node rejoins under its id, after a stop and after a crash, and hears of no rival",
    run: |cluster| Box::pin(run(cluster)),
};

async fn run(cluster: &mut Cluster) -> Outcome {
    // Listens from before its node starts, so that nothing of an earlier run goes unnoticed.
    let conflicts = Log::default();
    let rivals = |name: &str| conflicts.listener(name, "$node.conflict", None);
    let a = cluster.start(0, [echo("at-a")]).await?;
    let first = cluster.start(1, [echo("old")]).await?;
    meet(&[a.clone(), first.clone()]).await?;
    a.wait_for(&["old"]).await?;
    first.stop().await?;

    let second = cluster.start_apart(1, [echo("newer"), rivals("rivals")]).await?;
    ensure!(first.instance_id() != second.instance_id(), "two runs have one instance id");
    a.wait_for(&["newer"]).await?;
    meet(&[a.clone(), second.clone()]).await?;
    ensure!(services(&a).await == ["at-a", "newer", "rivals"], "after a stop: {:?}", services(&a).await);

    cluster.crash(&second).await?;
    cluster.make_way(&second);
    let third = cluster.start(1, [echo("newest"), rivals("rivals-again")]).await?;
    a.wait_for(&["newest"]).await?;
    third.wait_for(&["at-a"]).await?;
    meet(&[a.clone(), third.clone()]).await?;
    try_until("the crashed run is forgotten", async || {
        services(&a).await == ["at-a", "newest", "rivals-again"]
    })
    .await?;
    let place: String = a.call("newest.where", json!({})).await?;
    ensure!(place == "node-1", "{place} answered");
    let back: Value = third.call("at-a.echo", json!([1])).await?;
    ensure!(back == json!([1]), "it was answered {back}");
    ensure!(conflicts.lines().is_empty(), "taken for somebody else: {:?}", conflicts.lines());
    Ok(())
}

/// Names of the services that are available, but for `$node`.
async fn services(broker: &ligand::ServiceBroker) -> Vec<String> {
    let params = json!({ "skipInternal": true, "onlyAvailable": true });
    let list: Value = broker.call("$node.services", params).node(broker.node_id()).await.unwrap_or_default();
    let names = list.as_array().into_iter().flatten().filter_map(|service| service["name"].as_str());
    let mut names: Vec<_> = names.map(str::to_owned).collect();
    names.sort();
    names
}
