//! A service that is removed finishes what it has, and its hooks run after that.

use ligand::testing::{Cluster, TestBroker};
use ligand::{ActionDef, Context, Error, ErrorKind, EventDef, Outcome, ServiceBroker, ServiceDef};
use serde_json::{Value, json};
use std::future::{IntoFuture as _, pending};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

use crate::ways::{ms, ok, secs};

/// What happened, in order.
#[derive(Clone, Default)]
pub(super) struct Diary(Arc<Mutex<Vec<String>>>);

/// Notes its end, well or not.
pub(super) struct Ends(Diary, &'static str, bool);

impl Diary {
    pub(super) fn note(&self, what: &str) {
        self.0.lock().unwrap().push(what.to_owned());
    }

    pub(super) fn read(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// `slow`: its actions and events sleep for so many milliseconds.
    pub(super) fn service(&self) -> ServiceDef {
        let nap = |what: &'static str| {
            let diary = self.clone();
            move |_: Context, millis: u64| {
                let mut ends = Ends(diary.clone(), what, false);
                async move {
                    sleep(ms(millis)).await;
                    ends.well();
                    ok(millis)
                }
            }
        };
        let event = |what| {
            let nap = nap(what);
            move |cx: Context, millis: u64| {
                let napped = nap(cx, millis);
                async move { napped.await.map(drop) }
            }
        };
        let diary = self.clone();
        ServiceDef::builder("slow")
            .version(2)
            .action("nap", nap("call"))
            .action(ActionDef::new("apart").spawn(), nap("call"))
            .event("nap", event("event"))
            .event(EventDef::new("nap.in.order").concurrency(1), event("ordered"))
            .stopped(move || {
                diary.note("stopped");
                async { ok(()) }
            })
            .build()
    }
}

impl Ends {
    fn well(&mut self) {
        self.2 = true;
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.note(&format!("{} {}", self.1, if self.2 { "ended" } else { "cut" }));
    }
}

pub(super) async fn removed(broker: &ServiceBroker) -> Duration {
    let from = Instant::now();
    assert!(broker.remove("v2.slow").await);
    from.elapsed()
}

#[tokio::test(start_paused = true)]
async fn its_hook_runs_after_the_calls_and_events_of_this_process() {
    for action in ["v2.slow.nap", "v2.slow.apart"] {
        let diary = Diary::default();
        let broker = TestBroker::new().service(diary.service()).start().await;
        let call = async { broker.call::<u64>(action, 300).await };
        let (napped, took) = tokio::join!(call, async {
            sleep(ms(50)).await;
            removed(&broker).await
        });
        assert_eq!(napped.unwrap(), 300);
        assert!(took >= ms(249) && took < ms(400), "{took:?}");
        assert_eq!(diary.read(), ["call ended", "stopped"], "{action}");
    }
    for (event, what) in [("nap", "event"), ("nap.in.order", "ordered")] {
        for local in [true, false] {
            let diary = Diary::default();
            let broker = TestBroker::new().service(diary.service()).start().await;
            // Ordered ones: the second waits for the first.
            let events = async || match local {
                true => broker.broadcast_local(event, 200_u64).await.unwrap(),
                false => broker.emit(event, 200_u64).await.unwrap(),
            };
            tokio::join!(events(), events(), async {
                sleep(ms(50)).await;
                removed(&broker).await;
            });
            let ended = format!("{what} ended");
            assert_eq!(diary.read(), [ended.as_str(), ended.as_str(), "stopped"], "{event}, local: {local}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn its_hook_runs_after_the_calls_and_events_of_other_nodes() {
    for action in ["v2.slow.nap", "v2.slow.apart"] {
        let diary = Diary::default();
        let cluster = Cluster::seeded(1).node("a", []).node("b", [diary.service()]).start().await;
        let call = async { cluster.at("a").call::<u64>(action, 300).await };
        let (napped, _) = tokio::join!(call, async {
            sleep(ms(50)).await;
            removed(cluster.at("b")).await
        });
        assert_eq!(napped.unwrap(), 300);
        assert_eq!(diary.read(), ["call ended", "stopped"]);
    }
    for (event, what) in [("nap", "event"), ("nap.in.order", "ordered")] {
        let diary = Diary::default();
        let cluster = Cluster::seeded(1).node("a", []).node("b", [diary.service()]).start().await;
        for _ in 0..2 {
            cluster.at("a").emit(event, 200_u64).await.unwrap();
        }
        sleep(ms(50)).await;
        removed(cluster.at("b")).await;
        let ended = format!("{what} ended");
        assert_eq!(diary.read(), [ended.as_str(), ended.as_str(), "stopped"]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_takes_longer_than_the_shutdown_timeout_is_cut_and_answered() {
    let diary = Diary::default();
    let cluster = Cluster::seeded(1).node("a", []).node("b", [diary.service()]).start().await;
    let (here, there) = (cluster.at("b"), cluster.at("a"));
    let call = async |broker: &ServiceBroker, action: &str| {
        broker.call::<u64>(action, 60_000_u64).timeout(secs(600)).await
    };
    here.emit("nap", 60_000_u64).await.unwrap();
    here.emit("nap.in.order", 60_000_u64).await.unwrap();
    here.emit("nap.in.order", 60_000_u64).await.unwrap();
    let local_event = async { here.broadcast_local("nap", 60_000_u64).await };
    let (one, two, three, four, sent, took) = tokio::join!(
        call(here, "v2.slow.nap"),
        call(here, "v2.slow.apart"),
        call(there, "v2.slow.nap"),
        call(there, "v2.slow.apart"),
        local_event,
        async {
            sleep(ms(50)).await;
            removed(here).await
        }
    );
    for result in [one, two, three, four] {
        let error = result.unwrap_err();
        assert_eq!(
            (error.kind(), error.name()),
            (ErrorKind::GracefulStopTimeout, "GracefulStopTimeoutError")
        );
        assert_eq!(error.data(), Some(&json!({ "service": { "name": "slow", "version": 2 } })));
        assert_eq!(error.message(), "Unable to stop 'slow' service gracefully.");
    }
    sent.unwrap();
    assert!(took >= secs(5) && took < secs(6), "{took:?}");
    let notes = diary.read();
    assert_eq!(notes.last().map(String::as_str), Some("stopped"), "{notes:?}");
    let cut = notes.iter().filter(|note| note.ends_with(" cut")).count();
    assert_eq!((cut, notes.len()), (7, 8), "the event that waited was never begun: {notes:?}");
    // The node goes on.
    here.add(ServiceDef::builder("slow").action("get", |_, _: Value| async { ok(1) })).await.unwrap();
    assert_eq!(here.call::<u8>("slow.get", ()).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_begins_once_it_is_withdrawn() {
    let diary = Diary::default();
    let broker = TestBroker::new().service(diary.service()).start().await;
    let site = broker.action("v2.slow.nap");
    site.call::<u64>(1).await.unwrap();
    let call = async { broker.call::<u64>("v2.slow.nap", 300).await };
    let late = async {
        sleep(ms(100)).await;
        broker.emit("nap", 1_u64).await.unwrap();
        broker.broadcast_local("nap.in.order", 1_u64).await.unwrap();
        (broker.call::<u64>("v2.slow.nap", 1).await, site.call::<u64>(1).await)
    };
    let (napped, (refused, by_site), _) = tokio::join!(call, late, async {
        sleep(ms(50)).await;
        removed(&broker).await
    });
    napped.unwrap();
    for error in [refused.unwrap_err(), by_site.unwrap_err()] {
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::ServiceNotAvailable, Outcome::NotRun));
    }
    assert_eq!(diary.read(), ["call ended", "call ended", "stopped"]);
}

#[tokio::test(start_paused = true)]
async fn its_hook_is_bounded_too() {
    let stuck = ServiceDef::builder("stuck").stopped(pending::<Result<(), Error>>);
    let broker = TestBroker::new().service(stuck).start().await;
    let from = Instant::now();
    assert!(broker.remove("stuck").await);
    assert!(from.elapsed() >= secs(5) && from.elapsed() < secs(6), "{:?}", from.elapsed());
    broker.add(ServiceDef::builder("stuck")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_removal_that_nobody_waits_for_any_more_goes_on() {
    let (diary, alive) = (Diary::default(), Arc::new(()));
    let service = ServiceDef::builder("own").action("hang", |_, _: Value| pending::<Result<(), Error>>());
    let service = service.started({
        let alive = Arc::clone(&alive);
        move |cx: ligand::ServiceCx| {
            let alive = Arc::clone(&alive);
            cx.spawn(async move {
                let _alive = alive;
                pending::<()>().await;
            });
            async { ok(()) }
        }
    });
    let service = service.stopped({
        let diary = diary.clone();
        move || {
            diary.note("stopped");
            async { ok(()) }
        }
    });
    let broker = TestBroker::new().service(service).start().await;
    let mut call = broker.call::<()>("own.hang", ()).into_future();
    assert!(futures_util::poll!(&mut call).is_pending());
    // The closure of the hook and the task hold one each.
    assert_eq!(Arc::strong_count(&alive), 3);
    assert!(timeout(ms(100), broker.remove("own")).await.is_err());
    assert!(!broker.remove("own").await, "nobody finds it any more");
    assert!(diary.read().is_empty(), "a call is under way");
    drop(call);
    timeout(secs(1), async {
        while Arc::strong_count(&alive) > 1 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("its tasks have ended, and it is forgotten");
    assert_eq!(diary.read(), ["stopped"]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_a_removal() {
    let diary = Diary::default();
    let broker = TestBroker::new().service(diary.service()).start().await;
    broker.emit("nap", 300_u64).await.unwrap();
    let (_, stopped) = tokio::join!(removed(&broker), async {
        sleep(ms(50)).await;
        let stopped = broker.stop().await;
        diary.note("broker stopped");
        stopped
    });
    stopped.unwrap();
    assert_eq!(diary.read(), ["event ended", "stopped", "broker stopped"]);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_removed_while_it_starts_is_not_offered() {
    let broker = TestBroker::new().start().await;
    let slow = ServiceDef::builder("late").action("get", |_, _: Value| async { ok(1) }).started(|_| async {
        sleep(ms(100)).await;
        ok(())
    });
    let (added, removed) = tokio::join!(broker.add(slow), async {
        sleep(ms(50)).await;
        broker.remove("late").await
    });
    assert!(removed);
    let error = added.unwrap_err();
    assert!(error.to_string().contains("it was removed"), "{error}");
    assert_eq!(broker.call::<u8>("late.get", ()).await.unwrap_err().outcome(), Outcome::NotRun);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_removed_while_the_broker_starts_holds_nobody_up() {
    let diary = Diary::default();
    let waits = ServiceDef::builder("waits").depends_on(["nobody"]).started({
        let diary = diary.clone();
        move |_| {
            diary.note("waits started");
            async { ok(()) }
        }
    });
    let slow = ServiceDef::builder("slow").action("get", |_, _: Value| async { ok(1) }).started({
        let diary = diary.clone();
        move |_| {
            let diary = diary.clone();
            async move {
                sleep(ms(100)).await;
                diary.note("slow started");
                ok(())
            }
        }
    });
    let slow = slow.stopped({
        let diary = diary.clone();
        move || {
            diary.note("slow stopped");
            async { ok(()) }
        }
    });
    let other = ServiceDef::builder("other").action("get", |_, _: Value| async { ok(2) });
    let broker =
        ServiceBroker::builder().node_id("n").service(waits).service(slow).service(other).build().unwrap();
    let from = Instant::now();
    let (started, ()) = tokio::join!(broker.start(), async {
        sleep(ms(50)).await;
        assert!(broker.remove("waits").await && broker.remove("slow").await);
    });
    started.unwrap();
    assert_eq!(from.elapsed(), ms(100), "what was removed is not waited for any more");
    assert_eq!(diary.read(), ["slow started", "slow stopped"]);
    assert_eq!(broker.call::<u8>("other.get", ()).await.unwrap(), 2);
    assert_eq!(broker.call::<u8>("slow.get", ()).await.unwrap_err().outcome(), Outcome::NotRun);
    broker.stop().await.unwrap();
    assert_eq!(diary.read().len(), 2, "nothing is stopped twice");
}
