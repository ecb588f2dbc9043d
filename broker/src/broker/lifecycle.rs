//! Starting and stopping, in phases with names.
//!
//! Start: layers, transporter, "is our id free?", subscriptions, "who is there?", services, each announced
//! when it has started. A failure takes that back, and stops again what had been started. Stop: announce that there are no services, keep serving until requests stop
//! coming, refuse new ones, finish those that run, stop the services in reverse, say farewell, join the
//! tasks. Each phase is bounded, and what fails is collected, not swallowed.

use futures_util::future::{try_join, try_join_all};
use std::future::{Future, poll_fn};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Poll;
use std::time::Duration;
use tokio::time::{Instant, timeout};
use tracing::Instrument as _;

use super::{RunError, ServiceBroker, StartError, StopError};
use crate::telemetry;
use crate::transit::Transit;

/// Handlers that were cut have this long to let go.
const CUT_WAIT: Duration = Duration::from_millis(500);

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
}

impl Lifecycle {
    pub(crate) fn state(&self) -> Stage {
        STAGES.get(usize::from(self.stage.load(Ordering::Acquire))).copied().unwrap_or(Stage::Stopped)
    }

    pub(crate) fn is_running(&self) -> bool {
        self.state() == Stage::Running
    }

    /// Whether new requests from other nodes are refused.
    pub(crate) fn is_stopping(&self) -> bool {
        self.state() >= Stage::Stopping
    }

    /// Whether nothing is served any more, not even calls of this node's own.
    pub(crate) fn is_stopped(&self) -> bool {
        self.state() == Stage::Stopped
    }

    fn enter(&self, stage: Stage) {
        self.stage.store(stage as u8, Ordering::Release);
    }

    fn failed(&self, phase: &str, error: impl std::fmt::Display) {
        tracing::warn!(phase, error = %error, "stopping failed in part");
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
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
        let _ = shared.runtime.set(tokio::runtime::Handle::current());
        shared.lifecycle.enter(Stage::Starting);
        let started = self.start_phases().await;
        match &started {
            Ok(()) => {
                tracing::info!(
                    node = %self.node_id(),
                    namespace = %shared.config.namespace,
                    services = shared.services.all().len(),
                    elapsed_ms = from.elapsed().as_millis(),
                    "broker started"
                );
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
        for layer in shared.pipeline.lifecycle() {
            let failed = |source| StartError::Layer { layer: layer.name(), source };
            layer.starting(self).await.map_err(failed)?;
        }
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
        let starts = services.iter().map(|hosted| hosted.start(self));
        let mut starts = std::pin::pin!(try_join_all(starts));
        // One turn before the first announcement, so that it has all that is ready at once.
        match poll_fn(|task| Poll::Ready(starts.as_mut().poll(task))).await {
            Poll::Ready(started) => _ = started?,
            Poll::Pending => _ = try_join(starts, self.announce_started()).await?,
        }
        shared.lifecycle.enter(Stage::Running);
        self.announce_started().await?;
        for layer in shared.pipeline.lifecycle() {
            let failed = |source| StartError::Layer { layer: layer.name(), source };
            layer.started(self).await.map_err(failed)?;
        }
        Ok(())
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
    /// # Errors
    /// [`StopError`] lists what went wrong; the broker is stopped all the same.
    ///
    /// # Cancel safety
    /// Dropped half-way, stopping stops where it is; calling it again goes on.
    pub async fn stop(&self) -> Result<(), StopError> {
        let shared = self.shared();
        let _turn = shared.lifecycle.turn.lock().await;
        if shared.lifecycle.state() != Stage::Stopped {
            let from = Instant::now();
            self.publish_local("$broker.stopping", serde_json::Value::Null);
            let phases = self.stop_phases(shared.config.registry.stop_delay);
            phases.instrument(telemetry::stop(self.node_id())).await;
            shared.lifecycle.enter(Stage::Stopped);
            self.publish_local("$broker.stopped", serde_json::Value::Null);
            tracing::info!(node = %self.node_id(), elapsed_ms = from.elapsed().as_millis(), "broker stopped");
        }
        let failures =
            std::mem::take(&mut *shared.lifecycle.failures.lock().unwrap_or_else(PoisonError::into_inner));
        if failures.is_empty() { Ok(()) } else { Err(StopError { failures }) }
    }

    async fn stop_phases(&self, stop_delay: Duration) {
        let shared = self.shared();
        let lifecycle = &shared.lifecycle;
        let shutdown = shared.config.tracking.shutdown_timeout;
        for layer in shared.pipeline.lifecycle().iter().rev() {
            match timeout(shutdown, layer.stopping(self)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => lifecycle.failed(layer.name(), error),
                Err(_) => lifecycle.failed(layer.name(), format_args!("it took longer than {shutdown:?}")),
            }
        }
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
            lifecycle.failed("drain", format_args!("{running} handlers still ran after {shutdown:?}"));
            // Callers on other nodes are answered all the same; those here hold their handlers themselves.
            shared.cut.cancel();
            if timeout(CUT_WAIT, shared.tracker.wait()).await.is_err() {
                lifecycle.failed("cut", format_args!("{} handlers do not let go", shared.tracker.len()));
            }
        }
        for hosted in shared.services.all().iter().rev() {
            match timeout(shutdown, hosted.stop()).await {
                Ok(failures) => {
                    for error in failures {
                        lifecycle.failed(&hosted.name(), error);
                    }
                }
                Err(_) => {
                    lifecycle.failed(&hosted.name(), format_args!("it took longer than {shutdown:?} to stop"))
                }
            }
        }
        if let Some(transit) = shared.transit()
            && let Err(error) = transit.stop().await
        {
            lifecycle.failed("transporter", error);
        }
        for layer in shared.pipeline.lifecycle().iter().rev() {
            match timeout(shutdown, layer.stopped(self)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => lifecycle.failed(layer.name(), error),
                Err(_) => lifecycle.failed(layer.name(), format_args!("it took longer than {shutdown:?}")),
            }
        }
        shared.cancel.cancel();
    }

    /// Starts, waits for `signal`, and stops.
    ///
    /// # Errors
    /// When starting or stopping fails.
    ///
    /// # Cancel safety
    /// As [`ServiceBroker::start`].
    pub async fn run_until(&self, signal: impl Future<Output = ()>) -> Result<(), RunError> {
        let mut signal = std::pin::pin!(signal);
        tokio::select! {
            started = self.start() => {
                started?;
                signal.await;
            }
            () = &mut signal => {}
        }
        Ok(self.stop().await?)
    }

    /// Starts, and stops when the process is asked to end (SIGINT, SIGTERM, Ctrl-C). A second signal
    /// ends the process at once, with exit code 130 or 143, after telling the cluster if that takes no
    /// longer than 200 ms.
    ///
    /// # Errors
    /// When starting or stopping fails, or signals cannot be waited for.
    pub async fn run_until_signal(&self) -> Result<(), RunError> {
        let mut signals = super::signals::Signals::listen()?;
        let first = tokio::select! {
            started = self.start() => {
                started?;
                signals.next().await
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
