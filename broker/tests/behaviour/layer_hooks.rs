//! One value is a layer, of whatever kinds: emitted events, services, the life of the broker, packets.

use async_trait::async_trait;
use bytes::Bytes;
use ligand::event::Spread;
use ligand::layer::{
    FnLayer, Layer, Side, WireFn, WrappedAction, action_fn, around_fn, emit_fn, wire_fns, wrap_fn,
};
use ligand::testing::{Cluster, EventLog, TestBroker};
use ligand::transport::PacketKind;
use ligand::{
    ActionFn, BrokerBuilder, BuildError, Codec, Context, Error, ErrorKind, EventFn, Outcome, Payload, Reply,
    Result, ServiceBroker, ServiceDef, StartError,
};
use serde_json::Value;
use std::sync::{Arc, Mutex};

use crate::ways::{ms, ok, secs};
use tests_support::log::Log;

const TEXT: &str = "the wheel came off";

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

    /// A service whose hooks write here.
    fn service(&self, name: &'static str) -> ServiceDef {
        let (started, stopped) = (self.clone(), self.clone());
        ServiceDef::builder(name)
            .action("get", |_, _: Value| async { ok(1) })
            .started(move |_| {
                started.note(format!("{name} runs started"));
                async { ok(()) }
            })
            .stopped(move || {
                stopped.note(format!("{name} runs stopped"));
                async { ok(()) }
            })
            .build()
    }
}

/// Writes everything down that a layer can see of lives, and may fail or panic at one place.
#[derive(Clone)]
struct Life {
    name: &'static str,
    diary: Diary,
    fails: &'static str,
    panics: &'static str,
}

impl Life {
    fn new(name: &'static str, diary: &Diary) -> Self {
        Self { name, diary: diary.clone(), fails: "", panics: "" }
    }

    fn reached(&self, what: &str) -> Result<()> {
        assert!(what != self.panics, "{TEXT}");
        let fails = what == self.fails;
        self.diary.note(format!("{} {what}", self.name));
        if fails { Err(Error::internal("no")) } else { Ok(()) }
    }
}

#[async_trait]
impl Layer for Life {
    fn name(&self) -> &'static str {
        self.name
    }
    fn created(&self, _: &ServiceBroker) -> Result<()> {
        self.reached("created")
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
    fn service_creating(&self, service: ServiceDef) -> Result<ServiceDef> {
        self.reached(&format!("{} creating", service.name()))?;
        Ok(service)
    }
    fn service_created(&self, service: &ServiceDef, _: &ServiceBroker) -> Result<()> {
        self.reached(&format!("{} created", service.name()))
    }
    async fn service_starting(&self, service: &ServiceDef, _: &ServiceBroker) -> Result<()> {
        self.reached(&format!("{} starting", service.name()))
    }
    async fn service_started(&self, service: &ServiceDef, broker: &ServiceBroker) -> Result<()> {
        assert!(broker.layers(&service.action_name("get")).is_empty());
        self.reached(&format!("{} started", service.name()))
    }
    async fn service_stopping(&self, service: &ServiceDef, _: &ServiceBroker) -> Result<()> {
        self.reached(&format!("{} stopping", service.name()))
    }
    async fn service_stopped(&self, service: &ServiceDef, _: &ServiceBroker) -> Result<()> {
        self.reached(&format!("{} stopped", service.name()))
    }
}

fn quiet() -> BrokerBuilder {
    ServiceBroker::builder().node_id("n").internal_services(false)
}

#[tokio::test(start_paused = true)]
async fn the_life_of_broker_and_services_is_told_to_layers_in_order_and_its_end_in_reverse() {
    let diary = Diary::default();
    let (outer, inner) = (Life::new("outer", &diary), Life::new("inner", &diary));
    let broker = quiet().layer(outer).layer(inner).service(diary.service("one")).build().unwrap();
    assert_eq!(
        diary.read(),
        [
            "outer created",
            "inner created",
            "outer one creating",
            "inner one creating",
            "outer one created",
            "inner one created"
        ]
    );
    broker.start().await.unwrap();
    assert_eq!(
        diary.read(),
        [
            "outer starting",
            "inner starting",
            "outer one starting",
            "inner one starting",
            "one runs started",
            "outer one started",
            "inner one started",
            "outer started",
            "inner started"
        ]
    );
    broker.stop().await.unwrap();
    assert_eq!(
        diary.read(),
        [
            "inner stopping",
            "outer stopping",
            "inner one stopping",
            "outer one stopping",
            "one runs stopped",
            "inner one stopped",
            "outer one stopped",
            "inner stopped",
            "outer stopped"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_service_that_comes_later_and_goes_before_the_others_is_told_of_as_well() {
    let diary = Diary::default();
    let broker = quiet().layer(Life::new("life", &diary)).build().unwrap();
    broker.start().await.unwrap();
    diary.read();
    broker.add(diary.service("late")).await.unwrap();
    assert_eq!(
        diary.read(),
        [
            "life late creating",
            "life late created",
            "life late starting",
            "late runs started",
            "life late started"
        ]
    );
    assert!(broker.remove("late").await);
    assert_eq!(diary.read(), ["life late stopping", "late runs stopped", "life late stopped"]);
    broker.stop().await.unwrap();
    assert_eq!(diary.read(), ["life stopping", "life stopped"]);
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_fails_or_panics_keeps_a_service_from_being_taken_in_or_started() {
    for what in ["late creating", "late created", "late starting", "late started"] {
        for panics in [false, true] {
            let diary = Diary::default();
            let (fails, panics) = if panics { ("", what) } else { (what, "") };
            let broker = quiet().layer(Life { fails, panics, ..Life::new("life", &diary) }).build().unwrap();
            broker.start().await.unwrap();
            let error = broker.add(diary.service("late")).await.unwrap_err();
            assert!(matches!(error, StartError::Layer { layer: "life", .. }), "{error}");
            let started = matches!(what, "late starting" | "late started");
            let notes = diary.read();
            assert_eq!(notes.contains(&"life late stopped".to_owned()), started, "{what}: {notes:?}");
            let error = broker.call::<u8>("late.get", ()).await.unwrap_err();
            assert!(
                matches!(error.kind(), ErrorKind::ServiceNotFound | ErrorKind::ServiceNotAvailable),
                "{what}: {error}"
            );
            assert!(!broker.remove("late").await, "{what}: it is not known any more");
            broker.stop().await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_fails_when_a_service_stops_is_told_and_the_stop_goes_on() {
    for what in ["one stopping", "one stopped"] {
        let diary = Diary::default();
        let life = Life { panics: what, ..Life::new("life", &diary) };
        let broker = quiet().layer(life).service(diary.service("one")).build().unwrap();
        broker.start().await.unwrap();
        let error = broker.stop().await.unwrap_err();
        assert_eq!(error.failures, [format!("one: in the layer `life`: it panicked: {TEXT}")]);
        assert!(diary.read().contains(&"one runs stopped".to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_cannot_be_used_fails_the_build() {
    struct Wraps(&'static str);
    impl Layer for Wraps {
        fn name(&self) -> &'static str {
            assert!(self.0 != "name", "{TEXT}");
            "fragile"
        }
        fn emit(&self, next: EventFn) -> EventFn {
            assert!(self.0 != "emit", "{TEXT}");
            next
        }
        fn outgoing(&self, next: WireFn) -> WireFn {
            assert!(self.0 != "outgoing", "{TEXT}");
            next
        }
        fn incoming(&self, next: WireFn) -> WireFn {
            assert!(self.0 != "incoming", "{TEXT}");
            next
        }
        fn created(&self, _: &ServiceBroker) -> Result<()> {
            assert!(self.0 != "created", "{TEXT}");
            if self.0 == "fails" { Err(Error::internal(TEXT)) } else { Ok(()) }
        }
    }
    for what in ["name", "emit", "outgoing", "incoming", "created", "fails"] {
        let error = quiet().layer(Wraps(what)).build().unwrap_err();
        let named = if what == "name" { "without name" } else { "fragile" };
        assert!(matches!(error, BuildError::Layer { layer, .. } if layer == named), "{what}: {error}");
        assert!(error.to_string().contains(TEXT), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_layer_reads_options_of_a_service_and_adds_to_it() {
    struct Greeting(&'static str);
    struct Greets;
    impl Layer for Greets {
        fn name(&self) -> &'static str {
            "greets"
        }
        fn service_creating(&self, service: ServiceDef) -> Result<ServiceDef> {
            let Some(&Greeting(text)) = service.option() else { return Ok(service) };
            let greet = move |_: Context, _: Value| async move { ok(text.to_owned()) };
            Ok(service.into_builder().action("greet", greet).build())
        }
    }
    let polite = ServiceDef::builder("polite").with(Greeting("good day"));
    let broker =
        TestBroker::new().layer(Greets).service(polite).service(ServiceDef::builder("mute")).start().await;
    assert_eq!(broker.call::<String>("polite.greet", ()).await.unwrap(), "good day");
    let error = broker.call::<String>("mute.greet", ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ServiceNotFound);
}

/// Notes what is emitted, on the way out and back.
fn emits(name: &'static str, diary: &Diary) -> FnLayer {
    let diary = diary.clone();
    emit_fn(move |cx, data, next| {
        diary.note(format!("{name} {:?} {}", cx.spread(), cx.name()));
        let diary = diary.clone();
        async move {
            let sent = next.run(cx, data).await;
            diary.note(format!("{name} {}", sent.is_ok()));
            sent
        }
    })
}

#[tokio::test(start_paused = true)]
async fn what_is_emitted_and_broadcast_passes_the_layers_of_its_sender_first_to_last() {
    let (diary, there) = (Diary::default(), Diary::default());
    let log = EventLog::of("user.*");
    let (outer, inner, other) = (emits("outer", &diary), emits("inner", &diary), emits("there", &there));
    let cluster = Cluster::seeded(1)
        .node_with("a", [], move |builder| builder.layer(outer.clone()).layer(inner.clone()))
        .node_with("b", [ligand::ServiceDef::of(log.clone())], move |builder| builder.layer(other.clone()))
        .start()
        .await;
    let (a, user) = (cluster.at("a"), |what: &str| format!("user.{what}"));
    diary.read();
    there.read();
    a.emit(user("one"), 1).group("event-log").await.unwrap();
    a.broadcast(user("all"), 2).await.unwrap();
    a.broadcast_local(user("here"), 3).await.unwrap();
    log.wait_for(2).await;
    let of = |spread: Spread, what: &str| {
        let begins = |name: &str| format!("{name} {:?} user.{what}", Some(spread));
        [begins("outer"), begins("inner"), "inner true".to_owned(), "outer true".to_owned()]
    };
    let expected = [of(Spread::Emit, "one"), of(Spread::Broadcast, "all"), of(Spread::Local, "here")];
    let seen: Vec<_> = diary.read().into_iter().filter(|note| !note.contains('$')).collect();
    assert_eq!(seen, expected.concat());
    assert!(!there.read().iter().any(|note| note.contains("user.")), "it sends nothing");
}

#[tokio::test(start_paused = true)]
async fn a_layer_can_change_delay_refuse_or_repeat_an_event() {
    let log = EventLog::of("**");
    let layer = emit_fn(|cx, mut data: Payload, next| async move {
        match cx.name().as_str() {
            "refused" => Err(Error::client(403, "FORBIDDEN", "no").with_outcome(Outcome::NotRun)),
            "twice" => {
                let copy = data.share(Codec::Json)?;
                next.run(cx.clone(), copy).await?;
                tokio::time::sleep(secs(1)).await;
                next.run(cx, data).await
            }
            "changed" => next.run(cx, Payload::typed(7)).await,
            _ => next.run(cx, data).await,
        }
    });
    let broker = TestBroker::new().layer(layer).service(log.clone()).start().await;
    let error = broker.emit("refused", 1).await.unwrap_err();
    assert_eq!((error.error_type(), error.outcome()), (Some("FORBIDDEN"), Outcome::NotRun));
    broker.emit("twice", 2).await.unwrap();
    broker.broadcast("changed", 3).await.unwrap();
    assert_eq!((log.matching("refused").len(), log.matching("twice").len()), (0, 2));
    assert_eq!(log.matching("changed")[0].data, Value::from(7));
    // What is given up in the middle is not sent on.
    let given_up = tokio::time::timeout(ms(500), async { broker.emit("twice", 2).await });
    assert!(given_up.await.is_err());
    tokio::time::sleep(secs(2)).await;
    assert_eq!(log.matching("twice").len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_panics_around_an_emitted_event_fails_it_and_is_told_once() {
    for made in [true, false] {
        let layer = emit_fn(move |cx, data, next| {
            assert!(!made || cx.name() != "break", "{TEXT}");
            async move {
                assert!(cx.name() != "break", "{TEXT}");
                next.run(cx, data).await
            }
        });
        let broker = TestBroker::new().layer(layer).start().await;
        let log = Log::of_this_thread(tracing::Level::ERROR);
        for sent in [
            broker.emit("break", 1).request_id("request-7").await,
            broker.broadcast("break", 1).request_id("request-7").await,
            broker.broadcast_local("break", 1).request_id("request-7").await,
        ] {
            let error = sent.unwrap_err();
            assert_eq!((error.kind(), error.outcome()), (ErrorKind::HandlerPanic, Outcome::MayHaveRun));
            assert!(!error.to_string().contains(TEXT), "the text stays where it happened: {error}");
        }
        let lines = log.with("a layer around a handler panicked");
        assert_eq!(lines.len(), 3);
        assert!(
            lines.iter().all(|line| line.contains("event=break") && line.contains("request_id=request-7"))
        );
        broker.emit("fine", 1).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn packets_pass_their_layers_with_their_kind() {
    let kinds = Arc::new(Mutex::new(Vec::new()));
    #[derive(Clone)]
    struct Kinds(Arc<Mutex<Vec<(&'static str, PacketKind)>>>);
    impl Kinds {
        fn note(&self, way: &'static str, next: WireFn) -> WireFn {
            let kinds = Arc::clone(&self.0);
            Arc::new(move |kind, packet| {
                kinds.lock().unwrap().push((way, kind));
                next(kind, packet)
            })
        }
    }
    impl Layer for Kinds {
        fn name(&self) -> &'static str {
            "kinds"
        }
        fn outgoing(&self, next: WireFn) -> WireFn {
            self.note("out", next)
        }
        fn incoming(&self, next: WireFn) -> WireFn {
            self.note("in", next)
        }
    }
    let layer = Kinds(Arc::clone(&kinds));
    let math = ServiceDef::builder("math").action("one", |_, _: Value| async { ok(1) }).build();
    let cluster = Cluster::seeded(1)
        .node_with("a", [], move |builder| builder.layer(layer.clone()))
        .node("b", [math])
        .start()
        .await;
    kinds.lock().unwrap().clear();
    assert_eq!(cluster.at("a").call::<u8>("math.one", ()).await.unwrap(), 1);
    let seen = kinds.lock().unwrap().clone();
    let calls = [("out", PacketKind::Request), ("in", PacketKind::Response)];
    assert!(calls.iter().all(|call| seen.contains(call)), "{seen:?}");
}

/// Adds a mark to what is sent, and takes it off what comes.
fn marks(mark: u8) -> FnLayer {
    wire_fns(
        move |packet: Bytes| Ok([&packet[..], &[mark]].concat().into()),
        move |packet: Bytes| match packet.split_last() {
            Some((last, rest)) if *last == mark => Ok(Bytes::copy_from_slice(rest)),
            _ => Err(Error::client(400, "NO_MARK", "no mark")),
        },
    )
}

#[tokio::test(start_paused = true)]
async fn the_layer_given_first_is_nearest_to_the_wire() {
    let (seen, math) = (
        Arc::new(Mutex::new(Vec::new())),
        ServiceDef::builder("math").action("one", |_, _: Value| async { ok(1) }).build(),
    );
    let wire = {
        let seen = Arc::clone(&seen);
        wire_fns(
            move |packet: Bytes| {
                seen.lock().unwrap().push(packet.last().copied());
                Ok(packet)
            },
            Ok,
        )
    };
    let cluster = Cluster::seeded(1)
        .node_with("a", [], move |builder| builder.layer(wire.clone()).layer(marks(1)).layer(marks(2)))
        .node_with("b", [math], |builder| builder.layer(marks(1)).layer(marks(2)))
        .start()
        .await;
    assert_eq!(cluster.at("a").call::<u8>("math.one", ()).await.unwrap(), 1);
    assert!(seen.lock().unwrap().iter().all(|last| *last == Some(1)));
}

/// A layer of two hooks that share what they know: an action says how often its calls are tried.
struct Retry;

struct Tries(u32);
struct Known(u32);

impl Layer for Retry {
    fn name(&self) -> &'static str {
        "retry"
    }
    fn around(&self, _action: &str, next: ActionFn) -> ActionFn {
        Arc::new(move |cx, mut params| {
            let next = Arc::clone(&next);
            Box::pin(async move {
                let mut tried = 0;
                loop {
                    let copy = params.share(cx.broker().codec())?;
                    let answer = next(cx.clone(), copy).await;
                    tried += 1;
                    let tries = cx.extensions().get::<Known>().map_or(1, |known| known.0);
                    if answer.is_ok() || tried >= tries {
                        return answer;
                    }
                }
            })
        })
    }
    fn action(&self, action: &WrappedAction<'_>, next: ActionFn) -> ActionFn {
        let published =
            || action.def().get("tries").and_then(Value::as_u64).map_or(0, |tries| tries.try_into().unwrap());
        let tries = action.def().option::<Tries>().map_or_else(published, |tries| tries.0);
        if tries == 0 {
            return next;
        }
        Arc::new(move |cx, params| {
            cx.extensions().insert(Known(tries));
            next(cx, params)
        })
    }
}

/// Fails as often as it is told, and says who answered.
fn flaky(failures: u32, tries: u32) -> ServiceDef {
    let left = Arc::new(Mutex::new(failures));
    let get = move |cx: Context, text: String| {
        let left = Arc::clone(&left);
        async move {
            let mut left = left.lock().unwrap();
            if *left > 0 {
                *left -= 1;
                return Err(Error::server(503, "NOT_NOW", "not now"));
            }
            ok(format!("{text} by {}", cx.broker().node_id()))
        }
    };
    let def = ligand::ActionDef::new("get").with(Tries(tries)).extra("tries", tries);
    ServiceDef::builder("flaky").action(def, get).build()
}

#[tokio::test(start_paused = true)]
async fn one_layer_retries_around_the_pick_what_the_action_allows() {
    for (failures, tries, well) in [(2, 3, true), (3, 3, false), (1, 1, false)] {
        let broker = TestBroker::new().layer(Retry).service(flaky(failures, tries)).start().await;
        let here = broker.call_typed::<String, _>("flaky.get", "done".to_owned()).await;
        let cluster = Cluster::seeded(1)
            .node_with("a", [], |builder| builder.layer(Retry))
            .node("b", [flaky(failures, tries)])
            .start()
            .await;
        let there = cluster.at("a").call::<String>("flaky.get", "done").await;
        assert_eq!((here.is_ok(), there.is_ok()), (well, well), "{failures} {tries}");
        if well {
            assert_eq!((here.unwrap(), there.unwrap()), ("done by test".to_owned(), "done by b".to_owned()));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_layer_knows_the_node_that_was_picked_and_sends_the_call_to_another_one() {
    // The heart of a breaker: `b` is not asked.
    let breaker = wrap_fn(|_, next: ActionFn| {
        Arc::new(move |cx: Context, params| {
            if cx.picked_node().is_none_or(|node| node.as_str() != "b") {
                return next(cx, params);
            }
            Box::pin(async move { Err(Error::rejected(cx.name(), cx.picked_node())) })
        })
    });
    let cluster = Cluster::seeded(1)
        .node_with("a", [], move |builder| builder.layer(breaker.clone()))
        .node("b", [flaky(0, 1)])
        .node("c", [flaky(0, 1)])
        .start()
        .await;
    for _ in 0..4 {
        assert_eq!(cluster.at("a").call::<String>("flaky.get", "done").await.unwrap(), "done by c");
    }
}

async fn passes_on(cx: Context, params: Payload, next: ligand::layer::Next) -> Result<Reply> {
    next.run(cx, params).await
}

#[tokio::test(start_paused = true)]
async fn a_closure_is_a_layer_and_is_named_by_its_path_or_as_it_is_told() {
    let broker = TestBroker::new()
        .layer(around_fn(passes_on).named("calls"))
        .layer(action_fn(passes_on))
        .layer(emit_fn(|cx, data, next| async move { next.run(cx, data).await }))
        .service(flaky(0, 1))
        .start()
        .await;
    assert_eq!(broker.call::<String>("flaky.get", "done").await.unwrap(), "done by test");
    let names = broker.layers("flaky.get");
    assert_eq!((names.len(), names[0]), (2, "calls"));
    assert!(names[1].ends_with("layer_hooks::passes_on"), "{names:?}");
}

#[tokio::test(start_paused = true)]
async fn a_layer_around_handlers_leaves_the_way_to_other_nodes_alone() {
    let refuse = action_fn(|_, _, _| async { Err(Error::client(403, "FORBIDDEN", "no")) });
    let sides = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&sides);
    let side = wrap_fn(move |action, next| {
        if action.name() == "flaky.get" {
            noted.lock().unwrap().push((action.side(), action.service().to_string()));
        }
        next
    });
    let cluster = Cluster::seeded(1)
        .node_with("a", [], move |builder| builder.layer(refuse.clone()).layer(side.clone()))
        .node("b", [flaky(0, 1)])
        .start()
        .await;
    assert_eq!(cluster.at("a").call::<String>("flaky.get", "done").await.unwrap(), "done by b");
    assert_eq!(*sides.lock().unwrap(), [(Side::Remote, "flaky".to_owned())]);
}
