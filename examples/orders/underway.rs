//! The running sagas, each in a task of its own.
//!
//! The tasks belong to the service, not to the callers: an action only waits for the result. So a caller that
//! gives up drops the wait, but not the saga. The saga notices that, and undoes its steps. A service that
//! stops waits until all its sagas are done.

use ligand::{ActionError, ServiceCx};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::JoinSet;

use super::output::Output;
use super::saga::{Journal, Saga};

/// The number of sagas that may run at the same time. Further ones are refused.
const MAX: u32 = 256;
/// How long sagas may continue after the node was asked to stop, before they undo their steps.
const GRACE: Duration = Duration::from_secs(1);
/// How long a stop waits for them. It is less than the broker gives a service (`tracking.shutdownTimeout`).
const SETTLE: Duration = Duration::from_secs(4);

/// Why a saga was not started, or was undone without a failed step.
#[derive(Debug, thiserror::Error, ActionError)]
#[action_error(code = 503)]
pub(crate) enum Interrupted {
    #[error("as many orders are being placed as can be: try again later")]
    #[action_error(retryable)]
    Busy,
    #[error("the service is stopping, and nothing was ordered")]
    #[action_error(retryable)]
    Stopping,
    #[error("the caller has gone")]
    CallerGone,
    #[error("placing the order failed, and nothing was ordered")]
    #[action_error(code = 500)]
    Panicked,
}

#[derive(Debug)]
pub(crate) struct Underway {
    /// Only set while the service runs: it holds the broker, which holds the service.
    cx: Mutex<Option<ServiceCx>>,
    slots: Arc<Semaphore>,
    stopping: watch::Sender<bool>,
    journal: Journal,
    output: Output,
}

impl Underway {
    pub(crate) fn new(output: Output) -> Self {
        Self {
            cx: Mutex::new(None),
            slots: Arc::new(Semaphore::new(MAX as usize)),
            stopping: watch::Sender::new(false),
            journal: Journal::default(),
            output,
        }
    }

    pub(crate) fn open(&self, cx: ServiceCx) {
        *self.cx.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx);
    }

    /// Runs the steps of a saga to their end, or undoes them.
    ///
    /// # Cancel safety
    /// If the future is dropped, the saga undoes its steps.
    pub(crate) async fn run<T, E, Fut>(&self, name: String, steps: impl FnOnce(Saga) -> Fut) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Interrupted> + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        let cx =
            self.cx.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or(Interrupted::Stopping)?;
        let slot = Arc::clone(&self.slots).try_acquire_owned().map_err(|_| Interrupted::Busy)?;
        let saga = Saga::new(name, self.journal.clone(), self.output.clone());
        let steps = steps(saga.clone());
        let mut stopping = self.stopping.subscribe();
        let (mut outcome, waiting) = oneshot::channel();
        let broker = cx.broker().clone();
        cx.spawn(async move {
            let interrupted = async {
                tokio::select! {
                    () = outcome.closed() => Interrupted::CallerGone,
                    () = grace_over(&mut stopping) => Interrupted::Stopping,
                }
            };
            let result = run_unless(interrupted, steps).await;
            match result {
                Ok(_) => saga.complete(),
                Err(_) => saga.undo(&broker).await,
            }
            // The caller may have stopped waiting.
            let _ = outcome.send(result);
            drop(slot);
        });
        waiting.await.unwrap_or_else(|_| Err(Interrupted::Stopping.into()))
    }

    /// Tells the sagas that they have little time left.
    pub(crate) fn hurry(&self) {
        self.stopping.send_replace(true);
    }

    /// Accepts no more sagas, and waits for the running ones.
    pub(crate) async fn settle(&self) -> ligand::Result<()> {
        self.hurry();
        self.cx.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Every slot is free when no saga is left.
        let in_time = tokio::time::timeout(SETTLE, self.slots.acquire_many(MAX)).await.is_ok();
        let noted = self.journal.noted();
        if in_time && noted.is_empty() {
            Ok(())
        } else {
            Err(ligand::Error::server(500, "NOT_UNDONE", format!("left to undo by hand: {noted:?}")))
        }
    }
}

/// Runs the steps in a task, so that the saga undoes them even after a panic.
async fn run_unless<T, E>(
    interrupted: impl Future<Output = Interrupted>,
    steps: impl Future<Output = Result<T, E>> + Send + 'static,
) -> Result<T, E>
where
    T: Send + 'static,
    E: From<Interrupted> + Send + 'static,
{
    // Aborts its task when dropped.
    let mut task = JoinSet::new();
    task.spawn(steps);
    let reason = tokio::select! {
        done = task.join_next() => match done {
            Some(Ok(result)) => return result,
            Some(Err(_)) | None => Interrupted::Panicked,
        },
        reason = interrupted => reason,
    };
    task.abort_all();
    match task.join_next().await {
        // The steps were completed at the same moment, so their result counts.
        Some(Ok(result)) => result,
        Some(Err(_)) | None => Err(reason.into()),
    }
}

async fn grace_over(stopping: &mut watch::Receiver<bool>) {
    if stopping.wait_for(|stopping| *stopping).await.is_err() {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(GRACE).await;
}
