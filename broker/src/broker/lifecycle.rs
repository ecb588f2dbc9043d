//! Starting and stopping, in phases with names.
//!
//! Start: layers, transporter, "is our id free?", subscriptions, "who is there?", services, each announced
//! when it has started. A failure takes that back, and stops again what had been started. Stop: announce
//! that there are no services, keep serving until requests stop coming, refuse new ones, finish those that
//! run, stop the services in reverse, say farewell, join the tasks. Each phase is bounded, and what fails is
//! collected, not swallowed.

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

/// Handlers that were cut have this long to let go.
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

/// The stage, and a lock that lets one start or stop happen at a time.
#[derive(Debug, Default)]
pub(crate) struct Lifecycle {
    stage: AtomicU8,
    turn: tokio::sync::Mutex<()>,
    failures: Mutex<Vec<String>>,
    /// A stop has begun.
    leaving: AtomicBool,
    /// Cancelled once nothing is left to stop.
    over: CancellationToken,
    /// Stops, and removals of services, that nobody need wait for in person.
    background: TaskTracker,
}

impl Lifecycle {
    pub(crate) fn state(&self) -> Stage {
        STAGES.get(usize::from(self.stage.load(Ordering::Acquire))).copied().unwrap_or(Stage::Stopped)
    }

    pub(crate) fn is_running(&self) -> bool {
        self.state() == Stage::Running
    }

    /// Whether it runs, and no stop has begun.
    pub(crate) fn is_staying(&self) -> bool {
        self.is_running() && !self.leaving.load(Ordering::Acquire)
    }

    /// Whether new requests from other nodes are refused.
    pub(crate) fn is_stopping(&self) -> bool {
        self.state() >= Stage::Stopping
    }

    /// Whether calls and events are made: from the beginning of the start until everything has been stopped.
    pub(crate) fn is_open(&self) -> bool {
        !matches!(self.state(), Stage::Built | Stage::Stopped)
    }

    /// # Errors
    /// While calls and events are not made: this one, by its name, is not.
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

    /// Work that ends whether or not somebody still waits for it, in the runtime of the broker if that is known.
    /// Nobody waits in vain where the runtime goes first.
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
    /// Connects, starts the services, and announces each as soon as it has started.
    ///
    /// The services start at the same time. Other nodes hear of this one once it is known that nobody else has
    /// its id; from then on what has started is served, while the rest is still starting. What starts without
    /// waiting for anything is in the first announcement, the first service that had to wait in one of its own;
    /// those after it are announced together, after `transit.serviceChangedDebounceTime`, and all of them before
    /// this returns.
    ///
    /// # Errors
    /// [`StartError`]; what had been announced has been taken back then, and what had been started has been
    /// stopped again, as by [`ServiceBroker::stop`].
    ///
    /// # Cancel safety
    /// Dropped half-way, the broker is left half started: call [`ServiceBroker::stop`].
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
                // Others may call it until they have heard that it goes.
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
        // Services start concurrently, so that the order in which they were given does not matter to
        // those that wait for each other.
        let services = shared.services.all();
        let starts = services.iter().map(|hosted| hosted.start_with_broker(self));
        let mut starts = std::pin::pin!(try_join_all(starts));
        // One turn before the first announcement, so that it has all that is ready at once.
        match poll_fn(|task| Poll::Ready(starts.as_mut().poll(task))).await {
            Poll::Ready(started) => _ = started?,
            Poll::Pending => _ = try_join(starts, self.announce_started()).await?,
        }
        shared.lifecycle.enter(Stage::Running);
        self.announce_started().await?;
        Ok(shared.pipeline.starts(|layer| layer.started(self)).await?)
    }

    /// Tells everybody what has started so far.
    async fn announce_started(&self) -> Result<(), StartError> {
        match self.shared().transit() {
            Some(transit) => transit.ready(self).await,
            None => Ok(()),
        }
    }

    /// Stops gracefully: no call is lost that reached this node, as long as its handler ends within
    /// `tracking.shutdownTimeout`. Stopping twice is the same as once.
    ///
    /// A handler that awaits this waits for itself, until it is cut; [`ServiceBroker::stop_in_background`] is for
    /// handlers.
    ///
    /// # Errors
    /// [`StopError`] lists what went wrong, here or in the background; the broker is stopped all the same.
    ///
    /// # Cancel safety
    /// Dropped half-way, stopping goes on in the background.
    pub async fn stop(&self) -> Result<(), StopError> {
        let lifecycle = &self.shared().lifecycle;
        // Not by whoever awaits this: it may be a handler or a task of a service, which end on the way.
        self.stop_in_background();
        lifecycle.background.close();
        lifecycle.background.wait().await;
        // Where the runtime has gone in which the broker was started.
        self.stop_once().await;
        let failures = std::mem::take(&mut *lifecycle.failures.lock());
        if failures.is_empty() { Ok(()) } else { Err(StopError { failures }) }
    }

    /// Begins to stop, and returns at once: the way for a handler, or for anybody who must not wait, to end its
    /// own broker. The stop is that of [`ServiceBroker::stop`], in a task of the broker's. What goes wrong in it
    /// is returned by whoever awaits `stop` then, and by [`ServiceBroker::run_until_signal`] and
    /// [`ServiceBroker::run_until`], which end when it does.
    ///
    /// A broker that was never started counts as stopped then, and cannot be started any more. Before the start
    /// that takes the runtime that this is called in; without one nothing happens.
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
            // Not on the tracker of handlers: stopping waits for that.
            shared.lifecycle.background.spawn_on(async move { broker.stop_once().await }, &runtime);
        }
    }

    /// Resolves when the broker has been stopped, by whomever, or has failed to start.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn stopped(&self) {
        self.shared().lifecycle.over.cancelled().await;
    }

    /// Stops, unless that has been done. What goes wrong is kept.
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
            // Callers on other nodes are answered all the same; those here hold their handlers themselves.
            shared.cut.cancel();
            if timeout(CUT_WAIT, shared.tracker.wait()).await.is_err() {
                lifecycle.failed("cut", format_args!("{} handlers do not let go", shared.tracker.len()));
            }
        }
        for hosted in shared.services.all().iter().rev() {
            // What hooks of others have begun since, unless nothing is waited for any more.
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

    /// Starts, waits for `signal`, and stops. Returns also when somebody else has stopped the broker.
    ///
    /// # Errors
    /// When starting or stopping fails.
    ///
    /// # Panics
    /// When `signal` does, once the broker has been stopped.
    ///
    /// # Cancel safety
    /// As [`ServiceBroker::start`].
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

    /// Starts, and stops when the process is asked to end (SIGINT, SIGTERM, Ctrl-C). A second signal
    /// ends the process at once, with exit code 130 or 143, after telling the cluster if that takes no
    /// longer than 200 ms. Returns also when anything else has stopped the broker, such as
    /// [`ServiceBroker::stop_in_background`] or the option `onIdConflict`.
    ///
    /// # Errors
    /// When starting or stopping fails, or signals cannot be waited for.
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
