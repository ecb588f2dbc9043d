//! What a backend implements, and what it is given.

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

/// How sessions with one of several servers are opened.
#[async_trait]
pub(crate) trait Client: fmt::Debug + Send + Sync + 'static {
    /// A topic in the form that the client library takes, made once per destination.
    type Topic: Clone + fmt::Debug + Send + Sync + 'static;
    /// See [`Session`].
    type Session: Session<Topic = Self::Topic>;

    /// The topic of a destination.
    ///
    /// # Errors
    /// What a topic of this server may be called, if that is none. Nothing that the server could object to,
    /// or read as something else, may get past this.
    fn topic(&self, topics: &Topics, to: &Route, kind: PacketKind) -> Result<Self::Topic, &'static str>;

    /// How many servers there are to try; at least one.
    fn servers(&self) -> usize;

    /// A server as it may be printed: without credentials.
    fn server(&self, number: usize) -> String;

    /// Opens a session with one of the servers. The library's own recovery must be off.
    ///
    /// # Errors
    /// Retryable unless no later attempt can succeed. Credentials must not be in the message.
    ///
    /// # Cancel safety
    /// Dropping it must release everything.
    async fn open(&self, server: usize, port: &Port) -> Result<Self::Session, TransportError>;
}

/// A connection with a server, until it is lost or closed. Dropping it must disconnect.
#[async_trait]
pub(crate) trait Session: Send + Sync + 'static {
    /// See [`Client::Topic`].
    type Topic: Clone + fmt::Debug + Send + Sync + 'static;

    /// Largest frame the server takes, in bytes.
    fn max_frame(&self) -> usize;

    /// Starts receiving, none of which is received already.
    ///
    /// # Errors
    /// [`TransportError::Subscribe`] naming the topic when the server refuses.
    async fn subscribe(&self, to: &[Subscription]) -> Result<(), TransportError>;

    /// Stops receiving, all of which is being received.
    ///
    /// # Errors
    /// As [`Self::subscribe`].
    async fn unsubscribe(&self, from: &[Subscription]) -> Result<(), TransportError>;

    /// Hands parcels over to the client library, first to last, taking each out before it may leave. Waits
    /// while the library has no room. What is left in `parcels` when it fails or is dropped was certainly
    /// not sent; of one that was taken out nobody knows.
    ///
    /// # Errors
    /// The session is then given up.
    async fn publish(&self, parcels: &mut VecDeque<Parcel<Self::Topic>>) -> Result<(), TransportError>;

    /// Hands one parcel over on the spot; gives it back, with nothing of it sent, if that would take any
    /// waiting or cannot be done. Called for lone frames, while nothing else waits to be published, on the
    /// sender's own thread, which is spared a switch to the task that publishes.
    fn publish_now(&self, parcel: Parcel<Self::Topic>) -> Option<Parcel<Self::Topic>> {
        Some(parcel)
    }

    /// Whether the server has asked to be sent nothing for the time being: standing still in
    /// [`Self::publish`] is then no sign of a lost server.
    fn held_back(&self) -> bool {
        false
    }

    /// Resolves once the session is of no more use, with the reason.
    async fn lost(&self) -> TransportError;

    /// Resolves once the server has taken something away that was subscribed to, and that it has not been
    /// told to end, while the session goes on. The reason names it, and has been reported by
    /// [`Port::refused`].
    async fn deaf(&self) -> TransportError {
        std::future::pending().await
    }

    /// Sends what the library still holds, and disconnects. Bounded by its caller.
    ///
    /// # Errors
    /// When something could not be sent.
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

/// A session's way to its node; ends with the session.
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

    /// The number of the last frame that was accepted for sending: whatever was sent before this call is
    /// in the parcels up to that number.
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Acquire)
    }

    pub(crate) fn link(&self) -> &Link {
        &self.link
    }

    pub(crate) fn limits(&self) -> &BusLimits {
        &self.limits
    }

    /// Starts a reader; it ends with the session at the latest.
    pub(crate) fn read(&self, source: impl Source) {
        self.link.read(Until { over: self.over.clone(), source });
    }

    /// For a [`Source`] that takes frames straight from the client library.
    pub(crate) fn intake(&self) -> Intake {
        Intake::new(self.link.clone(), &self.limits)
    }

    /// For a client library that has to be polled all the time: a bounded queue and its reader.
    pub(crate) fn inbox(&self) -> (Pump, Inbox) {
        inbox::pair(self.link.clone(), &self.limits)
    }

    /// Starts a task; it ends with the session at the latest.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let over = self.over.clone();
        self.link.spawn(async move {
            tokio::select! {
                () = over.cancelled() => {}
                () = task => {}
            }
        });
    }

    /// The server refused something after the fact; the session goes on.
    pub(crate) fn refused(&self, why: &TransportError) {
        self.link.refused(why);
    }

    pub(super) fn end(&self) {
        self.over.cancel();
    }
}

/// A source that ends when its session does.
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
