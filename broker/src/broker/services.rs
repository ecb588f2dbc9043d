//! The services of this node: taking them in, starting them, stopping them, letting them go.

use ligand_transporters::Name;
use ligand_transporters::locks::Mutex;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::lifecycle::{CUT_WAIT, Stage};
use super::ordered::OrderedQueue;
use super::{ServiceBroker, StartError};
use crate::chain::{self, Chained};
use crate::error::Error;
use crate::guard::Guarded;
use crate::handler::{ActionFn, EventFn, crashed, guarded};
use crate::middleware::{LayerPanicked, Pipeline, Side};
use crate::protocol::Raw;
use crate::registry::{Action, EventSub, LocalService};
use crate::service::{Entered, Gate, IntoServiceDef, RunMode, ServiceCx, ServiceDef, Tasks};

/// The services of this node, by full name, in the order in which they were given.
#[derive(Default)]
pub(crate) struct LocalServices(Mutex<State>);

#[derive(Default)]
struct State {
    order: Vec<Name>,
    services: HashMap<Name, Arc<Hosted>>,
}

/// A service of this node.
pub(crate) struct Hosted {
    pub(crate) def: ServiceDef,
    /// Who runs one of its handlers.
    pub(crate) gate: Arc<Gate>,
    tasks: Tasks,
    /// Cancelled when it is removed.
    removed: CancellationToken,
    /// Somebody starts it, or has.
    begun: AtomicBool,
    /// Its `started` hooks have run, and its `stopped` hooks have not.
    started: AtomicBool,
}

impl LocalServices {
    /// Takes a service in, without starting it. Its handlers are cut when `cut` is cancelled.
    pub(crate) fn take(&self, def: ServiceDef, cut: &CancellationToken) -> Result<Arc<Hosted>, StartError> {
        def.check()?;
        let name = def.full_name();
        let mut state = self.0.lock();
        if state.services.contains_key(&name) {
            return Err(StartError::DuplicateService(name.to_string()));
        }
        for (action, _) in &def.actions {
            let action = def.action_name(&action.name);
            if let Some(first) = state.owner_of(&action) {
                let (first, second) = (first.to_string(), name.to_string());
                return Err(StartError::DuplicateAction { action: action.to_string(), first, second });
            }
        }
        let gate = Gate::of(&def, cut);
        let (tasks, begun) = (Tasks::default(), AtomicBool::new(false));
        let removed = CancellationToken::new();
        let hosted = Arc::new(Hosted { def, gate, tasks, removed, begun, started: AtomicBool::new(false) });
        // Internal services start first and stop last.
        let at = if name.starts_with('$') { 0 } else { state.order.len() };
        state.order.insert(at, name.clone());
        state.services.insert(name, Arc::clone(&hosted));
        Ok(hosted)
    }

    /// Lets a service go; `None` if there is none of this name.
    pub(crate) fn release(&self, name: &str) -> Option<Arc<Hosted>> {
        let mut state = self.0.lock();
        state.order.retain(|known| known.as_str() != name);
        state.services.remove(name)
    }

    /// Lets this very service go, and not another one of its name; whether it was there.
    fn release_this(&self, hosted: &Arc<Hosted>) -> bool {
        let mut state = self.0.lock();
        let name = hosted.name();
        let is_there = state.services.get(&name).is_some_and(|known| Arc::ptr_eq(known, hosted));
        if is_there {
            state.order.retain(|known| *known != name);
            state.services.remove(&name);
        }
        is_there
    }

    /// All services, in the order in which they were given.
    pub(crate) fn all(&self) -> Vec<Arc<Hosted>> {
        let state = self.0.lock();
        state.order.iter().filter_map(|name| state.services.get(name).cloned()).collect()
    }

    /// What a service of this node that has not started needs; `None` where there is no such service.
    pub(crate) fn not_started(&self, name: &str) -> Option<Vec<Name>> {
        let state = self.0.lock();
        let hosted = state.services.get(name)?;
        (!hosted.started.load(Ordering::Acquire)).then(|| hosted.def.depends_on.clone())
    }

    /// Names of the layers that wrap an action of this node.
    pub(crate) fn layers(&self, pipeline: &Pipeline, action: &str) -> Vec<&'static str> {
        let state = self.0.lock();
        let mut actions = state.services.values().flat_map(|hosted| {
            hosted.def.actions.iter().map(|(def, _)| (hosted.def.action_name(&def.name), def))
        });
        match actions.find(|(name, _)| name.as_str() == action) {
            Some((name, def)) => pipeline.names(&name, def, Side::Local),
            None => Vec::new(),
        }
    }
}

impl State {
    fn owner_of(&self, action: &str) -> Option<&Name> {
        self.services.iter().find_map(|(name, hosted)| {
            let mut actions = hosted.def.actions.iter();
            actions.any(|(def, _)| hosted.def.action_name(&def.name).as_str() == action).then_some(name)
        })
    }
}

impl fmt::Debug for LocalServices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0.lock().order).finish()
    }
}

impl Hosted {
    pub(crate) fn name(&self) -> Name {
        self.def.full_name()
    }

    /// Waits for what it depends on, runs its hooks, and offers it to everybody.
    pub(crate) async fn start(&self, broker: &ServiceBroker) -> Result<(), StartError> {
        // One that is added while the broker starts is started by whoever adds it.
        if self.begun.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let service = || self.name().to_string();
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
            if settled.is_err() && broker.shared().registry.remove_local(&self.name()) {
                broker.services_changed(true);
            }
            settled?;
        }
        drop(unsettled);
        tracing::debug!(service = %self.name(), "service started");
        Ok(())
    }

    /// Runs the hooks of a service that is no longer offered; gives what went wrong.
    pub(crate) async fn stop(&self) -> Vec<Error> {
        // Whoever waits for a hook in vain drops this future: the tasks end all the same.
        let _tasks = self.tasks.cancel_on_drop();
        let mut failures = Vec::new();
        // What was never started has nothing to stop, and nothing is stopped twice.
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

    fn offer(&self, broker: &ServiceBroker) -> Result<(), StartError> {
        let shared = broker.shared();
        let service = self.name();
        let panicked = |wrapped: &Name, LayerPanicked { layer, panicked }: LayerPanicked| {
            let message = format!("it panicked when it wrapped '{wrapped}': {}", panicked.text());
            StartError::Layer { layer, source: panicked.into_error().with_message(message) }
        };
        let actions = self.def.actions.iter().map(|(def, run)| {
            let run = match def.mode {
                RunMode::InPlace => Arc::clone(run),
                RunMode::Spawn => spawned(broker, &self.gate, run),
            };
            let name = self.def.action_name(&def.name);
            let run = shared.pipeline.local_action(def, run).map_err(|failed| panicked(&name, failed))?;
            Ok(Arc::new(Action {
                name,
                service: service.clone(),
                visibility: def.visibility,
                timeout: def.timeout,
                definition: json(&def.published(&self.def.action_name(&def.name))),
                encode: def.encode,
                gate: Some(Arc::clone(&self.gate)),
                run,
            }))
        });
        let events = self.def.events.iter().map(|(def, run)| {
            let run = shared.pipeline.event(def, Arc::clone(run));
            let run = run.map_err(|failed| panicked(&def.pattern, failed))?;
            let queue = def.concurrency.map(|concurrency| {
                let waiting = shared.config.transit.event_queue;
                OrderedQueue::new(broker, &self.gate, Arc::clone(&run), concurrency, waiting)
            });
            let gate = queue.is_none().then(|| Arc::clone(&self.gate));
            let whose = queue.as_ref().map(|queue| queue.whose());
            let run: EventFn = queue.map_or(run, OrderedQueue::into_event_fn);
            Ok(Arc::new(EventSub {
                pattern: def.pattern.clone(),
                group: def.group.clone().unwrap_or_else(|| self.def.name.clone()),
                service: service.clone(),
                definition: json(&def.published()),
                gate,
                queue: whose,
                run: Some(run),
            }))
        });
        let actions = actions.collect::<Result<_, StartError>>()?;
        let events = events.collect::<Result<_, StartError>>()?;
        let local = LocalService { info: self.def.info(), actions, events };
        let failed = |problem: String| StartError::Service { service: service.to_string(), problem };
        shared.registry.add_local(local).map_err(|error| failed(error.to_string()))?;
        if self.gate.is_closed() {
            // Whoever removed it did not find it yet.
            shared.registry.remove_local(&service);
            return Err(self.removed_before_it_started());
        }
        broker.services_changed(true);
        Ok(())
    }

    fn removed_before_it_started(&self) -> StartError {
        let problem = "it was removed before it had started".to_owned();
        StartError::Service { service: self.name().to_string(), problem }
    }

    /// Starts it as one of the services that a broker starts with. One that is removed meanwhile holds nothing up.
    pub(super) async fn start_with_broker(&self, broker: &ServiceBroker) -> Result<(), StartError> {
        let started = self.start(broker).await;
        if started.is_err() && self.removed.is_cancelled() {
            // Its hooks may have run after whoever removed it looked.
            self.end(broker.config().tracking.shutdown_timeout, Vec::new()).await;
            return Ok(());
        }
        started
    }

    /// Waits until no handler of the service runs, for at most `patience`, then cuts those that do. Those that
    /// are `waiting` for whoever calls this are neither waited for nor cut. The gate has to be closed.
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

    /// Waits until no handler of the service runs, for at most `patience`. None begins meanwhile.
    pub(super) async fn idle(&self, patience: Duration) {
        self.gate.close();
        let ended = timeout(patience, self.gate.drained(0)).await;
        self.gate.open();
        if ended.is_err() {
            let running = self.gate.running();
            tracing::warn!(service = %self.name(), running, "handlers still run after {patience:?}");
        }
    }

    /// The end of a service that nobody finds any more: drains it, and runs its hooks, each for at most
    /// `patience`. Those that are `waiting` for it go on.
    async fn end(&self, patience: Duration, waiting: Vec<usize>) {
        // Whatever happens on the way.
        let _tasks = self.tasks.cancel_on_drop();
        self.gate.close();
        self.drain(patience, waiting).await;
        let service = self.name();
        let tell = |error: &dyn fmt::Display| {
            tracing::warn!(service = %service, error = %error, "service did not stop well");
        };
        self.stop_within(patience, tell).await;
    }

    /// As [`Hosted::stop`], for at most `patience`; tells what went wrong.
    pub(crate) async fn stop_within(&self, patience: Duration, failed: impl Fn(&dyn fmt::Display)) {
        match timeout(patience, self.stop()).await {
            Ok(failures) => failures.iter().for_each(|error| failed(error)),
            Err(_) => failed(&format_args!("it took longer than {patience:?} to stop")),
        }
        // What its handlers need has gone with it.
        self.gate.close();
    }
}

fn json(value: &serde_json::Value) -> Raw {
    Raw::new(value.to_string().into())
}

/// The function that runs each request in a task of its own.
fn spawned(broker: &ServiceBroker, gate: &Arc<Gate>, run: &ActionFn) -> ActionFn {
    let tracker = broker.shared().tracker.clone();
    let (gate, run) = (Arc::clone(gate), Arc::clone(run));
    Arc::new(move |cx, params| {
        let (tracker, gate, run) = (tracker.clone(), Arc::clone(&gate), Arc::clone(&run));
        Box::pin(guarded(cx.clone(), async move {
            // Whoever polls this waits for the task.
            let work = Chained { chain: chain::chain(), future: run(cx.clone(), params) };
            let left = Arc::new(OnceLock::new());
            let held = Arc::clone(&left);
            let task = tracker.spawn(async move {
                // Until the handler has been dropped.
                let _held = held;
                work.await
            });
            // The task ends when its caller gives up. The deadline is looked at here as well: the task itself
            // cannot, while it computes.
            let mut task = AbortOnDrop { task, gate, left };
            (&mut task.task).await.unwrap_or_else(|failed| Err(crashed(&cx, failed)))
        }))
    })
}

/// A task that ends with whoever waits for it. It counts at its service until it has: it is told to end, which
/// takes it a moment, or as long as it computes.
struct AbortOnDrop<T> {
    task: tokio::task::JoinHandle<T>,
    gate: Arc<Gate>,
    /// Held by the task, too.
    left: Arc<OnceLock<Entered>>,
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        if !self.task.is_finished() {
            let _ = self.left.set(self.gate.entered_again());
            self.task.abort();
        }
    }
}

impl ServiceBroker {
    /// Takes in a service and, if the broker is running, starts it and announces it.
    ///
    /// # Errors
    /// [`StartError`]; the service is then not part of this node.
    ///
    /// # Cancel safety
    /// Dropped half-way, the service may be known but not offered; adding it again then fails with
    /// [`StartError::DuplicateService`] until it is removed.
    pub async fn add(&self, service: impl IntoServiceDef) -> Result<(), StartError> {
        let shared = self.shared();
        let hosted = shared.services.take(service.into_service_def(), &shared.cut)?;
        match shared.lifecycle.state() {
            Stage::Built => return Ok(()),
            Stage::Starting | Stage::Running => {}
            Stage::Stopping | Stage::Stopped => {
                shared.services.release_this(&hosted);
                return Err(StartError::AlreadyDone("stopped"));
            }
        }
        let started = hosted.start(self).await;
        if started.is_err() {
            shared.services.release_this(&hosted);
            // It may have been offered already.
            hosted.end(shared.config.tracking.shutdown_timeout, Vec::new()).await;
        }
        started
    }

    /// Stops a service by its full name, and announces that it is gone. `false` if there is none.
    ///
    /// From now on its actions are answered as not available, and it gets no events. Calls and events that it
    /// has already are finished for at most `tracking.shutdownTimeout`; those that take longer are cut, and
    /// their callers are answered with `GracefulStopTimeoutError`. Then its `stopped` hooks run, for as long
    /// at most. A handler declared `blocking` cannot be cut: only its caller is answered.
    ///
    /// A handler may remove its own service. It is not waited for, nor are those in this process that wait for
    /// it; they go on when the hooks have run. Tasks that they started are not known to be theirs.
    ///
    /// One that is still starting is not started any more.
    ///
    /// # Cancel safety
    /// Dropped half-way, the service is no longer offered, and the rest goes on in the background.
    pub async fn remove(&self, service: &str) -> bool {
        let shared = self.shared();
        let Some(hosted) = shared.services.release(service) else { return false };
        // First nobody finds it any more, then nobody enters who has found it before.
        let withdrawn = shared.registry.remove_local(service);
        hosted.gate.close();
        hosted.removed.cancel();
        if withdrawn {
            self.services_changed(true);
        }
        // Known to this stack alone.
        let waiting = chain::runs_of(hosted.gate.whose());
        // A stop of the broker that comes meanwhile waits for this.
        let counted = (!shared.lifecycle.is_stopping()).then(|| shared.tracker.token());
        let patience = shared.config.tracking.shutdown_timeout;
        shared
            .lifecycle
            .in_background(shared.runtime.get(), async move {
                hosted.end(patience, waiting).await;
                drop(counted);
            })
            .await;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::dispatch::begin_found;
    use crate::broker::pick::Found;
    use crate::error::{ErrorKind, Outcome};
    use crate::payload::Payload;
    use ligand_transporters::memory::Network;

    async fn node(network: &Network, id: &'static str) -> ServiceBroker {
        let math = ServiceDef::builder("math")
            .action("where", move |_cx, _: serde_json::Value| async move { Ok::<_, Error>(id.to_owned()) });
        let builder = ServiceBroker::builder().node_id(id).transporter(network.transporter()).service(math);
        let broker = builder.configure(|config| config.control.thread = false).build().unwrap();
        broker.start().await.unwrap();
        broker
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_found_a_service_before_it_was_withdrawn_goes_to_another_node() {
        let network = Network::new();
        let (a, b) = (node(&network, "a").await, node(&network, "b").await);
        a.wait_for(&["math"]).await.unwrap();
        while a.nodes().len() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let before = a.shared().registry.snapshot();
        assert!(a.remove("math").await);
        let entry = before.action("math.where").map(|entry| &**entry);
        let found = Found { snapshot: &before, entry, around: None };
        let mut attempt = begin_found(&a, None, "math.where", &found, Payload::empty(), None).unwrap();
        let reply = std::future::poll_fn(|task| attempt.poll_reply(task)).await.unwrap();
        assert_eq!(reply.into_body().take::<String>().unwrap(), "b");

        // Nobody else is asked where the caller has named the node.
        let here = crate::broker::CallOptions::new().node(a.node_id());
        let mut attempt = begin_found(&a, None, "math.where", &found, Payload::empty(), Some(&here)).unwrap();
        let error = std::future::poll_fn(|task| attempt.poll_reply(task)).await.err().unwrap();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::ServiceNotAvailable, Outcome::NotRun));
        for broker in [a, b] {
            broker.stop().await.unwrap();
        }
    }
}
