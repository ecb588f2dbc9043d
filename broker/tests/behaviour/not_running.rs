//! Before the start and after the stop nothing is called, sent, or handled.

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use ligand::call::{Call, Caller, OutgoingCall, Response};
use ligand::layer::Layer;
use ligand::testing::{Cluster, EventLog, TestBroker};
use ligand::{
    Context, EventDef, IntoServiceDef as _, NodeId, Outcome, Payload, Result, ServiceBroker, ServiceCx,
    ServiceDef,
};
use serde_json::Value;
use std::sync::{Arc, Mutex};

use crate::ways::{ms, ok};

fn math() -> ServiceDef {
    ServiceDef::builder("math").action("one", |_, _: Value| async { ok(1) }).build()
}

fn refused<T: std::fmt::Debug>(what: &str, result: Result<T>, why: &str) {
    let error = result.expect_err(what);
    assert_eq!(error.outcome(), Outcome::NotRun, "{what}: {error}");
    assert!(
        error.to_string().contains("The broker is not running") && error.to_string().contains(why),
        "{what}: {error}"
    );
    assert!(!error.is_retryable());
}

/// Every way to call or to send, by this broker.
async fn all_are_refused(broker: &ServiceBroker, why: &str) {
    refused("call", broker.call::<u8>("math.one", ()).await, why);
    refused("unknown", broker.call::<u8>("no.such", ()).await, why);
    refused("raw call", broker.call::<()>("math.one", ()).raw().await, why);
    refused("typed call", broker.call_typed::<u8, _>("math.one", 1).await, why);
    refused("site", broker.action("math.one").call::<u8>(()).await, why);
    refused("client", Call::<u8>::new(broker, "math.one", Ok(Payload::empty())).await, why);
    let node = broker.node_id().clone();
    refused("own node", broker.call::<u8>("math.one", ()).node(&node).await, why);
    refused("emit", broker.emit("tick", 1).await, why);
    refused("broadcast", broker.broadcast("tick", 1).await, why);
    refused("local", broker.broadcast_local("tick", 1).await, why);
    refused("ping", broker.ping(&NodeId::new("other").unwrap()).await.map(drop), why);
}

#[tokio::test(start_paused = true)]
async fn before_the_start_and_after_the_stop_calls_and_events_fail_and_say_why() {
    let log = EventLog::of("**");
    let broker = ServiceBroker::builder().node_id("n").service(math()).service(log.clone()).build().unwrap();
    let site = broker.action("math.one");
    all_are_refused(&broker, "not been started").await;
    broker.start().await.unwrap();
    assert_eq!(site.call::<u8>(()).await.unwrap(), 1);
    broker.emit("tick", 1).await.unwrap();
    log.wait_for(1).await;
    broker.stop().await.unwrap();
    let heard = log.all().len();
    all_are_refused(&broker, "been stopped").await;
    refused("old site", site.call::<u8>(()).await, "been stopped");
    tokio::time::sleep(ms(10)).await;
    assert_eq!(log.all().len(), heard, "{:?}", log.names());
}

#[tokio::test(start_paused = true)]
async fn the_context_of_an_old_handler_reaches_nobody_after_the_stop() {
    let kept: Arc<Mutex<Option<Context>>> = Arc::default();
    let keep = {
        let kept = Arc::clone(&kept);
        move |cx: Context, _: Value| {
            *kept.lock().unwrap() = Some(cx);
            async { ok(()) }
        }
    };
    let broker = TestBroker::new()
        .service(math())
        .service(ServiceDef::builder("keep").action("cx", keep))
        .start()
        .await;
    broker.call::<()>("keep.cx", ()).await.unwrap();
    let cx = kept.lock().unwrap().take().unwrap();
    broker.stop().await.unwrap();
    refused("call", cx.call::<u8>("math.one", ()).await, "been stopped");
    refused("emit", cx.emit("tick", 1).await, "been stopped");
    refused("broadcast", cx.broadcast("tick", 1).await, "been stopped");
    refused(
        "dispatch",
        Call::<u8>::new(&HandOn(&broker), "math.one", Ok(Payload::empty())).await,
        "been stopped",
    );
}

/// A caller of the user's own, which hands its calls on as data.
struct HandOn<'a>(&'a ServiceBroker);

impl Caller for HandOn<'_> {
    fn dispatch(&self, call: OutgoingCall) -> BoxFuture<'_, Result<Response>> {
        self.0.dispatch(call)
    }
}

/// Calls and emits in every phase.
struct Busy(Arc<Mutex<Vec<String>>>);

impl Busy {
    async fn note(&self, phase: &str, broker: &ServiceBroker) -> Result<()> {
        let called = broker.call::<u8>("math.one", ()).await;
        let sent = broker.emit("tick", phase).await;
        let open = !called.is_err_and(|error| error.to_string().contains("not running"));
        self.0.lock().unwrap().push(format!("{phase} {open} {}", sent.is_ok()));
        Ok(())
    }
}

#[async_trait]
impl Layer for Busy {
    fn name(&self) -> &'static str {
        "busy"
    }
    async fn starting(&self, broker: &ServiceBroker) -> Result<()> {
        self.note("starting", broker).await
    }
    async fn started(&self, broker: &ServiceBroker) -> Result<()> {
        self.note("started", broker).await
    }
    async fn stopping(&self, broker: &ServiceBroker) -> Result<()> {
        self.note("stopping", broker).await
    }
    async fn stopped(&self, broker: &ServiceBroker) -> Result<()> {
        self.note("stopped", broker).await
    }
}

#[tokio::test(start_paused = true)]
async fn from_the_beginning_of_the_start_to_the_end_of_the_stop_hooks_call_and_emit() {
    let (notes, log) = (Arc::default(), EventLog::of("tick"));
    let asked: Arc<Mutex<Vec<Result<u8>>>> = Arc::default();
    let kept: Arc<Mutex<Option<ServiceBroker>>> = Arc::default();
    let ask = {
        let asked = Arc::clone(&asked);
        move |broker: ServiceBroker| {
            let asked = Arc::clone(&asked);
            async move {
                let called = broker.call::<u8>("math.one", ()).await;
                let sent = broker.emit("tick", "hook").await;
                asked.lock().unwrap().push(sent.and(called));
                ok(())
            }
        }
    };
    let hooks = ServiceDef::builder("hooks")
        .depends_on(["math", "event-log"])
        .started({
            let (ask, kept) = (ask.clone(), Arc::clone(&kept));
            move |cx: ServiceCx| {
                *kept.lock().unwrap() = Some(cx.broker().clone());
                ask(cx.broker().clone())
            }
        })
        .stopped(move || ask(kept.lock().unwrap().take().unwrap()));
    let broker = TestBroker::new()
        .layer(Busy(Arc::clone(&notes)))
        .service(math())
        .service(log.clone())
        .service(hooks)
        .start()
        .await;
    broker.stop().await.unwrap();
    assert_eq!(
        *notes.lock().unwrap(),
        ["starting true true", "started true true", "stopping true true", "stopped true true"]
    );
    let asked: Vec<_> = asked.lock().unwrap().iter().map(|result| result.clone().unwrap()).collect();
    assert_eq!(asked, [1, 1]);
    // Nobody listened at `starting`, and at `stopped` nobody does any more.
    assert_eq!(log.bodies(), ["hook", "started", "stopping", "hook"]);
}

#[tokio::test(start_paused = true)]
async fn no_handler_of_a_service_runs_after_its_stopped_hook() {
    let notes: Arc<Mutex<Vec<&str>>> = Arc::default();
    let note = |what: &'static str| {
        let notes = Arc::clone(&notes);
        move || notes.lock().unwrap().push(what)
    };
    let (event, action, ordered, stopped) = (note("event"), note("action"), note("ordered"), note("stopped"));
    let listener = ServiceDef::builder("listener")
        .action("get", move |_, _: Value| {
            action();
            async { ok(1) }
        })
        .event("**", move |_, _: Value| {
            event();
            async { ok(()) }
        })
        .event(EventDef::new("*.in.order").concurrency(1), move |_, _: Value| {
            ordered();
            async { ok(()) }
        })
        .stopped(move || {
            stopped();
            async { ok(()) }
        });
    let last: Arc<Mutex<Option<Outcome>>> = Arc::default();
    let kept: Arc<Mutex<Option<ServiceBroker>>> = Arc::default();
    let first = ServiceDef::builder("first").started({
        let kept = Arc::clone(&kept);
        move |cx: ServiceCx| {
            *kept.lock().unwrap() = Some(cx.broker().clone());
            async { ok(()) }
        }
    });
    // Stopped after the listener, since it was given before it.
    let first = first.stopped({
        let last = Arc::clone(&last);
        move || {
            let (broker, last) = (kept.lock().unwrap().take().unwrap(), Arc::clone(&last));
            async move {
                broker.broadcast_local("late", 1).await?;
                broker.emit("late.in.order", 1).await?;
                let error = broker.call::<u8>("listener.get", ()).await.unwrap_err();
                *last.lock().unwrap() = Some(error.outcome());
                ok(())
            }
        }
    });
    let network = ligand::transport::memory::Network::seeded(1);
    let broker =
        TestBroker::new().transporter(network.transporter()).service(first).service(listener).start().await;
    tokio::time::sleep(ms(10)).await;
    notes.lock().unwrap().clear();
    broker.stop().await.unwrap();
    tokio::time::sleep(ms(10)).await;
    let notes = notes.lock().unwrap().clone();
    assert_eq!(notes.last(), Some(&"stopped"), "{notes:?}");
    assert_eq!(*last.lock().unwrap(), Some(Outcome::NotRun));
}

#[tokio::test(start_paused = true)]
async fn events_of_other_nodes_are_taken_until_this_one_finishes_what_it_has() {
    let log = EventLog::of("tick");
    let cluster = Cluster::seeded(1).node("a", []).node("b", [log.clone().into_service_def()]).start().await;
    cluster.hold("a", "b");
    cluster.at("a").emit("tick", 1).await.unwrap();
    let b = cluster.at("b").clone();
    let mut told = b.local_events("$broker.stopping");
    let stop = tokio::spawn(async move { b.stop().await });
    // It has said that it leaves; what was on its way is handled all the same.
    told.recv().await.unwrap();
    cluster.release("a", "b");
    log.wait_for(1).await;
    assert!(!stop.is_finished());
    stop.await.unwrap().unwrap();
}
