//! Closing flushes what was accepted, frees the port, and says so when something was left.

use ligand_transporters::{Connection, SendError};
use std::time::Duration;
use tests_support::within;
use tokio::net::TcpListener;

use crate::support::{Node, Peer, loopback};

#[tokio::test]
async fn accepted_frames_are_written_before_the_sockets_close() {
    let (a, b) = (Node::start("a").await, Node::start("b").await);
    let body = vec![b'x'; 5_000];
    for _ in 0..1000 {
        a.request(&b.route(), 0, &body).unwrap();
    }
    within("it closes", a.live.close()).await.unwrap();
    assert_eq!(a.request(&b.route(), 0, b"too late"), Err(SendError::Disconnected));
    b.until("a thousand frames arrive", |log| log.data().len() == 1000).await;
    assert!(a.log(|log| log.lost.is_empty() && log.unsent.is_empty()));
}

#[tokio::test]
async fn the_port_is_free_again_and_closing_twice_is_nothing_new() {
    let (a, b) = (Node::start("a").await, Node::start("b").await);
    b.request(&a.route(), 0, b"x").unwrap();
    a.until("a frame arrives", |log| log.data().len() == 1).await;
    let addr = a.addr();
    within("it closes", a.live.close()).await.unwrap();
    within("it closes", a.live.close()).await.unwrap();
    TcpListener::bind(addr).await.unwrap();
    b.until("the loss is told", |log| log.lost.len() == 1).await;
    within("every task ends", a.link.shut()).await;
}

#[tokio::test]
async fn frames_that_nobody_takes_are_reported_as_left() {
    let tcp = loopback().with(|options| options.close_timeout = Duration::from_millis(100));
    let (node, peer) = (Node::start_with("a", tcp).await, Peer::start().await);
    let to = peer.route("p");
    node.request(&to, 1, b"x").unwrap();
    let _inbound = peer.accept().await;
    let mut last = 1;
    while node.request(&to, last + 1, &[b'x'; 100_000]).is_ok() {
        last += 1;
        tokio::task::yield_now().await;
    }
    let error = within("it closes", node.live.close()).await.unwrap_err();
    assert!(error.to_string().contains("frames were not sent before closing"), "{error}");
    assert_eq!(node.log(|log| log.unsent.last().copied()), Some(last));
    assert!(node.log(|log| log.lost.is_empty()), "this side closed it");
}

#[tokio::test]
async fn a_peer_that_goes_while_this_side_closes_is_no_failed_close() {
    let (node, peer) = (Node::start("a").await, Peer::start().await);
    let to = peer.route("p");
    node.request(&to, 1, b"x").unwrap();
    let inbound = peer.accept().await;
    while node.request(&to, 2, &[b'x'; 100_000]).is_ok() {
        tokio::task::yield_now().await;
    }
    let mut closing = std::pin::pin!(node.live.close());
    assert!(futures_util::poll!(&mut closing).is_pending(), "nobody takes what waits");
    drop(inbound);
    within("it closes", closing).await.unwrap();
    assert!(node.log(|log| log.unsent.contains(&2)), "those who wait for it are told");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_that_close_at_once_do_not_wait_for_each_other_in_vain() {
    let patient = || loopback().with(|options| options.close_timeout = Duration::from_secs(600));
    let (a, b) = (Node::start_with("a", patient()).await, Node::start_with("b", patient()).await);
    for _ in 0..500 {
        a.request(&b.route(), 0, &[b'x'; 10_000]).unwrap();
        b.request(&a.route(), 0, &[b'x'; 10_000]).unwrap();
    }
    let (of_a, of_b) = tokio::join!(within("it closes", a.live.close()), within("it closes", b.live.close()));
    of_a.and(of_b).unwrap();
}

#[tokio::test]
async fn a_dropped_close_can_be_repeated() {
    let (a, b) = (Node::start("a").await, Node::start("b").await);
    a.request(&b.route(), 0, b"x").unwrap();
    drop(futures_util::poll!(std::pin::pin!(a.live.close())));
    within("it closes", a.live.close()).await.unwrap();
    b.until("a frame arrives", |log| log.data().len() == 1).await;
}

#[tokio::test]
async fn shutting_the_link_ends_every_task_without_close() {
    let (a, b) = (Node::start("a").await, Node::start("b").await);
    a.request(&b.route(), 0, b"x").unwrap();
    b.until("a frame arrives", |log| log.data().len() == 1).await;
    within("every task ends", b.link.shut()).await;
    TcpListener::bind(b.addr()).await.unwrap();
    a.until("the loss is told", |log| log.lost.len() == 1).await;
    assert_eq!(b.request(&a.route(), 0, b"x"), Err(SendError::Disconnected));
}
