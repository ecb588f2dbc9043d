//! librdkafka's clients, and how to drop them without waiting.
//!
//! librdkafka may block when a client is created, asked or destroyed, and it has no futures. These calls run
//! on threads that belong to no runtime, so that neither a node nor the end of a program waits for them. Each
//! thread ends by itself, because every wait in it is bounded.

use rdkafka::consumer::StreamConsumer;
use rdkafka::producer::{Producer as _, PurgeConfig, ThreadedProducer};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::events::EventContext;
use crate::TransportError;

/// The clients of a session. Dropping the last reference disconnects both.
pub(super) struct Handles(Option<Open>);

struct Open {
    producer: ThreadedProducer<EventContext>,
    consumer: StreamConsumer<EventContext>,
}

impl Handles {
    pub(super) fn new(
        producer: ThreadedProducer<EventContext>,
        consumer: StreamConsumer<EventContext>,
    ) -> Self {
        Self(Some(Open { producer, consumer }))
    }

    pub(super) fn producer(&self) -> &ThreadedProducer<EventContext> {
        &self.open().producer
    }

    pub(super) fn consumer(&self) -> &StreamConsumer<EventContext> {
        &self.open().consumer
    }

    /// Drops what the producer has not begun to send.
    pub(super) fn purge_queued(&self) {
        self.producer().purge(PurgeConfig::default().queue().non_blocking());
    }

    /// Drops everything that the producer still holds.
    pub(super) fn purge(&self) {
        self.producer().purge(PurgeConfig::default().queue().inflight().non_blocking());
    }

    fn open(&self) -> &Open {
        self.0.as_ref().expect("taken out by drop alone")
    }
}

impl Drop for Handles {
    fn drop(&mut self) {
        let open = self.0.take();
        // If no thread can be started, it happens here.
        let _ = thread::Builder::new().name("kafka-close".to_owned()).spawn(move || drop(open));
    }
}

/// Whether the caller that asked for the work has gone.
#[derive(Debug, Clone, Default)]
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

struct StopOnDrop(Stop);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

/// Runs work on its own thread. The work can spawn tasks on the current runtime.
///
/// # Errors
/// If no thread can be started, or if the work panics.
///
/// # Cancel safety
/// If the future is dropped, the work stops the next time it checks, and its result is dropped on its thread.
pub(super) async fn aside<T: Send + 'static>(
    work: impl FnOnce(&Stop) -> Result<T, TransportError> + Send + 'static,
) -> Result<T, TransportError> {
    let guard = StopOnDrop(Stop::default());
    let (stop, runtime) = (guard.0.clone(), Handle::current());
    let (done, result) = oneshot::channel();
    let started = thread::Builder::new().name("kafka-work".to_owned()).spawn(move || {
        let _inside = runtime.enter();
        // The caller may have gone.
        let _ = done.send(work(&stop));
    });
    started.map_err(|error| TransportError::Lost(format!("no thread to be had: {error}")))?;
    result.await.unwrap_or_else(|_| Err(TransportError::Lost("the work of a thread was not done".to_owned())))
}
