//! Where a handler runs: in place, in a task of its own, on a thread that may block.

use ligand::testing::{Cluster, TestBroker};
use ligand::{ActionDef, Context, Error, ServiceDef};
use serde_json::Value;
use std::future::{IntoFuture as _, pending};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::ways::{every_way, ms, ok};

fn service() -> ServiceDef {
    ServiceDef::builder("svc")
        .action("here", |_, _: Value| async { ok(tokio::task::try_id().map(|id| id.to_string())) })
        .action(ActionDef::new("apart").spawn(), |_, _: Value| async {
            ok(tokio::task::try_id().map(|id| id.to_string()))
        })
        .action_blocking("double", |_, number: u64| ok(number * 2))
        .action_blocking("thread", |_, _: Value| ok(format!("{:?}", std::thread::current().id())))
        .action_blocking("fails", |_, _: Value| Err::<(), _>(Error::client(400, "NO", "no")))
        .build()
}

#[tokio::test]
async fn a_local_handler_runs_in_the_task_of_its_caller_unless_it_wants_its_own() {
    let broker = TestBroker::new().service(service()).start().await;
    let task = tokio::spawn(async move {
        let own = tokio::task::id().to_string();
        let here: Option<String> = broker.call("svc.here", ()).await.unwrap();
        let apart: Option<String> = broker.call("svc.apart", ()).await.unwrap();
        assert_eq!(here.as_ref(), Some(&own));
        assert!(apart.is_some() && apart != here);
    });
    task.await.unwrap();
}

#[tokio::test]
async fn a_blocking_handler_runs_on_another_thread_with_the_same_results_and_errors() {
    let own = format!("{:?}", std::thread::current().id());
    every_way(
        || vec![service()],
        async |broker| {
            let thread: String = broker.call("svc.thread", ()).await.unwrap();
            assert_ne!(thread, own);
            let error = broker.call::<()>("svc.fails", ()).await.unwrap_err();
            let doubled: u64 = broker.call("svc.double", 21).await.unwrap();
            (doubled, error.error_type().map(str::to_owned))
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_in_a_task_of_its_own_ends_when_its_caller_gives_up() {
    let alive = Arc::new(AtomicUsize::new(0));
    struct Life(Arc<AtomicUsize>);
    impl Drop for Life {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }
    let hang = ServiceDef::builder("svc").action(ActionDef::new("hang").spawn(), {
        let alive = Arc::clone(&alive);
        move |_: Context, _: Value| {
            alive.fetch_add(1, Ordering::Relaxed);
            let life = Life(Arc::clone(&alive));
            async move {
                let _life = life;
                pending::<Result<(), Error>>().await
            }
        }
    });
    let broker = TestBroker::new().service(hang).start().await;
    // Paused time passes only once every task waits: by then it has begun, or ended.
    let settled = async || {
        tokio::time::sleep(ms(1)).await;
        alive.load(Ordering::Relaxed)
    };
    let mut call = broker.call::<()>("svc.hang", ()).into_future();
    assert!(futures_util::poll!(&mut call).is_pending());
    assert_eq!(settled().await, 1);
    drop(call);
    assert_eq!(settled().await, 0);
    broker.call::<()>("svc.hang", ()).timeout(ms(10)).await.unwrap_err();
    assert_eq!(settled().await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_handlers_that_wait_do_so_at_the_same_time() {
    let nap = ServiceDef::builder("svc").action("nap", |_, _: Value| async {
        tokio::time::sleep(ms(500)).await;
        ok(())
    });
    let cluster = Cluster::seeded(1).node("a", []).node("b", [nap.build()]).start().await;
    let from = tokio::time::Instant::now();
    let calls = (0..100).map(|_| cluster.at("a").call::<()>("svc.nap", ()).into_future());
    let results = futures_util::future::join_all(calls).await;
    assert!(results.iter().all(Result::is_ok));
    assert!(from.elapsed() < ms(600), "{:?}", from.elapsed());
}
