//! librdkafka's clients, and how to be rid of them without waiting.
//!
//! What librdkafka does when a client is made, asked or destroyed may take its time, and knows no futures.
//! It happens on threads that belong to no runtime, so that neither a node nor the end of a program waits
//! for it; each ends by itself, for every wait in it is bounded.

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

    /// Gives up what the producer has not begun to send.
    pub(super) fn purge_queued(&self) {
        self.producer().purge(PurgeConfig::default().queue().non_blocking());
    }

    /// Gives up everything that the producer still holds.
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
        // Without a thread to be had, it happens here after all.
        let _ = thread::Builder::new().name("kafka-close".to_owned()).spawn(move || drop(open));
    }
}

/// Whether the one who asked for work has gone.
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

/// Runs work on a thread of its own, inside the runtime as far as spawning is concerned.
///
/// # Errors
/// When there is no thread to be had, or the work panicked.
///
/// # Cancel safety
/// Dropping it stops the work at the next look it takes; its result is dropped on that thread.
pub(super) async fn aside<T: Send + 'static>(
    work: impl FnOnce(&Stop) -> Result<T, TransportError> + Send + 'static,
) -> Result<T, TransportError> {
    let guard = StopOnDrop(Stop::default());
    let (stop, runtime) = (guard.0.clone(), Handle::current());
    let (done, result) = oneshot::channel();
    let started = thread::Builder::new().name("kafka-work".to_owned()).spawn(move || {
        let _inside = runtime.enter();
        // Whoever asked may have gone.
        let _ = done.send(work(&stop));
    });
    started.map_err(|error| TransportError::Lost(format!("no thread to be had: {error}")))?;
    result.await.unwrap_or_else(|_| Err(TransportError::Lost("the work of a thread was not done".to_owned())))
}
