//! Frames of which nothing left come back by their tokens; others never do.

use std::collections::BTreeSet;

use crate::support::{Node, Peer, loopback};

#[tokio::test]
async fn when_a_connection_breaks_each_frame_is_either_unsent_or_was_begun() {
    let tcp = loopback().with(|options| options.send_buffer_frames = 100_000);
    let (node, peer) = (Node::start_with("a", tcp).await, Peer::start().await);
    let to = peer.route("p");
    node.request(&to, 1, b"first").unwrap();
    let mut inbound = peer.accept().await;
    inbound.frame().await.unwrap();
    inbound.frame().await.unwrap();

    // More than the system's buffers take, so that part of it is waiting when the peer goes away.
    let mut last = 1;
    let body = vec![b'x'; 100_000];
    while node.request(&to, last + 1, &body).is_ok() {
        last += 1;
    }
    let mut received: BTreeSet<u64> = BTreeSet::from([1]);
    for token in 2..20 {
        assert_eq!(inbound.frame().await.unwrap().1.len(), body.len());
        received.insert(token);
    }
    drop(inbound);
    node.until("the loss is told", |log| log.lost.len() == 1).await;

    let unsent: BTreeSet<u64> = node.log(|log| log.unsent.iter().copied().collect());
    assert_eq!(unsent.len(), node.log(|log| log.unsent.len()), "a token was reported twice");
    assert!(unsent.is_disjoint(&received));
    let first = *unsent.first().expect("something was waiting");
    assert_eq!(unsent, (first..=last).collect());
}

#[tokio::test]
async fn a_token_of_zero_is_nobodys() {
    let (node, peer) = (Node::start("a").await, Peer::start().await);
    let to = peer.route("p");
    drop(peer);
    node.request(&to, 0, b"x").unwrap();
    node.until("the loss is told", |log| log.lost.len() == 1).await;
    assert!(node.log(|log| log.unsent.is_empty()));
}
