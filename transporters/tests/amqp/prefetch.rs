//! How many requests the server hands over, and when it forgets them.

use ligand_transporters::{PacketKind, Subscription};
use tests_support::{Log, Node, is, to, until};

use crate::node::{join, namespace};
use crate::server::Server;
use crate::support::{Proxy, address, at, url};

fn requests(log: &Log) -> usize {
    log.frames.iter().filter(|(kind, _)| *kind == PacketKind::Request).count()
}

/// A node that takes requests, and its queue.
async fn worker(prefetch: u16) -> (Node, String) {
    let (url, namespace) = (format!("{}?prefetch={prefetch}", url("AMQP_URL")), namespace());
    let node = join(&url, &namespace, "me").await.unwrap();
    node.subscribe(&[Subscription::Own(PacketKind::Request)]).await.unwrap();
    (node, format!("MOL-{namespace}.REQ.me"))
}

#[tokio::test]
async fn no_more_requests_come_than_are_acknowledged_and_a_slow_one_holds_nobody_up() {
    let (node, queue) = worker(3).await;
    for number in 0..20 {
        node.send(&to("me"), PacketKind::Request, &number.to_string()).unwrap();
    }
    node.until("three requests arrive", |log| requests(log) == 3).await;
    // What it may not hand over stays with the server.
    Server::at(&url("AMQP_URL")).await.waits(&queue, 17).await;
    assert_eq!(node.log(|log| requests(log)), 3, "as many as prefetch");
    // The first one is slow; two at a time pass it by, those behind it acknowledged one by one.
    for arrived in (5..=19).step_by(2) {
        let done: Vec<_> = node.log(|log| log.acks.drain(1..).collect());
        assert_eq!(done.len(), 2);
        drop(done);
        node.until("two more arrive", |log| requests(log) == arrived).await;
    }
    node.log(|log| log.acks.clear());
    node.until("all have arrived", |log| requests(log) == 20).await;
    let expected: Vec<_> = (0..20).map(|number| number.to_string()).collect();
    assert_eq!(node.texts(PacketKind::Request), expected);
    node.stop().await;
}

#[tokio::test]
async fn by_default_the_hundred_and_first_request_waits_on_the_server_for_an_acknowledgement() {
    let (url, namespace) = (url("AMQP_URL"), namespace());
    let node = join(&url, &namespace, "me").await.unwrap();
    node.live.subscribe(&[Subscription::Own(PacketKind::Request)]).await.unwrap();
    for number in 0..101 {
        node.send(&to("me"), PacketKind::Request, &number.to_string()).unwrap();
    }
    node.until("a hundred arrive", |log| requests(log) >= 100).await;
    let server = Server::at(&url).await;
    let queue = format!("MOL-{namespace}.REQ.me");
    server.waits(&queue, 1).await;
    assert_eq!(node.log(|log| requests(log)), 100);
    drop(node.log(|log| log.acks.remove(50)));
    node.until("the last one arrives", |log| requests(log) == 101).await;
    assert_eq!(server.waiting(&queue).await, 0);
    node.log(|log| log.acks.clear());
    node.stop().await;
}

#[tokio::test]
async fn without_a_limit_every_request_comes() {
    let (node, _) = worker(0).await;
    for number in 0..500 {
        node.send(&to("me"), PacketKind::Request, &number.to_string()).unwrap();
    }
    node.until("all arrive", |log| requests(log) == 500).await;
    node.log(|log| log.acks.clear());
    node.stop().await;
}

#[tokio::test]
async fn what_was_not_acknowledged_comes_again_and_what_was_does_not() {
    let (url, namespace) = (url("AMQP_URL"), namespace());
    let request = [Subscription::Own(PacketKind::Request)];
    let node = join(&url, &namespace, "me").await.unwrap();
    node.live.subscribe(&request).await.unwrap();
    for text in ["done", "not done", "done too"] {
        node.send(&to("me"), PacketKind::Request, text).unwrap();
    }
    node.until("three requests arrive", |log| requests(log) == 3).await;
    let held = node.log(|log| log.acks.remove(1));
    node.log(|log| log.acks.clear());
    // The acknowledgements are on their way before the farewell.
    node.stop().await;

    let node = join(&url, &namespace, "me").await.unwrap();
    node.live.subscribe(&request).await.unwrap();
    node.until("a request comes again", |log| requests(log) > 0).await;
    drop(held);
    // Behind whatever else would come again.
    node.send(&to("me"), PacketKind::Request, "marker").unwrap();
    node.until("the marker arrives", |log| requests(log) > 1).await;
    assert_eq!(node.texts(PacketKind::Request), ["not done", "marker"]);
    node.log(|log| log.acks.clear());
    node.stop().await;
}

/// A node behind a proxy, with a request that it is handling, and the name of its queue.
async fn busy() -> (Proxy, Node, String) {
    let (url, namespace) = (url("AMQP_URL"), namespace());
    let proxy = Proxy::start(address(&url));
    let node = join(&at(&url, &proxy.address()), &namespace, "me").await.unwrap();
    node.subscribe(&[Subscription::Own(PacketKind::Request)]).await.unwrap();
    node.send(&to("me"), PacketKind::Request, "slow").unwrap();
    node.until("the request arrives", |log| requests(log) == 1).await;
    (proxy, node, format!("MOL-{namespace}.REQ.me"))
}

/// Waits until the connection is there anew and a request has come that was sent behind all that the server has
/// to hand over again.
async fn is_back(node: &Node, queue: &str, ups: usize, marker: &str) {
    node.until("it is connected again", |log| log.ups.len() == ups).await;
    // As long as the server has not buried the connection before, it has not taken back what that was given.
    let server = Server::at(&url("AMQP_URL")).await;
    until("the server has buried the old one", async || {
        is(server.consumers(queue).await, |consumers| *consumers == Some(1))
    })
    .await;
    node.send(&to("me"), PacketKind::Request, marker).unwrap();
    node.until("the marker arrives", |log| log.texts(PacketKind::Request).iter().any(|text| text == marker))
        .await;
}

/// All that it was given is done with, and the server knows.
async fn leaves_nothing(node: Node, queue: &str) {
    // The acknowledgements are on their way before the farewell.
    node.log(|log| log.acks.clear());
    node.stop().await;
    assert_eq!(Server::at(&url("AMQP_URL")).await.waiting(queue).await, 0);
}

const MARKERS: [&str; 2] = ["after one loss", "after two losses"];

#[tokio::test]
async fn what_is_being_handled_is_not_started_again_when_the_connection_breaks() {
    let (proxy, node, queue) = busy().await;
    for round in 1..=2 {
        proxy.cut();
        node.until("the loss is noticed", |log| log.downs.len() == round).await;
        proxy.restore();
        is_back(&node, &queue, round + 1, MARKERS[round - 1]).await;
        let came: Vec<_> = ["slow"].iter().chain(&MARKERS[..round]).copied().collect();
        assert_eq!(node.texts(PacketKind::Request), came, "it is still being handled");
        // The marker is done.
        node.log(|log| log.acks.truncate(1));
    }
    // The server forgets the copy that it handed over again, too.
    leaves_nothing(node, &queue).await;
}

#[tokio::test]
async fn what_was_done_while_the_connection_was_away_is_not_started_again() {
    let (proxy, node, queue) = busy().await;
    proxy.cut();
    node.until("the loss is noticed", |log| log.downs.len() == 1).await;
    // The acknowledgement finds no way to the server, which hands the request over again.
    node.log(|log| log.acks.clear());
    proxy.restore();
    is_back(&node, &queue, 2, "next").await;
    assert_eq!(node.texts(PacketKind::Request), ["slow", "next"], "it has been handled");
    leaves_nothing(node, &queue).await;
}
