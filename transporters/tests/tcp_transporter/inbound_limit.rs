//! A node takes in only so many connections, in total and from one address.

use bytes::Bytes;
use tests_support::tcp::frame;
use tests_support::{is, until};

use crate::support::{Node, closed, loopback, raw};

#[tokio::test]
async fn connections_above_the_limit_per_address_are_closed_at_once_and_counted() {
    let tcp = loopback().with(|options| options.max_inbound_per_address = 2);
    let victim = Node::start_with("victim", tcp).await;
    let first = raw(victim.addr(), &frame(2, b"1")).await;
    let _second = raw(victim.addr(), &frame(2, b"2")).await;
    victim.until("two frames arrive", |log| log.data().len() == 2).await;
    let mut third = raw(victim.addr(), b"").await;
    closed(&mut third).await;
    assert_eq!(victim.live.stats().refused_per_address, 1);

    drop(first);
    // The place is free again as soon as the end of the first one has been seen.
    let arrived = |victim: &Node| victim.log(|log| log.data().contains(&Bytes::from("4")));
    let mut attempts = Vec::new();
    for _ in 0..1000 {
        attempts.push(raw(victim.addr(), &frame(2, b"4")).await);
        tokio::task::yield_now().await;
        if arrived(&victim) {
            break;
        }
    }
    victim.until("the next one gets in", |log| log.data().contains(&Bytes::from("4"))).await;
}

#[tokio::test]
async fn connections_above_the_total_limit_are_closed_at_once_and_counted() {
    let tcp = loopback().with(|options| options.max_inbound_connections = 3);
    let victim = Node::start_with("victim", tcp).await;
    let mut inside = Vec::new();
    for _ in 0..3 {
        inside.push(raw(victim.addr(), b"").await);
    }
    until("three are accepted", async || is(victim.live.stats(), |stats| stats.accepted == 3)).await;
    let mut outside = raw(victim.addr(), b"").await;
    closed(&mut outside).await;
    assert_eq!(victim.live.stats().refused_total, 1);
}
