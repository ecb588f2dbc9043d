//! Nodes on AMQP, whose acknowledgements the test gives.

use ligand_transporters::amqp::Amqp;
use ligand_transporters::{PacketKind, Subscription, TransportError};
use std::sync::atomic::{AtomicU32, Ordering};
use tests_support::{Node, Recorder};

/// A namespace of its own for each test, so that none finds queues of another.
pub(crate) fn namespace() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("amqp-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) async fn join(url: &str, namespace: &str, id: &str) -> Result<Node, TransportError> {
    Node::recording(Recorder::default().keeping_acks(), &Amqp::from_url(url)?, namespace, id).await
}

/// Subscribes to what every node does.
pub(crate) async fn subscribe_all(node: &Node) {
    use PacketKind::{Disconnect, Discover, Event, Heartbeat, Info, Ping, Pong, Request, Response};
    let own = [Event, Request, Response, Discover, Info, Ping, Pong].map(Subscription::Own);
    let all = [Discover, Info, Disconnect, Heartbeat, Ping].map(Subscription::Broadcast);
    node.live.subscribe(&own).await.unwrap();
    node.live.subscribe(&all).await.unwrap();
}
