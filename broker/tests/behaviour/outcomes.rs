//! What a failed call says about its handler: not run, perhaps, or it ran.

use ligand::testing::Cluster;
use ligand::{Error, ErrorKind, NodeId, Outcome, ServiceDef};
use serde_json::{Value, json};
use std::future::{IntoFuture as _, pending};

use crate::ways::{ms, ok, secs};

fn service() -> ServiceDef {
    ServiceDef::builder("svc")
        .action("echo", |_, body: Value| async move { ok(body) })
        .action("hang", |_, _: Value| pending::<Result<(), Error>>())
        .action("fail", |_, _: Value| async { Err::<(), _>(Error::client(400, "NO", "no")) })
        .build()
}

async fn pair() -> Cluster {
    Cluster::seeded(3).node("a", []).node("b", [service()]).start().await
}

fn says(error: &Error) -> (ErrorKind, Outcome) {
    (error.kind(), error.outcome())
}

#[tokio::test(start_paused = true)]
async fn an_unknown_action_was_not_run() {
    let cluster = pair().await;
    let error = cluster.at("a").call::<()>("svc.nothing", ()).await.unwrap_err();
    assert_eq!(says(&error), (ErrorKind::ServiceNotFound, Outcome::NotRun));
    let error = cluster.at("b").call::<()>("svc.nothing", ()).await.unwrap_err();
    assert_eq!(says(&error), (ErrorKind::ServiceNotFound, Outcome::NotRun));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_node_has_not_run_anything() {
    let cluster = pair().await;
    let nobody = NodeId::new("nobody").unwrap();
    let error = cluster.at("a").call::<()>("svc.echo", ()).node(&nobody).await.unwrap_err();
    assert_eq!(says(&error), (ErrorKind::ServiceNotFound, Outcome::NotRun));
}

#[tokio::test(start_paused = true)]
async fn an_action_that_nobody_offers_any_more_was_not_run() {
    let mut cluster = pair().await;
    cluster.stop("b").await;
    cluster.settle().await;
    let error = cluster.at("a").call::<()>("svc.echo", ()).await.unwrap_err();
    assert_eq!(says(&error), (ErrorKind::ServiceNotAvailable, Outcome::NotRun));
}

#[tokio::test(start_paused = true)]
async fn a_disconnected_node_has_not_sent_anything() {
    let cluster = pair().await;
    cluster.network().crash("a");
    cluster.advance(ms(1)).await;
    let error = cluster.at("a").call::<()>("svc.echo", ()).await.unwrap_err();
    assert_eq!(says(&error), (ErrorKind::Disconnected, Outcome::NotRun));
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_the_next_call_before_it_is_sent() {
    let cluster = Cluster::seeded(3)
        .node_with("a", [], |builder| builder.configure(|config| config.transit.max_queue_size = 1))
        .node("b", [service()])
        .start()
        .await;
    let first = cluster.at("a").call::<()>("svc.hang", ()).into_future();
    tokio::pin!(first);
    assert!(futures_util::poll!(&mut first).is_pending());
    let error = cluster.at("a").call::<()>("svc.echo", ()).await.unwrap_err();
    assert_eq!(says(&error), (ErrorKind::QueueIsFull, Outcome::NotRun));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_too_large_was_not_run() {
    let cluster = pair().await;
    let error = cluster.at("a").call::<()>("svc.echo", "x".repeat(2 << 20)).await.unwrap_err();
    assert_eq!((error.error_type(), error.outcome()), (Some("PACKET_TOO_LARGE"), Outcome::NotRun));
    assert!(!error.is_retryable(), "it will be as large again");
    assert_eq!(cluster.at("a").stats().pending, 0);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_too_large_says_that_the_handler_ran() {
    let large = |_, _: Value| async { ok("x".repeat(2 << 20)) };
    let large = ServiceDef::builder("large").action("get", large).build();
    let cluster = Cluster::seeded(3).node("a", []).node("b", [large]).start().await;
    let error = cluster.at("a").call::<Value>("large.get", ()).await.unwrap_err();
    assert_eq!((error.error_type(), error.outcome()), (Some("PACKET_TOO_LARGE"), Outcome::Ran));
    assert!(!error.is_retryable(), "it will be as large again");
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_did_not_answer_in_time_may_have_run() {
    let cluster = pair().await;
    for node in ["a", "b"] {
        let error = cluster.at(node).call::<()>("svc.hang", ()).timeout(ms(100)).await.unwrap_err();
        assert_eq!(says(&error), (ErrorKind::RequestTimeout, Outcome::MayHaveRun), "from {node}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_on_a_lost_node_may_have_run() {
    let mut cluster = pair().await;
    let broker = cluster.at("a").clone();
    let call = tokio::spawn(async move { broker.call::<()>("svc.hang", ()).timeout(secs(600)).await });
    cluster.advance(ms(10)).await;
    cluster.crash("b");
    let from = tokio::time::Instant::now();
    let error = call.await.unwrap().unwrap_err();
    assert_eq!(says(&error), (ErrorKind::RequestRejected, Outcome::MayHaveRun));
    assert!(from.elapsed() <= secs(32), "the call waited for {:?}", from.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_when_its_own_broker_stops_may_have_run() {
    let cluster = pair().await;
    let broker = cluster.at("a").clone();
    let call = tokio::spawn(async move { broker.call::<()>("svc.hang", ()).timeout(secs(600)).await });
    cluster.advance(ms(10)).await;
    cluster.at("a").stop().await.unwrap();
    let error = call.await.unwrap().unwrap_err();
    assert_eq!(says(&error), (ErrorKind::RequestRejected, Outcome::MayHaveRun));
    assert_eq!(cluster.at("a").stats().stopped, 1);
}

#[tokio::test(start_paused = true)]
async fn a_stopped_broker_runs_nothing() {
    let cluster = pair().await;
    cluster.at("b").stop().await.unwrap();
    let error = cluster.at("b").call::<()>("svc.echo", ()).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::NotRun, "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_answered_an_error_ran() {
    let cluster = pair().await;
    for node in ["a", "b"] {
        let error = cluster.at(node).call::<()>("svc.fail", ()).await.unwrap_err();
        assert_eq!(says(&error), (ErrorKind::Application, Outcome::Ran), "from {node}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_asked_for_what_it_just_dropped_did_not_run_it() {
    let cluster = pair().await;
    cluster.at("b").remove("svc").await;
    // The news is on its way, but not here yet.
    let error = cluster.at("a").call::<()>("svc.echo", json!(1)).await.unwrap_err();
    assert_eq!(says(&error), (ErrorKind::ServiceNotFound, Outcome::NotRun));
    assert_eq!(error.node().unwrap().as_str(), "b");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_has_enough_to_do_refuses_without_running() {
    let cluster = Cluster::seeded(3)
        .node("a", [])
        .node_with("b", [service()], |builder| builder.configure(|config| config.transit.max_in_flight = 1))
        .start()
        .await;
    let first = cluster.at("a").call::<()>("svc.hang", ()).into_future();
    tokio::pin!(first);
    assert!(futures_util::poll!(&mut first).is_pending());
    cluster.advance(ms(10)).await;
    let error = cluster.at("a").call::<()>("svc.echo", ()).await.unwrap_err();
    assert_eq!(says(&error), (ErrorKind::QueueIsFull, Outcome::NotRun));
    assert_eq!(cluster.at("b").stats().refused, 1);
}
