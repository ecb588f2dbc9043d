//! Whatever else a user gives a broker may panic: layers, hooks, tasks, transporters; values in
//! `panicking_values.rs`.

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use ligand::call::{Caller, OutgoingCall, Response};
use ligand::layer::{Layer, Side, WrappedAction, WrappedEvent, wire_fns};
use ligand::testing::{Cluster, EventLog, TestBroker};
use ligand::transport::{Capabilities, Connection, Link, TransportError, Transporter};
use ligand::{
    ActionFn, BrokerBuilder, Context, Error, ErrorKind, EventDef, EventFn, Outcome, Result, ServiceBroker,
    ServiceCx, ServiceDef, StartError,
};
use serde_json::Value;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tests_support::log::Log;

use crate::ways::{every_way, ms, ok, secs};

pub(super) const TEXT: &str = "the wheel came off";

/// Where something panics.
#[derive(Debug, Clone, Copy, PartialEq)]
enum At {
    Wrap,
    Make,
    Poll,
}

pub(super) fn fine() -> ServiceDef {
    ServiceDef::builder("fine")
        .action("get", |_, _: Value| async { ok(1) })
        .action("broken", |_, _: Value| async { ok(2) })
        .build()
}

pub(super) async fn is_fine(broker: &ServiceBroker) {
    assert_eq!(broker.call::<u8>("fine.get", ()).await.unwrap(), 1);
}

/// Notes what was started and stopped.
fn noting(name: &'static str, notes: &Arc<Mutex<Vec<String>>>) -> ServiceDef {
    let note = |what: &'static str| {
        let notes = Arc::clone(notes);
        move || notes.lock().unwrap().push(format!("{name} {what}"))
    };
    let (started, stopped) = (note("started"), note("stopped"));
    ServiceDef::builder(name)
        .started(move |_| {
            started();
            async { ok(()) }
        })
        .stopped(move || {
            stopped();
            async { ok(()) }
        })
        .build()
}

fn panicking_hook(at: At) -> BoxFuture<'static, Result<()>> {
    assert!(at != At::Make, "{TEXT}");
    Box::pin(async move {
        tokio::task::yield_now().await;
        assert!(at != At::Poll, "{TEXT}");
        Ok(())
    })
}

#[tokio::test(start_paused = true)]
async fn a_started_hook_that_panics_fails_the_start_with_its_text_and_what_was_started_is_stopped() {
    for at in [At::Make, At::Poll] {
        let notes = Arc::default();
        let broken = ServiceDef::builder("broken").started(move |_| panicking_hook(at));
        let broker = ServiceBroker::builder().service(noting("one", &notes)).service(broken).build().unwrap();
        let error = broker.start().await.unwrap_err();
        assert!(matches!(&error, StartError::Hook { service, .. } if service == "broken"), "{error}");
        assert!(error.to_string().contains(TEXT), "{error}");
        assert_eq!(*notes.lock().unwrap(), ["one started", "one stopped"], "{at:?}");
        broker.stopped().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_whose_hook_panicked_can_be_added_anew() {
    let broker = TestBroker::new().service(fine()).start().await;
    for at in [At::Make, At::Poll] {
        let broken = ServiceDef::builder("late").started(move |_| panicking_hook(at));
        let error = broker.add(broken).await.unwrap_err();
        assert!(error.to_string().contains(TEXT), "{error}");
    }
    broker.add(ServiceDef::builder("late").action("get", |_, _: Value| async { ok(2) })).await.unwrap();
    assert_eq!(broker.call::<u8>("late.get", ()).await.unwrap(), 2);
    is_fine(&broker).await;
}

#[tokio::test(start_paused = true)]
async fn a_stopped_hook_that_panics_is_told_and_the_stop_goes_on() {
    for at in [At::Make, At::Poll] {
        let notes = Arc::default();
        let broken = ServiceDef::builder("broken").stopped(move || panicking_hook(at));
        let broker = TestBroker::new().service(noting("one", &notes)).service(broken).start().await;
        let error = broker.stop().await.unwrap_err();
        assert_eq!(error.failures, [format!("broken: it panicked: {TEXT}")]);
        assert_eq!(*notes.lock().unwrap(), ["one started", "one stopped"]);
    }
}

/// Panics in one phase of a broker's life.
struct Phase(&'static str);

impl Phase {
    fn reached(&self, phase: &str) -> Result<()> {
        assert!(self.0 != phase, "{TEXT}");
        Ok(())
    }
}

#[async_trait]
impl Layer for Phase {
    fn name(&self) -> &'static str {
        "fragile"
    }
    async fn starting(&self, _: &ServiceBroker) -> Result<()> {
        self.reached("starting")
    }
    async fn started(&self, _: &ServiceBroker) -> Result<()> {
        self.reached("started")
    }
    async fn stopping(&self, _: &ServiceBroker) -> Result<()> {
        self.reached("stopping")
    }
    async fn stopped(&self, _: &ServiceBroker) -> Result<()> {
        self.reached("stopped")
    }
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_panics_while_the_broker_starts_or_stops_is_named() {
    for phase in ["starting", "started"] {
        let notes = Arc::default();
        let broker =
            ServiceBroker::builder().layer(Phase(phase)).service(noting("one", &notes)).build().unwrap();
        let error = broker.start().await.unwrap_err();
        assert!(matches!(error, StartError::Layer { layer: "fragile", .. }), "{error}");
        assert!(error.to_string().contains(TEXT), "{error}");
        let expected: &[&str] = if phase == "started" { &["one started", "one stopped"] } else { &[] };
        assert_eq!(*notes.lock().unwrap(), expected);
    }
    for phase in ["stopping", "stopped"] {
        let notes = Arc::default();
        let broker = TestBroker::new().layer(Phase(phase)).service(noting("one", &notes)).start().await;
        let error = broker.stop().await.unwrap_err();
        assert_eq!(error.failures, [format!("fragile: it panicked: {TEXT}")]);
        assert_eq!(*notes.lock().unwrap(), ["one started", "one stopped"]);
    }
}

/// Panics at the action `fine.broken`, around the pick or at one side.
struct Calls(Option<Side>, At);

impl Calls {
    fn wrap(&self, next: ActionFn) -> ActionFn {
        let at = self.1;
        assert!(at != At::Wrap, "{TEXT}");
        Arc::new(move |cx, params| {
            assert!(at != At::Make, "{TEXT}");
            let call = next(cx, params);
            Box::pin(async move {
                let result = call.await;
                assert!(at != At::Poll, "{TEXT}");
                result
            })
        })
    }
}

impl Layer for Calls {
    fn name(&self) -> &'static str {
        "fragile"
    }
    fn around(&self, action: &str, next: ActionFn) -> ActionFn {
        if self.0.is_none() && action == "fine.broken" { self.wrap(next) } else { next }
    }
    fn action(&self, action: &WrappedAction<'_>, next: ActionFn) -> ActionFn {
        if self.0 == Some(action.side()) && action.name() == "fine.broken" { self.wrap(next) } else { next }
    }
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_panics_when_it_wraps_an_action_of_this_node_fails_the_start() {
    let layer = Calls(Some(Side::Local), At::Wrap);
    let broker = ServiceBroker::builder().layer(layer).service(fine()).build().unwrap();
    let error = broker.start().await.unwrap_err();
    assert!(matches!(error, StartError::Layer { layer: "fragile", .. }), "{error}");
    assert!(error.to_string().contains("'fine.broken'") && error.to_string().contains(TEXT), "{error}");

    let broker = TestBroker::new().layer(Calls(Some(Side::Local), At::Wrap)).start().await;
    broker.add(fine()).await.unwrap_err();
    broker.add(ServiceDef::builder("fine").action("get", |_, _: Value| async { ok(1) })).await.unwrap();
    is_fine(&broker).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_layer_could_not_wrap_is_refused_and_everything_else_goes_on() {
    let refused = async |broker: &ServiceBroker| {
        let error = broker.call::<u8>("fine.broken", ()).await.unwrap_err();
        assert_eq!((error.error_type(), error.outcome()), (Some("LAYER_PANIC"), Outcome::NotRun));
        assert!(error.to_string().contains("`fragile`") && error.to_string().contains(TEXT), "{error}");
        is_fine(broker).await;
    };
    let broker = TestBroker::new().layer(Calls(None, At::Wrap)).service(fine()).start().await;
    refused(&broker).await;
    let cluster = Cluster::seeded(1)
        .node_with("a", [], |builder| builder.layer(Calls(Some(Side::Remote), At::Wrap)))
        .node("b", [fine()])
        .start()
        .await;
    refused(cluster.at("a")).await;
    assert_eq!(broker.layers("fine.broken"), ["fragile"]);
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_panics_in_a_call_fails_that_call() {
    let panics = async |broker: &ServiceBroker| {
        let error = broker.call::<u8>("fine.broken", ()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::HandlerPanic);
        assert!(!error.to_string().contains(TEXT), "the text stays where it happened: {error}");
        is_fine(broker).await;
    };
    for at in [At::Make, At::Poll] {
        for side in [None, Some(Side::Local), Some(Side::Remote)] {
            let layer = move |builder: BrokerBuilder| builder.layer(Calls(side, at));
            if side != Some(Side::Remote) {
                let broker = TestBroker::new().with(layer).service(fine()).start().await;
                panics(&broker).await;
            }
            let (here, there) = (side != Some(Side::Local), side == Some(Side::Local));
            let cluster = Cluster::seeded(1)
                .node_with("a", [], move |builder| if here { layer(builder) } else { builder })
                .node_with("b", [fine()], move |builder| if there { layer(builder) } else { builder })
                .start()
                .await;
            panics(cluster.at("a")).await;
        }
    }
}

/// What is logged of one panic: service, action or event, and request id.
pub(super) fn names(log: &Log, what: &str, of: &str) {
    let lines = log.with(what);
    assert!(!lines.is_empty(), "{what}");
    for line in lines {
        for part in [of, TEXT, "request_id=request-7"] {
            assert!(line.contains(part), "no {part} in {line}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_line_of_a_layers_panic_names_service_action_and_request() {
    let call = async |broker: &ServiceBroker| {
        broker.call::<u8>("fine.broken", ()).request_id("request-7").await.unwrap_err();
    };
    let of = "service=\"fine\" action=fine.broken";
    for at in [At::Make, At::Poll] {
        for side in [None, Some(Side::Local), Some(Side::Remote)] {
            let layer = move |builder: BrokerBuilder| builder.layer(Calls(side, at));
            let (here, there) = (side != Some(Side::Local), side == Some(Side::Local));
            let cluster = Cluster::seeded(1)
                .node_with("a", [], move |builder| if here { layer(builder) } else { builder })
                .node_with("b", [fine()], move |builder| if there { layer(builder) } else { builder })
                .start()
                .await;
            let log = Log::of_this_thread(tracing::Level::ERROR);
            call(cluster.at("a")).await;
            names(&log, "a layer around a handler panicked", of);
            assert_eq!(log.with("panicked").len(), 1, "{at:?} {side:?}: told once");
            if side != Some(Side::Remote) {
                let broker = TestBroker::new().with(layer).service(fine()).start().await;
                call(&broker).await;
                names(&log, "a layer around a handler panicked", of);
                assert_eq!(log.with("panicked").len(), 2, "{at:?} {side:?}: told once");
            }
        }
    }
    let broker = TestBroker::new().layer(Calls(None, At::Wrap)).service(fine()).start().await;
    let log = Log::of_this_thread(tracing::Level::ERROR);
    call(&broker).await;
    names(&log, "a layer panicked and wraps nothing", of);
    names(&log, "layer=\"fragile\"", of);
}

#[tokio::test(start_paused = true)]
async fn the_line_of_a_panic_around_an_event_names_service_event_and_request() {
    for at in [At::Make, At::Poll] {
        for concurrency in [None, Some(1)] {
            let broker = TestBroker::new().layer(Events(at)).service(breaking(concurrency)).start().await;
            let log = Log::of_this_thread(tracing::Level::ERROR);
            broker.broadcast_local("break", ()).request_id("request-7").await.unwrap();
            names(&log, "a layer around a handler panicked", "service=\"breaking\" event=break");
        }
    }
}

/// Panics at the event `break`.
struct Events(At);

impl Layer for Events {
    fn name(&self) -> &'static str {
        "fragile"
    }
    fn event(&self, event: &WrappedEvent<'_>, next: EventFn) -> EventFn {
        if event.def().pattern() != "break" {
            return next;
        }
        let at = self.0;
        assert!(at != At::Wrap, "{TEXT}");
        Arc::new(move |cx, data| {
            assert!(at != At::Make, "{TEXT}");
            let event = next(cx, data);
            Box::pin(async move {
                event.await?;
                tokio::task::yield_now().await;
                panic!("{TEXT}")
            })
        })
    }
}

fn breaking(concurrency: Option<usize>) -> ServiceDef {
    let def = EventDef::new("break");
    let def = concurrency.map_or(def.clone(), |concurrency| def.concurrency(concurrency));
    ServiceDef::builder("breaking").event(def, |_, _: Value| async { ok(()) }).build()
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_panics_when_it_wraps_a_subscription_fails_the_start() {
    let broker = ServiceBroker::builder().layer(Events(At::Wrap)).service(breaking(None)).build().unwrap();
    let error = broker.start().await.unwrap_err();
    assert!(matches!(error, StartError::Layer { layer: "fragile", .. }), "{error}");
    assert!(error.to_string().contains("'break'") && error.to_string().contains(TEXT), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_panics_around_an_event_unwinds_into_nobody() {
    for at in [At::Make, At::Poll] {
        for concurrency in [None, Some(1)] {
            let log = EventLog::of("**");
            let broker = TestBroker::new()
                .layer(Events(at))
                .service(breaking(concurrency))
                .service(log.clone())
                .service(fine())
                .start()
                .await;
            for _ in 0..2 {
                broker.emit("break", ()).await.unwrap();
                broker.broadcast("break", ()).await.unwrap();
                broker.broadcast_local("break", ()).await.unwrap();
            }
            assert_eq!(log.matching("break").len(), 6, "{at:?}");

            let cluster = Cluster::seeded(1)
                .node("a", [])
                .node_with("b", [breaking(concurrency), fine()], move |builder| builder.layer(Events(at)))
                .start()
                .await;
            for _ in 0..2 {
                cluster.at("a").emit("break", ()).await.unwrap();
            }
            is_fine(cluster.at("a")).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_panics_on_the_wire_loses_its_packet_and_nothing_else() {
    let (out, into) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let cluster = {
        let (out, into) = (Arc::clone(&out), Arc::clone(&into));
        let panics = move |flag: &Arc<AtomicBool>| {
            let flag = Arc::clone(flag);
            move |packet: Bytes| {
                assert!(!flag.load(Ordering::Relaxed), "{TEXT}");
                Ok(packet)
            }
        };
        let fragile = move |builder: BrokerBuilder| builder.layer(wire_fns(panics(&out), panics(&into)));
        Cluster::seeded(1).node_with("a", [], fragile).node("b", [fine()]).start().await
    };
    out.store(true, Ordering::Relaxed);
    let error = cluster.at("a").call::<u8>("fine.get", ()).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Codec, Outcome::NotRun));
    cluster.at("a").emit("nobody.listens", ()).await.unwrap();
    out.store(false, Ordering::Relaxed);
    is_fine(cluster.at("a")).await;

    into.store(true, Ordering::Relaxed);
    let error = cluster.at("a").call::<u8>("fine.get", ()).timeout(ms(50)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RequestTimeout);
    assert!(cluster.at("a").stats().refused_by_layer > 0);
    into.store(false, Ordering::Relaxed);
    is_fine(cluster.at("a")).await;
}

/// A transporter of the user's own.
#[derive(Debug)]
struct Unfinished;

#[async_trait]
impl Transporter for Unfinished {
    fn scheme(&self) -> &'static str {
        "unfinished"
    }
    fn capabilities(&self) -> Capabilities {
        Capabilities::bus()
    }
    async fn connect(&self, _: Link) -> std::result::Result<Arc<dyn Connection>, TransportError> {
        panic!("{TEXT}")
    }
}

#[tokio::test(start_paused = true)]
async fn a_transporter_that_panics_fails_the_start() {
    let broker = ServiceBroker::builder()
        .configure(|config| config.control.thread = false)
        .transporter(Unfinished)
        .build()
        .unwrap();
    let error = broker.start().await.unwrap_err();
    assert!(matches!(error, StartError::Panicked(_)) && error.to_string().contains(TEXT), "{error}");
    broker.stopped().await;
}

#[tokio::test(start_paused = true)]
async fn periodic_work_goes_on_after_a_panic_and_a_task_that_panics_ends_alone() {
    let runs = Arc::new(AtomicUsize::new(0));
    let service = ServiceDef::builder("clock").started({
        let runs = Arc::clone(&runs);
        move |cx: ServiceCx| {
            let runs = Arc::clone(&runs);
            cx.every(secs(1), move || {
                let run = runs.fetch_add(1, Ordering::Relaxed);
                assert!(run % 3 != 1, "{TEXT}");
                async move { assert!(run % 3 != 2, "{TEXT}") }
            });
            cx.spawn(async { panic!("{TEXT}") });
            async { ok(()) }
        }
    });
    let log = Log::of_this_thread(tracing::Level::ERROR);
    let broker = TestBroker::new().service(service).start().await;
    tokio::time::sleep(ms(6500)).await;
    assert_eq!(runs.load(Ordering::Relaxed), 6);
    assert_eq!((log.with("panicked").len(), log.with("service=clock").len()), (5, 5));
    broker.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_run_until_waits_for_may_panic_once_the_broker_has_stopped() {
    let notes = Arc::default();
    let broker = ServiceBroker::builder().service(noting("one", &notes)).build().unwrap();
    let run = broker.run_until(async {
        tokio::time::sleep(secs(1)).await;
        panic!("{TEXT}")
    });
    let panic = futures_util::FutureExt::catch_unwind(AssertUnwindSafe(run)).await.unwrap_err();
    assert_eq!(panic.downcast_ref::<String>().map(String::as_str), Some(TEXT));
    assert_eq!(*notes.lock().unwrap(), ["one started", "one stopped"]);
}

#[tokio::test(start_paused = true)]
async fn a_caller_of_the_users_own_panics_in_the_handler_that_calls_through_it() {
    struct Rude;
    impl Caller for Rude {
        fn dispatch(&self, _: OutgoingCall) -> BoxFuture<'_, Result<Response>> {
            panic!("{TEXT}")
        }
    }
    let outer = || {
        let ask = |_: Context, _: Value| async {
            ligand::call::Call::<u8>::new(&Rude, "x", Ok(ligand::Payload::empty())).await
        };
        vec![ServiceDef::builder("outer").action("ask", ask).build(), fine()]
    };
    let kind = every_way(outer, async |broker| {
        let error: Error = broker.call::<u8>("outer.ask", ()).await.unwrap_err();
        is_fine(broker).await;
        error.kind()
    });
    assert_eq!(kind.await, ErrorKind::HandlerPanic);
}
