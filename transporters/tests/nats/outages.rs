//! Connections that break, servers that stand still, and nodes that leave.

use futures_util::future::join_all;
use ligand_transporters::nats::Nats;
use ligand_transporters::{PacketKind, SendError, Subscription, Transporter};
use std::sync::Arc;
use std::time::Duration;
use tests_support::{is, until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::node::connect;
use super::support::held::{self, HOLD};
use super::support::{Proxy, address, is_named_without_its_password};
use super::url;

const EVENTS: Subscription = Subscription::Own(PacketKind::Event);

/// What the server says about the connections of a node: how many, and with how many subscriptions.
async fn connections(id: &str) -> (usize, usize) {
    let monitor = url("NATS_MONITOR_URL");
    let mut stream = TcpStream::connect(address(&monitor)).await.unwrap();
    let request = "GET /connz?limit=10000 HTTP/1.0\r\nHost: localhost\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    let of_node = body["connections"].as_array().unwrap().iter().filter(|one| one["name"] == id);
    of_node.fold((0, 0), |(count, subscriptions), one| {
        (count + 1, subscriptions + one["subscriptions"].as_u64().unwrap() as usize)
    })
}

async fn has_connections(id: &str, expected: (usize, usize)) {
    let what = format!("`{id}` has connections and subscriptions {expected:?}");
    until(&what, async || is(connections(id).await, |has| *has == expected)).await;
}

fn wanted() -> Vec<Subscription> {
    let request = Subscription::BalancedRequest { action: "math.add".into() };
    let event = Subscription::BalancedEvent { event: "order.*".into(), group: "mail".into() };
    let control = [PacketKind::Info, PacketKind::Heartbeat, PacketKind::Disconnect];
    [EVENTS, request, event].into_iter().chain(control.map(Subscription::Broadcast)).collect()
}

/// Breaks a node's connection this often. Each outage lasts longer than the one before, hence not oftener.
const CUTS: usize = 5;
const NODES: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_cuts_leave_one_connection_each_with_every_subscription_once() {
    join_all((0..NODES).map(|_| cut())).await;
}

async fn cut() {
    let proxy = Proxy::start(address(&url("NATS_MONITORED_URL")));
    let node = connect(&format!("nats://{}", proxy.address())).await.unwrap().listens(&wanted()).await;
    for round in 1..=CUTS {
        proxy.cut();
        node.until("the loss is noticed", |log| log.downs.len() == round).await;
        assert_eq!(node.send_named(&node.route(), PacketKind::Event, 1, b"{}"), Err(SendError::Disconnected));
        proxy.restore();
        node.until("it is connected again", |log| log.ups.len() == round + 1).await;
    }
    has_connections(node.link.node().as_str(), (1, wanted().len())).await;
    node.send(&node.route(), PacketKind::Event, b"once").unwrap();
    node.until("a frame arrives", |log| log.frames.len() == 1).await;
    node.log(|log| assert!(log.refused.is_empty(), "{log:?}"));
    let id = node.link.node().clone();
    node.stop().await;
    has_connections(id.as_str(), (0, 0)).await;
    proxy.connections(0).await;
}

#[tokio::test]
async fn a_lost_server_is_left_for_the_next_one() {
    let server = url("NATS_URL");
    let (first, second) = (Proxy::start(address(&server)), Proxy::start(address(&server)));
    let servers = format!("nats://{},{}", first.address(), second.address());
    let node = connect(&servers).await.unwrap().listens(&[EVENTS]).await;
    assert_eq!((first.open(), second.open()), (1, 0));
    first.cut();
    node.until("it is connected again", |log| log.ups.len() == 2).await;
    second.connections(1).await;
    node.send(&node.route(), PacketKind::Event, b"{}").unwrap();
    node.until("a frame arrives", |log| log.frames.len() == 1).await;
    node.stop().await;
}

fn nats(query: &'static str) -> impl Fn(&str) -> Arc<dyn Transporter> {
    move |url| Arc::new(Nats::from_url(&format!("{url}{query}")).unwrap())
}

#[tokio::test]
async fn what_a_silent_server_was_to_get_does_not_come_late() {
    let server = url("NATS_URL");
    let by = |hold, query| held::nothing_arrives_late(Proxy::start, &server, "late", hold, nats(query));
    tokio::join!(by(HOLD, ""), by(Duration::from_secs(1), "?maxHold=1s"));
}

#[tokio::test]
async fn what_waits_for_a_silent_server_is_told_as_unsent() {
    held::what_waits_is_told_as_unsent(Proxy::start, &url("NATS_URL"), "waits", nats("?maxHold=1s")).await;
}

#[tokio::test]
async fn an_absent_server_is_named_without_its_password_and_may_be_tried_again() {
    let url = |address: &str| format!("nats://user:canary@{address}");
    is_named_without_its_password(url, |url| Arc::new(Nats::from_url(url).unwrap())).await;
}
