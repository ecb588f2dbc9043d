//! Ending a broker from within, or from anywhere else.

use ligand::testing::{Cluster, TestBroker};
use ligand::{Context, Error, ErrorKind, RunError, ServiceBroker, ServiceDef};
use serde_json::Value;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tests_support::log::Log;
use tokio::time::{Instant, sleep, timeout};
use tracing::Level;

use crate::ways::{ms, ok, secs};

/// `admin.end` stops its own broker; its `stopped` hook fails if told to.
fn admin(fails: bool) -> ServiceDef {
    ServiceDef::builder("admin")
        .action("end", |cx: Context, _: Value| async move {
            cx.broker().stop_in_background();
            sleep(ms(100)).await;
            ok("done")
        })
        .stopped(move || async move { if fails { Err(Error::internal("no")) } else { Ok(()) } })
        .build()
}

#[tokio::test(start_paused = true)]
async fn a_handler_stops_its_own_broker_and_is_finished_first() {
    let broker = TestBroker::new().service(admin(false)).start().await;
    let from = Instant::now();
    assert_eq!(broker.call::<String>("admin.end", ()).await.unwrap(), "done");
    broker.stopped().await;
    assert!(from.elapsed() < secs(1), "{:?}", from.elapsed());
    broker.stop().await.unwrap();
    broker.stopped().await;

    let cluster = Cluster::seeded(1).node("a", []).node("b", [admin(false)]).start().await;
    assert_eq!(cluster.at("a").call::<String>("admin.end", ()).await.unwrap(), "done");
    timeout(secs(1), cluster.at("b").stopped()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_event_handler_and_a_hook_stop_their_broker_too() {
    let end = |cx: Context, _: Value| async move {
        cx.broker().stop_in_background();
        ok(())
    };
    let broker = TestBroker::new().service(ServiceDef::builder("admin").event("end", end)).start().await;
    broker.emit("end", ()).await.unwrap();
    timeout(secs(1), broker.stopped()).await.unwrap();

    let hasty = ServiceDef::builder("hasty").started(|cx: ligand::ServiceCx| async move {
        cx.broker().stop_in_background();
        ok(())
    });
    let broker = ServiceBroker::builder().service(hasty).build().unwrap();
    broker.start().await.unwrap();
    timeout(secs(1), broker.stopped()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_goes_wrong_in_the_background_is_told_to_whoever_awaits_a_stop() {
    let broker = TestBroker::new().service(admin(true)).start().await;
    broker.call::<String>("admin.end", ()).await.unwrap();
    let error = broker.stop().await.unwrap_err();
    assert_eq!(error.failures, ["admin: no"]);
    broker.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn run_until_ends_when_anything_else_stops_the_broker() {
    let broker = ServiceBroker::builder().service(admin(true)).build().unwrap();
    let (run, ()) = tokio::join!(broker.run_until(pending()), async {
        broker.wait_for(&["admin"]).await.unwrap();
        broker.call::<String>("admin.end", ()).await.unwrap();
    });
    let Err(RunError::Stop(error)) = run else { panic!("{run:?}") };
    assert_eq!(error.failures, ["admin: no"]);

    let broker = ServiceBroker::builder().service(admin(false)).build().unwrap();
    let (run, stopped) = tokio::join!(broker.run_until(pending()), async {
        broker.wait_for(&["admin"]).await.unwrap();
        broker.stop().await
    });
    run.unwrap();
    stopped.unwrap();
}

#[tokio::test(start_paused = true)]
async fn stopping_in_the_background_many_times_is_the_same_as_once() {
    let stops = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = Arc::clone(&stops);
    let service = ServiceDef::builder("svc").stopped(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        async { ok(()) }
    });
    let broker = TestBroker::new().service(service).start().await;
    (0..10).for_each(|_| broker.stop_in_background());
    broker.stop().await.unwrap();
    broker.stop_in_background();
    broker.stop().await.unwrap();
    assert_eq!(stops.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn stopped_waits_for_the_end_of_the_stop_and_for_a_start_that_fails() {
    let ended = Arc::new(AtomicBool::new(false));
    let slow = ServiceDef::builder("slow").stopped({
        let ended = Arc::clone(&ended);
        move || {
            let ended = Arc::clone(&ended);
            async move {
                sleep(secs(1)).await;
                ended.store(true, Ordering::Relaxed);
                ok(())
            }
        }
    });
    let broker = TestBroker::new().service(slow).start().await;
    assert!(timeout(secs(60), broker.stopped()).await.is_err());
    broker.stop_in_background();
    broker.stopped().await;
    assert!(ended.load(Ordering::Relaxed));

    let broken = ServiceDef::builder("broken").started(|_| async { Err::<(), _>(Error::internal("no")) });
    let broker = ServiceBroker::builder().service(broken).build().unwrap();
    broker.start().await.unwrap_err();
    broker.stopped().await;
    assert_eq!(broker.call::<()>("x", ()).await.unwrap_err().kind(), ErrorKind::RequestRejected);
}

#[test]
fn without_a_runtime_there_is_nothing_to_stop() {
    let broker = ServiceBroker::builder().build().unwrap();
    broker.stop_in_background();
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_is_awaited_by_what_it_ends_goes_on_to_the_end() {
    // By a handler in a task of its own, which is cut, and by a task of a service, which is cancelled.
    for how in ["handler", "task"] {
        let hooks = Arc::new(AtomicUsize::new(0));
        let ended = Arc::clone(&hooks);
        let service = ServiceDef::builder("admin")
            .event("down", |cx: Context, _: Value| async move {
                let _ = cx.broker().stop().await;
                ok(())
            })
            .started(move |cx: ligand::ServiceCx| async move {
                if how == "task" {
                    let broker = cx.broker().clone();
                    cx.spawn(async move {
                        broker.wait_for(&["admin"]).await.unwrap();
                        let _ = broker.stop().await;
                    });
                }
                ok(())
            })
            .stopped(move || {
                ended.fetch_add(1, Ordering::Relaxed);
                async { ok(()) }
            });
        let broker = TestBroker::new().service(service).start().await;
        if how == "handler" {
            broker.emit("down", ()).await.unwrap();
        }
        timeout(secs(30), broker.stopped()).await.expect(how);
        assert_eq!(hooks.load(Ordering::Relaxed), 1, "{how}");
    }
}

/// The last event of a broker may come too late for the services that listen to it.
#[tokio::test]
async fn a_stop_that_goes_well_warns_of_nothing_whatever_listens() {
    let log = Log::of_this_thread(Level::WARN);
    let hears = ServiceDef::builder("hears")
        .event("$transporter.disconnected", |_: Context, _: Value| async { ok(()) });
    let broker = ServiceBroker::builder().transporter("memory://quiet").service(hears).build().unwrap();
    broker.start().await.unwrap();
    broker.stop().await.unwrap();
    tokio::task::yield_now().await;
    assert_eq!(log.with(""), Vec::<String>::new());
}
