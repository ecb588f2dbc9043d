//! Limits of the server and of this node.

use ligand_transporters::nats::Nats;
use ligand_transporters::{PacketKind, SendError, Subscription, Transporter};
use std::sync::Arc;

use super::node::connect;
use super::support::slow::{
    Excess, a_handler_that_blocks_holds_nothing_up, a_slow_node_gives_up_events_first,
};
use super::url;

const EVENTS: Subscription = Subscription::Own(PacketKind::Event);

#[tokio::test]
async fn a_frame_above_the_limit_of_the_server_fails_at_its_sender() {
    let node = connect(&url("NATS_AUTH_URL")).await.unwrap().listens(&[EVENTS]).await;
    let limit = 64 * 1024;
    let refused = node.send(&node.route(), PacketKind::Event, &vec![b'x'; limit + 1]);
    assert_eq!(refused, Err(SendError::TooLarge { size: limit + 1, limit }));
    node.send(&node.route(), PacketKind::Event, &vec![b'x'; limit]).unwrap();
    node.until("a frame arrives", |log| log.frames.len() == 1).await;
    node.stop().await;
}

fn nats(query: &str) -> Arc<dyn Transporter> {
    Arc::new(Nats::from_url(&format!("{}?{query}", url("NATS_URL"))).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_slow_node_cannot_take_is_counted_events_first_and_heartbeats_pass() {
    a_slow_node_gives_up_events_first(nats, "slow", Excess::Unseen).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_handler_that_blocks_holds_up_no_heartbeats() {
    a_handler_that_blocks_holds_nothing_up(nats, "blocked").await;
}
