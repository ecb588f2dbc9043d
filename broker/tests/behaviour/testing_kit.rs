//! The kit that these tests are written with, where others have not shown it already.

use ligand::call::Caller;
use ligand::testing::{Cluster, EventLog, Mock, MockCaller, TestBroker};
use ligand::{ErrorKind, IntoServiceDef as _, Outcome};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

use crate::ways::{ms, ok, secs};

#[ligand::client(name = "stock")]
trait Stock {
    async fn take(sku: String, count: u32) -> u32;
}

/// Whatever a typed client can be given.
async fn takes_three(caller: &dyn Caller) -> u32 {
    StockClient::new(caller).take("chair".into(), 3).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_typed_client_works_with_a_broker_a_test_broker_and_a_mock() {
    let answer = |params: Value| ok(json!(10 - params["count"].as_u64().unwrap()));
    let stock = Mock::service("stock").on("take", answer);
    let broker = TestBroker::new().service(stock.clone()).start().await;
    let caller = MockCaller::new().on("stock.take", answer);
    assert_eq!([takes_three(&broker).await, takes_three(&*broker).await, takes_three(&caller).await], [7; 3]);
    let asked = json!({ "sku": "chair", "count": 3 });
    assert_eq!((stock.calls("take"), caller.calls("stock.take")), (vec![asked.clone(); 2], vec![asked]));
    assert!(stock.calls("other").is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_a_mock_does_not_offer_is_unknown() {
    let broker = TestBroker::new().service(Mock::service("stock").version(2)).start().await;
    for caller in [&*broker as &dyn Caller, &MockCaller::new()] {
        let error = StockClient::new(caller).take("chair".into(), 1).await.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::ServiceNotFound, Outcome::NotRun));
    }
}

#[tokio::test(start_paused = true)]
async fn a_mock_can_hang_and_the_last_word_about_an_action_counts() {
    let stock = Mock::service("stock").on("take", |_| ok(json!(1))).hangs("take");
    let broker = TestBroker::new().service(stock).start().await;
    let error = StockClient::new(&broker).take("chair".into(), 1).timeout(ms(200)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RequestTimeout);
    let caller = MockCaller::new().hangs("stock.take");
    let call = async { StockClient::new(&caller).take("chair".into(), 1).await };
    assert!(tokio::time::timeout(secs(60), call).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn held_frames_wait_for_their_release_and_a_cluster_does_not_wait_for_them() {
    let log = EventLog::of("it");
    let cluster = Cluster::seeded(1).node("a", []).node("b", [log.clone().into_service_def()]).start().await;
    cluster.hold("a", "b");
    cluster.at("a").emit("it", 1).await.unwrap();
    cluster.advance(secs(1)).await;
    cluster.settle().await;
    assert!(log.all().is_empty());
    cluster.release("a", "b");
    assert_eq!(log.wait_for(1).await[0].data, 1);
}

#[tokio::test(start_paused = true)]
async fn settling_waits_for_what_the_network_will_bring_about() {
    let mut cluster = Cluster::seeded(1).node("a", []).node("b", []).node("c", []).start().await;
    let from = Instant::now();
    cluster.crash("c");
    cluster.settle().await;
    assert!(from.elapsed() > secs(15), "the silence has to be noticed: {:?}", from.elapsed());
    cluster.restart("c").await;
    cluster.settle().await;
    assert_eq!(cluster.at("a").ping_all().await.len(), 2);
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "there is no node `z` in this cluster")]
async fn a_node_that_does_not_exist_is_named() {
    let cluster = Cluster::seeded(1).node("a", []).start().await;
    cluster.partition("a", "z");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_works_on_the_real_clock_and_several_threads() {
    let cluster = Cluster::seeded(1)
        .node("a", [])
        .node("b", [Mock::service("stock").on("take", |_| ok(json!(1))).into_service_def()])
        .start()
        .await;
    assert_eq!(StockClient::new(cluster.at("a")).take("chair".into(), 1).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_brings_the_same_faults() {
    async fn lost(seed: u64) -> u64 {
        let log = EventLog::of("it");
        let cluster =
            Cluster::seeded(seed).node("a", []).node("b", [log.clone().into_service_def()]).start().await;
        cluster.network().set_faults_between(
            "a",
            "b",
            ligand::transport::memory::Faults { loss: 0.5, ..Default::default() },
        );
        for number in 0..200 {
            cluster.at("a").emit("it", number).await.unwrap();
        }
        cluster.advance(Duration::from_millis(1)).await;
        log.bodies().iter().fold(0, |mix, number| mix * 31 % 1_000_003 + number.as_u64().unwrap())
    }
    assert_eq!(lost(7).await, lost(7).await);
    assert_ne!(lost(7).await, lost(8).await);
}

#[tokio::test(start_paused = true)]
async fn a_log_that_is_told_twice_to_hear_an_event_hears_it_once() {
    let log = EventLog::of("order.placed").and("order.placed");
    let mock = Mock::service("mail").listens("order.*").listens("order.*");
    let broker = TestBroker::new().service(log.clone()).service(mock.clone()).start().await;
    broker.broadcast_local("order.placed", 1).await.unwrap();
    assert_eq!((log.names().len(), mock.events("order.*").len()), (1, 1));
}
