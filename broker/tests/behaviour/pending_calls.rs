//! The six ways in which a waiting call leaves: an answer, never sent, deadline, node lost, caller
//! gone, broker stopped.

use ligand::testing::{Cluster, TestBroker};
use ligand::transport::PacketKind;
use ligand::transport::memory::Network;
use ligand::{Error, ServiceBroker, ServiceDef, TransitStats};
use serde_json::{Value, json};
use std::future::{IntoFuture as _, pending};
use tests_support::outsider::packets::{info, service as offered};
use tests_support::outsider::peer::Peer;

use crate::ways::{ms, ok, secs};

fn service() -> ServiceDef {
    ServiceDef::builder("svc")
        .action("echo", |_, body: Value| async move { ok(body) })
        .action("hang", |_, _: Value| pending::<Result<(), Error>>())
        .build()
}

/// Answers, never sent, deadlines, nodes lost, callers gone, stopped.
fn left(stats: TransitStats) -> [u64; 6] {
    assert_eq!(stats.pending, 0);
    [stats.responses, stats.never_sent, stats.deadlines, stats.nodes_lost, stats.callers_gone, stats.stopped]
}

fn hang(broker: &ServiceBroker) -> tokio::task::JoinHandle<Result<(), Error>> {
    let broker = broker.clone();
    tokio::spawn(async move { broker.call("svc.hang", ()).timeout(secs(900)).await })
}

#[tokio::test(start_paused = true)]
async fn a_call_is_counted_once_in_the_way_it_left() {
    let mut cluster = Cluster::seeded(1).node("a", []).node("b", [service()]).start().await;
    let a = cluster.at("a").clone();

    a.call::<()>("svc.echo", ()).await.unwrap();
    assert_eq!(left(a.stats()), [1, 0, 0, 0, 0, 0]);

    a.call::<()>("svc.echo", "x".repeat(2 << 20)).await.unwrap_err();
    assert_eq!(left(a.stats()), [1, 1, 0, 0, 0, 0]);

    a.call::<()>("svc.hang", ()).timeout(ms(50)).await.unwrap_err();
    assert_eq!(left(a.stats()), [1, 1, 1, 0, 0, 0]);

    let waiting = hang(&a);
    cluster.advance(ms(10)).await;
    cluster.crash("b");
    waiting.await.unwrap().unwrap_err();
    assert_eq!(left(a.stats()), [1, 1, 1, 1, 0, 0]);
    cluster.restart("b").await;
    cluster.settle().await;

    let mut call = a.call::<()>("svc.hang", ()).into_future();
    assert!(futures_util::poll!(&mut call).is_pending());
    assert_eq!(a.stats().pending, 1);
    drop(call);
    assert_eq!(left(a.stats()), [1, 1, 1, 1, 1, 0]);

    let waiting = hang(&a);
    cluster.advance(ms(10)).await;
    a.stop().await.unwrap();
    waiting.await.unwrap().unwrap_err();
    assert_eq!(left(a.stats()), [1, 1, 1, 1, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_too_late_is_counted_and_changes_nothing() {
    let slow = |_, millis: u64| async move {
        tokio::time::sleep(ms(millis)).await;
        ok(())
    };
    let slow = ServiceDef::builder("slow").action("nap", slow).build();
    let cluster = Cluster::seeded(1).node("a", []).node("b", [slow]).start().await;
    cluster.network().set_faults_between(
        "b",
        "a",
        ligand::transport::memory::Faults { delay: ms(500)..ms(501), ..Default::default() },
    );
    let error = cluster.at("a").call::<()>("slow.nap", 100).timeout(ms(400)).await.unwrap_err();
    assert_eq!(error.kind(), ligand::ErrorKind::RequestTimeout);
    cluster.advance(secs(1)).await;
    assert_eq!(cluster.at("a").stats().orphans, 1);
    assert_eq!(left(cluster.at("a").stats())[2], 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_sent_before_the_farewell_is_not_beaten_by_it() {
    let mut cluster = Cluster::seeded(1).node("a", []).node("b", [service()]).start().await;
    let a = cluster.at("a").clone();
    for _ in 0..20 {
        let calls = (0..50).map(|_| a.call::<()>("svc.echo", ()).into_future());
        let (results, ()) = tokio::join!(futures_util::future::join_all(calls), cluster.stop("b"));
        assert!(results.iter().all(Result::is_ok), "a request that reached the node must be answered");
        cluster.restart("b").await;
        cluster.settle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_another_way_may_be_slower_than_the_farewell() {
    let network = Network::new();
    let peer = Peer::join(&network, "peer").await;
    let broker = TestBroker::new().node_id("a").transporter(network.transporter()).start().await;
    peer.hears(PacketKind::Discover).await;
    peer.to("a", PacketKind::Info, info("i", 1, &json!([offered("math", &["add"], &[])])));
    broker.wait_for(&["math"]).await.unwrap();
    let (sum, ()) = tokio::join!(broker.call::<u64>("math.add", json!({})), async {
        let request = peer.hears(PacketKind::Request).await;
        peer.broadcast(PacketKind::Info, info("i", 2, &json!([])));
        tokio::time::sleep(ms(100)).await;
        peer.broadcast(PacketKind::Disconnect, json!({}));
        tokio::time::sleep(ms(500)).await;
        peer.answer(&request, &json!(3));
    });
    assert_eq!(sum.unwrap(), 3);
}
