//! Events in order, one after the other, in a queue with an end.

use ligand::testing::{Cluster, TestBroker};
use ligand::{Error, EventDef, ServiceDef};
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
