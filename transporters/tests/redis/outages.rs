//! Connections that break, and servers that are silent or not there.

use futures_util::future::join_all;
use ligand_transporters::redis::Redis;
use ligand_transporters::{PacketKind, Route, Subscription, Up};
use std::sync::Arc;
use tests_support::{Node, is, until};

use super::support::standstill::a_server_that_stands_still_costs_a_bounded_amount;
use super::support::{Proxy, address, at, is_named_without_its_password, url};
use super::{Proxies, clients, cluster, redis};

/// Breaks a node's connections this often. Each outage lasts longer than the one before, hence not oftener.
const CUTS: usize = 5;
const NODES: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_cuts_leave_two_connections_each_and_every_subscription_once() {
    let server = url("REDIS_URL");
    let servers = vec![address(&server).to_owned()];
    a_hundred_cuts(servers, "cuts", |reached, _| format!("redis://{}", reached[0])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_cuts_from_a_cluster_leave_two_connections_each_and_every_subscription_once() {
    let reach = |reached: &[String], map: &str| format!("redis-cluster://{}?{map}", reached.join(","));
    a_hundred_cuts(cluster(), "cuts-from-a-cluster", reach).await;
}

/// Breaks the connections of many nodes, each of which has a proxy in front of every server.
async fn a_hundred_cuts(servers: Vec<String>, namespace: &'static str, reach: Reach) {
    join_all((0..NODES).map(|number| cut(servers.clone(), namespace, format!("broken-{number}"), reach)))
        .await;
}

/// A URL from addresses, and from the option that leads from those of the servers to them.
type Reach = fn(&[String], &str) -> String;

async fn cut(servers: Vec<String>, namespace: &str, id: String, reach: Reach) {
    let proxies = Proxies::before(&servers);
    let node = Node::connect(
        &*redis(&reach(&proxies.addresses(), &format!("natMap={}", proxies.map()))),
        namespace,
        &id,
    )
    .await;
    let node = node.unwrap();
    let wanted = [Subscription::Own(PacketKind::Event), Subscription::Broadcast(PacketKind::Info)];
    node.subscribe(&wanted).await.unwrap();
    let other = redis(&reach(&servers, ""));
    let other = Node::connect(&*other, namespace, &format!("other-{id}")).await.unwrap();
    for round in 1..=CUTS {
        // With frames under way in both directions.
        for _ in 0..20 {
            node.send(&Route::Broadcast, PacketKind::Heartbeat, b"{}").unwrap();
            other.send(&node.route(), PacketKind::Event, b"under way").unwrap();
        }
        proxies.each(Proxy::cut);
        node.until("the loss is noticed", |log| log.downs.len() == round).await;
        proxies.each(Proxy::restore);
        node.until("it is back", |log| log.ups.len() == round + 1).await;
    }
    proxies.have_open(2).await;
    let listed = listed(&servers, &format!("ligand:{id}"), 2).await;
    let listener = format!(" sub={} ", wanted.len());
    assert_eq!(listed.iter().filter(|line| line.contains(&listener)).count(), 1, "{listed:?}");
    other.send(&node.route(), PacketKind::Event, b"once").unwrap();
    other.send(&node.route(), PacketKind::Event, b"end").unwrap();
    node.until("the end arrives", |log| log.frames.iter().any(|(_, payload)| payload == "end")).await;
    let once = node.log(|log| log.frames.iter().filter(|(_, payload)| payload == "once").count());
    assert_eq!(once, 1);
    node.stop().await;
    other.stop().await;
    proxies.have_open(0).await;
}

/// Waits until the servers together list so many connections of a name: they may not have noticed yet that
/// one is gone.
async fn listed(servers: &[String], name: &str, count: usize) -> Vec<String> {
    until(&format!("{count} connections are listed"), async || {
        let mut listed = Vec::new();
        for server in servers {
            listed.extend(clients(&format!("redis://{server}"), name).await);
        }
        is(listed, |listed| listed.len() == count)
    })
    .await
}

#[tokio::test]
async fn losing_the_first_server_moves_the_node_to_the_next() {
    let server = url("REDIS_URL");
    let (first, second) = (Proxy::start(address(&server)), Proxy::start(address(&server)));
    let both = format!("redis://{},{}", first.address(), second.address());
    let node = Node::connect(&*redis(&both), "hosts", "me").await.unwrap();
    first.connections(2).await;
    first.cut();
    second.connections(2).await;
    node.until("it is back", |log| log.ups == [Up::First, Up::Again]).await;
    node.stop().await;
}

#[tokio::test]
async fn a_server_that_falls_silent_is_noticed() {
    let server = url("REDIS_URL");
    let proxy = Proxy::start(address(&server));
    let quick = format!("{}?pingInterval=100ms&commandTimeout=1s", at(&server, &proxy.address()));
    let node = Node::connect(&*redis(&quick), "frozen", "me").await.unwrap();
    proxy.freeze();
    node.until("the silence is noticed", |log| log.downs.len() == 1).await;
    assert!(node.log(|log| log.downs[0].contains("no answer for 1s")));
    proxy.restore();
    node.until("it is back", |log| log.ups.len() == 2).await;
    node.stop().await;
}

#[tokio::test]
async fn an_absent_server_is_named_without_its_password_and_may_be_tried_again() {
    for (scheme, rest) in [("redis", "/1"), ("redis-sentinel", "/mymaster"), ("redis-cluster", "")] {
        let url = |address: &str| format!("{scheme}://user:canary@{address}{rest}");
        is_named_without_its_password(url, redis).await;
    }
    let url = |address: &str| format!("redis-sentinel://{address}/mymaster?sentinelPassword=canary");
    is_named_without_its_password(url, redis).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stands_still_costs_a_bounded_amount_and_what_is_unsent_stays_so() {
    let make = |url: &str, query: &str| Arc::new(Redis::from_url(&format!("{url}?{query}")).unwrap()) as _;
    let server = url("REDIS_URL");
    let proxy = Proxy::start(address(&server));
    a_server_that_stands_still_costs_a_bounded_amount(proxy, &server, make, "standstill").await;
}
