//! Which of several nodes gets a call.

use ligand::config::StrategyKind;
use ligand::testing::Cluster;
use ligand::{Context, Error, ServiceBroker, ServiceDef};
use serde_json::Value;
use std::collections::BTreeMap;

use crate::ways::ok;

fn service() -> ServiceDef {
    ServiceDef::builder("svc")
        .action("where", |cx: Context, _: Value| async move { ok(cx.broker().node_id().to_string()) })
        .build()
}

async fn counts(broker: &ServiceBroker, calls: u32) -> BTreeMap<String, u32> {
    let mut counts = BTreeMap::new();
    for _ in 0..calls {
        let node: String = broker.call("svc.where", ()).await.unwrap();
        *counts.entry(node).or_insert(0) += 1;
    }
    counts
}

fn expected<const N: usize>(counts: [(&str, u32); N]) -> BTreeMap<String, u32> {
    counts.into_iter().map(|(node, count)| (node.to_owned(), count)).collect()
}

#[tokio::test(start_paused = true)]
async fn round_robin_gives_each_node_its_exact_share() {
    let cluster = Cluster::seeded(1)
        .node("a", [])
        .node("b", [service()])
        .node("c", [service()])
        .node("d", [service()])
        .start()
        .await;
    assert_eq!(counts(cluster.at("a"), 300).await, expected([("b", 100), ("c", 100), ("d", 100)]));
}

#[tokio::test(start_paused = true)]
async fn random_spreads_within_bounds() {
    let cluster = Cluster::seeded(1)
        .configure(|config| config.registry.strategy = StrategyKind::Random)
        .node("a", [])
        .node("b", [service()])
        .node("c", [service()])
        .node("d", [service()])
        .start()
        .await;
    let counts = counts(cluster.at("a"), 3000).await;
    // 1000 each, give or take eight standard deviations.
    assert!(counts.len() == 3 && counts.values().all(|count| (790..=1210).contains(count)), "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_node_prefers_itself_unless_told_otherwise() {
    for (prefer, share) in
        [(true, expected([("a", 60)])), (false, expected([("a", 20), ("b", 20), ("c", 20)]))]
    {
        let cluster = Cluster::seeded(1)
            .configure(move |config| config.registry.prefer_local = prefer)
            .node("a", [service()])
            .node("b", [service()])
            .node("c", [service()])
            .start()
            .await;
        assert_eq!(counts(cluster.at("a"), 60).await, share, "preferLocal = {prefer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_can_name_the_node_that_has_to_answer() {
    let cluster =
        Cluster::seeded(1).node("a", [service()]).node("b", [service()]).node("c", [service()]).start().await;
    for node in ["a", "b", "c"] {
        let id = cluster.at(node).node_id().clone();
        let call = cluster.at("a").call::<String>("svc.where", ()).node(&id);
        assert_eq!(call.await.unwrap(), node);
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_left_gets_no_more_calls_and_one_that_came_gets_its_share() {
    let mut cluster =
        Cluster::seeded(1).node("a", []).node("b", [service()]).node("c", [service()]).start().await;
    cluster.stop("b").await;
    cluster.settle().await;
    assert_eq!(counts(cluster.at("a"), 10).await, expected([("c", 10)]));
    cluster.restart("b").await;
    cluster.settle().await;
    assert_eq!(counts(cluster.at("a"), 10).await, expected([("b", 5), ("c", 5)]));
}

#[tokio::test(start_paused = true)]
async fn each_action_has_a_turn_of_its_own() {
    let two = || {
        let here = |cx: Context, _: Value| async move { Ok::<_, Error>(cx.broker().node_id().to_string()) };
        ServiceDef::builder("svc").action("where", here).action("too", here).build()
    };
    let cluster = Cluster::seeded(1).node("a", []).node("b", [two()]).node("c", [two()]).start().await;
    let mut counts = BTreeMap::new();
    for i in 0..40 {
        let action = if i % 2 == 0 { "svc.where" } else { "svc.too" };
        let node: String = cluster.at("a").call(action, ()).await.unwrap();
        *counts.entry(node).or_insert(0) += 1;
    }
    assert_eq!(counts, expected([("b", 20), ("c", 20)]));
}
