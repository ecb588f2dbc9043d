//! Waiting for services, pinging nodes, listening to the broker's own life.

use ligand::testing::{Cluster, Mock, TestBroker};
use ligand::transport::memory::Faults;
use ligand::{ErrorKind, IntoServiceDef as _, NodeId, Outcome, Timeout};
use serde_json::json;
use tokio::time::Instant;

use crate::ways::{ms, ok, secs};

fn stock() -> Mock {
    Mock::service("stock").on("get", |_| ok(json!(1)))
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_when_the_service_appears() {
    let broker = TestBroker::new().start().await;
    let from = Instant::now();
    let (waited, ()) = tokio::join!(broker.wait_for(&["stock", "v2.prices"]), async {
        tokio::time::sleep(secs(2)).await;
        broker.add(stock()).await.unwrap();
        tokio::time::sleep(secs(3)).await;
        broker.add(Mock::service("prices").version(2).on("get", |_| ok(json!(1)))).await.unwrap();
    });
    waited.unwrap();
    assert!(from.elapsed() >= secs(5) && from.elapsed() < ms(5100), "{:?}", from.elapsed());
}

#[tokio::test(start_paused = true)]
async fn waiting_is_bounded_and_names_what_is_missing() {
    let broker = TestBroker::new().service(stock()).start().await;
    broker.wait_for(&[]).await.unwrap();
    broker.wait_for(&["stock"]).await.unwrap();
    let from = Instant::now();
    let error = broker.wait_for(&["stock", "prices"]).await.unwrap_err();
    assert_eq!((error.missing, from.elapsed().as_secs()), (vec!["prices".to_owned()], 30));
    let from = Instant::now();
    broker.wait_for_within(&["prices"], ms(50)).await.unwrap_err();
    assert!(from.elapsed() < ms(60));
    let from = Instant::now();
    broker.wait_for_within(&["stock"], secs(0)).await.unwrap();
    let error = broker.wait_for_within(&["stock", "prices"], secs(0)).await.unwrap_err();
    assert_eq!((error.missing, from.elapsed()), (vec!["prices".to_owned()], secs(0)));
    let never = broker.wait_for_within(&["prices"], Timeout::Never);
    assert!(tokio::time::timeout(secs(7200), never).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_service_of_a_node_that_left_is_waited_for_again() {
    let mut cluster = Cluster::seeded(1).node("a", []).node("b", [stock().into_service_def()]).start().await;
    cluster.at("a").wait_for(&["stock"]).await.unwrap();
    cluster.stop("b").await;
    cluster.settle().await;
    cluster.at("a").wait_for_within(&["stock"], secs(1)).await.unwrap_err();
    cluster.restart("b").await;
    cluster.at("a").wait_for_within(&["stock"], secs(5)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_ping_measures_the_way_there_and_back() {
    let cluster = Cluster::seeded(1).node("a", []).node("b", []).start().await;
    cluster.faults(Faults { delay: ms(20)..ms(21), ..Faults::default() });
    let mut pongs = cluster.at("a").local_events("$node.pong");
    let b = cluster.at("b").node_id().clone();
    let reply = cluster.at("a").ping(&b).await.unwrap().unwrap();
    assert!(reply.elapsed >= ms(40) && reply.elapsed < ms(60), "{reply:?}");
    let event = pongs.recv().await.unwrap();
    assert_eq!((&event.data["nodeID"], event.data["elapsedTime"].is_u64()), (&json!("b"), true));
}

#[tokio::test(start_paused = true)]
async fn a_ping_without_an_answer_ends_after_two_seconds() {
    let cluster = Cluster::seeded(1).node("a", []).node("b", []).start().await;
    cluster.partition("a", "b");
    let b = cluster.at("b").node_id().clone();
    let from = Instant::now();
    assert_eq!(cluster.at("a").ping(&b).await.unwrap(), None);
    assert!(from.elapsed() >= secs(2) && from.elapsed() < ms(2100), "{:?}", from.elapsed());
}

#[tokio::test(start_paused = true)]
async fn ping_all_asks_everybody_at_once() {
    let cluster = Cluster::seeded(1).node("a", []).node("b", []).node("c", []).node("d", []).start().await;
    cluster.partition("a", "c");
    let from = Instant::now();
    let replies = cluster.at("a").ping_all().await;
    assert!(from.elapsed() < ms(2100));
    let found: Vec<_> = replies.iter().map(|(node, reply)| (node.as_str(), reply.is_some())).collect();
    assert_eq!(found, [("b", true), ("c", false), ("d", true)]);
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_is_alone_cannot_ping() {
    let broker = TestBroker::new().start().await;
    let error = broker.ping(&NodeId::new("b").unwrap()).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Disconnected, Outcome::NotRun));
    assert!(broker.ping_all().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn local_events_are_chosen_by_pattern_and_bounded() {
    let broker = TestBroker::new().start().await;
    let mut all = broker.local_events("$**");
    let mut changes = broker.local_events("$services.*");
    let mut nodes = broker.local_events("$node.*");
    for number in 0..1100 {
        broker.add(Mock::service(format!("s{number}"))).await.unwrap();
    }
    assert_eq!(std::iter::from_fn(|| changes.try_recv()).count(), 1024);
    assert_eq!((changes.dropped(), all.dropped()), (76, 76));
    assert_eq!(all.try_recv().unwrap().name, "$services.changed");
    assert_eq!((nodes.try_recv(), nodes.dropped()), (None, 0));
}
