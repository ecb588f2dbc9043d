//! How long a call may take, and what happens at the deadline.

use ligand::testing::{Cluster, TestBroker};
use ligand::{ActionDef, Context, Error, ErrorKind, Outcome, ServiceBroker, ServiceDef, Timeout};
use serde_json::{Value, json};
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use crate::ways::{every_way, ms, ok, secs};

/// Deadlines of a second and more are looked at every 25 ms.
const SWEEP: Duration = ms(60);

/// Counts the handlers that are alive.
#[derive(Clone, Default)]
struct Alive(Arc<AtomicUsize>);

struct Life(Arc<AtomicUsize>);

impl Alive {
    fn enter(&self) -> Life {
        self.0.fetch_add(1, Ordering::Relaxed);
        Life(Arc::clone(&self.0))
    }

    fn now(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn sleepy() -> ServiceDef {
    sleepy_with(Alive::default())
}

fn sleepy_with(alive: Alive) -> ServiceDef {
    let hang = move |_, _: Value| {
        let life = alive.enter();
        async move {
            let _life = life;
            pending::<Result<(), Error>>().await
        }
    };
    let left = |cx: Context, _: Value| async move { ok(cx.remaining().map(|left| left.as_millis() as u64)) };
    let nap = |_, millis: u64| async move {
        sleep(ms(millis)).await;
        ok(millis)
    };
    let nested = |cx: Context, wait: u64| async move {
        sleep(ms(wait)).await;
        cx.call::<Option<u64>>("sleepy.left", json!({})).timeout(secs(3600)).await
    };
    ServiceDef::builder("sleepy")
        .action("hang", hang.clone())
        .action(ActionDef::new("brief").timeout(ms(200)), hang.clone())
        .action(ActionDef::new("apart").spawn(), hang.clone())
        .action(ActionDef::new("patient").timeout(Timeout::Never), hang)
        .action("left", left)
        .action(ActionDef::new("left_of_mine").timeout(secs(7)), left)
        .action(ActionDef::new("left_of_none").timeout(Timeout::Never), left)
        .action("nap", nap)
        .action("nested", nested)
        .build()
}

async fn fails_after(broker: &ServiceBroker, action: &str, timeout: Option<Timeout>) -> Duration {
    let from = Instant::now();
    let call = broker.call::<()>(action, ());
    let call = match timeout {
        Some(timeout) => call.timeout(timeout),
        None => call,
    };
    let error = call.await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::RequestTimeout, Outcome::MayHaveRun));
    assert!(error.is_retryable());
    from.elapsed()
}

fn around(found: Duration, expected: Duration) -> bool {
    found >= expected && found <= expected + SWEEP
}

#[tokio::test(start_paused = true)]
async fn a_call_fails_after_thirty_seconds_unless_somebody_says_otherwise() {
    every_way(
        || vec![sleepy()],
        async |broker| {
            let took = fails_after(broker, "sleepy.hang", None).await;
            assert!(around(took, secs(30)), "{took:?}");
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_action_may_set_the_time_and_the_caller_has_the_last_word() {
    every_way(
        || vec![sleepy()],
        async |broker| {
            let took = fails_after(broker, "sleepy.brief", None).await;
            assert!(around(took, ms(200)), "{took:?}");
            let took = fails_after(broker, "sleepy.brief", Some(secs(2).into())).await;
            assert!(around(took, secs(2)), "{took:?}");
            let took = fails_after(broker, "sleepy.hang", Some(ms(3).into())).await;
            assert!(took >= ms(3) && took < ms(6), "{took:?}");
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_default_of_the_broker_counts_where_neither_says_anything() {
    let broker =
        TestBroker::new().service(sleepy()).with(|builder| builder.request_timeout(secs(4))).start().await;
    let took = fails_after(&broker, "sleepy.hang", None).await;
    assert!(around(took, secs(4)), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn never_means_never() {
    every_way(
        || vec![sleepy()],
        async |broker| {
            for (action, timeout) in [("sleepy.hang", Some(Timeout::Never)), ("sleepy.patient", None)] {
                let call = broker.call::<()>(action, ());
                let call = match timeout {
                    Some(timeout) => call.timeout(timeout),
                    None => call,
                };
                let waited = tokio::time::timeout(secs(600), call).await;
                assert!(waited.is_err(), "{action} ended: {waited:?}");
            }
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_sees_what_is_left() {
    let found = every_way(
        || vec![sleepy()],
        async |broker| {
            let call = |action| broker.call::<Option<u64>>(action, json!({}));
            [
                call("sleepy.left").await.unwrap(),
                call("sleepy.left_of_mine").await.unwrap(),
                call("sleepy.left_of_none").await.unwrap(),
                call("sleepy.left").timeout(ms(1500)).await.unwrap(),
            ]
        },
    );
    assert_eq!(found.await, [Some(30_000), Some(7_000), None, Some(1_500)]);
}

#[tokio::test(start_paused = true)]
async fn a_nested_call_never_gets_more_than_what_is_left() {
    let found = every_way(
        || vec![sleepy()],
        async |broker| {
            let call =
                |wait: u64, timeout| broker.call::<Option<u64>>("sleepy.nested", wait).timeout(timeout);
            let after_400 = call(400, secs(1)).await.unwrap().unwrap();
            let at_once = call(0, secs(1)).await.unwrap().unwrap();
            // Timers have a resolution of a millisecond.
            assert!(
                (599..=600).contains(&after_400) && (999..=1000).contains(&at_once),
                "{after_400} {at_once}"
            );
        },
    );
    found.await;
}

#[tokio::test(start_paused = true)]
async fn a_call_made_after_the_deadline_is_skipped() {
    let (report, mut reports) = mpsc::channel(1);
    let late = move |cx: Context, _: Value| {
        let report = report.clone();
        tokio::spawn(async move {
            sleep(secs(2)).await;
            let result = cx.call::<Value>("sleepy.left", json!({})).await;
            report.send(result.unwrap_err()).await.unwrap();
        });
        pending::<Result<(), Error>>()
    };
    let late = ServiceDef::builder("late").action("call", late);
    let broker = TestBroker::new().service(sleepy()).service(late).start().await;
    broker.call::<()>("late.call", ()).timeout(secs(1)).await.unwrap_err();
    let error = reports.recv().await.unwrap();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::RequestSkipped, Outcome::NotRun));
    assert_eq!(error.code().unwrap(), &514);
}

#[tokio::test(start_paused = true)]
async fn the_handler_is_dropped_at_the_deadline_here_and_elsewhere() {
    let alive = Alive::default();
    let broker = TestBroker::new().service(sleepy_with(alive.clone())).start().await;
    for timeout in [ms(100), secs(2)] {
        broker.call::<()>("sleepy.hang", ()).timeout(timeout).await.unwrap_err();
        assert_eq!(alive.now(), 0);
    }

    let alive = Alive::default();
    let cluster = Cluster::seeded(1).node("a", []).node("b", [sleepy_with(alive.clone())]).start().await;
    for timeout in [ms(100), secs(2)] {
        let call = cluster.at("a").call::<()>("sleepy.hang", ()).timeout(timeout);
        let (result, ()) = tokio::join!(call, async {
            sleep(timeout - ms(50)).await;
            assert_eq!(alive.now(), 1);
        });
        result.unwrap_err();
        cluster.advance(SWEEP).await;
        assert_eq!(alive.now(), 0, "the remote handler runs on after {timeout:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_broken_way_does_not_keep_a_caller_longer_than_its_deadline() {
    let cluster = Cluster::seeded(1).node("a", []).node("b", [sleepy()]).start().await;
    cluster.partition("a", "b");
    let from = Instant::now();
    let error = cluster.at("a").call::<Value>("sleepy.left", ()).timeout(secs(3)).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::RequestTimeout, Outcome::MayHaveRun));
    assert!(around(from.elapsed(), secs(3)));
    assert_eq!(cluster.at("a").stats().deadlines, 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_done_in_time_is_not_disturbed() {
    let found = every_way(
        || vec![sleepy()],
        async |broker| broker.call::<u64>("sleepy.nap", 900).timeout(secs(1)).await.unwrap(),
    );
    assert_eq!(found.await, 900);
}

#[tokio::test(start_paused = true)]
async fn a_call_with_no_time_left_fails_at_once_and_nobody_is_asked() {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = || {
        let runs = Arc::clone(&runs);
        ServiceDef::builder("svc")
            .action("get", move |_, _: Value| {
                runs.fetch_add(1, Ordering::Relaxed);
                async { ok(1) }
            })
            .build()
    };
    every_way(
        || vec![counted()],
        async |broker| {
            let from = Instant::now();
            // What is left of a deadline that has passed.
            let left = from.saturating_duration_since(from + secs(1));
            let mut options = ligand::CallOptions::default();
            options.timeout = Some(left.into());
            let site = broker.action("svc.get");
            for error in [
                broker.call::<u8>("svc.get", ()).timeout(left).await.unwrap_err(),
                broker.call::<u8>("svc.get", ()).with(options).await.unwrap_err(),
                broker.call("svc.get", ()).timeout(left).raw().await.unwrap_err(),
                site.call::<u8>(()).timeout(left).await.unwrap_err(),
            ] {
                assert_eq!((error.kind(), error.outcome()), (ErrorKind::RequestSkipped, Outcome::NotRun));
                assert!(error.message().contains("'svc.get' is skipped"), "{error}");
            }
            assert_eq!(from.elapsed(), Duration::ZERO);
        },
    )
    .await;
    assert_eq!(runs.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn within_a_call_zero_is_no_time_either() {
    let relay = |cx: Context, _: Value| async move {
        let error = cx.call::<Value>("sleepy.hang", ()).timeout(Duration::ZERO).await.unwrap_err();
        ok((error.kind() == ErrorKind::RequestSkipped, error.outcome() == Outcome::NotRun))
    };
    let relay = ServiceDef::builder("relay").action("go", relay);
    let broker = TestBroker::new().service(sleepy()).service(relay).start().await;
    let call = broker.call::<(bool, bool)>("relay.go", ()).timeout(Timeout::Never);
    assert_eq!(call.await.unwrap(), (true, true));
}

#[tokio::test(start_paused = true)]
async fn layers_around_the_pick_are_not_asked_for_a_call_without_time() {
    let fallback = ligand::layer::around_fn(|_, _, _| async { panic!("it was asked") });
    let broker = TestBroker::new().layer(fallback).start().await;
    let error = broker.call::<()>("no.such", ()).timeout(Duration::ZERO).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::RequestSkipped, Outcome::NotRun));
}

#[tokio::test(start_paused = true)]
async fn a_timeout_of_zero_is_refused_where_every_call_would_fail() {
    let zero = ServiceDef::builder("svc")
        .action(ActionDef::new("get").timeout(Duration::ZERO), |_, (): ()| async { ok(1) });
    let error = ServiceBroker::builder().service(zero).build().unwrap_err().to_string();
    assert!(error.contains("`get`") && error.contains("`Timeout::Never`"), "{error}");
    let error = ServiceBroker::builder().request_timeout(Duration::ZERO).build().unwrap_err().to_string();
    assert!(error.contains("`requestTimeout`") && error.contains("`Timeout::Never`"), "{error}");
    let mut config = ligand::BrokerConfig::default();
    config.dependency_timeout = Duration::ZERO.into();
    let error = ServiceBroker::builder().config(config).build().unwrap_err().to_string();
    assert!(error.contains("`dependencyTimeout`") && error.contains("`Timeout::Never`"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_timeout_below_a_millisecond_is_published_as_one_not_as_none() {
    let short = || {
        let hang = |_, _: Value| pending::<Result<(), Error>>();
        vec![
            ServiceDef::builder("svc")
                .action(ActionDef::new("short").timeout(Duration::from_micros(300)), hang)
                .action(ActionDef::new("patient").timeout(Timeout::Never), hang)
                .build(),
        ]
    };
    let cluster = Cluster::seeded(1).node("caller", []).node("server", short()).start().await;
    let caller = cluster.at("caller");
    let list = caller.call::<Value>("$node.actions", json!({})).await.unwrap();
    let published = |name: &str| {
        let entry = list.as_array().unwrap().iter().find(|entry| entry["name"] == name).unwrap();
        entry["action"]["timeout"].clone()
    };
    assert_eq!((published("svc.short"), published("svc.patient")), (json!(1), json!(0)));
    // And a peer that reads it keeps to it.
    let from = Instant::now();
    let error = caller.call::<()>("svc.short", ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RequestTimeout);
    assert!(from.elapsed() < ms(10), "{:?}", from.elapsed());
}

/// Fails by its deadline; says who was to answer, for how long he was waited for, and the text.
async fn given_up(broker: &ServiceBroker, action: &str, timeout: Option<Duration>) -> (Value, String) {
    let call = broker.call::<()>(action, ());
    let call = match timeout {
        Some(timeout) => call.timeout(timeout),
        None => call,
    };
    let error = call.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RequestTimeout);
    (error.data().unwrap().clone(), error.to_string())
}

#[tokio::test(start_paused = true)]
async fn a_timeout_names_the_callee_and_how_long_it_was_waited_for() {
    let found = every_way(
        || vec![sleepy()],
        async |broker| {
            let mut texts = Vec::new();
            let cases = [
                // By the caller, the action, the broker; in a task of its own.
                ("sleepy.hang", Some(ms(150)), 150),
                ("sleepy.brief", None, 200),
                ("sleepy.hang", None, 30_000),
                ("sleepy.apart", Some(ms(1500)), 1500),
            ];
            for (action, timeout, waited) in cases {
                let (data, text) = given_up(broker, action, timeout).await;
                assert_eq!(data, json!({ "action": action, "nodeID": "server", "timeout": waited }));
                texts.push(text);
            }
            texts
        },
    );
    let texts = found.await;
    assert_eq!(
        texts[0],
        "Request is timed out when call 'sleepy.hang' action on 'server' node. (waited 150ms)"
    );
    assert!(texts[2].ends_with("(waited 30s)"), "{}", texts[2]);
}

#[tokio::test(start_paused = true)]
async fn a_nested_timeout_names_the_callee_and_what_was_left_of_the_parent() {
    let (report, mut reports) = mpsc::channel(8);
    let parent = move |cx: Context, _: Value| {
        let report = report.clone();
        async move {
            sleep(ms(400)).await;
            // Cut at the same moment: a task of its own lives to tell.
            let nested = tokio::spawn(async move { cx.call::<()>("sleepy.hang", ()).timeout(secs(9)).await });
            tokio::spawn(async move { report.send(nested.await.unwrap().unwrap_err()).await });
            pending::<Result<(), Error>>().await
        }
    };
    let parent = ServiceDef::builder("parent").action("hang", parent).build();
    let broker = TestBroker::new().service(sleepy()).service(parent.clone()).start().await;
    let (data, _) = given_up(&broker, "parent.hang", Some(ms(900))).await;
    assert_eq!(data, json!({ "action": "parent.hang", "nodeID": "test", "timeout": 900 }));
    let cluster = Cluster::seeded(1).node("a", [parent]).node("b", [sleepy()]).start().await;
    given_up(cluster.at("b"), "parent.hang", Some(ms(900))).await;
    for callee in ["test", "b"] {
        let error = reports.recv().await.unwrap();
        let data = error.data().unwrap();
        assert_eq!((&data["action"], &data["nodeID"]), (&json!("sleepy.hang"), &json!(callee)));
        let waited = data["timeout"].as_f64().unwrap();
        assert!((498.0..=500.0).contains(&waited), "{data}");
        assert!(error.to_string().contains("(waited "), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_callee_that_gives_up_first_names_itself_as_well() {
    let cluster = Cluster::seeded(1).node("a", []).node("b", [sleepy()]).start().await;
    // The request is late: the caller's own clock runs out first.
    cluster.hold("a", "b");
    let (data, _) = given_up(cluster.at("a"), "sleepy.hang", Some(ms(100))).await;
    assert_eq!(data, json!({ "action": "sleepy.hang", "nodeID": "b", "timeout": 100 }));
    cluster.release("a", "b");
    // A layer of the callee that knows less time than the caller.
    let hasty = ServiceDef::builder("hasty").action("ask", |cx: Context, _: Value| async move {
        cx.call::<()>("sleepy.hang", ()).timeout(ms(50)).await
    });
    cluster.at("a").add(hasty).await.unwrap();
    let (data, text) = given_up(cluster.at("a"), "hasty.ask", None).await;
    assert_eq!(data, json!({ "action": "sleepy.hang", "nodeID": "b", "timeout": 50 }));
    assert!(text.contains("'sleepy.hang' action on 'b' node") && text.ends_with("(waited 50ms)"), "{text}");
}
