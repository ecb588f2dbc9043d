//! Subscriptions that handle only so many events at once, in the order in which they came.

use futures_util::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use super::ServiceBroker;
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::handler::{EventFn, panicked};
use crate::payload::Payload;

/// A queue before a handler. Bounded: when it is full, the newest event is refused.
pub(crate) struct OrderedQueue {
    run: EventFn,
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
}

impl OrderedQueue {
    pub(crate) fn new(
        broker: &ServiceBroker,
        run: EventFn,
        concurrency: usize,
        capacity: usize,
    ) -> Arc<Self> {
        let tracker = broker.shared().tracker.clone();
        Arc::new(Self { run, concurrency, capacity, tracker, state: Mutex::default() })
    }

    /// The function to register: it queues the event at once, and its future resolves when the event
    /// has been handled. Dropping that future does not take the event back.
    pub(crate) fn into_event_fn(self: Arc<Self>) -> EventFn {
        Arc::new(move |cx, data| {
            let (done, handled) = oneshot::channel();
            match self.push(Event { cx, data, done }) {
                Ok(()) => Box::pin(handled.map(|handled| handled.unwrap_or(Ok(())))),
                Err(error) => Box::pin(std::future::ready(Err(error))),
            }
        })
    }

    fn push(self: &Arc<Self>, event: Event) -> Result<()> {
        let mut state = self.lock();
        if state.waiting.len() >= self.capacity {
            let node = event.cx.broker().node_id();
            if let Some(transit) = event.cx.broker().shared().transit() {
                transit.dropped_event();
            }
            return Err(Error::of_action(ErrorKind::QueueIsFull, event.cx.name(), Some(node)));
        }
        state.waiting.push_back(event);
        if !std::mem::replace(&mut state.pumping, true) {
            self.tracker.spawn(Arc::clone(self).pump());
        }
        Ok(())
    }

    /// Handles events until none is left.
    async fn pump(self: Arc<Self>) {
        let mut running = FuturesUnordered::new();
        loop {
            while running.len() < self.concurrency {
                let Some(Event { cx, data, done }) = self.next(running.is_empty()) else { break };
                let handled = AssertUnwindSafe((self.run)(cx, data)).catch_unwind();
                running.push(async move {
                    let result = handled.await.unwrap_or_else(|panic| Err(panicked(Some(&*panic))));
                    // Nobody may want to know any more.
                    let _ = done.send(result);
                });
            }
            if running.next().await.is_none() {
                return;
            }
        }
    }

    /// The next event; with none left and nothing running, the pump has ended.
    fn next(&self, idle: bool) -> Option<Event> {
        let mut state = self.lock();
        let event = state.waiting.pop_front();
        if event.is_none() && idle {
            state.pumping = false;
        }
        event
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
