//! Starting and stopping.

use async_trait::async_trait;
use ligand::layer::Layer;
use ligand::testing::{Cluster, TestBroker};
use ligand::{Error, ErrorKind, Result, ServiceBroker, ServiceCx, ServiceDef, StartError};
use serde_json::Value;
use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::time::Instant;

use crate::ways::{ms, ok, secs};

/// What happened, in order.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    fn read(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    /// A service whose hooks write here; they fail if told to.
    fn service(&self, name: &'static str, fails_to: &'static str) -> ServiceDef {
        let hook = |diary: &Self, what: &'static str| {
            let diary = diary.clone();
            move || {
                diary.note(format!("{name} {what}"));
                let result = if what == fails_to {
                    Err(Error::internal(format!("{name} cannot be {what}")))
                } else {
                    Ok(())
                };
                async move { result }
            }
        };
        let started = hook(self, "started");
        ServiceDef::builder(name).started(move |_| started()).stopped(hook(self, "stopped")).build()
    }
}

#[derive(Clone)]
struct Noting(Diary, &'static str, &'static str);

#[async_trait]
impl Layer for Noting {
    fn name(&self) -> &'static str {
        self.1
    }
    async fn starting(&self, _: &ServiceBroker) -> Result<()> {
        self.note("starting")
    }
    async fn started(&self, _: &ServiceBroker) -> Result<()> {
        self.note("started")
    }
    async fn stopping(&self, _: &ServiceBroker) -> Result<()> {
        self.note("stopping")
    }
    async fn stopped(&self, _: &ServiceBroker) -> Result<()> {
        self.note("stopped")
    }
}

impl Noting {
    fn note(&self, what: &str) -> Result<()> {
        self.0.note(format!("layer {} {what}", self.1));
        if what == self.2 { Err(Error::internal("no")) } else { Ok(()) }
    }
}

#[tokio::test(start_paused = true)]
async fn layers_and_services_stop_in_the_reverse_order_of_their_start() {
    let diary = Diary::default();
    let broker = TestBroker::new()
        .layer(Noting(diary.clone(), "outer", ""))
        .layer(Noting(diary.clone(), "inner", ""))
        .service(diary.service("one", ""))
        .service(diary.service("two", ""))
        .start()
        .await;
    assert_eq!(
        diary.read(),
        [
            "layer outer starting",
            "layer inner starting",
            "one started",
            "two started",
            "layer outer started",
            "layer inner started"
        ]
    );
    broker.stop().await.unwrap();
    assert_eq!(
        diary.read(),
        [
            "layer inner stopping",
            "layer outer stopping",
            "two stopped",
            "one stopped",
            "layer inner stopped",
            "layer outer stopped"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_fails_rolls_the_start_back_and_is_named() {
    let diary = Diary::default();
    let broker = ServiceBroker::builder()
        .service(diary.service("one", ""))
        .service(diary.service("two", "started"))
        .build()
        .unwrap();
    let error = broker.start().await.unwrap_err();
    let StartError::Hook { service, source } = &error else { panic!("{error}") };
    assert_eq!((service.as_str(), source.message()), ("two", "two cannot be started"));
    assert!(diary.read().contains(&"one stopped".to_owned()));
    assert!(matches!(broker.start().await.unwrap_err(), StartError::AlreadyDone(_)));
    broker.stop().await.unwrap();
    assert!(diary.read().is_empty(), "nothing is stopped twice");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_failed_to_start_leaves_the_cluster_as_it_was() {
    let diary = Diary::default();
    let cluster = Cluster::seeded(1).node("a", []).start().await;
    let late = ServiceBroker::builder()
        .configure(|config| config.control.thread = false)
        .node_id("late")
        .transporter(cluster.network().transporter())
        .service(diary.service("broken", "started"))
        .build()
        .unwrap();
    late.start().await.unwrap_err();
    cluster.settle().await;
    assert_eq!(cluster.network().nodes().len(), 1);
    assert_eq!(cluster.at("a").ping_all().await.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_fails_to_start_is_named() {
    let diary = Diary::default();
    let broker = ServiceBroker::builder()
        .layer(Noting(diary.clone(), "outer", ""))
        .layer(Noting(diary.clone(), "broken", "starting"))
        .service(diary.service("one", ""))
        .build()
        .unwrap();
    let error = broker.start().await.unwrap_err();
    assert!(matches!(error, StartError::Layer { layer: "broken", .. }), "{error}");
    assert!(!diary.read().iter().any(|note| note.starts_with("one started")));
}

#[tokio::test(start_paused = true)]
async fn stopping_goes_on_to_the_end_and_tells_every_failure() {
    let diary = Diary::default();
    let broker = TestBroker::new()
        .layer(Noting(diary.clone(), "layer", "stopping"))
        .service(diary.service("one", "stopped"))
        .service(diary.service("two", "stopped"))
        .service(diary.service("three", ""))
        .start()
        .await;
    diary.read();
    let error = broker.stop().await.unwrap_err();
    assert_eq!(error.failures.len(), 3, "{error}");
    let text = error.to_string();
    for part in ["layer: no", "one: one cannot be stopped", "two: two cannot be stopped"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(diary.read().contains(&"three stopped".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn stopping_twice_or_at_the_same_time_is_the_same_as_once() {
    let diary = Diary::default();
    let broker = TestBroker::new().service(diary.service("one", "")).start().await;
    diary.read();
    let (first, second) = tokio::join!(broker.stop(), broker.stop());
    first.unwrap();
    second.unwrap();
    broker.stop().await.unwrap();
    assert_eq!(diary.read(), ["one stopped"]);
    assert!(matches!(broker.start().await.unwrap_err(), StartError::AlreadyDone("stopped")));
}

#[tokio::test(start_paused = true)]
async fn a_broker_starts_once() {
    let broker = TestBroker::new().start().await;
    assert!(matches!(broker.start().await.unwrap_err(), StartError::AlreadyDone("started")));
}

/// `b` serves `slow.nap` with the number of milliseconds to sleep.
async fn with_naps() -> Cluster {
    let slow = ServiceDef::builder("slow")
        .action("nap", |_, millis: u64| async move {
            tokio::time::sleep(ms(millis)).await;
            ok(millis)
        })
        .build();
    Cluster::seeded(1).node("a", []).node("b", [slow]).start().await
}

#[tokio::test(start_paused = true)]
async fn stopping_waits_for_requests_that_run() {
    let mut cluster = with_naps().await;
    let a = cluster.at("a").clone();
    let call = tokio::spawn(async move { a.call::<u64>("slow.nap", 3000).await });
    cluster.advance(ms(50)).await;
    let from = Instant::now();
    cluster.stop("b").await;
    assert!(from.elapsed() >= ms(2900) && from.elapsed() < ms(3500), "{:?}", from.elapsed());
    assert_eq!(call.await.unwrap().unwrap(), 3000);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_does_not_end_holds_a_stop_up_for_a_bounded_time_only_and_is_dropped() {
    let dropped = Arc::new(AtomicBool::new(false));
    struct Flag(Arc<AtomicBool>);
    impl Drop for Flag {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let hang = ServiceDef::builder("hang").action("on", {
        let dropped = Arc::clone(&dropped);
        move |_, _: Value| {
            let flag = Flag(Arc::clone(&dropped));
            async move {
                let _flag = flag;
                pending::<Result<(), Error>>().await
            }
        }
    });
    let cluster = Cluster::seeded(1).node("a", []).node("b", [hang.build()]).start().await;
    let a = cluster.at("a").clone();
    let call = tokio::spawn(async move { a.call::<u64>("hang.on", ()).timeout(secs(600)).await });
    cluster.advance(ms(50)).await;
    let from = Instant::now();
    let error = cluster.at("b").stop().await.unwrap_err();
    assert!(
        error.to_string().contains("1 handler") && error.to_string().contains("those of hang"),
        "{error}"
    );
    assert!(from.elapsed() >= secs(5) && from.elapsed() < secs(7), "{:?}", from.elapsed());
    assert!(dropped.load(Ordering::Relaxed), "what still runs after the time is up is cancelled");
    let error = call.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::GracefulStopTimeout);
    // As Node makes it: `data.service.name`.
    assert_eq!(error.data(), Some(&serde_json::json!({ "service": { "name": "hang" } })));
    assert_eq!(error.message(), "Unable to stop 'hang' service gracefully.");
}

#[tokio::test(start_paused = true)]
async fn tasks_of_a_service_end_with_it_and_are_waited_for() {
    let ticks = Arc::new(AtomicUsize::new(0));
    let ended = Arc::new(AtomicBool::new(false));
    struct Ends(Arc<AtomicBool>);
    impl Drop for Ends {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let service = ServiceDef::builder("clock").started({
        let (ticks, ended) = (Arc::clone(&ticks), Arc::clone(&ended));
        move |cx: ServiceCx| {
            let ticks = Arc::clone(&ticks);
            cx.every(secs(1), move || {
                ticks.fetch_add(1, Ordering::Relaxed);
                std::future::ready(())
            });
            let ends = Ends(Arc::clone(&ended));
            cx.spawn(async move {
                let _ends = ends;
                pending::<()>().await;
            });
            async { ok(()) }
        }
    });
    let broker = TestBroker::new().service(service).start().await;
    tokio::time::sleep(ms(5500)).await;
    assert_eq!(ticks.load(Ordering::Relaxed), 5);
    assert!(!ended.load(Ordering::Relaxed));
    broker.stop().await.unwrap();
    assert!(ended.load(Ordering::Relaxed));
    tokio::time::sleep(secs(5)).await;
    assert_eq!(ticks.load(Ordering::Relaxed), 5);
}

#[tokio::test(start_paused = true)]
async fn work_that_takes_longer_than_its_period_never_runs_twice_at_once() {
    let running = Arc::new(AtomicUsize::new(0));
    let runs = Arc::new(AtomicUsize::new(0));
    let service = ServiceDef::builder("slow").started({
        let (running, runs) = (Arc::clone(&running), Arc::clone(&runs));
        move |cx: ServiceCx| {
            let (running, runs) = (Arc::clone(&running), Arc::clone(&runs));
            cx.every(secs(1), move || {
                let (running, runs) = (Arc::clone(&running), Arc::clone(&runs));
                async move {
                    assert_eq!(running.fetch_add(1, Ordering::Relaxed), 0);
                    tokio::time::sleep(secs(3)).await;
                    running.fetch_sub(1, Ordering::Relaxed);
                    runs.fetch_add(1, Ordering::Relaxed);
                }
            });
            async { ok(()) }
        }
    });
    let broker = TestBroker::new().service(service).start().await;
    tokio::time::sleep(secs(21)).await;
    assert_eq!(runs.load(Ordering::Relaxed), 5);
    broker.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn run_until_starts_waits_and_stops() {
    let diary = Diary::default();
    let broker = ServiceBroker::builder().service(diary.service("one", "")).build().unwrap();
    let signal = {
        let diary = diary.clone();
        async move {
            tokio::time::sleep(secs(3)).await;
            diary.note("signal");
        }
    };
    broker.run_until(signal).await.unwrap();
    assert_eq!(diary.read(), ["one started", "signal", "one stopped"]);
}

#[tokio::test(start_paused = true)]
async fn a_stopping_node_tells_the_others_before_it_refuses_anything() {
    let mut cluster = with_naps().await;
    let a = cluster.at("a").clone();
    let calls = tokio::spawn(async move {
        let mut results = Vec::new();
        for _ in 0..400 {
            results.push(a.call::<u64>("slow.nap", 1).await);
        }
        results
    });
    cluster.advance(ms(100)).await;
    cluster.stop("b").await;
    for error in calls.await.unwrap().into_iter().filter_map(Result::err) {
        // From the moment it is known, nothing is even sent: no other node has raised it.
        assert_eq!((error.kind(), error.node()), (ErrorKind::ServiceNotAvailable, None));
    }
}

#[tokio::test(start_paused = true)]
async fn a_broker_says_what_it_does() {
    let broker = ServiceBroker::builder().build().unwrap();
    let mut events = broker.local_events("$broker.*");
    broker.start().await.unwrap();
    broker.stop().await.unwrap();
    let names: Vec<_> =
        std::iter::from_fn(|| events.try_recv()).map(|event| event.name.to_string()).collect();
    assert_eq!(names, ["$broker.started", "$broker.stopping", "$broker.stopped"]);
}

#[tokio::test(start_paused = true)]
async fn a_builder_refuses_what_cannot_work() {
    let twice = || ServiceDef::builder("twice").build();
    let error = ServiceBroker::builder().service(twice()).service(twice()).build().unwrap_err();
    assert!(error.to_string().contains("already has a service `twice`"), "{error}");
    let get = |_, _: Value| async { ok(1) };
    let one = ServiceDef::builder("one").action("get", get).action("get", get);
    let error = ServiceBroker::builder().service(one).build().unwrap_err();
    assert!(error.to_string().contains("two actions named `get`"), "{error}");
    let error = ServiceBroker::builder().node_id("").build().unwrap_err();
    assert!(!error.to_string().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_everybody_has_let_go_of_leaves_the_network() {
    let cluster = Cluster::seeded(1).node("a", []).start().await;
    let forgotten = ServiceBroker::builder()
        .configure(|config| config.control.thread = false)
        .node_id("forgotten")
        .transporter(cluster.network().transporter())
        .service(ServiceDef::builder("svc").action("get", |_, _: Value| async { ok(1) }))
        .build()
        .unwrap();
    forgotten.start().await.unwrap();
    cluster.at("a").wait_for_within(&["svc"], secs(2)).await.unwrap();
    assert_eq!(cluster.at("a").call::<u8>("svc.get", ()).await.unwrap(), 1);
    drop(forgotten);
    cluster.advance(secs(2)).await;
    assert_eq!(cluster.network().nodes().len(), 1);
    cluster.settle().await;
}

#[tokio::test(start_paused = true)]
async fn a_start_that_is_given_up_half_way_can_be_stopped() {
    let diary = Diary::default();
    let never = ServiceDef::builder("never").started(|_| pending::<Result<(), Error>>());
    let broker = ServiceBroker::builder().service(diary.service("one", "")).service(never).build().unwrap();
    assert!(tokio::time::timeout(secs(1), broker.start()).await.is_err());
    broker.stop().await.unwrap();
    assert_eq!(diary.read(), ["one started", "one stopped"]);
}

/// A service whose call `slow.nap` and whose event `nap` take so many milliseconds, with what happened.
fn slow(diary: &Diary) -> ServiceDef {
    let nap = |what: &'static str| {
        let diary = diary.clone();
        move |_: ligand::Context, millis: u64| {
            let diary = diary.clone();
            async move {
                tokio::time::sleep(ms(millis)).await;
                diary.note(what);
                ok(millis)
            }
        }
    };
    let stopped = diary.clone();
    let event = nap("event ended");
    ServiceDef::builder("slow")
        .action("nap", nap("call ended"))
        .event("nap", move |cx, millis: u64| {
            let napped = event(cx, millis);
            async move { napped.await.map(drop) }
        })
        .stopped(move || {
            stopped.note("stopped");
            async { ok(()) }
        })
        .build()
}

#[tokio::test(start_paused = true)]
async fn services_stop_once_the_calls_and_events_within_the_process_have_ended() {
    let diary = Diary::default();
    let broker = TestBroker::new().service(slow(&diary)).start().await;
    let stop = async || {
        tokio::time::sleep(ms(50)).await;
        broker.stop().await
    };
    let call = async { broker.call::<u64>("slow.nap", 3000).await };
    let event = async { broker.broadcast_local("nap", 3500_u64).await };
    let (result, sent, stopped) = tokio::join!(call, event, stop());
    stopped.unwrap();
    sent.unwrap();
    assert_eq!(result.unwrap(), 3000);
    assert_eq!(diary.read(), ["call ended", "event ended", "stopped"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_within_the_process_holds_a_stop_up_for_a_bounded_time_only_and_runs_on() {
    let diary = Diary::default();
    let broker = TestBroker::new().service(slow(&diary)).start().await;
    let (result, error) = tokio::join!(async { broker.call::<u64>("slow.nap", 8000).await }, async {
        tokio::time::sleep(ms(50)).await;
        let from = Instant::now();
        let error = broker.stop().await.unwrap_err();
        assert!(from.elapsed() >= secs(5) && from.elapsed() < ms(5500), "{:?}", from.elapsed());
        error
    });
    assert!(error.to_string().contains("1 handler"), "{error}");
    assert_eq!(result.unwrap(), 8000);
    assert_eq!(diary.read(), ["stopped", "call ended"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_hook_begins_in_another_service_ends_before_that_one_stops() {
    let diary = Diary::default();
    let (handled, first) = (diary.clone(), diary.clone());
    let first = ServiceDef::builder("first")
        .event("last.words", move |_, _: Value| {
            let handled = handled.clone();
            async move {
                tokio::time::sleep(ms(50)).await;
                handled.note("handled");
                ok(())
            }
        })
        .stopped(move || {
            first.note("first stopped");
            async { ok(()) }
        });
    let slot: Arc<Mutex<Option<ServiceBroker>>> = Arc::default();
    let broker_of = Arc::clone(&slot);
    let last = ServiceDef::builder("last").stopped(move || {
        let broker = broker_of.lock().unwrap().take().unwrap();
        async move { broker.emit("last.words", 1).await }
    });
    let broker = ServiceBroker::builder().node_id("n").service(first).service(last).build().unwrap();
    *slot.lock().unwrap() = Some(broker.clone());
    broker.start().await.unwrap();
    broker.stop().await.unwrap();
    assert_eq!(diary.read(), ["handled", "first stopped"]);
}
