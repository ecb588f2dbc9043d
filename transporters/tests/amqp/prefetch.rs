//! How many requests the server hands over, and when it forgets them.

use ligand_transporters::{PacketKind, Subscription};
use std::time::Duration;

use crate::node::{Node, Record, namespace, to};
use crate::server::Server;
use crate::support::{Proxy, address, at, url};

fn requests(record: &Record) -> usize {
    record.frames.iter().filter(|(kind, _)| *kind == PacketKind::Request).count()
}

/// Whatever would come in spite of everything has come when a frame of another kind has made the round.
async fn round(node: &Node) {
    for text in ["1", "2"] {
        node.look(|record| record.frames.retain(|(kind, _)| *kind != PacketKind::Pong));
        node.send(&to("me"), PacketKind::Pong, text).unwrap();
        node.until("a frame makes the round", |record| {
            record.frames.iter().any(|(kind, _)| *kind == PacketKind::Pong)
        })
        .await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
}

async fn worker(prefetch: u16) -> Node {
    let url = format!("{}?prefetch={prefetch}", url("AMQP_URL"));
    let node = Node::join(&url, &namespace(), "me").await.unwrap();
    let all = [PacketKind::Request, PacketKind::Response, PacketKind::Pong].map(Subscription::Own);
    node.live.subscribe(&all).await.unwrap();
    node
}

#[tokio::test]
async fn no_more_requests_come_than_are_acknowledged_and_a_slow_one_holds_nobody_up() {
    let node = worker(3).await;
    for number in 0..20 {
        node.send(&to("me"), PacketKind::Request, &number.to_string()).unwrap();
    }
    node.until("three requests arrive", |record| requests(record) == 3).await;
    round(&node).await;
    assert_eq!(node.look(|record| requests(record)), 3, "as many as prefetch");
    // The first one is slow; two at a time pass it by, those behind it acknowledged one by one.
    for arrived in (5..=19).step_by(2) {
        let done: Vec<_> = node.look(|record| record.acks.drain(1..).collect());
        assert_eq!(done.len(), 2);
        drop(done);
        node.until("two more arrive", |record| requests(record) == arrived).await;
    }
    node.look(|record| record.acks.clear());
    node.until("all have arrived", |record| requests(record) == 20).await;
    let expected: Vec<_> = (0..20).map(|number| number.to_string()).collect();
    assert_eq!(node.payloads(PacketKind::Request), expected);
    node.stop().await;
}

#[tokio::test]
async fn by_default_the_hundred_and_first_request_waits_on_the_server_for_an_acknowledgement() {
    let (url, namespace) = (url("AMQP_URL"), namespace());
    let node = Node::join(&url, &namespace, "me").await.unwrap();
    node.live.subscribe(&[Subscription::Own(PacketKind::Request)]).await.unwrap();
    for number in 0..101 {
        node.send(&to("me"), PacketKind::Request, &number.to_string()).unwrap();
    }
    node.until("a hundred arrive", |record| requests(record) >= 100).await;
    let server = Server::at(&url).await;
    let queue = format!("MOL-{namespace}.REQ.me");
    server.waits(&queue, 1).await;
    assert_eq!(node.look(|record| requests(record)), 100);
    drop(node.look(|record| record.acks.remove(50)));
    node.until("the last one arrives", |record| requests(record) == 101).await;
    assert_eq!(server.waiting(&queue).await, 0);
    node.look(|record| record.acks.clear());
    node.stop().await;
}

#[tokio::test]
async fn without_a_limit_every_request_comes() {
    let node = worker(0).await;
    for number in 0..500 {
        node.send(&to("me"), PacketKind::Request, &number.to_string()).unwrap();
    }
    node.until("all arrive", |record| requests(record) == 500).await;
    node.look(|record| record.acks.clear());
    node.stop().await;
}

#[tokio::test]
async fn what_was_not_acknowledged_comes_again_and_what_was_does_not() {
    let (url, namespace) = (url("AMQP_URL"), namespace());
    let request = [Subscription::Own(PacketKind::Request)];
    let node = Node::join(&url, &namespace, "me").await.unwrap();
    node.live.subscribe(&request).await.unwrap();
    for text in ["done", "not done", "done too"] {
        node.send(&to("me"), PacketKind::Request, text).unwrap();
    }
    node.until("three requests arrive", |record| requests(record) == 3).await;
    let held = node.look(|record| record.acks.remove(1));
    node.look(|record| record.acks.clear());
    // The acknowledgements are on their way before the farewell.
    node.stop().await;

    let node = Node::join(&url, &namespace, "me").await.unwrap();
    node.live.subscribe(&request).await.unwrap();
    node.until("a request comes again", |record| requests(record) > 0).await;
    drop(held);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(node.payloads(PacketKind::Request), ["not done"]);
    node.look(|record| record.acks.clear());
    node.stop().await;
}

/// A node behind a proxy, with a request that it is handling, and the name of its queue.
async fn busy() -> (Proxy, Node, String) {
    let (url, namespace) = (url("AMQP_URL"), namespace());
    let proxy = Proxy::start(address(&url));
    let node = Node::join(&at(&url, &proxy.address()), &namespace, "me").await.unwrap();
    let all = [PacketKind::Request, PacketKind::Pong].map(Subscription::Own);
    node.live.subscribe(&all).await.unwrap();
    node.send(&to("me"), PacketKind::Request, "slow").unwrap();
    node.until("the request arrives", |record| requests(record) == 1).await;
    (proxy, node, format!("MOL-{namespace}.REQ.me"))
}

/// All that it was given is done with, and the server knows.
async fn leaves_nothing(node: Node, queue: &str) {
    node.look(|record| record.acks.clear());
    round(&node).await;
    node.stop().await;
    assert_eq!(Server::at(&url("AMQP_URL")).await.waiting(queue).await, 0);
}

#[tokio::test]
async fn what_is_being_handled_is_not_started_again_when_the_connection_breaks() {
    let (proxy, node, queue) = busy().await;
    for round_ in 1..=2 {
        proxy.cut();
        node.until("the loss is noticed", |record| record.downs.len() == round_).await;
        proxy.restore();
        node.until("it is connected again", |record| record.ups.len() == round_ + 1).await;
        round(&node).await;
        assert_eq!(node.look(|record| requests(record)), 1, "it is still being handled");
    }
    // The server forgets the copy that it handed over again, too.
    leaves_nothing(node, &queue).await;
}

#[tokio::test]
async fn what_was_done_while_the_connection_was_away_is_not_started_again() {
    let (proxy, node, queue) = busy().await;
    proxy.cut();
    node.until("the loss is noticed", |record| record.downs.len() == 1).await;
    // The acknowledgement finds no way to the server, which hands the request over again.
    node.look(|record| record.acks.clear());
    proxy.restore();
    node.until("it is connected again", |record| record.ups.len() == 2).await;
    round(&node).await;
    assert_eq!(node.look(|record| requests(record)), 1, "it has been handled");
    node.send(&to("me"), PacketKind::Request, "next").unwrap();
    node.until("the next one arrives", |record| requests(record) == 2).await;
    leaves_nothing(node, &queue).await;
}
