//! Services that come and go while the broker runs.

use ligand::testing::{Cluster, Mock, TestBroker};
use ligand::{Error, ErrorKind, ServiceDef, StartError};
use serde_json::{Value, json};

use crate::ways::{ms, ok, secs};

fn extra() -> ServiceDef {
    ServiceDef::builder("extra").action("get", |_, _: Value| async { ok(1) }).build()
}

#[tokio::test(start_paused = true)]
async fn an_added_service_is_offered_here_at_once_and_announced_to_the_others() {
    let cluster = Cluster::seeded(1).node("a", []).node("b", []).start().await;
    let mut changes = cluster.at("a").local_events("$services.changed");
    cluster.at("b").add(extra()).await.unwrap();
    assert_eq!(cluster.at("b").call::<u8>("extra.get", ()).await.unwrap(), 1);
    cluster.at("a").wait_for_within(&["extra"], secs(3)).await.unwrap();
    assert_eq!(cluster.at("a").call::<u8>("extra.get", ()).await.unwrap(), 1);
    assert_eq!(changes.recv().await.unwrap().data, json!({ "localService": false }));
}

#[tokio::test(start_paused = true)]
async fn a_removed_service_is_gone_here_at_once_and_everywhere_soon() {
    let cluster = Cluster::seeded(1).node("a", []).node("b", [extra()]).start().await;
    let mut changes = cluster.at("b").local_events("$services.changed");
    assert!(cluster.at("b").remove("extra").await);
    assert!(!cluster.at("b").remove("extra").await, "there is none any more");
    assert_eq!(changes.try_recv().unwrap().data, json!({ "localService": true }));
    let error = cluster.at("b").call::<u8>("extra.get", ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ServiceNotAvailable);
    cluster.settle().await;
    let error = cluster.at("a").call::<u8>("extra.get", ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ServiceNotAvailable);
    cluster.at("b").add(extra()).await.unwrap();
    cluster.settle().await;
    assert_eq!(cluster.at("a").call::<u8>("extra.get", ()).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn changes_close_together_are_announced_together() {
    let cluster = Cluster::seeded(1).node("a", []).node("b", []).start().await;
    let mut updates = cluster.at("a").local_events("$node.updated");
    for number in 0..50 {
        let service = ServiceDef::builder(format!("s{number}")).action("get", |_, _: Value| async { ok(1) });
        cluster.at("b").add(service).await.unwrap();
    }
    cluster.settle().await;
    cluster.advance(secs(5)).await;
    let count = std::iter::from_fn(|| updates.try_recv()).count();
    assert!((1..=2).contains(&count), "{count} announcements");
    assert_eq!(cluster.at("a").call::<u8>("s49.get", ()).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_service_or_an_action_of_the_same_name_is_refused_and_changes_nothing() {
    let broker = TestBroker::new().service(extra()).start().await;
    let error = broker.add(extra()).await.unwrap_err();
    assert!(matches!(&error, StartError::DuplicateService(name) if name == "extra"), "{error}");
    let taken = ServiceDef::builder("other")
        .settings(json!({ "$noServiceNamePrefix": true }))
        .action("extra.get", |_, _: Value| async { ok(2) });
    let error = broker.add(taken).await.unwrap_err();
    assert!(
        matches!(&error, StartError::DuplicateAction { action, first, second }
        if action == "extra.get" && first == "extra" && second == "other"),
        "{error}"
    );
    assert_eq!(broker.call::<u8>("extra.get", ()).await.unwrap(), 1);
    broker
        .add(ServiceDef::builder("extra").version(2).action("get", |_, _: Value| async { ok(2) }))
        .await
        .unwrap();
    assert_eq!(broker.call::<u8>("v2.extra.get", ()).await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_does_not_start_is_not_there() {
    let broker = TestBroker::new().start().await;
    let failing = || Mock::service("failing").on("get", |_| ok(json!(1)));
    let hook = |_| async { Err::<(), _>(Error::internal("no disk")) };
    let def = ServiceDef::builder("failing").action("get", |_, _: Value| async { ok(1) }).started(hook);
    let error = broker.add(def).await.unwrap_err();
    assert!(error.to_string().contains("`failing`") && error.to_string().contains("no disk"), "{error}");
    assert_eq!(broker.call::<u8>("failing.get", ()).await.unwrap_err().kind(), ErrorKind::ServiceNotFound);
    broker.add(failing()).await.unwrap();
    assert_eq!(broker.call::<u8>("failing.get", ()).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_runs_when_its_service_is_removed_is_finished() {
    let slow = ServiceDef::builder("slow").action("get", |_, _: Value| async {
        tokio::time::sleep(ms(300)).await;
        ok(1)
    });
    let cluster = Cluster::seeded(1).node("a", []).node("b", [slow.build()]).start().await;
    let call = cluster.at("a").call::<u8>("slow.get", ());
    let (found, removed) = tokio::join!(call, async {
        cluster.advance(ms(50)).await;
        cluster.at("b").remove("slow").await
    });
    assert_eq!((found.unwrap(), removed), (1, true));
}

#[tokio::test(start_paused = true)]
async fn events_follow_services_that_come_and_go() {
    let log = ligand::testing::EventLog::of("tick");
    let cluster = Cluster::seeded(1).node("a", []).node("b", []).start().await;
    cluster.at("b").add(log.clone()).await.unwrap();
    cluster.settle().await;
    cluster.at("a").emit("tick", 1).await.unwrap();
    log.wait_for(1).await;
    cluster.at("b").remove("event-log").await;
    cluster.settle().await;
    cluster.at("a").emit("tick", 2).await.unwrap();
    cluster.advance(secs(1)).await;
    assert_eq!(log.bodies(), [json!(1)]);
}
