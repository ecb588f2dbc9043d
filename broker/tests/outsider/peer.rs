//! A connection without a broker behind it: it sends whatever it is told to, and keeps what it hears.

use bytes::Bytes;
use ligand::NodeId;
use ligand::transport::memory::Network;
use ligand::transport::{
    Batch, Connection, Frame, Link, LinkOptions, PacketKind, Route, SendError, Sink, Subscription,
    Transporter,
};
use serde_json::{Value, json};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::packets::info;

/// Nobody waits longer than this for a packet, or for room to send one.
const PATIENCE: Duration = Duration::from_secs(60);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The way to a node on a bus.
pub(crate) fn to(node: &str) -> Route {
    Route::Node { id: NodeId::new(node).unwrap(), addr: None }
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
struct Heard(Mutex<Vec<(PacketKind, Bytes)>>);

impl Sink for Heard {
    fn deliver(&self, batch: &mut Batch<'_>) {
        while let Some(Frame { kind, payload, .. }) = batch.next() {
            lock(&self.0).push((kind, payload));
        }
    }
}

impl Peer {
    /// On a network in memory, where it hears what is for its id and what is for everybody.
    pub(crate) async fn join(network: &Network, id: &str) -> Self {
        let own = PacketKind::ALL.into_iter().map(Subscription::Own);
        let topics: Vec<_> = own.chain(PacketKind::ALL.into_iter().map(Subscription::Broadcast)).collect();
        Self::connect(&network.transporter(), "", id, &topics).await
    }

    /// On any transporter.
    pub(crate) async fn connect(
        transporter: &dyn Transporter,
        namespace: &str,
        id: &str,
        topics: &[Subscription],
    ) -> Self {
        let log = Arc::new(Heard::default());
        let link = Link::new(LinkOptions::new(NodeId::new(id).unwrap(), namespace), Arc::clone(&log) as _);
        let live = transporter.connect(link.clone()).await.unwrap();
        live.subscribe(topics).await.unwrap();
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
        self.raw(to, kind, self.signed(packet).to_string().as_bytes()).unwrap();
    }

    /// A packet with version and sender, where it has none.
    pub(crate) fn signed(&self, mut packet: Value) -> Value {
        if let Some(fields) = packet.as_object_mut() {
            fields.entry("ver").or_insert_with(|| json!(self.ver));
            fields.entry("sender").or_insert_with(|| json!(self.id));
        }
        packet
    }

    /// Sends these bytes as a packet.
    pub(crate) fn raw(&self, to: &Route, kind: PacketKind, payload: &[u8]) -> Result<(), SendError> {
        self.live.send(to, kind, 0, &mut |frame| {
            frame.buf().extend_from_slice(payload);
            Ok(())
        })
    }

    /// The same, once there is room for them.
    pub(crate) async fn push(&self, to: &Route, kind: PacketKind, payload: &[u8]) -> Result<(), SendError> {
        loop {
            match self.raw(to, kind, payload) {
                Err(SendError::Full) => {
                    tokio::time::timeout(PATIENCE, self.live.room(to)).await.expect("no room comes");
                }
                sent => return sent,
            }
        }
    }

    pub(crate) fn broadcast(&self, kind: PacketKind, packet: Value) {
        self.send(&Route::Broadcast, kind, packet);
    }

    pub(crate) fn to(&self, node: &str, kind: PacketKind, packet: Value) {
        self.send(&to(node), kind, packet);
    }

    /// What it heard since the last time, of this kind.
    pub(crate) fn heard(&self, kind: PacketKind) -> Vec<Value> {
        let heard = lock(&self.log.0).extract_if(.., |(heard, _)| *heard == kind).collect::<Vec<_>>();
        heard.into_iter().map(|(_, packet)| parsed(&packet)).collect()
    }

    /// The next packet of this kind.
    pub(crate) async fn hears(&self, kind: PacketKind) -> Value {
        parsed(&self.hears_where(kind, |_| true).await)
    }

    /// The next packet of this kind that is the one; others stay.
    pub(crate) async fn hears_where(&self, kind: PacketKind, is_it: impl Fn(&[u8]) -> bool) -> Bytes {
        let patience = tokio::time::Instant::now() + PATIENCE;
        loop {
            {
                let mut log = lock(&self.log.0);
                if let Some(at) = log.iter().position(|(heard, packet)| *heard == kind && is_it(packet)) {
                    return log.remove(at).1;
                }
            }
            assert!(tokio::time::Instant::now() < patience, "no {kind:?} comes");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
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

fn parsed(packet: &[u8]) -> Value {
    serde_json::from_slice(packet).unwrap_or_default()
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
