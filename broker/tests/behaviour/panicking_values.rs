//! Values may panic when they are written, read or dropped.

use ligand::testing::{Cluster, TestBroker};
use ligand::{ActionDef, Context, ErrorKind, Outcome, Result, ServiceDef};
use serde::de::Deserializer;
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tests_support::log::Log;

use super::panics_around::{TEXT, fine, is_fine, names};
use crate::ways::{every_way, ms, ok};

#[tokio::test(start_paused = true)]
async fn the_line_of_a_value_that_panics_when_its_handler_is_given_up_names_the_handler() {
    let hang = |_: Context, _: Value| async {
        let _bomb = Bomb;
        std::future::pending::<Result<()>>().await
    };
    let broker = TestBroker::new().service(ServiceDef::builder("svc").action("hang", hang)).start().await;
    let log = Log::of_this_thread(tracing::Level::ERROR);
    broker.call::<()>("svc.hang", ()).request_id("request-7").timeout(ms(20)).await.unwrap_err();
    names(&log, "a value panicked when it was dropped", "service=\"svc\" action=svc.hang");
}

/// Panics when it is written or read.
#[derive(Debug)]
struct Unspeakable;

impl Serialize for Unspeakable {
    fn serialize<S: Serializer>(&self, _: S) -> std::result::Result<S::Ok, S::Error> {
        panic!("{TEXT}")
    }
}

impl<'de> Deserialize<'de> for Unspeakable {
    fn deserialize<D: Deserializer<'de>>(_: D) -> std::result::Result<Self, D::Error> {
        panic!("{TEXT}")
    }
}

#[tokio::test(start_paused = true)]
async fn a_value_that_panics_when_it_is_written_or_read_is_an_error_of_its_call() {
    let service = || {
        let service = ServiceDef::builder("svc")
            .action("give", |_, _: Value| async { ok(Unspeakable) })
            .action("take", |_, _: Unspeakable| async { ok(1) });
        vec![service.build(), fine()]
    };
    let kinds = every_way(service, async |broker| {
        let read = broker.call::<Value>("svc.give", ()).await.unwrap_err();
        let taken = broker.call::<Value>("svc.take", 5).await.unwrap_err();
        let answer = broker.call::<Unspeakable>("fine.get", ()).await.unwrap_err();
        is_fine(broker).await;
        for error in [&read, &taken] {
            assert!(!error.message().contains(TEXT), "the text stays where it happened: {error:?}");
        }
        [read.kind(), taken.kind(), answer.kind()]
    });
    assert_eq!(kinds.await, [ErrorKind::Codec, ErrorKind::HandlerPanic, ErrorKind::Codec]);

    let cluster = Cluster::seeded(1).node("a", []).node("b", service()).start().await;
    let error = cluster.at("a").call_typed::<u8, _>("fine.get", Unspeakable).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Codec, Outcome::NotRun));
    is_fine(cluster.at("a")).await;
}

/// Panics when it is dropped.
#[derive(Serialize, Deserialize)]
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("{TEXT}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_value_that_panics_when_it_is_dropped_disturbs_nobody() {
    let service = || {
        let hang = |_: Context, _: Value| async {
            let _bomb = Bomb;
            std::future::pending::<Result<()>>().await
        };
        let service = ServiceDef::builder("svc")
            .action("hang", hang)
            .action(ActionDef::new("apart").spawn(), hang)
            .action("give", |_, _: Value| async { ok(Bomb) })
            .event("break", |_, _: Value| async {
                let _bomb = Bomb;
                ok(())
            });
        vec![service.build(), fine()]
    };
    every_way(service, async |broker| {
        for action in ["svc.hang", "svc.apart"] {
            broker.call::<()>(action, ()).timeout(ms(20)).await.unwrap_err();
            // Given up by its caller.
            assert!(
                tokio::time::timeout(ms(20), async { broker.call::<()>(action, ()).await }).await.is_err()
            );
        }
        broker.emit("break", ()).await.unwrap();
        let _ = broker.call::<()>("svc.give", ()).await;
        is_fine(broker).await;
    })
    .await;
}
