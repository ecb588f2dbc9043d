//! Calls that come back to a node that waits for them, on RabbitMQ.
//!
//! A node is handed no more requests than `prefetch` before one of them has been answered. Requests of a
//! chain `b` → `a` → `b` are answered from its end, so each of them takes a place at `b` and needs another
//! one. With fewer such calls than places one is left, by which each of them comes to its end in turn. With
//! as many all places are taken by those who wait, and the calls end when their time is up.

use ligand::transport::transporter_for;
use ligand::{Context, Error, ErrorKind, ServiceBroker, ServiceDef};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tests_support::servers::url;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

/// Time for calls that may come to an end.
const PATIENCE: Duration = Duration::from_secs(30);
/// Time for calls that may not.
const DEADLINE: Duration = Duration::from_secs(2);
/// How much later than at its deadline a call may settle on a busy machine.
const SLACK: Duration = Duration::from_secs(2);

/// Nodes `a` and `b`; calls begin at `a`.
struct Pair {
    a: ServiceBroker,
    b: ServiceBroker,
}

impl Pair {
    /// The first calls, as many as `together`, go on once all of them have their places at `b`.
    async fn start(prefetch: u16, together: usize) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let url = url("AMQP_URL");
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let namespace = format!("cycles-{}-{number}", std::process::id());
        let node = |id: &str, service| {
            let transporter = transporter_for(&format!("{url}?prefetch={prefetch}")).unwrap();
            let broker = ServiceBroker::builder().node_id(id).namespace(&namespace).transporter(transporter);
            broker.service(service).build().unwrap()
        };
        let a = ServiceDef::builder("a")
            .action("back", |cx: Context, _: Value| async move { cx.call::<Value>("b.end", json!({})).await })
            .action("end", |_, _: Value| async { Ok::<_, Error>(json!("end of a")) })
            .build();
        let (gate, late) = (Arc::new(Barrier::new(together)), Arc::new(AtomicU32::new(0)));
        let first = u32::try_from(together).unwrap();
        let b = ServiceDef::builder("b")
            .action("through", move |cx: Context, action: String| {
                let (gate, late) = (Arc::clone(&gate), Arc::clone(&late));
                async move {
                    if late.fetch_add(1, Ordering::Relaxed) < first {
                        gate.wait().await;
                    }
                    cx.call::<Value>(action, json!({})).await
                }
            })
            .action("end", |_, _: Value| async { Ok::<_, Error>(json!("end of b")) })
            .build();
        let pair = Self { a: node("a", a), b: node("b", b) };
        pair.a.start().await.unwrap();
        pair.b.start().await.unwrap();
        pair.a.wait_for(&["b"]).await.unwrap();
        pair.b.wait_for(&["a"]).await.unwrap();
        pair
    }

    /// Makes so many calls at once, through `b` and to `action`; how they ended, and after how long.
    async fn calls(
        &self,
        count: usize,
        action: &'static str,
        time: Duration,
    ) -> Vec<(Result<Value, Error>, Duration)> {
        let mut calls = JoinSet::new();
        for _ in 0..count {
            let a = self.a.clone();
            calls.spawn(async move {
                let from = Instant::now();
                let ended = a.call::<Value>("b.through", action).timeout(time).await;
                (ended, from.elapsed())
            });
        }
        calls.join_all().await
    }

    async fn all_succeed(&self, count: usize, action: &'static str) {
        for (ended, took) in self.calls(count, action, PATIENCE).await {
            ended.unwrap_or_else(|error| panic!("{count} calls by {action}, after {took:?}: {error}"));
        }
    }

    /// How many were not answered in time. None settles later, and none much sooner: a place becomes free
    /// when the first of those who wait gives up, which may be in time for another one.
    async fn time_out(&self, count: usize) -> usize {
        let mut late = 0;
        for (ended, took) in self.calls(count, "a.back", DEADLINE).await {
            assert!(
                DEADLINE / 2 < took && took < DEADLINE + SLACK,
                "a call settled after {took:?}: {ended:?}"
            );
            if let Err(error) = ended {
                assert_eq!(error.kind(), ErrorKind::RequestTimeout, "{error}");
                late += 1;
            }
        }
        late
    }

    async fn stop(self) {
        self.a.stop().await.unwrap();
        self.b.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fewer_calls_than_prefetch_come_back_to_a_node_that_waits_for_them() {
    let pair = Pair::start(5, 4).await;
    pair.all_succeed(4, "a.back").await;
    pair.all_succeed(50, "a.end").await;
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_more_calls_than_prefetch_each_settles_by_its_deadline_and_the_next_ones_succeed() {
    let pair = Pair::start(5, 5).await;
    assert!(pair.time_out(6).await > 0, "all places were taken by those who wait");
    pair.all_succeed(4, "a.back").await;
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_prefetch_of_one_a_call_that_comes_back_settles_by_its_deadline_and_others_succeed() {
    let pair = Pair::start(1, 1).await;
    pair.all_succeed(1, "a.end").await;
    assert_eq!(pair.time_out(1).await, 1);
    assert_eq!(pair.time_out(3).await, 3);
    pair.all_succeed(10, "a.end").await;
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_limit_any_number_of_calls_comes_back() {
    let pair = Pair::start(0, 150).await;
    pair.all_succeed(150, "a.back").await;
    pair.stop().await;
}
