//! One service of this node, from its start to its end.

use ligand_transporters::Name;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::lifecycle::CUT_WAIT;
use super::offer::offer;
use super::ordered::OrderedQueue;
use super::{ServiceBroker, StartError};
use crate::chain::Chain;
use crate::error::Error;
use crate::guard::Guarded;
use crate::service::{Gate, ServiceCx, ServiceDef, Tasks};

/// A service of this node.
pub(crate) struct Hosted {
    pub(crate) def: ServiceDef,
    /// Counts the handlers of this service that run.
    pub(crate) gate: Arc<Gate>,
    tasks: Tasks,
    /// Its ordered subscriptions. Set when the service is offered.
    queues: OnceLock<Vec<Arc<OrderedQueue>>>,
    /// Cancelled when it is removed.
    removed: CancellationToken,
    /// Somebody starts it, or has, or it is not taken in yet.
    begun: AtomicBool,
    /// Whether its `started` hooks have run, and its `stopped` hooks have not.
    started: AtomicBool,
    /// Whether layers were told that it starts, and not yet that it stops. They are told one thing at a time.
    told: Mutex<bool>,
}

impl Hosted {
    /// A service that has not been started. Its handlers are cut when `cut` is cancelled.
    pub(super) fn new(def: ServiceDef, cut: &CancellationToken) -> Self {
        Self {
            gate: Gate::of(&def, cut),
            def,
            tasks: Tasks::default(),
            queues: OnceLock::new(),
            removed: CancellationToken::new(),
            begun: AtomicBool::new(true),
            started: AtomicBool::new(false),
            told: Mutex::new(false),
        }
    }

    /// Its layers know it: it may be started.
    pub(super) fn taken_in(&self) {
        self.begun.store(false, Ordering::Release);
    }

    pub(crate) fn name(&self) -> Name {
        self.def.full_name()
    }

    /// Whether its `started` hooks have run, and its `stopped` hooks have not.
    pub(super) fn has_started(&self) -> bool {
        self.started.load(Ordering::Acquire)
    }

    /// Waits for its dependencies, runs its hooks, and offers it to everybody.
    pub(crate) async fn start(&self, broker: &ServiceBroker) -> Result<(), StartError> {
        // A service that is added while the broker starts is started only once.
        if self.begun.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let service = || self.name().to_string();
        let pipeline = &broker.shared().pipeline;
        {
            let mut told = self.told().await;
            *told = true;
            pipeline.starts(|layer| layer.service_starting(&self.def, broker)).await?;
        }
        if self.removed.is_cancelled() {
            return Err(self.removed_before_it_started());
        }
        if !self.def.depends_on.is_empty() {
            let names: Vec<_> = self.def.depends_on.iter().map(Name::as_str).collect();
            let name = self.name();
            let waiting = broker.wait_as(&names, broker.config().dependency_timeout, Some(&name));
            let found = self.removed.run_until_cancelled(waiting).await;
            found
                .ok_or_else(|| self.removed_before_it_started())?
                .map_err(|missing| StartError::Dependency { service: service(), missing })?;
        }
        for hook in &self.def.started {
            let cx = ServiceCx::new(broker.clone(), self.name(), self.tasks.clone());
            let started = Guarded::new(async { hook(cx).await }).await;
            let started = started.unwrap_or_else(|panicked| Err(panicked.into_error()));
            started.map_err(|source| StartError::Hook { service: service(), source })?;
        }
        self.started.store(true, Ordering::Release);
        let transit = broker.shared().transit();
        let unsettled = transit.and_then(|transit| transit.unsettled());
        self.offer(broker)?;
        if let Some(transit) = transit {
            let settled = transit.settle(broker, !broker.shared().lifecycle.is_running()).await;
            settled.inspect_err(|_| self.take_back(broker))?;
        }
        drop(unsettled);
        let told = self.told().await;
        if *told {
            let heard = pipeline.starts(|layer| layer.service_started(&self.def, broker)).await;
            heard.inspect_err(|_| self.take_back(broker))?;
        }
        tracing::debug!(service = %self.name(), "service started");
        Ok(())
    }

    /// One at a time. Where nobody else is, it is had at once, however many services start at the same time: a
    /// lock that is awaited makes some of them wait for the sake of other tasks.
    async fn told(&self) -> MutexGuard<'_, bool> {
        match self.told.try_lock() {
            Ok(told) => told,
            Err(_) => self.told.lock().await,
        }
    }

    /// Runs the hooks of a service that is no longer offered; gives what went wrong.
    async fn stop(&self) -> Vec<Error> {
        // Whoever waits for a hook in vain drops this future: the tasks end all the same.
        let _tasks = self.tasks.cancel_on_drop();
        let mut failures = Vec::new();
        // A service that was never started has nothing to stop. No service is stopped twice.
        let hooks =
            if self.started.swap(false, Ordering::AcqRel) { self.def.stopped.as_slice() } else { &[] };
        for hook in hooks.iter().rev() {
            let stopped = Guarded::new(async { hook().await }).await;
            if let Err(error) = stopped.unwrap_or_else(|panicked| Err(panicked.into_error())) {
                failures.push(error);
            }
        }
        self.tasks.stop().await;
        tracing::debug!(service = %self.name(), "service stopped");
        failures
    }

    /// Offers the service to everybody.
    fn offer(&self, broker: &ServiceBroker) -> Result<(), StartError> {
        let registry = &broker.shared().registry;
        let (local, queues) = offer(&self.def, &self.gate, broker)?;
        let _ = self.queues.set(queues);
        registry.add_local(local).map_err(|error| self.cannot_start(error.to_string()))?;
        if self.gate.is_closed() {
            // It was removed in the meantime, before it was registered.
            registry.remove_local(&self.name());
            return Err(self.removed_before_it_started());
        }
        broker.services_changed(true);
        Ok(())
    }

    /// Offers it no longer.
    fn take_back(&self, broker: &ServiceBroker) {
        if broker.shared().registry.remove_local(&self.name()) {
            broker.services_changed(true);
        }
    }

    fn cannot_start(&self, problem: String) -> StartError {
        StartError::Service { service: self.name().to_string(), problem }
    }

    fn removed_before_it_started(&self) -> StartError {
        self.cannot_start("it was removed before it had started".to_owned())
    }

    /// Starts it as one of the services that the broker starts with. A service that is removed in the
    /// meantime does not hold up the start.
    pub(super) async fn start_with_broker(&self, broker: &ServiceBroker) -> Result<(), StartError> {
        let started = self.start(broker).await;
        if started.is_err() && self.removed.is_cancelled() {
            // Its hooks may have run after whoever removed it looked.
            self.end(broker, broker.config().tracking.shutdown_timeout, Vec::new()).await;
            return Ok(());
        }
        started
    }

    /// Waits until no handler of the service runs, for at most `patience`, and then cuts those that still
    /// run. The handlers in `waiting` wait for the caller of this method: they are neither waited for nor
    /// cut. The gate has to be closed.
    async fn drain(&self, patience: Duration, waiting: Vec<usize>) {
        let but = waiting.len();
        if timeout(patience, self.gate.drained(but)).await.is_ok() {
            return;
        }
        let running = self.gate.running().saturating_sub(but);
        tracing::warn!(service = %self.name(), running, "handlers are cut, they took longer than {patience:?}");
        self.gate.cut(waiting);
        if timeout(CUT_WAIT, self.gate.drained(but)).await.is_err() {
            let running = self.gate.running().saturating_sub(but);
            tracing::warn!(service = %self.name(), running, "handlers do not let go");
        }
    }

    /// Waits until no handler of the service runs, for at most `patience`.
    pub(super) async fn idle(&self, patience: Duration) {
        if timeout(patience, self.gate.idle()).await.is_err() {
            let running = self.gate.running();
            tracing::warn!(service = %self.name(), running, "handlers still run after {patience:?}");
        }
    }

    /// Lets nothing begin any more: neither a handler nor the service itself.
    pub(super) fn withdraw(&self) {
        self.gate.close();
        self.removed.cancel();
    }

    /// Gives up the events that could begin only after handlers which wait for the end of this service.
    pub(super) fn give_up_behind(&self, chain: &Chain) {
        self.queues.get().into_iter().flatten().for_each(|queue| queue.give_up_behind(chain));
    }

    /// The end of a service that nobody finds any more: drains it, and runs its hooks, each for at most
    /// `patience`. Those that are `waiting` for it go on.
    pub(super) async fn end(&self, broker: &ServiceBroker, patience: Duration, waiting: Vec<usize>) {
        // Whatever happens on the way.
        let _tasks = self.tasks.cancel_on_drop();
        self.gate.close();
        self.drain(patience, waiting).await;
        let service = self.name();
        let tell = |error: &dyn fmt::Display| {
            tracing::warn!(service = %service, error = %error, "service did not stop well");
        };
        self.stop_within(broker, patience, tell).await;
    }

    /// As [`Hosted::stop`], for at most `patience`, and so for each layer; tells what went wrong.
    pub(crate) async fn stop_within(
        &self,
        broker: &ServiceBroker,
        patience: Duration,
        failed: impl Fn(&dyn fmt::Display),
    ) {
        let pipeline = &broker.shared().pipeline;
        let of_layer = |layer: &'static str, error: &dyn fmt::Display| {
            failed(&format_args!("in the layer `{layer}`: {error}"));
        };
        // A layer that is being told that it starts is let finish, if it does.
        let mut told = timeout(patience, self.told()).await.ok();
        let tell = told.as_deref_mut().is_some_and(std::mem::take);
        if tell {
            pipeline.stops(patience, |layer| layer.service_stopping(&self.def, broker), of_layer).await;
        }
        match timeout(patience, self.stop()).await {
            Ok(failures) => failures.iter().for_each(|error| failed(error)),
            Err(_) => failed(&format_args!("it took longer than {patience:?} to stop")),
        }
        if tell {
            pipeline.stops(patience, |layer| layer.service_stopped(&self.def, broker), of_layer).await;
        }
        drop(told);
        // What its handlers need has gone with it.
        self.gate.close();
    }
}
