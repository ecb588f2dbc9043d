//! The services of this node: taking them in, starting them, stopping them, letting them go.

use futures_util::FutureExt as _;
use ligand_transporters::Name;
use std::collections::HashMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::lifecycle::Stage;
use super::ordered::OrderedQueue;
use super::{ServiceBroker, StartError};
use crate::error::Error;
use crate::handler::{ActionFn, EventFn, guarded, panicked};
use crate::middleware::{Pipeline, Side};
use crate::protocol::Raw;
use crate::registry::{Action, EventSub, LocalService};
use crate::service::{IntoServiceDef, RunMode, ServiceCx, ServiceDef, Tasks};
use crate::transit::Told;

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
    tasks: Tasks,
    /// Its `started` hooks have run, and its `stopped` hooks have not.
    started: AtomicBool,
}

impl LocalServices {
    /// Takes a service in, without starting it.
    pub(crate) fn take(&self, def: ServiceDef) -> Result<Arc<Hosted>, StartError> {
        def.check()?;
        let name = def.full_name();
        let mut state = self.lock();
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
        let hosted = Arc::new(Hosted { def, tasks: Tasks::default(), started: AtomicBool::new(false) });
        // Internal services start first and stop last.
        let at = if name.starts_with('$') { 0 } else { state.order.len() };
        state.order.insert(at, name.clone());
        state.services.insert(name, Arc::clone(&hosted));
        Ok(hosted)
    }

    /// Lets a service go; `None` if there is none of this name.
    pub(crate) fn release(&self, name: &str) -> Option<Arc<Hosted>> {
        let mut state = self.lock();
        state.order.retain(|known| known.as_str() != name);
        state.services.remove(name)
    }

    /// All services, in the order in which they were given.
    pub(crate) fn all(&self) -> Vec<Arc<Hosted>> {
        let state = self.lock();
        state.order.iter().filter_map(|name| state.services.get(name).cloned()).collect()
    }

    /// Names of the layers that wrap an action of this node.
    pub(crate) fn layers(&self, pipeline: &Pipeline, action: &str) -> Vec<&'static str> {
        let state = self.lock();
        let mut actions = state.services.values().flat_map(|hosted| {
            hosted.def.actions.iter().map(|(def, _)| (hosted.def.action_name(&def.name), def))
        });
        match actions.find(|(name, _)| name.as_str() == action) {
            Some((name, def)) => pipeline.names(&name, def, Side::Local),
            None => Vec::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        f.debug_list().entries(&self.lock().order).finish()
    }
}

impl Hosted {
    pub(crate) fn name(&self) -> Name {
        self.def.full_name()
    }

    /// Waits for what it depends on, runs its hooks, and offers it to everybody.
    pub(crate) async fn start(&self, broker: &ServiceBroker) -> Result<(), StartError> {
        let service = || self.name().to_string();
        if !self.def.depends_on.is_empty() {
            let names: Vec<_> = self.def.depends_on.iter().map(Name::as_str).collect();
            broker
                .wait_for(&names)
                .await
                .map_err(|missing| StartError::Dependency { service: service(), missing })?;
        }
        for hook in &self.def.started {
            let cx = ServiceCx::new(broker.clone(), self.tasks.clone());
            let failed = |source| StartError::Hook { service: service(), source };
            hook(cx).await.map_err(failed)?;
        }
        self.started.store(true, Ordering::Release);
        self.offer(broker)?;
        tracing::debug!(service = %self.name(), "service started");
        Ok(())
    }

    /// Runs the hooks of a service that is no longer offered; gives what went wrong.
    pub(crate) async fn stop(&self) -> Vec<Error> {
        // Whoever waits for a hook in vain drops this future: the tasks end all the same.
        let _tasks = self.tasks.cancel_on_drop();
        let mut failures = Vec::new();
        // What was never started has nothing to stop, and nothing is stopped twice.
        let hooks = match self.started.swap(false, Ordering::AcqRel) {
            true => self.def.stopped.as_slice(),
            false => &[],
        };
        for hook in hooks.iter().rev() {
            let stopped = AssertUnwindSafe(async { hook().await }).catch_unwind().await;
            if let Err(error) = stopped.unwrap_or_else(|panic| Err(panicked(Some(&*panic)))) {
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
        let actions = self.def.actions.iter().map(|(def, run)| {
            let run = match def.mode {
                RunMode::InPlace => Arc::clone(run),
                RunMode::Spawn => spawned(broker, run),
            };
            Arc::new(Action {
                name: self.def.action_name(&def.name),
                service: service.clone(),
                visibility: def.visibility,
                timeout: def.timeout,
                definition: json(&def.published(&self.def.action_name(&def.name))),
                encode: def.encode,
                run: shared.pipeline.action(def, Side::Local, run),
            })
        });
        let events = self.def.events.iter().map(|(def, run)| {
            let run = shared.pipeline.event(def, Arc::clone(run));
            let run: EventFn = match def.concurrency {
                Some(concurrency) => {
                    let waiting = shared.config.transit.event_queue;
                    OrderedQueue::new(broker, run, concurrency, waiting).into_event_fn()
                }
                None => run,
            };
            Arc::new(EventSub {
                pattern: def.pattern.clone(),
                group: def.group.clone().unwrap_or_else(|| self.def.name.clone()),
                service: service.clone(),
                definition: json(&def.published()),
                run: Some(run),
            })
        });
        let local =
            LocalService { info: self.def.info(), actions: actions.collect(), events: events.collect() };
        shared.registry.add_local(local).map_err(|error| StartError::Service {
            service: service.to_string(),
            problem: error.to_string(),
        })?;
        broker.services_changed(true);
        Ok(())
    }
}

fn json(value: &serde_json::Value) -> Raw {
    Raw::new(value.to_string().into())
}

/// The function that runs each request in a task of its own.
fn spawned(broker: &ServiceBroker, run: &ActionFn) -> ActionFn {
    let tracker = broker.shared().tracker.clone();
    let run = Arc::clone(run);
    Arc::new(move |cx, params| {
        let task = tracker.spawn(run(cx.clone(), params));
        // The task ends when its caller gives up. The deadline is looked at here as well: the task itself
        // cannot, while it computes.
        let mut task = AbortOnDrop(task);
        Box::pin(guarded(cx, async move {
            match (&mut task.0).await {
                Ok(result) => result,
                Err(failed) => Err(Error::internal(failed)),
            }
        }))
    })
}

struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
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
        let hosted = shared.services.take(service.into_service_def())?;
        match shared.lifecycle.state() {
            Stage::Built => return Ok(()),
            Stage::Starting | Stage::Running => {}
            Stage::Stopping | Stage::Stopped => {
                shared.services.release(&hosted.name());
                return Err(StartError::AlreadyDone("stopped"));
            }
        }
        let started = hosted.start(self).await;
        if let (Ok(()), Some(transit)) = (&started, shared.transit()) {
            transit.rebalance_now(self, false, Told::NotYet).await;
        }
        if started.is_err() {
            shared.services.release(&hosted.name());
            hosted.stop().await;
        }
        started
    }

    /// Stops a service by its full name, and announces that it is gone. `false` if there is none.
    ///
    /// Requests that run already are finished, perhaps while its `stopped` hooks run; new ones are answered
    /// as not available.
    ///
    /// # Cancel safety
    /// Dropped half-way, the service is no longer offered, but its hooks may not have run to the end.
    pub async fn remove(&self, service: &str) -> bool {
        let shared = self.shared();
        let Some(hosted) = shared.services.release(service) else { return false };
        if shared.registry.remove_local(service) {
            self.services_changed(true);
        }
        for error in hosted.stop().await {
            tracing::warn!(service, error = %error, "service did not stop well");
        }
        true
    }
}
