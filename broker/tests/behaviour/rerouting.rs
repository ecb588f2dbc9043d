//! Calls that certainly were not run go to another node.

use ligand::testing::{Cluster, Mock};
use ligand::{Context, Error, ErrorKind, IntoServiceDef as _, Outcome, ServiceDef};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::future::{IntoFuture as _, pending};
use tokio::time::Instant;

use crate::ways::{ms, ok, secs};

fn service() -> ServiceDef {
    ServiceDef::builder("svc")
        .action("where", |cx: Context, _: Value| async move { ok(cx.broker().node_id().to_string()) })
        .action("hang", |_, _: Value| pending::<Result<(), Error>>())
        .action("fail", |cx: Context, _: Value| async move {
            Err::<(), _>(Error::retryable(503, "BUSY", cx.broker().node_id().to_string()))
        })
        .build()
}

/// `a` calls; `b` and `c` serve, each at most one request at a time.
async fn three() -> Cluster {
    let busy = |builder: ligand::BrokerBuilder| builder.configure(|config| config.transit.max_in_flight = 1);
    let cluster = Cluster::seeded(5).node("a", []);
    cluster.node_with("b", [service()], busy).node_with("c", [service()], busy).start().await
}

#[tokio::test(start_paused = true)]
async fn a_refused_call_goes_to_another_node_with_the_same_params() {
    let echo = |name| Mock::service("echo").on("it", move |params| ok(json!([name, params])));
    let cluster = Cluster::seeded(5)
        .node("a", [])
        .node("b", [echo("b").into_service_def()])
        .node("c", [echo("c").into_service_def()])
        .start()
        .await;
    // The others have not heard yet.
    cluster.at("b").remove("echo").await;
    for i in 0..4 {
        let found: Value = cluster.at("a").call("echo.it", i).await.unwrap();
        assert_eq!(found, json!(["c", i]));
    }
}

#[tokio::test(start_paused = true)]
async fn every_other_node_is_asked_once_and_then_the_last_refusal_counts() {
    let cluster = three().await;
    let a = cluster.at("a");
    let mut held: Vec<_> = (0..2).map(|_| Box::pin(a.call::<()>("svc.hang", ()).into_future())).collect();
    for call in &mut held {
        assert!(futures_util::poll!(call).is_pending());
    }
    cluster.advance(ms(10)).await;
    let error = a.call::<String>("svc.where", ()).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::QueueIsFull, Outcome::NotRun));
    assert_eq!((cluster.at("b").stats().refused, cluster.at("c").stats().refused), (1, 1));
    assert_eq!(a.stats().pending, 2);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_names_its_node_goes_nowhere_else() {
    let cluster = three().await;
    let b = cluster.at("b").node_id().clone();
    cluster.at("b").remove("svc").await;
    let error = cluster.at("a").call::<String>("svc.where", ()).node(&b).await.unwrap_err();
    assert_eq!((error.kind(), error.node()), (ErrorKind::ServiceNotFound, Some(&b)));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_ran_or_may_have_is_never_made_again() {
    let cluster = three().await;
    let a = cluster.at("a");
    let mut nodes = BTreeMap::new();
    for _ in 0..4 {
        let error = a.call::<()>("svc.fail", ()).await.unwrap_err();
        *nodes.entry(error.message().to_owned()).or_insert(0) += 1;
    }
    // Each call failed at exactly one node, in turn.
    assert_eq!(nodes, BTreeMap::from([("b".to_owned(), 2), ("c".to_owned(), 2)]));
    assert_eq!(a.stats().responses, 4);
    let error = a.call::<()>("svc.hang", ()).timeout(ms(100)).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::MayHaveRun);
    assert_eq!(a.stats().deadlines, 1);
}

#[tokio::test(start_paused = true)]
async fn rerouting_ends_with_the_deadline() {
    let cluster =
        Cluster::seeded(5).node("a", []).node("b", [service()]).node("c", [service()]).start().await;
    cluster.network().set_faults_between(
        "b",
        "a",
        ligand::transport::memory::Faults { delay: ms(80)..ms(81), ..Default::default() },
    );
    cluster.at("b").remove("svc").await;
    cluster.hold("a", "c");
    for _ in 0..2 {
        let from = Instant::now();
        let error = cluster.at("a").call::<String>("svc.where", ()).timeout(ms(200)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RequestTimeout);
        assert!(from.elapsed() < ms(210), "{:?}", from.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_rolling_restart_loses_no_call() {
    let mut cluster = three().await;
    let a = cluster.at("a").clone();
    let calls = tokio::spawn(async move {
        let until = Instant::now() + secs(8);
        let mut made = 0;
        while Instant::now() < until {
            a.call::<String>("svc.where", ()).await.unwrap();
            made += 1;
            tokio::time::sleep(ms(3)).await;
        }
        made
    });
    for node in ["b", "c"] {
        cluster.advance(secs(1)).await;
        cluster.stop(node).await;
        cluster.restart(node).await;
        cluster.settle().await;
    }
    assert!(calls.await.unwrap() > 1000);
}
