//! What a service offers, in the form that the registry keeps: functions with their layers, queues and tasks.

use std::sync::{Arc, OnceLock};

use super::ordered::OrderedQueue;
use super::{ServiceBroker, StartError};
use crate::chain::{self, Chained};
use crate::handler::{ActionFn, Chains, crashed, guarded};
use crate::layer::{WrappedAction, WrappedEvent};
use crate::protocol::Raw;
use crate::registry::{Action, EventSub, LocalService};
use crate::service::{Entered, Gate, RunMode, ServiceDef};

/// The entry of a service in the registry, and its ordered subscriptions.
///
/// # Errors
/// [`StartError::Layer`] for the first layer that panics.
pub(super) fn offer(
    service: &ServiceDef,
    gate: &Arc<Gate>,
    broker: &ServiceBroker,
) -> Result<(LocalService, Vec<Arc<OrderedQueue>>), StartError> {
    let shared = broker.shared();
    let full_name = service.full_name();
    let actions = service.actions.iter().map(|(def, run)| {
        let run = match def.mode {
            RunMode::InPlace => Arc::clone(run),
            RunMode::Spawn => spawned(broker, gate, run),
        };
        let name = service.action_name(&def.name);
        let wrapped = WrappedAction::local(&full_name, &name, def);
        let Chains { around, run } = shared.pipeline.local_action(&wrapped, &run)?;
        Ok(Arc::new(Action {
            definition: json(&def.published(&name)),
            name,
            service: full_name.clone(),
            visibility: def.visibility,
            timeout: def.timeout,
            encode: def.encode,
            gate: Some(Arc::clone(gate)),
            run,
            around,
        }))
    });
    let mut queues = Vec::new();
    let events = service.events.iter().map(|(def, run)| {
        let run = shared.pipeline.event(&WrappedEvent { service: &full_name, def }, run)?;
        let queue = def.concurrency.map(|concurrency| {
            let waiting = shared.config.transit.event_queue;
            OrderedQueue::new(broker, gate, Arc::clone(&run), concurrency, waiting)
        });
        queues.extend(queue.clone());
        Ok(Arc::new(EventSub {
            pattern: def.pattern.clone(),
            group: def.group.clone().unwrap_or_else(|| service.name.clone()),
            service: full_name.clone(),
            definition: json(&def.published()),
            gate: queue.is_none().then(|| Arc::clone(gate)),
            queue: queue.as_ref().map(|queue| queue.whose()),
            run: Some(queue.map_or(run, OrderedQueue::into_event_fn)),
        }))
    });
    let actions = actions.collect::<Result<_, StartError>>()?;
    let events = events.collect::<Result<_, StartError>>()?;
    Ok((LocalService { info: service.info(), actions, events }, queues))
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
            // The caller of this function waits for the task.
            let work = Chained { chain: chain::chain(), future: run(cx.clone(), params) };
            let left = Arc::new(OnceLock::new());
            let held = Arc::clone(&left);
            let task = tracker.spawn(async move {
                // Kept until the handler has been dropped.
                let _held = held;
                work.await
            });
            // The task ends when its caller gives up. The deadline is also checked here, because the task
            // itself cannot check it while it computes.
            let mut task = AbortOnDrop { task, gate, left };
            (&mut task.task).await.unwrap_or_else(|failed| Err(crashed(&cx, failed)))
        }))
    })
}

/// Aborts the task when it is dropped. The task counts for its service until it has ended: an abort takes a
/// moment, or as long as the task computes.
struct AbortOnDrop<T> {
    task: tokio::task::JoinHandle<T>,
    gate: Arc<Gate>,
    /// The task holds it, too.
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
