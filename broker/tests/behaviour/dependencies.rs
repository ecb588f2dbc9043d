//! Services that wait for others.

use ligand::testing::{Cluster, TestBroker};
use ligand::{ServiceBroker, ServiceCx, ServiceDef, StartError};
use serde_json::Value;
use std::sync::{Arc, Mutex};
use tokio::time::Instant;

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
