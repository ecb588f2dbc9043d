//! Removals that meet each other, a stop, or nothing at all.

use ligand::testing::TestBroker;
use ligand::{Context, Error, ServiceBroker, ServiceDef};
use serde_json::Value;
use std::sync::{Arc, Mutex};
use tokio::time::{Instant, sleep, timeout};

use crate::ways::{ms, ok, secs};

/// How often the `stopped` hook has run.
type Stopped = Arc<Mutex<u32>>;

/// An action that takes 300 ms.
fn slow(stopped: &Stopped) -> ServiceDef {
    let stopped = Arc::clone(stopped);
    ServiceDef::builder("slow")
        .action("nap", |_: Context, _: Value| async {
            sleep(ms(300)).await;
            ok(1)
        })
        .stopped(move || {
            *stopped.lock().unwrap() += 1;
            async { ok(()) }
        })
        .build()
}

#[tokio::test(start_paused = true)]
async fn two_removals_and_a_stop_at_once_run_the_hook_once_after_the_call() {
    let stopped = Stopped::default();
    let broker = TestBroker::new().service(slow(&stopped)).start().await;
    let call = async { broker.call::<u8>("slow.nap", ()).await };
    let (answer, first, second, stop) = tokio::join!(
        call,
        async {
            sleep(ms(50)).await;
            let removed = broker.remove("slow").await;
            (removed, *stopped.lock().unwrap())
        },
        async {
            sleep(ms(50)).await;
            broker.remove("slow").await
        },
        async {
            sleep(ms(60)).await;
            broker.stop().await
        },
    );
    assert_eq!(answer.unwrap(), 1, "what runs is finished");
    assert_eq!((first, second), ((true, 1), false));
    stop.unwrap();
    assert_eq!(*stopped.lock().unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_a_removal_that_nobody_waits_for_any_more() {
    let stopped = Stopped::default();
    let broker = TestBroker::new().service(slow(&stopped)).start().await;
    let call = async { broker.call::<u8>("slow.nap", ()).await };
    let (answer, ()) = tokio::join!(call, async {
        sleep(ms(10)).await;
        assert!(timeout(ms(10), broker.remove("slow")).await.is_err());
        broker.stop().await.unwrap();
        assert_eq!(*stopped.lock().unwrap(), 1, "the hook has run when the broker has stopped");
    });
    assert_eq!(answer.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_service_of_a_broker_that_was_never_started_is_removed_without_its_hooks() {
    let stopped = Stopped::default();
    let broker = ServiceBroker::builder().node_id("n").service(slow(&stopped)).build().unwrap();
    let from = Instant::now();
    assert!(broker.remove("slow").await && !broker.remove("slow").await);
    assert_eq!(from.elapsed(), ms(0));
    broker.start().await.unwrap();
    let error: Error = broker.call::<u8>("slow.nap", ()).await.unwrap_err();
    assert_eq!(error.outcome(), ligand::Outcome::NotRun);
    broker.add(slow(&stopped)).await.unwrap();
    assert_eq!(timeout(secs(1), broker.call::<u8>("slow.nap", ())).await.unwrap().unwrap(), 1);
    broker.stop().await.unwrap();
    assert_eq!(*stopped.lock().unwrap(), 1);
}
