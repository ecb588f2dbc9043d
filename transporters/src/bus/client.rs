//! The traits that a backend implements, and what it is given.

use async_trait::async_trait;
use bytes::Bytes;
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio_util::sync::CancellationToken;

use super::{BusLimits, Inbox, Intake, Pump, inbox};
use crate::{Frame, Link, PacketKind, Route, Source, Subscription, Topics, TransportError};

/// Opens sessions with one of several servers.
#[async_trait]
pub(crate) trait Client: fmt::Debug + Send + Sync + 'static {
    /// A topic in the form that the client library takes. It is made once per destination.
    type Topic: Clone + fmt::Debug + Send + Sync + 'static;
    /// See [`Session`].
    type Session: Session<Topic = Self::Topic>;

    /// The topic of a destination.
    ///
    /// # Errors
    /// The rule for topic names of this server, if the name breaks it. The server must never object to a name
    /// that passes, or read it as something else.
    fn topic(&self, topics: &Topics, to: &Route, kind: PacketKind) -> Result<Self::Topic, &'static str>;

    /// The number of servers to try. There is at least one.
    fn servers(&self) -> usize;

    /// The address of a server for messages and logs, without credentials.
    fn server(&self, number: usize) -> String;

    /// Opens a session with one of the servers. The recovery of the client library must be off.
    ///
    /// # Errors
    /// Retryable, unless no later attempt can succeed. The message must not contain credentials.
    ///
    /// # Cancel safety
    /// If the future is dropped, it must release everything.
    async fn open(&self, server: usize, port: &Port) -> Result<Self::Session, TransportError>;
}

/// A connection with a server, until it is lost or closed. Dropping the session must disconnect.
#[async_trait]
pub(crate) trait Session: Send + Sync + 'static {
    /// See [`Client::Topic`].
    type Topic: Clone + fmt::Debug + Send + Sync + 'static;

    /// The largest frame that the server accepts, in bytes.
    fn max_frame(&self) -> usize;

    /// Starts to receive these subscriptions. None of them is active yet.
    ///
    /// # Errors
    /// [`TransportError::Subscribe`] names the topic if the server refuses it.
    async fn subscribe(&self, to: &[Subscription]) -> Result<(), TransportError>;

    /// Stops receiving these subscriptions. All of them are active.
    ///
    /// # Errors
    /// As [`Self::subscribe`].
    async fn unsubscribe(&self, from: &[Subscription]) -> Result<(), TransportError>;

    /// Hands parcels over to the client library in order, and removes each one before it may leave. Waits
    /// while the library has no room. If this fails or is dropped, the parcels that are still in `parcels`
    /// were certainly not sent. Nobody knows whether one that was removed has been sent.
    ///
    /// # Errors
    /// After an error, the session is given up.
    async fn publish(&self, parcels: &mut VecDeque<Parcel<Self::Topic>>) -> Result<(), TransportError>;

    /// Hands one parcel over without waiting. If that is not possible, gives the parcel back, with nothing of
    /// it sent. Called for lone frames while nothing else waits to be published. It runs on the sender's own
    /// thread, which saves a switch to the task that publishes.
    fn publish_now(&self, parcel: Parcel<Self::Topic>) -> Option<Parcel<Self::Topic>> {
        Some(parcel)
    }

    /// Whether the server has asked for a pause in publishing. If so, [`Self::publish`] may stand still
    /// although the server is not lost.
    fn held_back(&self) -> bool {
        false
    }

    /// Resolves with the reason once the session is of no more use.
    async fn lost(&self) -> TransportError;

    /// Resolves once the server has taken away a subscription that it was not told to end, while the session
    /// goes on. The reason names the subscription. It has already been reported through [`Port::refused`].
    async fn deaf(&self) -> TransportError {
        std::future::pending().await
    }

    /// Sends what the library still holds, and disconnects. The caller limits the time.
    ///
    /// # Errors
    /// If something could not be sent.
    async fn close(&self) -> Result<(), TransportError>;
}

/// One frame on its way out.
#[derive(Debug)]
pub(crate) struct Parcel<T> {
    pub(crate) topic: T,
    pub(crate) kind: PacketKind,
    pub(crate) payload: Bytes,
    pub(crate) token: u64,
    /// See [`Port::accepted`].
    pub(crate) number: u64,
    pub(super) since: tokio::time::Instant,
}

/// Connects a session with its node. It ends with the session.
#[derive(Debug, Clone)]
pub(crate) struct Port {
    link: Link,
    limits: BusLimits,
    accepted: Arc<AtomicU64>,
    over: CancellationToken,
}

impl Port {
    pub(super) fn new(link: Link, limits: BusLimits, accepted: Arc<AtomicU64>) -> Self {
        Self { link, limits, accepted, over: CancellationToken::new() }
    }

    /// The number of the last frame that was accepted for sending. Whatever was sent before this call is in
    /// the parcels up to this number.
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Acquire)
    }

    pub(crate) fn link(&self) -> &Link {
        &self.link
    }

    pub(crate) fn limits(&self) -> &BusLimits {
        &self.limits
    }

    /// Starts a reader. It ends with the session at the latest.
    pub(crate) fn read(&self, source: impl Source) {
        self.link.read(Until { over: self.over.clone(), source });
    }

    /// For a [`Source`] that takes frames directly from the client library.
    pub(crate) fn intake(&self) -> Intake {
        Intake::new(self.link.clone(), &self.limits)
    }

    /// For a client library that must be polled all the time. Returns a bounded queue and its reader.
    pub(crate) fn inbox(&self) -> (Pump, Inbox) {
        inbox::pair(self.link.clone(), &self.limits)
    }

    /// Starts a task. It ends with the session at the latest.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let over = self.over.clone();
        self.link.spawn(async move {
            tokio::select! {
                () = over.cancelled() => {}
                () = task => {}
            }
        });
    }

    /// Reports that the server refused something after the call for it had returned. The session goes on.
    pub(crate) fn refused(&self, why: &TransportError) {
        self.link.refused(why);
    }

    pub(super) fn end(&self) {
        self.over.cancel();
    }
}

/// A source that ends with its session.
struct Until<S> {
    over: CancellationToken,
    source: S,
}

#[async_trait]
impl<S: Source> Source for Until<S> {
    async fn next(&mut self, batch: &mut Vec<Frame>) -> bool {
        tokio::select! {
            biased;
            more = self.source.next(batch) => more,
            () = self.over.cancelled() => false,
        }
    }
}
