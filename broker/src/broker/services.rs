//! The services of this node: adding, finding and removing them.

use ligand_transporters::Name;
use ligand_transporters::locks::Mutex;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

use super::hosted::Hosted;
use super::lifecycle::Stage;
use super::{ServiceBroker, StartError};
use crate::chain;
use crate::layer::{Pipeline, WrappedAction};
use crate::service::{IntoServiceDef, ServiceDef};

/// The services of this node by their full names, in the order in which they were added.
#[derive(Default)]
pub(crate) struct LocalServices(Mutex<State>);

#[derive(Default)]
struct State {
    order: Vec<Name>,
    services: HashMap<Name, Arc<Hosted>>,
}

impl LocalServices {
    /// Takes a service in, without starting it. Its handlers are cut when `cut` is cancelled.
    fn take(&self, def: ServiceDef, cut: &CancellationToken) -> Result<Arc<Hosted>, StartError> {
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
        let hosted = Arc::new(Hosted::new(def, cut));
        // Internal services start first and stop last.
        let at = if name.starts_with('$') { 0 } else { state.order.len() };
        state.order.insert(at, name.clone());
        state.services.insert(name, Arc::clone(&hosted));
        Ok(hosted)
    }

    /// Removes a service from the list. `None` if there is none of this name.
    pub(crate) fn release(&self, name: &str) -> Option<Arc<Hosted>> {
        let mut state = self.0.lock();
        state.order.retain(|known| known.as_str() != name);
        state.services.remove(name)
    }

    /// Removes this service, but not another one of the same name. Returns whether it was there.
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

    /// All services, in the order in which they were added.
    pub(crate) fn all(&self) -> Vec<Arc<Hosted>> {
        let state = self.0.lock();
        state.order.iter().filter_map(|name| state.services.get(name).cloned()).collect()
    }

    /// What a service of this node that has not started waits for. `None` if there is no such service.
    pub(crate) fn not_started(&self, name: &str) -> Option<Vec<Name>> {
        let state = self.0.lock();
        let hosted = state.services.get(name)?;
        (!hosted.has_started()).then(|| hosted.def.depends_on.clone())
    }

    /// The names of the layers that wrap an action of this node.
    pub(crate) fn layers(&self, pipeline: &Pipeline, action: &str) -> Vec<&'static str> {
        let state = self.0.lock();
        let mut actions = state.services.values().flat_map(|hosted| {
            hosted.def.actions.iter().map(|(def, _)| (hosted.name(), hosted.def.action_name(&def.name), def))
        });
        match actions.find(|(_, name, _)| name.as_str() == action) {
            Some((service, name, def)) => pipeline.names(&WrappedAction::local(&service, &name, def)),
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

impl ServiceBroker {
    /// Takes a service in, with what its layers make of it, without starting it.
    pub(super) fn take_in(&self, def: ServiceDef) -> Result<Arc<Hosted>, StartError> {
        let shared = self.shared();
        let def = shared.pipeline.each(def, |layer, def| layer.service_creating(def))?;
        let hosted = shared.services.take(def, &shared.cut)?;
        let created = shared.pipeline.each((), |layer, ()| layer.service_created(&hosted.def, self));
        created.inspect_err(|_| _ = shared.services.release_this(&hosted))?;
        hosted.taken_in();
        Ok(hosted)
    }

    /// Takes in a service and, if the broker is running, starts it and announces it.
    ///
    /// # Errors
    /// [`StartError`]. The service is then not part of this node.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is done, the service may be known but not offered. Adding it again
    /// then fails with [`StartError::DuplicateService`] until it is removed.
    pub async fn add(&self, service: impl IntoServiceDef) -> Result<(), StartError> {
        let shared = self.shared();
        let hosted = self.take_in(service.into_service_def())?;
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
            hosted.end(self, shared.config.tracking.shutdown_timeout, Vec::new()).await;
        }
        started
    }

    /// Stops a service, by its full name, and announces that it is gone. Returns `false` if there is no such
    /// service.
    ///
    /// From now on its actions are answered as not available, and it gets no events. Calls and events that it
    /// already has are finished, for at most `tracking.shutdownTimeout`. Those that take longer are cut, and
    /// their callers are answered with `GracefulStopTimeoutError`. Then its `stopped` hooks run, also for at
    /// most that time. A handler declared `blocking` cannot be cut: only its caller is answered.
    ///
    /// A handler may remove its own service. The removal waits neither for that handler nor for handlers of
    /// this process that wait for it. They continue when the hooks have run. Tasks that such a handler has
    /// spawned are not recognized as part of it.
    ///
    /// A service that is still starting is not offered any more. The wait for its dependencies ends. A
    /// `started` hook that is running is finished first.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is done, the service is no longer offered. The rest continues in
    /// the background.
    pub async fn remove(&self, service: &str) -> bool {
        let shared = self.shared();
        let Some(hosted) = shared.services.release(service) else { return false };
        // First nobody finds it any more. Then those who have found it before cannot enter any more.
        let withdrawn = shared.registry.remove_local(service);
        hosted.withdraw();
        if withdrawn {
            self.services_changed(true);
        }
        // Only this stack knows them.
        let waiting = chain::runs_of(hosted.gate.whose());
        hosted.give_up_behind(&chain::chain());
        // A stop of the broker that begins in the meantime waits for this.
        let counted = (!shared.lifecycle.is_stopping()).then(|| shared.tracker.token());
        let patience = shared.config.tracking.shutdown_timeout;
        let broker = self.clone();
        shared
            .lifecycle
            .in_background(shared.runtime.get(), async move {
                hosted.end(&broker, patience, waiting).await;
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
    use crate::error::{Error, ErrorKind, Outcome};
    use crate::payload::Payload;
    use ligand_transporters::memory::Network;
    use std::time::Duration;

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
        let found = Found { snapshot: &before, entry };
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
