//! A connection without a broker. It sends whatever it is told to, and keeps what it receives.

use bytes::Bytes;
use ligand_transporters::memory::Network;
use ligand_transporters::{PacketKind, Route, SendError, Subscription, Transporter};
use serde_json::{Value, json};

use super::packets::info;
use crate::node::{Node, to};
use crate::wait::within;

/// A peer on the bus that is not one of our nodes. It receives what is for its id and what is for everybody.
/// It does nothing by itself.
#[derive(Debug)]
pub struct Peer {
    pub id: String,
    pub ver: &'static str,
    node: Node,
}

impl Peer {
    /// Joins an in-memory network, and receives what is for its id and what is for everybody.
    pub async fn join(network: &Network, id: &str) -> Self {
        let own = PacketKind::ALL.into_iter().map(Subscription::Own);
        let topics: Vec<_> = own.chain(PacketKind::ALL.into_iter().map(Subscription::Broadcast)).collect();
        Self::connect(&network.transporter(), "", id, &topics).await
    }

    /// Connects over any transporter.
    pub async fn connect(
        transporter: &dyn Transporter,
        namespace: &str,
        id: &str,
        topics: &[Subscription],
    ) -> Self {
        let node = Node::connect(transporter, namespace, id).await.unwrap().listens(topics).await;
        Self { id: id.to_owned(), ver: "5", node }
    }

    pub fn speaking(mut self, ver: &'static str) -> Self {
        self.ver = ver;
        self
    }

    pub async fn balances(&self, action: &str) {
        let to = Subscription::BalancedRequest { action: action.into() };
        self.node.subscribe(&[to]).await.unwrap();
    }

    pub async fn balances_event(&self, group: &str, event: &str) {
        let to = Subscription::BalancedEvent { event: event.into(), group: group.into() };
        self.node.subscribe(&[to]).await.unwrap();
    }

    /// Sends a packet, and adds version and sender if they are missing.
    pub fn send(&self, to: &Route, kind: PacketKind, packet: Value) {
        self.raw(to, kind, self.signed(packet).to_string().as_bytes()).unwrap();
    }

    /// Adds version and sender to a packet, if they are missing.
    pub fn signed(&self, mut packet: Value) -> Value {
        if let Some(fields) = packet.as_object_mut() {
            fields.entry("ver").or_insert_with(|| json!(self.ver));
            fields.entry("sender").or_insert_with(|| json!(self.id));
        }
        packet
    }

    /// Sends these bytes as a packet.
    pub fn raw(&self, to: &Route, kind: PacketKind, payload: &[u8]) -> Result<(), SendError> {
        self.node.send(to, kind, payload)
    }

    /// Sends these bytes as a packet, once there is room for them.
    pub async fn push(&self, to: &Route, kind: PacketKind, payload: &[u8]) -> Result<(), SendError> {
        loop {
            match self.raw(to, kind, payload) {
                Err(SendError::Full) => {
                    within("there is room", self.node.live.room(to)).await;
                }
                sent => return sent,
            }
        }
    }

    pub fn broadcast(&self, kind: PacketKind, packet: Value) {
        self.send(&Route::Broadcast, kind, packet);
    }

    pub fn to(&self, node: &str, kind: PacketKind, packet: Value) {
        self.send(&to(node), kind, packet);
    }

    /// The packets of this kind that arrived since the last call.
    pub fn heard(&self, kind: PacketKind) -> Vec<Value> {
        let of_kind = |heard: &mut (PacketKind, Bytes)| heard.0 == kind;
        self.node.log(|log| log.frames.extract_if(.., of_kind).map(|(_, packet)| parsed(&packet)).collect())
    }

    /// Waits for the next packet of this kind.
    pub async fn hears(&self, kind: PacketKind) -> Value {
        parsed(&self.hears_where(kind, |_| true).await)
    }

    /// Waits for the next packet of this kind that meets a condition. Others stay.
    pub async fn hears_where(&self, kind: PacketKind, is_it: impl Fn(&[u8]) -> bool) -> Bytes {
        let what = format!("a packet {kind:?} comes to `{}`", self.id);
        let next = self.node.find(&what, |log| {
            let at = log.frames.iter().position(|(heard, packet)| *heard == kind && is_it(packet))?;
            Some(log.frames.remove(at).1)
        });
        next.await
    }

    /// Describes itself to everybody as a Node node, with this instance and these services.
    pub fn info(&self, instance: &str, seq: u64, services: &Value) {
        self.broadcast(PacketKind::Info, info(instance, seq, services));
    }

    /// Answers a request with data.
    pub fn answer(&self, request: &Value, data: &Value) {
        let sender = request["sender"].as_str().unwrap();
        let packet = json!({ "id": request["id"], "success": true, "data": data, "meta": {} });
        self.to(sender, PacketKind::Response, packet);
    }

    /// Answers a request like a node that does not offer the action.
    pub fn refuse(&self, request: &Value) {
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
        self.node.link.abandon();
    }
}
