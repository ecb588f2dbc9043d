//! Connections that are lost, and come back.

use ligand_transporters::amqp::Amqp;
use ligand_transporters::{PacketKind, SendError, Subscription, Up};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tests_support::{Node, is, to, until};

use crate::amqp;
use crate::node::{join, namespace, subscribe_all};
use crate::server::Server;
use crate::support::held::{self, HOLD};
use crate::support::standstill::a_server_that_stands_still_costs_a_bounded_amount;
use crate::support::{Proxy, address, at, is_named_without_its_password, url};

async fn works(node: &Node) {
    node.log(|log| log.frames.clear());
    node.send(&to("me"), PacketKind::Ping, "there").unwrap();
    node.until("a frame arrives", |log| !log.frames.is_empty()).await;
}

#[tokio::test]
async fn a_queue_that_somebody_deletes_is_made_again() {
    let (url, namespace) = (url("AMQP_URL"), namespace());
    let server = Server::at(&url).await;
    let node = join(&url, &namespace, "me").await.unwrap();
    subscribe_all(&node).await;
    let name = format!("MOL-{namespace}.RES.me");
    server.delete(&name).await;
    node.until("the node is connected again", |log| log.ups == [Up::First, Up::Again]).await;
    assert!(node.log(|log| log.downs[0].contains(&name)), "{:?}", node.log(|log| log.downs.clone()));
    assert_eq!(server.consumers(&name).await, Some(1));
    works(&node).await;
    node.stop().await;
}

#[tokio::test]
async fn everything_is_restored_once_however_often_the_connection_breaks() {
    let (url, namespace) = (url("AMQP_URL"), namespace());
    let server = Server::at(&url).await;
    let proxy = Proxy::start(address(&url));
    let node = join(&at(&url, &proxy.address()), &namespace, "me").await.unwrap();
    subscribe_all(&node).await;
    node.live.subscribe(&[Subscription::BalancedRequest { action: "math.add".into() }]).await.unwrap();
    for round in 1..=10 {
        proxy.cut();
        node.until("the loss is noticed", |log| log.downs.len() == round).await;
        let sent = node.send(&to("me"), PacketKind::Event, "into the void");
        assert_eq!(sent, Err(SendError::Disconnected));
        proxy.restore();
        node.until("it is connected again", |log| log.ups.len() == round + 1).await;
        proxy.connections(1).await;
    }
    for queue in ["REQ.me", "RES.me", "INFO.me", "PING.me", "HEARTBEAT.me", "REQB.math.add"] {
        let name = format!("MOL-{namespace}.{queue}");
        // The server may still be busy burying the connection before.
        let what = format!("{name} has one consumer");
        until(&what, async || is(server.consumers(&name).await, |consumers| *consumers == Some(1))).await;
    }
    works(&node).await;
    assert!(node.texts(PacketKind::Event).is_empty());
    node.stop().await;
    proxy.connections(0).await;
}

#[tokio::test]
async fn a_server_that_stands_still_is_lost_and_found_again() {
    let (url, namespace) = (url("AMQP_URL"), namespace());
    let proxy = Proxy::start(address(&url));
    let through = format!("{}?heartbeat=1", at(&url, &proxy.address()));
    let node = join(&through, &namespace, "me").await.unwrap();
    subscribe_all(&node).await;
    works(&node).await;
    proxy.freeze();
    let from = Instant::now();
    node.until("the loss is noticed", |log| log.downs.len() == 1).await;
    assert!(from.elapsed() < Duration::from_secs(6), "it took {:?}", from.elapsed());
    proxy.restore();
    node.until("it is connected again", |log| log.ups.len() == 2).await;
    works(&node).await;
    node.stop().await;
    proxy.connections(0).await;
}

#[tokio::test]
async fn what_a_silent_server_was_to_get_does_not_come_late() {
    let server = url("AMQP_URL");
    let by = |query| held::nothing_arrives_late(Proxy::start, &server, "late", HOLD, amqp(query));
    // A longer interval of heartbeats is cut to what the time for holding frames allows.
    tokio::join!(by(""), by("?heartbeat=60"), by("?publisherConfirms=true"));
}

#[tokio::test]
async fn what_waits_for_a_silent_server_is_told_as_unsent() {
    for query in ["?maxHold=2s", "?maxHold=2s&publisherConfirms=true"] {
        held::what_waits_is_told_as_unsent(Proxy::start, &url("AMQP_URL"), "waits", amqp(query)).await;
    }
}

#[tokio::test]
async fn the_next_server_takes_over() {
    let (url, namespace) = (url("AMQP_URL"), namespace());
    let proxies = [Proxy::start(address(&url)), Proxy::start(address(&url))];
    let [first, second] = proxies.each_ref().map(|proxy| at(&url, &proxy.address()));
    let node = join(&format!("{first};{second}"), &namespace, "me").await.unwrap();
    subscribe_all(&node).await;
    assert_eq!([proxies[0].open(), proxies[1].open()], [1, 0]);
    proxies[0].cut();
    node.until("it is connected again", |log| log.ups.len() == 2).await;
    proxies[1].connections(1).await;
    works(&node).await;
    node.stop().await;
}

#[tokio::test]
async fn an_attempt_that_is_given_up_leaves_no_connection_behind() {
    let url = url("AMQP_URL");
    let proxy = Proxy::start(address(&url));
    proxy.freeze();
    let through = at(&url, &proxy.address());
    for wait in [0, 1, 20, 100] {
        let joining = join(&through, "given-up", "me");
        assert!(tokio::time::timeout(Duration::from_millis(wait), joining).await.is_err());
    }
    proxy.restore();
    proxy.connections(0).await;
}

#[tokio::test]
async fn an_absent_server_is_named_without_its_password_and_may_be_tried_again() {
    is_named_without_its_password(|address| format!("amqp://user:canary@{address}"), amqp("")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stands_still_costs_a_bounded_amount_and_what_is_unsent_stays_so() {
    let make = |url: &str, query: &str| Arc::new(Amqp::from_url(&format!("{url}?{query}")).unwrap()) as _;
    let server = url("AMQP_URL");
    let proxy = Proxy::start(address(&server));
    a_server_that_stands_still_costs_a_bounded_amount(proxy, &server, make, &namespace()).await;
}
