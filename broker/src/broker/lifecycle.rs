//! Starting and stopping, in named phases.
//!
//! Start: start the layers and the transporter, check that the node id is free, subscribe, discover the other
//! nodes, and start the services. Each service is announced when it has started. If a phase fails, the
//! announcements are taken back, and what had been started is stopped again.
//!
//! Stop: announce that there are no services, serve requests until no more arrive, refuse new ones, finish
//! the running ones, stop the services in reverse order, disconnect, and join the tasks. Each phase is
//! bounded. Failures are collected.

use futures_util::FutureExt as _;
use futures_util::future::{try_join, try_join_all};
use ligand_transporters::NodeId;
use ligand_transporters::locks::Mutex;
use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::Poll;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use super::{RunError, ServiceBroker, StartError, StopError};
use crate::error::{Error, Result as CallResult};
use crate::guard::Guarded;
use crate::telemetry;
use crate::transit::Transit;

/// How long handlers that were cut may take to end.
pub(super) const CUT_WAIT: Duration = Duration::from_millis(500);

/// Where a broker is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Stage {
    Built,
    Starting,
    Running,
    Stopping,
    Stopped,
}

const STAGES: [Stage; 5] = [Stage::Built, Stage::Starting, Stage::Running, Stage::Stopping, Stage::Stopped];

/// The stage, and a lock that allows one start or stop at a time.
#[derive(Debug, Default)]
pub(crate) struct Lifecycle {
    stage: AtomicU8,
    turn: tokio::sync::Mutex<()>,
    failures: Mutex<Vec<String>>,
    /// A stop has begun.
    leaving: AtomicBool,
    /// Cancelled once nothing is left to stop.
    over: CancellationToken,
    /// Stops, and removals of services, that continue even if nobody awaits them.
    background: TaskTracker,
}

impl Lifecycle {
    pub(crate) fn state(&self) -> Stage {
        STAGES.get(usize::from(self.stage.load(Ordering::Acquire))).copied().unwrap_or(Stage::Stopped)
    }

    pub(crate) fn is_running(&self) -> bool {
        self.state() == Stage::Running
    }

    /// Whether the broker runs, and no stop has begun.
    pub(crate) fn is_staying(&self) -> bool {
        self.is_running() && !self.leaving.load(Ordering::Acquire)
    }

    /// Whether new requests from other nodes are refused.
    pub(crate) fn is_stopping(&self) -> bool {
        self.state() >= Stage::Stopping
    }

    /// Whether calls and events are possible: from the beginning of the start until everything has been
    /// stopped.
    pub(crate) fn is_open(&self) -> bool {
        !matches!(self.state(), Stage::Built | Stage::Stopped)
    }

    /// # Errors
    /// When calls and events are not possible. The error names the one that was refused.
    #[inline]
    pub(crate) fn must_run(&self, name: &str, node: &NodeId) -> CallResult<()> {
        if self.is_open() { Ok(()) } else { Err(self.not_running(name, node)) }
    }

    #[cold]
    fn not_running(&self, name: &str, node: &NodeId) -> Error {
        let why = match self.state() {
            Stage::Built => "it has not been started yet",
            _ => "it has been stopped",
        };
        Error::not_running(name, node, why)
    }

    /// Runs work to its end even if nobody waits for it, on the broker's runtime if that is known. If the
    /// runtime ends first, the wait ends too.
    pub(super) async fn in_background(
        &self,
        runtime: Option<&Handle>,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        let runtime = runtime.cloned().unwrap_or_else(Handle::current);
        let _ = self.background.spawn_on(work, &runtime).await;
    }

    fn enter(&self, stage: Stage) {
        self.stage.store(stage as u8, Ordering::Release);
        if stage == Stage::Stopped {
            self.over.cancel();
        }
    }

    fn failed(&self, phase: &str, error: impl std::fmt::Display) {
        tracing::warn!(phase, error = %error, "stopping failed in part");
        let mut failures = self.failures.lock();
        failures.push(format!("{phase}: {error}"));
    }
}

impl ServiceBroker {
    /// Connects, starts the services, and announces each service when it has started.
    ///
    /// The services start concurrently. Other nodes learn of this node when it is certain that no other node
    /// uses its id. From then on, the services that have started are available, while others still start.
    ///
    /// Services that start without waiting are in the first announcement. The first service that had to wait
    /// gets an announcement of its own. Later ones are announced together, after
    /// `transit.serviceChangedDebounceTime`. When this method returns, all of them have been announced.
    ///
    /// # Errors
    /// [`StartError`]. The announcements have then been taken back, and what had been started has been
    /// stopped again, as by [`ServiceBroker::stop`].
    ///
    /// # Cancel safety
    /// If the future is dropped before it is done, the broker stays half started. Call
    /// [`ServiceBroker::stop`] then.
    pub async fn start(&self) -> Result<(), StartError> {
        let shared = self.shared();
        let _turn = shared.lifecycle.turn.lock().await;
        match shared.lifecycle.state() {
            Stage::Built => {}
            Stage::Starting | Stage::Running => return Err(StartError::AlreadyDone("started")),
            Stage::Stopping | Stage::Stopped => return Err(StartError::AlreadyDone("stopped")),
        }
        let from = Instant::now();
        let _ = shared.runtime.set(Handle::current());
        shared.lifecycle.enter(Stage::Starting);
        self.log_starting();
        let started = Guarded::new(self.start_phases()).await;
        let started =
            started.unwrap_or_else(|panicked| Err(StartError::Panicked(panicked.text().to_owned())));
        match &started {
            Ok(()) => {
                self.log_ready(from.elapsed());
                self.publish_local("$broker.started", serde_json::Value::Null);
            }
            Err(error) => {
                tracing::error!(node = %self.node_id(), error = %error, "broker did not start");
                // Other nodes may call this one until they have learned that it leaves.
                let is_known = shared.transit().is_some_and(|transit| transit.is_announced());
                let delay = if is_known { shared.config.registry.stop_delay } else { Duration::ZERO };
                self.stop_phases(delay).instrument(telemetry::stop(self.node_id())).await;
                shared.lifecycle.enter(Stage::Stopped);
            }
        }
        started
    }

    async fn start_phases(&self) -> Result<(), StartError> {
        let shared = self.shared();
        shared.pipeline.starts(|layer| layer.starting(self)).await?;
        if let Some(transporter) = &shared.transporter {
            for (layer, weakness) in shared.pipeline.weaknesses() {
                tracing::warn!(layer, weakness, "a layer protects less than it may seem");
            }
            let span = telemetry::connect(self.node_id(), &**transporter);
            Transit::start(self, transporter).instrument(span).await?;
        }
        self.take_internal()?;
        // Services start concurrently. So the order in which they were added does not matter, even if they
        // wait for each other.
        let services = shared.services.all();
        let starts = services.iter().map(|hosted| hosted.start_with_broker(self));
        let mut starts = std::pin::pin!(try_join_all(starts));
        // One poll before the first announcement, so that it contains everything that is ready at once.
        match poll_fn(|task| Poll::Ready(starts.as_mut().poll(task))).await {
            Poll::Ready(started) => _ = started?,
            Poll::Pending => _ = try_join(starts, self.announce_started()).await?,
        }
        shared.lifecycle.enter(Stage::Running);
        self.announce_started().await?;
        Ok(shared.pipeline.starts(|layer| layer.started(self)).await?)
    }

    /// Announces what has started so far.
    async fn announce_started(&self) -> Result<(), StartError> {
        match self.shared().transit() {
            Some(transit) => transit.ready(self).await,
            None => Ok(()),
        }
    }

    /// Stops gracefully: no call that has reached this node is lost, if its handler ends within
    /// `tracking.shutdownTimeout`. Stopping again has no effect.
    ///
    /// A handler must not await this, because it would wait for itself until it is cut. It can use
    /// [`ServiceBroker::stop_in_background`] instead.
    ///
    /// # Errors
    /// [`StopError`] lists what failed, here or in the background. The broker is stopped all the same.
    ///
    /// # Cancel safety
    /// If the future is dropped, the stop continues in the background.
    pub async fn stop(&self) -> Result<(), StopError> {
        let lifecycle = &self.shared().lifecycle;
        // The task that awaits this does not run the stop itself: it may belong to a handler or a service,
        // and those end on the way.
        self.stop_in_background();
        lifecycle.background.close();
        lifecycle.background.wait().await;
        // For the case that the runtime in which the broker was started has ended.
        self.stop_once().await;
        let failures = std::mem::take(&mut *lifecycle.failures.lock());
        if failures.is_empty() { Ok(()) } else { Err(StopError { failures }) }
    }

    /// Begins to stop, and returns at once. A handler, or any other code that must not wait, can end its own
    /// broker in this way. The stop is the same as [`ServiceBroker::stop`], in a task of the broker. What
    /// fails in it is returned by a `stop` that is awaited afterwards, and by
    /// [`ServiceBroker::run_until_signal`] and [`ServiceBroker::run_until`], which return when the stop is
    /// done.
    ///
    /// A broker that was never started counts as stopped after this, and cannot be started any more. In that
    /// case the stop runs on the tokio runtime of the caller. If there is none, nothing happens.
    ///
    /// ```
    /// use ligand::{Context, Error, ServiceBroker, ServiceDef};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let admin = ServiceDef::builder("admin").action("shutdown", |cx: Context, ()| async move {
    ///     cx.broker().stop_in_background();
    ///     Ok::<_, Error>("good bye")
    /// });
    /// let broker = ServiceBroker::builder().service(admin).build()?;
    /// broker.start().await?;
    /// assert_eq!(broker.call::<String>("admin.shutdown", ()).await?, "good bye");
    /// broker.stopped().await;
    /// # broker.stop().await?;
    /// # Ok(()) }
    /// ```
    pub fn stop_in_background(&self) {
        let shared = self.shared();
        let here = || Handle::try_current().ok();
        if let Some(runtime) = shared.runtime.get().cloned().or_else(here) {
            let broker = self.clone();
            // Not tracked like a handler, because the stop waits for all handlers.
            shared.lifecycle.background.spawn_on(async move { broker.stop_once().await }, &runtime);
        }
    }

    /// Waits until the broker has been stopped, by anybody, or has failed to start.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect on the broker.
    pub async fn stopped(&self) {
        self.shared().lifecycle.over.cancelled().await;
    }

    /// Stops, if nobody has. Failures are kept.
    async fn stop_once(&self) {
        let shared = self.shared();
        let _turn = shared.lifecycle.turn.lock().await;
        if shared.lifecycle.state() != Stage::Stopped {
            let from = Instant::now();
            shared.lifecycle.leaving.store(true, Ordering::Release);
            self.publish_local("$broker.stopping", serde_json::Value::Null);
            let phases = self.stop_phases(shared.config.registry.stop_delay);
            phases.instrument(telemetry::stop(self.node_id())).await;
            shared.lifecycle.enter(Stage::Stopped);
            self.publish_local("$broker.stopped", serde_json::Value::Null);
            tracing::info!(node = %self.node_id(), elapsed_ms = from.elapsed().as_millis(), "broker stopped");
        }
    }

    async fn stop_phases(&self, stop_delay: Duration) {
        let shared = self.shared();
        let lifecycle = &shared.lifecycle;
        let shutdown = shared.config.tracking.shutdown_timeout;
        let failed = |layer, error: &dyn std::fmt::Display| lifecycle.failed(layer, error);
        shared.pipeline.stops(shutdown, |layer| layer.stopping(self), failed).await;
        if let Some(transit) = shared.transit() {
            transit.announce_leaving().await;
            transit.quiet(stop_delay).await;
        }
        lifecycle.enter(Stage::Stopping);
        shared.tracker.close();
        shared.called.close();
        let ended = async { tokio::join!(shared.tracker.wait(), shared.called.wait()) };
        if timeout(shutdown, ended).await.is_err() {
            let running = shared.tracker.len() + shared.called.len();
            let of = self.busy_services();
            lifecycle.failed("drain", format_args!("{running} handlers still ran after {shutdown:?}{of}"));
            // Callers on other nodes still get an answer. A local caller holds its handler itself.
            shared.cut.cancel();
            if timeout(CUT_WAIT, shared.tracker.wait()).await.is_err() {
                lifecycle.failed("cut", format_args!("{} handlers do not let go", shared.tracker.len()));
            }
        }
        for hosted in shared.services.all().iter().rev() {
            // Waits for handlers that hooks of other services have started since, unless handlers have been
            // cut already.
            if !shared.cut.is_cancelled() {
                hosted.idle(shutdown).await;
            }
            hosted.stop_within(self, shutdown, |error| lifecycle.failed(&hosted.name(), error)).await;
        }
        if let Some(transit) = shared.transit() {
            match Guarded::new(transit.stop()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => lifecycle.failed("transporter", error),
                Err(panicked) => lifecycle.failed("transporter", panicked),
            }
        }
        shared.pipeline.stops(shutdown, |layer| layer.stopped(self), failed).await;
        shared.cancel.cancel();
        shared.deadlines.retire().await;
    }

    /// The services whose handlers run, for the text of an error.
    fn busy_services(&self) -> String {
        let all = self.shared().services.all();
        let busy =
            all.iter().filter(|hosted| hosted.gate.running() > 0).map(|hosted| hosted.name().to_string());
        match busy.collect::<Vec<_>>() {
            busy if busy.is_empty() => String::new(),
            busy => format!(", those of {}", busy.join(", ")),
        }
    }

    /// Starts, waits for `signal`, and stops. It also returns when the broker is stopped in another way.
    ///
    /// # Errors
    /// When starting or stopping fails.
    ///
    /// # Panics
    /// If `signal` panics. The broker is stopped first.
    ///
    /// # Cancel safety
    /// If the future is dropped, the broker is not stopped: it stays half started or keeps running. Call
    /// [`ServiceBroker::stop`] then. A stop that has begun continues in the background.
    pub async fn run_until(&self, signal: impl Future<Output = ()>) -> Result<(), RunError> {
        let signal = AssertUnwindSafe(signal).catch_unwind();
        let mut signal = std::pin::pin!(signal);
        let signalled = tokio::select! {
            started = self.start() => {
                started?;
                tokio::select! {
                    signalled = &mut signal => signalled,
                    () = self.stopped() => Ok(()),
                }
            }
            signalled = &mut signal => signalled,
        };
        let stopped = self.stop().await;
        if let Err(panic) = signalled {
            std::panic::resume_unwind(panic);
        }
        Ok(stopped?)
    }

    /// Starts, and stops when the process is asked to end (SIGINT, SIGTERM, Ctrl-C).
    ///
    /// A second signal ends the process at once, with exit code 130 or 143. Before that, the node tells the
    /// cluster that it leaves, if that takes no longer than 200 ms.
    ///
    /// The method also returns when the broker is stopped in another way, such as
    /// [`ServiceBroker::stop_in_background`] or the option `onIdConflict`.
    ///
    /// # Errors
    /// When starting or stopping fails, or when the process cannot wait for signals.
    pub async fn run_until_signal(&self) -> Result<(), RunError> {
        let mut signals = super::signals::Signals::listen()?;
        let first = tokio::select! {
            started = self.start() => {
                started?;
                tokio::select! {
                    first = signals.next() => first,
                    () = self.stopped() => return Ok(self.stop().await?),
                }
            }
            first = signals.next() => first,
        };
        tracing::info!(signal = first.name(), "stopping");
        tokio::select! {
            stopped = self.stop() => Ok(stopped?),
            second = signals.next() => {
                tracing::warn!(signal = second.name(), "leaving at once");
                if let Some(transit) = self.shared().transit() {
                    let _ = timeout(Duration::from_millis(200), transit.farewell()).await;
                }
                std::process::exit(second.exit_code())
            }
        }
    }
}
