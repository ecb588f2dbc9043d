//! Calls that their caller drops.

use ligand::testing::{Cluster, TestBroker};
use ligand::{Context, Error, ServiceBroker, ServiceDef};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;
use std::future::{IntoFuture as _, pending};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::task::yield_now;
use tokio::time::Instant;

use crate::ways::{ms, ok, secs};

/// What became of handlers.
#[derive(Clone, Default)]
struct Handlers {
    alive: Arc<AtomicUsize>,
    told: Arc<AtomicUsize>,
}

struct Life(Arc<AtomicUsize>);

impl Drop for Life {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Handlers {
    fn service(&self, name: &'static str) -> ServiceDef {
        let alive = Arc::clone(&self.alive);
        let told = Arc::clone(&self.told);
        let hang = move |cx: Context, _: Value| {
            alive.fetch_add(1, Ordering::Relaxed);
            let life = Life(Arc::clone(&alive));
            let told = Arc::clone(&told);
            let token = cx.cancel_token().clone();
            tokio::spawn(async move {
                token.cancelled().await;
                told.fetch_add(1, Ordering::Relaxed);
            });
            async move {
                let _life = life;
                pending::<Result<(), Error>>().await
            }
        };
        let steps = |_, steps: u32| async move {
            for _ in 0..steps {
                yield_now().await;
            }
            ok(steps)
        };
        let outer = |cx: Context, steps: u32| async move { cx.call::<u32>("svc.steps", steps).await };
        ServiceDef::builder(name).action("hang", hang).action("steps", steps).action("outer", outer).build()
    }

    fn alive(&self) -> usize {
        self.alive.load(Ordering::Relaxed)
    }

    fn told(&self) -> usize {
        self.told.load(Ordering::Relaxed)
    }
}

#[tokio::test(start_paused = true)]
async fn dropping_a_local_call_drops_its_handler_and_tells_its_tasks() {
    let handlers = Handlers::default();
    let broker = TestBroker::new().service(handlers.service("svc")).start().await;
    let mut call = broker.call::<()>("svc.hang", ()).into_future();
    assert!(futures_util::poll!(&mut call).is_pending());
    assert_eq!((handlers.alive(), handlers.told()), (1, 0));
    drop(call);
    assert_eq!(handlers.alive(), 0);
    tokio::time::sleep(ms(1)).await;
    assert_eq!(handlers.told(), 1);
}

#[tokio::test(start_paused = true)]
async fn dropping_a_remote_call_frees_its_entry_at_once() {
    let handlers = Handlers::default();
    let cluster = Cluster::seeded(1).node("a", []).node("b", [handlers.service("svc")]).start().await;
    let a = cluster.at("a");
    let mut call = a.call::<()>("svc.hang", ()).timeout(secs(5)).into_future();
    assert!(futures_util::poll!(&mut call).is_pending());
    assert_eq!(a.stats().pending, 1);
    cluster.advance(ms(10)).await;
    assert_eq!(handlers.alive(), 1);
    drop(call);
    assert_eq!((a.stats().pending, a.stats().callers_gone), (0, 1));
    // The other node cannot know; its handler runs to the deadline that came with the request.
    cluster.advance(secs(6)).await;
    assert_eq!((handlers.alive(), handlers.told()), (0, 1));
    assert_eq!(a.stats().orphans, 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_never_polled_leaves_nothing() {
    let handlers = Handlers::default();
    let cluster = Cluster::seeded(1).node("a", []).node("b", [handlers.service("svc")]).start().await;
    drop(cluster.at("a").call::<()>("svc.hang", ()));
    drop(cluster.at("a").call::<()>("svc.hang", ()).into_future());
    cluster.advance(secs(1)).await;
    assert_eq!(cluster.at("a").stats().pending, 0);
}

/// Polls calls a random number of times and drops them; how many ended by themselves.
async fn drop_at_random(broker: &ServiceBroker, rounds: u32, seed: u64) -> u32 {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut ended = 0;
    for _ in 0..rounds {
        let action = if random.random_bool(0.5) { "svc.steps" } else { "svc.outer" };
        let mut call = broker.call::<u32>(action, random.random_range(0..4u32)).into_future();
        for _ in 0..random.random_range(0..10) {
            if futures_util::poll!(&mut call).is_ready() {
                ended += 1;
                break;
            }
            yield_now().await;
        }
    }
    ended
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_calls_dropped_at_random_leave_nothing_behind() {
    let from = Instant::now();
    let handlers = Handlers::default();
    let cluster = Cluster::seeded(1).node("a", []).node("b", [handlers.service("svc")]).start().await;
    let a = cluster.at("a");
    let before = a.stats().responses;
    let ended = drop_at_random(a, 10_000, 7).await;
    assert!((1..10_000).contains(&ended), "both must happen: {ended} ended by themselves");
    cluster.advance(secs(1)).await;
    let stats = a.stats();
    assert_eq!((stats.pending, stats.forged, stats.deadlines), (0, 0, 0));
    // Of some, the answer was there when they were dropped.
    assert!(stats.responses - before >= u64::from(ended));
    assert!(stats.callers_gone > 0);
    assert_eq!(cluster.at("b").stats().pending, 0);
    assert!(from.elapsed() < secs(20), "no deadline had to help");

    let broker = TestBroker::new().service(handlers.service("svc")).start().await;
    drop_at_random(&broker, 10_000, 8).await;
    let steps: u32 = broker.call("svc.outer", 3).await.unwrap();
    assert_eq!(steps, 3);
}
