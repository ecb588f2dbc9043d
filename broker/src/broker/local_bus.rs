//! Local events, which report what happens to the broker: `$node.connected`, `$services.changed`, …
//!
//!
//! They never leave the node. Subscriptions of local services receive them too, as with Node's
//! `broadcastLocal`.

use ligand_transporters::Name;
use ligand_transporters::locks::Mutex;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;

use crate::registry::Pattern;

/// The number of events that may wait for one receiver.
const WAITING: usize = 1024;

/// A local event, which reports what happens to the broker.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalEvent {
    /// Its name, for example `$node.connected`.
    pub name: Name,
    /// Its data, in the same shape as in Node.
    pub data: Value,
}

/// Receives local events. [`ServiceBroker::local_events`](crate::ServiceBroker::local_events) makes it.
pub struct LocalEvents {
    events: mpsc::Receiver<LocalEvent>,
    dropped: Arc<AtomicU64>,
}

impl LocalEvents {
    /// Waits for the next event. `None` means that the broker has been dropped.
    ///
    /// # Cancel safety
    /// If the future is dropped, no event is lost: it stays in the queue.
    pub async fn recv(&mut self) -> Option<LocalEvent> {
        self.events.recv().await
    }

    /// The next event, if one is waiting.
    pub fn try_recv(&mut self) -> Option<LocalEvent> {
        self.events.try_recv().ok()
    }

    /// The number of events that were dropped because the queue was full.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for LocalEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalEvents").field("dropped", &self.dropped()).finish_non_exhaustive()
    }
}

/// The receivers.
#[derive(Default)]
pub(crate) struct LocalBus(Mutex<Vec<Listener>>);

struct Listener {
    pattern: Pattern,
    events: mpsc::Sender<LocalEvent>,
    dropped: Arc<AtomicU64>,
}

impl LocalBus {
    pub(crate) fn subscribe(&self, pattern: &str) -> LocalEvents {
        let (sender, events) = mpsc::channel(WAITING);
        let dropped = Arc::new(AtomicU64::new(0));
        let listener =
            Listener { pattern: Pattern::new(pattern), events: sender, dropped: Arc::clone(&dropped) };
        self.0.lock().push(listener);
        LocalEvents { events, dropped }
    }

    pub(crate) fn publish(&self, event: &LocalEvent) {
        self.0.lock().retain(|listener| {
            if !listener.pattern.matches(&event.name) {
                return !listener.events.is_closed();
            }
            match listener.events.try_send(event.clone()) {
                Ok(()) => true,
                Err(mpsc::error::TrySendError::Closed(_)) => false,
                Err(mpsc::error::TrySendError::Full(_)) => {
                    listener.dropped.fetch_add(1, Ordering::Relaxed);
                    true
                }
            }
        });
    }
}

impl fmt::Debug for LocalBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalBus").finish_non_exhaustive()
    }
}
