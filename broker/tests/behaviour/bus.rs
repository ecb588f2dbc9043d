//! A message bus as a test needs it: one that keeps what it was asked for and can refuse, a peer that sends
//! whatever it likes, and the log of what a node says.

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use ligand::transport::memory::{Memory, Network};
use ligand::transport::{
    Batch, Capabilities, Connection, Frame, Link, LinkOptions, PacketKind, Route, SendError, Sink,
    Subscription, TransportError, Transporter, WriteFrame,
};
use ligand::{Name, NodeId};
use serde_json::{Value, json};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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

/// Somebody on the bus who is no node of ours. It hears what is for its id and what is for everybody, and
/// does nothing by itself.
pub(crate) struct Peer {
    pub(crate) id: String,
    pub(crate) ver: &'static str,
    live: Arc<dyn Connection>,
    link: Link,
    log: Arc<Heard>,
}

#[derive(Debug, Default)]
struct Heard(Mutex<Vec<(PacketKind, Value)>>);

impl Sink for Heard {
    fn deliver(&self, batch: &mut Batch<'_>) {
        while let Some(Frame { kind, payload, .. }) = batch.next() {
            lock(&self.0).push((kind, serde_json::from_slice(&payload).unwrap_or_default()));
        }
    }
}

impl Peer {
    pub(crate) async fn join(network: &Network, id: &str) -> Self {
        let log = Arc::new(Heard::default());
        let link = Link::new(LinkOptions::new(NodeId::new(id).unwrap(), ""), Arc::clone(&log) as _);
        let live = network.transporter().connect(link.clone()).await.unwrap();
        let own = PacketKind::ALL.into_iter().map(Subscription::Own);
        let topics: Vec<_> = own.chain(PacketKind::ALL.into_iter().map(Subscription::Broadcast)).collect();
        live.subscribe(&topics).await.unwrap();
        Self { id: id.to_owned(), ver: "5", live, link, log }
    }

    pub(crate) fn speaking(mut self, ver: &'static str) -> Self {
        self.ver = ver;
        self
    }

    pub(crate) async fn balances(&self, action: &str) {
        let to = Subscription::BalancedRequest { action: action.into() };
        self.live.subscribe(&[to]).await.unwrap();
    }

    pub(crate) async fn balances_event(&self, group: &str, event: &str) {
        let to = Subscription::BalancedEvent { event: event.into(), group: group.into() };
        self.live.subscribe(&[to]).await.unwrap();
    }

    /// Sends a packet, adding version and sender where it has none.
    pub(crate) fn send(&self, to: &Route, kind: PacketKind, packet: Value) {
        let mut packet = packet;
        if let Some(fields) = packet.as_object_mut() {
            fields.entry("ver").or_insert_with(|| json!(self.ver));
            fields.entry("sender").or_insert_with(|| json!(self.id));
        }
        let text = packet.to_string();
        let sent = self.live.send(to, kind, 0, &mut |frame| {
            frame.buf().extend_from_slice(text.as_bytes());
            Ok(())
        });
        sent.unwrap();
    }

    pub(crate) fn broadcast(&self, kind: PacketKind, packet: Value) {
        self.send(&Route::Broadcast, kind, packet);
    }

    pub(crate) fn to(&self, node: &str, kind: PacketKind, packet: Value) {
        self.send(&Route::Node { id: NodeId::new(node).unwrap(), addr: None }, kind, packet);
    }

    /// What it heard since the last time, of this kind.
    pub(crate) fn heard(&self, kind: PacketKind) -> Vec<Value> {
        lock(&self.log.0).extract_if(.., |(heard, _)| *heard == kind).map(|(_, packet)| packet).collect()
    }

    /// The next packet of this kind.
    pub(crate) async fn hears(&self, kind: PacketKind) -> Value {
        let patience = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
        loop {
            if let Some(packet) = self.take(kind) {
                return packet;
            }
            assert!(tokio::time::Instant::now() < patience, "no {kind:?} comes");
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }

    fn take(&self, kind: PacketKind) -> Option<Value> {
        let mut log = lock(&self.log.0);
        let at = log.iter().position(|(heard, _)| *heard == kind)?;
        Some(log.remove(at).1)
    }

    /// Describes itself to everybody, as a Node node of this instance with these services.
    pub(crate) fn info(&self, instance: &str, seq: u64, services: &Value) {
        self.broadcast(PacketKind::Info, info(instance, seq, services));
    }

    /// Answers a request with data.
    pub(crate) fn answer(&self, request: &Value, data: &Value) {
        let sender = request["sender"].as_str().unwrap();
        let packet = json!({ "id": request["id"], "success": true, "data": data, "meta": {} });
        self.to(sender, PacketKind::Response, packet);
    }

    /// Answers a request as a node does that does not offer the action.
    pub(crate) fn refuse(&self, request: &Value) {
        let sender = request["sender"].as_str().unwrap();
        let error = json!({
            "name": "ServiceNotFoundError", "message": "not here", "code": 404, "type": "SERVICE_NOT_FOUND",
            "retryable": true, "nodeID": self.id, "data": { "action": request["action"], "nodeID": self.id },
        });
        let packet = json!({ "id": request["id"], "success": false, "error": error, "meta": {} });
        self.to(sender, PacketKind::Response, packet);
    }
}

/// The content of an INFO packet.
pub(crate) fn info(instance: &str, seq: u64, services: &Value) -> Value {
    json!({
        "services": services, "ipList": ["10.0.0.1"], "hostname": "host", "instanceID": instance, "seq": seq,
        "client": { "type": "nodejs", "version": "0.15.2", "langVersion": "v22" }, "config": {}, "metadata": {},
    })
}

/// The entry of a service in an INFO.
pub(crate) fn service(name: &str, actions: &[&str], events: &[(&str, &str)]) -> Value {
    let full = |action: &&str| format!("{name}.{action}");
    let actions =
        actions.iter().map(|action| (full(action), json!({ "rawName": action, "name": full(action) })));
    let events =
        events.iter().map(|(event, group)| ((*event).to_owned(), json!({ "name": event, "group": group })));
    json!({
        "name": name, "fullName": name, "settings": {}, "metadata": {},
        "actions": actions.collect::<serde_json::Map<_, _>>(),
        "events": events.collect::<serde_json::Map<_, _>>(),
    })
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.link.abandon();
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What is logged on this thread at `warn` and above, until dropped.
pub(crate) struct Log {
    lines: Lines,
    _guard: tracing::subscriber::DefaultGuard,
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        lock(&self.0).extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    pub(crate) fn start() -> Self {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::WARN)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        Self { lines, _guard: tracing::subscriber::set_default(subscriber) }
    }

    /// The lines that hold this text.
    pub(crate) fn with(&self, text: &str) -> Vec<String> {
        let bytes = lock(&self.lines.0).clone();
        let all = String::from_utf8_lossy(&bytes).into_owned();
        all.lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
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
