//! A node's connection with a message server. It stays while sessions come and go.

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use std::fmt;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::connection_state::ConnectionState;
use super::outbox::Outbox;
use super::supervisor::{self, Live};
use super::{BusLimits, Client, Session};
use crate::locks::Mutex;
use crate::{Connection, Link, PacketKind, Route, SendError, Subscription, TransportError, Up, WriteFrame};

/// Runs when the supervisor ends for any reason, even together with its runtime. From then on nothing is
/// accepted, and nothing of a session is kept. Control packets come from a thread that outlives that runtime.
struct Ended<C: Client>(Arc<ConnectionState<C>>);

impl<C: Client> Drop for Ended<C> {
    fn drop(&mut self) {
        self.0.outbox.shut();
        self.0.set_session(None);
    }
}

struct Bus<C: Client> {
    shared: Arc<ConnectionState<C>>,
    /// The result of the supervisor, once it has ended: why frames that were accepted could not be sent.
    ended: watch::Receiver<Option<Result<(), String>>>,
}

/// Connects. Tries each server once, in order.
///
/// # Errors
/// The error of the last server that was tried.
///
/// # Cancel safety
/// If the future is dropped, everything is released, and no connection stays open.
pub(crate) async fn open<C: Client>(
    client: C,
    link: Link,
    limits: BusLimits,
) -> Result<Arc<dyn Connection>, TransportError> {
    let shared = Arc::new(ConnectionState {
        client,
        outbox: Outbox::new(limits.clone()),
        link,
        limits,
        session: Mutex::default(),
        wanted: tokio::sync::Mutex::default(),
        closing: CancellationToken::new(),
    });
    let mut server = 0;
    let live = loop {
        match Live::open(&shared, server).await {
            Ok(live) => break live,
            Err(why) if !why.is_retryable() || server + 1 >= shared.client.servers() => return Err(why),
            Err(why) => tracing::debug!(error = %why, "a server cannot be reached, trying the next"),
        }
        server += 1;
    };
    live.begin(&shared);
    shared.link.up(Up::First);
    let (over, ended) = watch::channel(None);
    let supervised = Ended(Arc::clone(&shared));
    shared.link.spawn(async move {
        let result = supervisor::run(&supervised.0, live, server).await;
        over.send_replace(Some(result));
    });
    Ok(Arc::new(Bus { shared, ended }))
}

#[async_trait]
impl<C: Client> Connection for Bus<C> {
    async fn subscribe(&self, to: &[Subscription]) -> Result<(), TransportError> {
        let mut wanted = self.shared.wanted.lock().await;
        let mut new: Vec<Subscription> = Vec::new();
        for one in to {
            if !wanted.contains(one) && !new.contains(one) {
                new.push(one.clone());
            }
        }
        if new.is_empty() {
            return Ok(());
        }
        // Without a session, the next one makes them.
        if let Some(session) = self.shared.session() {
            self.bounded(session.subscribe(&new)).await?;
        }
        wanted.append(&mut new);
        Ok(())
    }

    async fn unsubscribe(&self, from: &[Subscription]) -> Result<(), TransportError> {
        let mut wanted = self.shared.wanted.lock().await;
        let gone: Vec<Subscription> = from.iter().filter(|one| wanted.contains(one)).cloned().collect();
        wanted.retain(|one| !gone.contains(one));
        match self.shared.session() {
            Some(session) if !gone.is_empty() => self.bounded(session.unsubscribe(&gone)).await,
            _ => Ok(()),
        }
    }

    fn send(
        &self,
        to: &Route,
        kind: PacketKind,
        token: u64,
        write: &mut WriteFrame<'_>,
    ) -> Result<(), SendError> {
        let ConnectionState { client, link, outbox, .. } = &*self.shared;
        let topic =
            || client.topic(link.topics(), to, kind).map_err(|allowed| SendError::NoTopic { allowed });
        let sent = outbox.push(to, kind, token, write, topic);
        if let Err(SendError::NoTopic { allowed }) = sent {
            // Few senders check what happened to an event or a response.
            link.refused(&TransportError::refused(link.topics().to(to, kind), allowed));
        }
        sent
    }

    fn room<'a>(&'a self, _to: &'a Route) -> BoxFuture<'a, ()> {
        Box::pin(self.shared.outbox.room())
    }

    async fn close(&self) -> Result<(), TransportError> {
        self.shared.closing.cancel();
        let mut ended = self.ended.clone();
        // An error means that the supervisor ended together with its link, so there is nothing left to close.
        let result = ended.wait_for(Option::is_some).await.map_or(Some(Ok(())), |result| result.clone());
        result.unwrap_or(Ok(())).map_err(|why| TransportError::Publish(why.into()))
    }
}

impl<C: Client> Bus<C> {
    async fn bounded(
        &self,
        doing: impl Future<Output = Result<(), TransportError>>,
    ) -> Result<(), TransportError> {
        let limit = self.shared.limits.connect_timeout;
        let late =
            |_| TransportError::Lost(format!("the server did not confirm subscriptions within {limit:?}"));
        timeout(limit, doing).await.map_err(late)?
    }
}

impl<C: Client> fmt::Debug for Bus<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bus")
            .field("client", &self.shared.client)
            .field("connected", &self.shared.outbox.is_open())
            .finish_non_exhaustive()
    }
}
