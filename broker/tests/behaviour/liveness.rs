//! Who is there: heartbeats, silence, crashes, returns. All on virtual time.

use ligand::testing::{Cluster, EventLog};
use ligand::transport::memory::Faults;
use ligand::{Context, IntoServiceDef as _, ServiceDef};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

use crate::ways::{ms, ok, secs};

fn service() -> ServiceDef {
    ServiceDef::builder("svc")
        .action("where", |cx: Context, _: Value| async move { ok(cx.broker().node_id().to_string()) })
        .build()
}

/// Waits for an event of the broker's own life, and says how long that took.
async fn after(events: &mut ligand::LocalEvents) -> (Duration, ligand::LocalEvent) {
    let from = Instant::now();
    let event = tokio::time::timeout(secs(3600), events.recv()).await.expect("nothing happens").unwrap();
    (from.elapsed(), event)
}

async fn is_online(cluster: &Cluster, at: &str, node: &str) -> bool {
    let nodes: Value = cluster.at(at).call("$node.list", ()).await.unwrap();
    nodes.as_array().unwrap().iter().any(|known| known["id"] == node && known["available"] == true)
}

#[tokio::test(start_paused = true)]
async fn heartbeats_keep_idle_nodes_online_for_an_hour() {
    let cluster = Cluster::seeded(1).node("a", []).node("b", []).node("c", []).start().await;
    let mut gone = cluster.at("a").local_events("$node.disconnected");
    cluster.advance(secs(3600)).await;
    assert_eq!(gone.try_recv(), None);
    cluster.settle().await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_node_is_given_up_within_the_timeout_and_a_second() {
    for timeout in [10, 30] {
        let mut cluster = Cluster::seeded(1)
            .configure(move |config| {
                config.heartbeat_interval = secs(timeout / 3);
                config.heartbeat_timeout = secs(timeout);
            })
            .node("a", [])
            .node("b", [service()])
            .start()
            .await;
        cluster.advance(secs(20)).await;
        let mut gone = cluster.at("a").local_events("$node.disconnected");
        cluster.crash("b");
        let (took, event) = after(&mut gone).await;
        assert_eq!(event.data, json!({ "node": { "id": "b" }, "unexpected": true }));
        // It was heard up to an interval ago.
        assert!(took <= secs(timeout + 1) + ms(50) && took >= secs(timeout / 2), "{took:?}");
        assert!(!is_online(&cluster, "a", "b").await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_partitioned_node_is_left_out_within_the_heartbeat_timeout_and_comes_back_after_the_repair() {
    let cluster =
        Cluster::seeded(7).node("a", []).node("b", [service()]).node("c", [service()]).start().await;
    cluster.partition("a", "b");
    cluster.advance(secs(32)).await;
    for _ in 0..10 {
        assert_eq!(cluster.at("a").call::<String>("svc.where", ()).await.unwrap(), "c");
    }
    assert!(is_online(&cluster, "c", "b").await, "the others still hear it");
    cluster.settle().await;
    let mut back = cluster.at("a").local_events("$node.connected");
    cluster.repair("a", "b");
    let (took, event) = after(&mut back).await;
    assert_eq!(event.data, json!({ "node": { "id": "b" }, "reconnected": true }));
    assert!(took <= secs(12), "{took:?}");
    cluster.settle().await;
}

#[tokio::test(start_paused = true)]
async fn a_way_that_is_cut_in_one_direction_only_hides_only_whom_nobody_hears() {
    let cluster = Cluster::seeded(1).node("a", []).node("b", []).start().await;
    cluster.cut("b", "a");
    cluster.advance(secs(32)).await;
    assert!(!is_online(&cluster, "a", "b").await);
    assert!(is_online(&cluster, "b", "a").await);
    cluster.repair("a", "b");
    cluster.settle().await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_leaves_says_so_and_is_gone_at_once() {
    let mut cluster = Cluster::seeded(1).node("a", []).node("b", [service()]).start().await;
    let mut gone = cluster.at("a").local_events("$node.disconnected");
    cluster.stop("b").await;
    let (took, event) = after(&mut gone).await;
    assert_eq!(event.data, json!({ "node": { "id": "b" }, "unexpected": false }));
    assert!(took < ms(10), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_crashed_node_rejoins_under_its_name_with_another_instance() {
    let log = EventLog::of("$node.*");
    let mut cluster =
        Cluster::seeded(1).node("a", [log.clone().into_service_def()]).node("b", [service()]).start().await;
    let before = cluster.at("b").instance_id().clone();
    cluster.crash("b");
    cluster.advance(secs(40)).await;
    cluster.restart("b").await;
    cluster.settle().await;
    assert_ne!(*cluster.at("b").instance_id(), before);
    assert_eq!(cluster.at("a").call::<String>("svc.where", ()).await.unwrap(), "b");
    let names: Vec<_> = log.names().into_iter().filter(|name| name != "$node.updated").collect();
    assert_eq!(names, ["$node.connected", "$node.disconnected", "$node.connected"]);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_restarts_before_it_is_missed_is_the_new_one_at_once_and_calls_to_the_old_one_fail() {
    let hang = ServiceDef::builder("svc")
        .action("where", |cx: Context, _: Value| async move { ok(cx.broker().instance_id().to_string()) })
        .action("hang", |_, _: Value| std::future::pending::<ligand::Result<()>>());
    let mut cluster = Cluster::seeded(1).node("a", []).node("b", [hang.build()]).start().await;
    let a = cluster.at("a").clone();
    let waiting = tokio::spawn(async move { a.call::<()>("svc.hang", ()).timeout(secs(600)).await });
    cluster.advance(ms(10)).await;
    let from = Instant::now();
    cluster.restart("b").await;
    cluster.settle().await;
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!(error.outcome(), ligand::Outcome::MayHaveRun);
    assert!(from.elapsed() < secs(3), "{:?}", from.elapsed());
    let instance: String = cluster.at("a").call("svc.where", ()).await.unwrap();
    assert_eq!(instance, cluster.at("b").instance_id().as_str());
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_gone_for_long_is_forgotten() {
    let mut cluster = Cluster::seeded(1)
        .configure(|config| config.registry.clean_offline_nodes_timeout = secs(300))
        .node("a", [])
        .node("b", [])
        .start()
        .await;
    let mut removed = cluster.at("a").local_events("$node.removed");
    cluster.stop("b").await;
    let ids = async || {
        let nodes: Vec<Value> = cluster.at("a").call("$node.list", ()).await.unwrap();
        nodes.into_iter().map(|node| node["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    cluster.advance(secs(200)).await;
    assert_eq!(ids().await, ["a", "b"], "it is still listed as offline");
    let (took, _) = after(&mut removed).await;
    assert!(took >= secs(90) && took <= secs(190), "{took:?}");
    assert_eq!(ids().await, ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_lossy_network_delays_but_does_not_part_the_nodes() {
    let cluster = Cluster::seeded(11).node("a", []).node("b", [service()]).node("c", []).start().await;
    cluster.faults(Faults { delay: ms(1)..ms(50), loss: 0.05, duplicate: 0.05, reorder: 0.1 });
    cluster.advance(secs(900)).await;
    cluster.faults(Faults::default());
    cluster.settle().await;
    assert_eq!(cluster.at("a").call::<String>("svc.where", ()).await.unwrap(), "b");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_cut_off_itself_finds_back() {
    let cluster = Cluster::seeded(1).node("a", []).node("b", [service()]).start().await;
    let mut events = cluster.at("b").local_events("$transporter.*");
    cluster.network().crash("b");
    cluster.advance(secs(60)).await;
    cluster.network().restore("b");
    cluster.settle().await;
    assert_eq!(cluster.at("a").call::<String>("svc.where", ()).await.unwrap(), "b");
    let names: Vec<_> =
        std::iter::from_fn(|| events.try_recv()).map(|event| event.name.to_string()).collect();
    assert_eq!(names, ["$transporter.disconnected", "$transporter.connected"]);
}

#[tokio::test(start_paused = true)]
async fn nodes_of_another_namespace_are_not_seen() {
    let cluster = Cluster::seeded(1).node("a", []).node("b", [service()]).start().await;
    let other = ligand::testing::TestBroker::new()
        .transporter(cluster.network().transporter())
        .with(|builder| builder.namespace("elsewhere"))
        .start()
        .await;
    cluster.advance(secs(30)).await;
    assert_eq!(other.ping_all().await.len(), 0);
    assert_eq!(cluster.at("a").ping_all().await.len(), 1);
}
