//! Subscriptions that handle a limited number of events at once, in the order of their arrival.

use futures_util::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use ligand_transporters::locks::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use super::ServiceBroker;
use crate::chain::{self, Chain, Place};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::guard::Guarded;
use crate::handler::EventFn;
use crate::payload::Payload;
use crate::service::{Entered, Gate, Run};

/// A bounded queue in front of a handler. When it is full, new events are refused.
///
/// An event counts for its service as soon as it is queued. When the service is cut, the queued events are
/// cut too.
pub(crate) struct OrderedQueue {
    run: EventFn,
    gate: Arc<Gate>,
    whose: u64,
    concurrency: usize,
    capacity: usize,
    tracker: TaskTracker,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Event>,
    pumping: bool,
}

struct Event {
    cx: Context,
    data: Payload,
    done: oneshot::Sender<Result<()>>,
    entered: Entered,
    /// The handlers that wait for this event.
    chain: Chain,
}

impl OrderedQueue {
    pub(crate) fn new(
        broker: &ServiceBroker,
        gate: &Arc<Gate>,
        run: EventFn,
        concurrency: usize,
        capacity: usize,
    ) -> Arc<Self> {
        let (gate, tracker) = (Arc::clone(gate), broker.shared().tracker.clone());
        let whose = chain::name();
        Arc::new(Self { run, gate, whose, concurrency, capacity, tracker, state: Mutex::default() })
    }

    /// The name by which its handlers are known in a [`Chain`].
    pub(crate) fn whose(&self) -> u64 {
        self.whose
    }

    /// The function to register. It queues the event at once, and its future resolves when the event has been
    /// handled. Dropping that future does not take the event back.
    pub(crate) fn into_event_fn(self: Arc<Self>) -> EventFn {
        Arc::new(move |cx, data| {
            let (done, handled) = oneshot::channel();
            match self.push(cx, data, done) {
                Ok(()) => Box::pin(handled.map(|handled| handled.unwrap_or(Ok(())))),
                Err(error) => Box::pin(std::future::ready(Err(error))),
            }
        })
    }

    fn push(self: &Arc<Self>, cx: Context, data: Payload, done: oneshot::Sender<Result<()>>) -> Result<()> {
        let refused = |kind| Error::of_action(kind, cx.name(), Some(cx.broker().node_id()));
        let Some(entered) = self.gate.entered() else {
            return Err(refused(ErrorKind::ServiceNotAvailable).with_outcome(Outcome::NotRun));
        };
        let mut state = self.state.lock();
        if state.waiting.len() >= self.capacity {
            if let Some(transit) = cx.broker().shared().transit() {
                transit.dropped_event();
            }
            return Err(refused(ErrorKind::QueueIsFull));
        }
        state.waiting.push_back(Event { cx, data, done, entered, chain: chain::chain() });
        if !std::mem::replace(&mut state.pumping, true) {
            self.tracker.spawn(Arc::clone(self).pump());
        }
        Ok(())
    }

    /// Gives up queued events that could never begin: they wait for a handler in this chain, and that handler
    /// waits for the service to end.
    pub(crate) fn give_up_behind(&self, chain: &Chain) {
        let waiting_for_it = chain.iter().filter(|place| place.whose == self.whose).count();
        if waiting_for_it < self.concurrency {
            return;
        }
        let waiting = std::mem::take(&mut self.state.lock().waiting);
        for Event { cx, done, .. } in waiting {
            tracing::debug!(event = %cx.name(), service = ?cx.service(), "event dropped, its service goes");
            // The sender may have stopped waiting.
            let _ = done.send(Err(self.gate.cut_short().with_outcome(Outcome::NotRun)));
        }
    }

    /// Handles events until the queue is empty.
    async fn pump(self: Arc<Self>) {
        let mut running = FuturesUnordered::new();
        loop {
            while running.len() < self.concurrency {
                let Some(Event { cx, data, done, entered, mut chain }) = self.next(running.is_empty()) else {
                    break;
                };
                if self.gate.is_cut() {
                    // The sender may have stopped waiting.
                    let _ = done.send(Err(self.gate.cut_short().with_outcome(Outcome::NotRun)));
                    continue;
                }
                let layered = cx.broker().shared().pipeline.wraps_events().then(|| cx.clone());
                let run = Run::new(Some(entered), Guarded::made(|| (self.run)(cx, data)), layered);
                chain.push(Place { whose: self.whose, run: 0 });
                running.push(async move {
                    let _ = done.send(run.finish(chain).await);
                });
            }
            if running.next().await.is_none() {
                return;
            }
        }
    }

    /// The next event. If the queue is empty and nothing is running, the pump has ended.
    fn next(&self, idle: bool) -> Option<Event> {
        let mut state = self.state.lock();
        let event = state.waiting.pop_front();
        if event.is_none() && idle {
            state.pumping = false;
        }
        event
    }
}
