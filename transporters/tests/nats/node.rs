//! Nodes on NATS.

use ligand_transporters::nats::Nats;
use ligand_transporters::{PacketKind, Subscription, TransportError};
use std::sync::atomic::{AtomicU32, Ordering};
use tests_support::Node;

/// A node with an id of its own, so that tests on one server do not meet.
pub(crate) async fn connect(url: &str) -> Result<Node, TransportError> {
    connect_in(url, "").await
}

pub(crate) async fn connect_in(url: &str, namespace: &str) -> Result<Node, TransportError> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let id = format!("node-{}-{number}", std::process::id());
    Node::connect(&Nats::from_url(url)?, namespace, &id).await
}

/// Connects and hears itself.
pub(crate) async fn enters(url: &str) -> Result<(), TransportError> {
    let node = connect(url).await?.listens(&[Subscription::Own(PacketKind::Event)]).await;
    node.send(&node.route(), PacketKind::Event, "in").unwrap();
    node.until("its own frame arrives", |log| log.frames.len() == 1).await;
    node.stop().await;
    Ok(())
}
