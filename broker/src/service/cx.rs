//! The context of a service's hooks: the broker, and tasks that belong to the service.

use ligand_transporters::Name;
use std::fmt;
use std::future::Future;
use std::time::Duration;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::broker::ServiceBroker;
use crate::guard::Guarded;

/// The context of `started` hooks. The tasks that it starts belong to the service: when the service stops,
/// they are cancelled and awaited.
///
/// ```
/// use std::time::Duration;
///
/// use ligand::{Result, ServiceBroker, ServiceCx, service};
///
/// struct Weather;
///
/// #[service(name = "weather")]
/// impl Weather {
///     #[started]
///     async fn begin(&self, cx: ServiceCx) -> Result<()> {
///         let broker = cx.broker().clone();
///         cx.every(Duration::from_secs(60), move || {
///             let broker = broker.clone();
///             async move {
///                 if let Err(error) = broker.emit("weather.measured", 21.5).await {
///                     eprintln!("nobody was told: {error}");
///                 }
///             }
///         });
///         Ok(())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let broker = ServiceBroker::builder().service(Weather).build()?;
/// broker.start().await?;
/// // The task that measures ends here.
/// broker.stop().await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct ServiceCx {
    broker: ServiceBroker,
    service: Name,
    tasks: Tasks,
}

/// The tasks of one service.
#[derive(Clone, Default)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
    cancel: CancellationToken,
}

impl ServiceCx {
    pub(crate) fn new(broker: ServiceBroker, service: Name, tasks: Tasks) -> Self {
        Self { broker, service, tasks }
    }

    /// The broker that hosts the service.
    #[must_use]
    pub fn broker(&self) -> &ServiceBroker {
        &self.broker
    }

    /// Spawns a task that belongs to the service. If it still runs when the service stops, it is dropped at
    /// its next await. If it panics, it ends, and the panic is logged.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let (cancel, service) = (self.tasks.cancel.clone(), self.service.clone());
        let task = Guarded::new(task);
        self.tasks.tracker.spawn(async move {
            tokio::select! {
                () = cancel.cancelled() => {}
                ended = task => if let Err(panicked) = ended {
                    tracing::error!(%service, panic = panicked.text(), "a task of a service panicked");
                }
            }
        });
    }

    /// Runs `work` once in every `period`, the first time after one period. It never runs twice at the same
    /// time: a run that takes longer than a period delays the next one. If a run panics, the panic is logged,
    /// and the next run follows as usual.
    pub fn every<Fut>(&self, period: Duration, mut work: impl FnMut() -> Fut + Send + 'static)
    where
        Fut: Future<Output = ()> + Send + 'static,
    {
        let service = self.service.clone();
        self.spawn(async move {
            loop {
                tokio::time::sleep(period).await;
                if let Err(panicked) = Guarded::new(async { work().await }).await {
                    tracing::error!(%service, panic = panicked.text(), "periodic work of a service panicked");
                }
            }
        });
    }

    /// Waits until the service is being stopped.
    ///
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub async fn stopping(&self) {
        self.tasks.cancel.cancelled().await;
    }
}

impl Tasks {
    /// Cancels all tasks when the returned guard is dropped.
    pub(crate) fn cancel_on_drop(&self) -> DropGuard {
        self.cancel.clone().drop_guard()
    }

    /// Cancels all tasks and waits until they have ended.
    pub(crate) async fn stop(&self) {
        self.cancel.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

impl fmt::Debug for ServiceCx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceCx").finish_non_exhaustive()
    }
}
