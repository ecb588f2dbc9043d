//! A message bus as a test needs it: one that keeps what it was asked for and can refuse.

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use ligand::Name;
use ligand::transport::memory::{Memory, Network};
use ligand::transport::{
    Capabilities, Connection, Link, PacketKind, Route, SendError, Subscription, TransportError, Transporter,
    WriteFrame,
};
use serde_json::Value;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What names of topics are on this server.
pub(crate) const ALLOWED: &str = "a topic of the test's server has no `_`";

fn no_topic(to: &Route) -> bool {
    match to {
        Route::BalancedRequest { action } => action.contains('_'),
        Route::BalancedEvent { event, group } => event.contains('_') || group.contains('_'),
        _ => false,
    }
}

/// What a node asked of its server.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Asked {
    Subscribe(Subscription),
    Unsubscribe(Subscription),
    Send(Route, PacketKind, Value),
}

/// The in-memory network as the server of one node.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    memory: Memory,
    capabilities: Capabilities,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    asked: Mutex<Vec<Asked>>,
    refused: Mutex<Vec<Subscription>>,
    held: watch::Sender<bool>,
    link: Mutex<Option<Link>>,
}

impl Server {
    pub(crate) fn on(network: &Network) -> Self {
        let memory = network.transporter();
        let capabilities = memory.capabilities();
        Self { memory, capabilities, state: Arc::default() }
    }

    pub(crate) fn can(mut self, change: impl FnOnce(&mut Capabilities)) -> Self {
        change(&mut self.capabilities);
        self
    }

    /// Refuses this subscription from now on.
    pub(crate) fn refuse(&self, subscription: Subscription) {
        lock(&self.state.refused).push(subscription);
    }

    /// Lets balanced subscriptions wait from now on, or no longer.
    pub(crate) fn hold_balanced(&self, held: bool) {
        self.state.held.send_replace(held);
    }

    pub(crate) fn allow_everything(&self) {
        lock(&self.state.refused).clear();
    }

    /// What was asked since the last time.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *lock(&self.state.asked))
    }

    /// The link of the node, to report things through.
    pub(crate) fn link(&self) -> Link {
        lock(&self.state.link).clone().expect("the node has connected")
    }
}

#[async_trait]
impl Transporter for Server {
    fn scheme(&self) -> &'static str {
        "server"
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    async fn connect(&self, link: Link) -> Result<Arc<dyn Connection>, TransportError> {
        *lock(&self.state.link) = Some(link.clone());
        let inner = self.memory.connect(link).await?;
        Ok(Arc::new(Session { inner, state: Arc::clone(&self.state) }))
    }
}

#[derive(Debug)]
struct Session {
    inner: Arc<dyn Connection>,
    state: Arc<State>,
}

#[async_trait]
impl Connection for Session {
    async fn subscribe(&self, to: &[Subscription]) -> Result<(), TransportError> {
        let refused = lock(&self.state.refused).iter().find(|one| to.contains(one)).cloned();
        if let Some(refused) = refused {
            return Err(TransportError::subscribe(format!("{refused:?}"), "permissions violation"));
        }
        if to.iter().any(|one| !matches!(one, Subscription::Own(_) | Subscription::Broadcast(_))) {
            let _ = self.state.held.subscribe().wait_for(|held| !held).await;
        }
        self.inner.subscribe(to).await?;
        lock(&self.state.asked).extend(to.iter().cloned().map(Asked::Subscribe));
        Ok(())
    }

    async fn unsubscribe(&self, from: &[Subscription]) -> Result<(), TransportError> {
        lock(&self.state.asked).extend(from.iter().cloned().map(Asked::Unsubscribe));
        self.inner.unsubscribe(from).await
    }

    fn send(
        &self,
        to: &Route,
        kind: PacketKind,
        token: u64,
        write: &mut WriteFrame<'_>,
    ) -> Result<(), SendError> {
        if no_topic(to) {
            return Err(SendError::NoTopic { allowed: ALLOWED });
        }
        let packet = ligand::transport::collect(write, usize::MAX)?;
        let value = serde_json::from_slice(&packet).unwrap_or_default();
        self.inner.send(to, kind, token, &mut |frame| {
            frame.splice(&packet);
            Ok(())
        })?;
        lock(&self.state.asked).push(Asked::Send(to.clone(), kind, value));
        Ok(())
    }

    fn room<'a>(&'a self, to: &'a Route) -> BoxFuture<'a, ()> {
        self.inner.room(to)
    }

    async fn close(&self) -> Result<(), TransportError> {
        self.inner.close().await
    }
}

/// A balanced subscription to an action.
pub(crate) fn of_action(action: &str) -> Subscription {
    Subscription::BalancedRequest { action: Name::from(action) }
}

/// A balanced subscription to an event.
pub(crate) fn of_event(group: &str, event: &str) -> Subscription {
    Subscription::BalancedEvent { event: Name::from(event), group: Name::from(group) }
}
