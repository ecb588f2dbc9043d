//! Limits of the server and of this node.

use ligand_transporters::{PacketKind, SendError, Subscription};

use super::node::Node;
use super::url;

const EVENTS: Subscription = Subscription::Own(PacketKind::Event);

#[tokio::test]
async fn a_frame_above_the_limit_of_the_server_fails_at_its_sender() {
    let node = Node::connect(&url("NATS_AUTH_URL")).await.unwrap().listens(&[EVENTS]).await;
    let limit = 64 * 1024;
    let refused = node.send(&node.route(), PacketKind::Event, 0, &vec![b'x'; limit + 1]);
    assert_eq!(refused, Err(SendError::TooLarge { size: limit + 1, limit }));
    node.send(&node.route(), PacketKind::Event, 0, &vec![b'x'; limit]).unwrap();
    node.until(|told| told.frames.len() == 1).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_slow_node_cannot_take_is_counted_and_heartbeats_pass() {
    let url = url("NATS_URL");
    let slow = Node::connect(&format!("{url}?receiveBufferFrames=100")).await.unwrap();
    let slow = slow.listens(&[EVENTS, Subscription::Own(PacketKind::Ping)]).await;
    let fast = Node::connect(&url).await.unwrap();
    const SENT: usize = 5000;
    slow.block(true);
    for _ in 0..SENT {
        while fast.send(&slow.route(), PacketKind::Event, 0, b"{}").is_err() {
            fast.live.room(&slow.route()).await;
        }
    }
    fast.send(&slow.route(), PacketKind::Ping, 0, b"{}").unwrap();
    fast.live.close().await.unwrap();
    slow.until(|told| told.dropped > 0).await;
    slow.block(false);
    slow.until(|told| told.frames.iter().any(|(kind, _)| *kind == PacketKind::Ping)).await;
    slow.until(|told| told.frames.len() + told.dropped > 200).await;
    slow.told(|told| assert!(told.frames.len() < SENT / 2, "{} were handled", told.frames.len()));
    slow.stop().await;
}
