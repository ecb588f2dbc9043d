//! Events in order, one after the other, in a queue with an end.

use ligand::testing::{Cluster, TestBroker};
use ligand::{ActionDef, Context, Error, EventDef, Outcome, ServiceDef};
use serde_json::Value;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::ways::{ms, ok, secs};

#[derive(Clone, Default)]
struct Work {
    done: Arc<Mutex<Vec<u32>>>,
    running: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Work {
    /// Handles numbers, the larger ones faster.
    fn service(&self, concurrency: usize) -> ServiceDef {
        let work = self.clone();
        ServiceDef::builder("work")
            .event(EventDef::new("number").concurrency(concurrency), move |_, number: u32| {
                let work = work.clone();
                async move {
                    work.most.fetch_max(work.running.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                    tokio::time::sleep(ms(u64::from(100 - number))).await;
                    work.running.fetch_sub(1, Ordering::Relaxed);
                    work.done.lock().unwrap().push(number);
                    ok(())
                }
            })
            .build()
    }

    fn done(&self) -> Vec<u32> {
        self.done.lock().unwrap().clone()
    }
}

#[tokio::test(start_paused = true)]
async fn with_a_concurrency_of_one_events_are_handled_in_the_order_they_were_sent() {
    let here = Work::default();
    let broker = TestBroker::new().service(here.service(1)).start().await;
    let there = Work::default();
    let cluster = Cluster::seeded(1).node("a", []).node("b", [there.service(1)]).start().await;
    for number in 0..100 {
        broker.emit("number", number).await.unwrap();
        cluster.at("a").emit("number", number).await.unwrap();
    }
    cluster.advance(secs(20)).await;
    let expected: Vec<u32> = (0..100).collect();
    for work in [here, there] {
        assert_eq!((work.done(), work.most.load(Ordering::Relaxed)), (expected.clone(), 1));
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_events_are_handled_at_once_than_said() {
    let work = Work::default();
    let broker = TestBroker::new().service(work.service(3)).start().await;
    for number in 0..30 {
        broker.emit("number", number).await.unwrap();
    }
    tokio::time::sleep(secs(5)).await;
    assert_eq!((work.done().len(), work.most.load(Ordering::Relaxed)), (30, 3));
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_drops_the_newest_events_and_counts_them() {
    let work = Work::default();
    let cluster = Cluster::seeded(1)
        .configure(|config| config.transit.event_queue = 4)
        .node("a", [])
        .node("b", [work.service(1)])
        .start()
        .await;
    for number in 0..10 {
        cluster.at("a").emit("number", number).await.unwrap();
    }
    cluster.advance(secs(5)).await;
    let done = work.done();
    // One runs and four wait; later ones find room when the first has been taken out.
    assert!((4..=6).contains(&done.len()) && done.is_sorted() && done[..4] == [0, 1, 2, 3], "{done:?}");
    assert_eq!(cluster.at("b").stats().events_dropped, 10 - done.len() as u64);
}

#[tokio::test(start_paused = true)]
async fn a_failing_or_panicking_event_does_not_hold_up_those_behind_it() {
    let seen: Arc<Mutex<Vec<u32>>> = Arc::default();
    let service = ServiceDef::builder("work").event(EventDef::new("number").concurrency(1), {
        let seen = Arc::clone(&seen);
        move |_, number: u32| {
            seen.lock().unwrap().push(number);
            async move {
                tokio::task::yield_now().await;
                assert_ne!(number, 1, "this one panics");
                if number == 0 { Err(Error::client(400, "NO", "no")) } else { Ok(()) }
            }
        }
    });
    let broker = TestBroker::new().service(service).start().await;
    for number in 0..4 {
        broker.emit("number", number).await.unwrap();
    }
    tokio::time::sleep(ms(10)).await;
    assert_eq!(*seen.lock().unwrap(), [0, 1, 2, 3]);
}

/// `work` handles `job` one at a time, each by way of `way`, which says what to wait for.
fn waiting_for_itself(concurrency: usize, results: &Arc<Mutex<Vec<Result<(), Error>>>>) -> [ServiceDef; 2] {
    let results = Arc::clone(results);
    let job = move |cx: Context, way: String| {
        let results = Arc::clone(&results);
        async move {
            let broker = cx.broker();
            let result = match way.as_str() {
                "direct" => broker.broadcast_local("job", "end").await,
                "pattern" => broker.broadcast_local("other.name", "end").await,
                "call" => cx.call("other.ask", ()).await,
                "apart" => cx.call("other.ask_apart", ()).await,
                "event" => cx.call("other.tell", "hop").await,
                "ordered" => cx.call("other.tell", "hop.in.order").await,
                _ => return ok(()),
            };
            results.lock().unwrap().push(result);
            ok(())
        }
    };
    let ask = |cx: Context, _: Value| async move { cx.broker().broadcast_local("job", "end").await };
    let results = Arc::new(Mutex::new(None));
    let hop = {
        let results = Arc::clone(&results);
        move |cx: Context, _: Value| {
            let results = Arc::clone(&results);
            async move {
                *results.lock().unwrap() = Some(cx.broker().broadcast_local("job", "end").await);
                ok(())
            }
        }
    };
    // Whoever sends an event does not learn how it went: this one looks it up.
    let tell = move |cx: Context, event: String| {
        let results = Arc::clone(&results);
        async move {
            cx.broker().broadcast_local(event, ()).await?;
            results.lock().unwrap().take().unwrap()
        }
    };
    let work = ServiceDef::builder("work")
        .event(EventDef::new("job").concurrency(concurrency), job.clone())
        .event(EventDef::new("other.*").concurrency(concurrency), job);
    let other = ServiceDef::builder("other")
        .action("ask", ask)
        .action(ActionDef::new("ask_apart").spawn(), ask)
        .action("tell", tell)
        .event("hop", hop.clone())
        .event(EventDef::new("hop.in.order").concurrency(1), hop);
    [work.build(), other.build()]
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_would_wait_for_its_own_subscription_is_told() {
    for way in ["direct", "call", "apart", "event", "ordered"] {
        for concurrency in [1, 2] {
            for local in [true, false] {
                let results = Arc::default();
                let [work, other] = waiting_for_itself(concurrency, &results);
                let broker = TestBroker::new().service(work).service(other).start().await;
                if local {
                    broker.broadcast_local("job", way).await.unwrap();
                } else {
                    broker.emit("job", way).await.unwrap();
                }
                tokio::time::sleep(ms(10)).await;
                let results = std::mem::take(&mut *results.lock().unwrap());
                let [Err(error)] = results.as_slice() else { panic!("{way}: {results:?}") };
                assert_eq!(error.error_type(), Some("EVENT_WAITS_FOR_ITSELF"), "{way}");
                assert!(error.message().contains("'job'") && error.message().contains("'work'"), "{error}");
                if way == "direct" {
                    assert_eq!(error.outcome(), Outcome::NotRun);
                }
                // The queue goes on.
                broker.broadcast_local("job", "end").await.unwrap();
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_may_wait_for_another_subscription_and_emit_to_its_own() {
    let results = Arc::default();
    let [work, other] = waiting_for_itself(1, &results);
    let broker = TestBroker::new().service(work).service(other).start().await;
    tokio::time::timeout(secs(1), async { broker.broadcast_local("job", "pattern").await })
        .await
        .unwrap()
        .unwrap();
    assert!(results.lock().unwrap().iter().all(Result::is_ok));

    let seen: Arc<Mutex<Vec<u32>>> = Arc::default();
    let countdown = ServiceDef::builder("work").event(EventDef::new("number").concurrency(1), {
        let seen = Arc::clone(&seen);
        move |cx: Context, number: u32| {
            seen.lock().unwrap().push(number);
            async move {
                if number > 0 {
                    cx.emit("number", number - 1).await?;
                    cx.broadcast("unheard", ()).await?;
                }
                ok(())
            }
        }
    });
    let broker = TestBroker::new().service(countdown).start().await;
    broker.broadcast_local("number", 3_u32).await.unwrap();
    tokio::time::sleep(ms(10)).await;
    assert_eq!(*seen.lock().unwrap(), [3, 2, 1, 0]);
}
