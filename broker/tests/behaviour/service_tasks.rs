//! Work that belongs to a service ends with it, whatever its hooks do.

use ligand::{Error, ServiceBroker, ServiceDef};
use std::time::Duration;
use tokio::sync::oneshot;

#[tokio::test(start_paused = true)]
async fn a_stopped_hook_that_hangs_does_not_keep_the_tasks_of_its_service() {
    let (held, ended) = oneshot::channel::<()>();
    let held = std::sync::Mutex::new(Some(held));
    let service = ServiceDef::builder("stuck")
        .started(move |cx| {
            let held = held.lock().unwrap().take();
            cx.spawn(async move {
                std::future::pending::<()>().await;
                drop(held);
            });
            async { Ok::<_, Error>(()) }
        })
        .stopped(std::future::pending::<Result<(), Error>>);
    let broker = ServiceBroker::builder().service(service).build().unwrap();
    broker.start().await.unwrap();

    let failures = broker.stop().await.unwrap_err().failures;

    assert_eq!(failures, ["stuck: it took longer than 5s to stop"]);
    // The task was dropped, and with it the sender.
    let dropped = tokio::time::timeout(Duration::from_secs(1), ended).await;
    assert!(dropped.is_ok_and(|received| received.is_err()), "the task still runs");
}
