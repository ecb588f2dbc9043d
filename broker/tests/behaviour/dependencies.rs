//! Services that wait for others.

use ligand::testing::{Cluster, TestBroker};
use ligand::{ServiceBroker, ServiceCx, ServiceDef, StartError};
use serde_json::Value;
use std::sync::{Arc, Mutex};
use tests_support::log::Log;
use tokio::time::Instant;
use tracing::Level;

use crate::ways::{ms, ok, secs};

/// A service that notes when it starts, and takes a while for it.
fn noted(name: &'static str, needs: &[&'static str], notes: &Arc<Mutex<Vec<&'static str>>>) -> ServiceDef {
    let notes = Arc::clone(notes);
    ServiceDef::builder(name)
        .depends_on(needs.iter().copied())
        .action("get", |_, _: Value| async { ok(1) })
        .started(move |_| {
            let notes = Arc::clone(&notes);
            async move {
                notes.lock().unwrap().push(name);
                tokio::time::sleep(ms(100)).await;
                ok(())
            }
        })
        .build()
}

#[tokio::test(start_paused = true)]
async fn the_order_in_which_services_are_given_does_not_matter() {
    let notes = Arc::default();
    let broker = TestBroker::new()
        .service(noted("three", &["two", "one"], &notes))
        .service(noted("two", &["one"], &notes))
        .service(noted("one", &[], &notes))
        .start()
        .await;
    assert_eq!(*notes.lock().unwrap(), ["one", "two", "three"]);
    assert_eq!(broker.call::<u8>("three.get", ()).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_service_waits_for_what_another_node_will_offer() {
    let notes = Arc::default();
    let cluster = Cluster::seeded(1)
        .node("a", [noted("orders", &["v2.stock"], &notes)])
        .node(
            "b",
            [ServiceDef::builder("stock").version(2).action("get", |_, _: Value| async { ok(1) }).build()],
        )
        .start()
        .await;
    assert_eq!(cluster.at("b").call::<u8>("orders.get", ()).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_dependency_that_never_comes_fails_the_start_in_time_and_is_named() {
    let notes = Arc::default();
    let broker = ServiceBroker::builder()
        .configure(|config| config.dependency_timeout = secs(4).into())
        .service(noted("one", &[], &notes))
        .service(noted("orders", &["one", "stock", "v2.prices"], &notes))
        .build()
        .unwrap();
    let from = Instant::now();
    let error = broker.start().await.unwrap_err();
    assert!(from.elapsed() >= secs(4) && from.elapsed() < secs(5), "{:?}", from.elapsed());
    let StartError::Dependency { service, missing } = &error else { panic!("{error}") };
    assert_eq!(
        (service.as_str(), &missing.missing[..]),
        ("orders", &["stock".to_owned(), "v2.prices".to_owned()][..])
    );
    assert!(error.to_string().contains("`stock`, `v2.prices`"), "{error}");
    assert_eq!(
        *notes.lock().unwrap(),
        ["one"],
        "the hook of a service without its dependencies must not run"
    );
}

#[tokio::test(start_paused = true)]
async fn two_services_that_wait_for_each_other_fail_instead_of_hanging() {
    let notes = Arc::default();
    let broker = ServiceBroker::builder()
        .service(noted("one", &["two"], &notes))
        .service(noted("two", &["one"], &notes))
        .build()
        .unwrap();
    let error = tokio::time::timeout(secs(31), broker.start()).await.unwrap().unwrap_err();
    assert!(matches!(error, StartError::Dependency { .. }), "{error}");
    let text = error.to_string();
    let says = |one: &str, other: &str| {
        text.contains(&format!(
            "`{one}` is a service of this node that has not started yet, because it waits for `{other}`"
        ))
    };
    assert!(says("one", "two") || says("two", "one"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_dependency_of_this_node_that_has_not_started_says_what_it_waits_for() {
    let notes = Arc::default();
    let broker = ServiceBroker::builder()
        .service(noted("device", &["tenant"], &notes))
        .service(noted("location", &["device", "stock"], &notes))
        .build()
        .unwrap();
    let start = tokio::spawn({
        let broker = broker.clone();
        async move { broker.start().await }
    });
    let error = broker.wait_for_within(&["location"], secs(2)).await.unwrap_err();
    assert_eq!(error.not_started["location"], ["device", "stock"]);
    let error = broker.wait_for_within(&["device", "stock"], secs(2)).await.unwrap_err();
    assert_eq!(error.missing, ["device", "stock"]);
    assert_eq!(
        error.to_string(),
        "no node offers `stock`; `device` is a service of this node that has not started yet, because it waits \
         for `tenant`"
    );
    assert!(start.await.unwrap().is_err());
}

#[tokio::test(start_paused = true)]
async fn the_log_says_what_is_waited_for_after_a_second_and_warns_after_ten() {
    let log = Log::of_this_thread(Level::INFO);
    let notes = Arc::default();
    let broker = ServiceBroker::builder()
        .configure(|config| config.dependency_timeout = secs(100).into())
        .service(noted("orders", &["stock"], &notes))
        .build()
        .unwrap();
    let start = tokio::spawn({
        let broker = broker.clone();
        async move { broker.start().await }
    });
    let lines = |wanted: [usize; 2]| {
        let (info, warn) = (log.with("waiting for services"), log.with("still waiting for services"));
        assert_eq!([info.len() - warn.len(), warn.len()], wanted, "{info:?}");
        assert!(
            info.iter().all(|line| line.contains("orders") && line.contains("no node offers `stock`")),
            "{info:?}"
        );
        assert!(warn.iter().all(|line| line.contains("WARN")), "{warn:?}");
    };
    // As much later than the start as makes no difference.
    for (at, wanted) in
        [(900, [0, 0]), (200, [1, 0]), (8800, [1, 0]), (200, [1, 1]), (29_000, [1, 1]), (1100, [1, 2])]
    {
        tokio::time::sleep(ms(at)).await;
        lines(wanted);
    }
    assert!(start.await.unwrap().is_err());
    assert!(log.with("waiting for services").len() <= 6, "bounded");
}

#[tokio::test(start_paused = true)]
async fn a_started_hook_can_call_what_it_depends_on() {
    let stock = ServiceDef::builder("stock").action("get", |_, _: Value| async { ok(7) });
    let found = Arc::new(Mutex::new(None));
    let orders = ServiceDef::builder("orders").depends_on(["stock"]).started({
        let found = Arc::clone(&found);
        move |cx: ServiceCx| {
            let found = Arc::clone(&found);
            async move {
                let stock: u8 = cx.broker().call("stock.get", ()).await?;
                *found.lock().unwrap() = Some(stock);
                ok(())
            }
        }
    });
    let _broker = TestBroker::new().service(orders).service(stock).start().await;
    assert_eq!(*found.lock().unwrap(), Some(7));
}
