//! Nodes find each other by UDP, here on loopback only.

use ligand_transporters::TransportError;
use ligand_transporters::tcp::{Tcp, UdpBroadcast};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tests_support::{is, until};
use tokio::net::UdpSocket;

use crate::support::{Node, loopback};

const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// A UDP port that nobody uses at the moment.
async fn free_port() -> u16 {
    UdpSocket::bind((HERE, 0)).await.unwrap().local_addr().unwrap().port()
}

/// Discovery that keeps to this host and does not wait before it speaks.
fn discovering(port: u16) -> Tcp {
    loopback().udp_discovery(true).with(|options| {
        options.udp_port = port;
        options.udp_bind_address = Some(HERE);
        options.udp_multicast_ttl = 0;
        options.udp_first = (Duration::ZERO, Duration::ZERO);
        options.udp_period = Duration::from_millis(50);
    })
}

fn sighting(node: &Node) -> (String, String) {
    (node.link.node().to_string(), format!("127.0.0.1:{}", node.port()))
}

async fn sight_each_other(a: &Node, b: &Node) {
    for (node, other) in [(a, sighting(b)), (b, sighting(a))] {
        let is_other = |id: &String, addr: &String| (id, addr) == (&other.0, &other.1);
        node.until("the other one is sighted", |log| {
            log.sighted.iter().any(|(id, addr, _)| is_other(id, addr))
        })
        .await;
    }
}

#[tokio::test]
async fn nodes_of_a_namespace_sight_each_other_by_multicast() {
    let port = free_port().await;
    let a = Node::open("a", "ns-multicast", discovering(port)).await.unwrap();
    let b = Node::open("b", "ns-multicast", discovering(port)).await.unwrap();
    let foreign = Node::open("c", "ns-other", discovering(port)).await.unwrap();
    sight_each_other(&a, &b).await;
    for node in [&a, &foreign] {
        until("a foreigner is noticed", async || is(node.live.stats(), |stats| stats.udp_foreign > 0)).await;
    }
    a.log(|log| {
        assert!(log.sighted.iter().all(|(id, _, _)| id == "b"), "{:?}", log.sighted);
        let source = log.sighted[0].2.expect("an announcement comes from somewhere");
        assert_eq!(source, SocketAddr::from((HERE, port)));
    });
    assert!(foreign.log(|log| log.sighted.is_empty()));
    for node in [a, b, foreign] {
        node.stop().await;
    }
}

#[tokio::test]
async fn nodes_sight_each_other_by_broadcast() {
    let port = free_port().await;
    let tcp = || {
        discovering(port).with(|options| {
            options.udp_multicast = None;
            options.udp_broadcast = UdpBroadcast::To(vec![Ipv4Addr::new(127, 255, 255, 255)]);
        })
    };
    let a = Node::open("a", "ns-broadcast", tcp()).await.unwrap();
    let b = Node::open("b", "ns-broadcast", tcp()).await.unwrap();
    sight_each_other(&a, &b).await;
}

#[tokio::test]
async fn announcements_end_after_as_many_as_configured() {
    let port = free_port().await;
    let listener = Node::open("listener", "ns-max", discovering(port)).await.unwrap();
    let twice = discovering(port).with(|options| {
        options.udp_max_discovery = 2;
        options.udp_period = Duration::from_millis(1);
    });
    let speaker = Node::open("speaker", "ns-max", twice).await.unwrap();
    let heard = || {
        let stats = listener.live.stats();
        stats.udp_sighted + stats.udp_limited
    };
    until("two announcements are heard", async || is(heard(), |heard| *heard == 2)).await;
    // Stopping waits for the announcing task, so nothing can follow.
    speaker.stop().await;
    let marker = UdpSocket::bind((HERE, 0)).await.unwrap();
    marker.send_to(b"marker", (HERE, port)).await.unwrap();
    until("the marker is heard", async || is(listener.live.stats(), |stats| stats.udp_malformed == 1)).await;
    assert_eq!(heard(), 2);
}

#[tokio::test]
async fn hostile_datagrams_are_ignored_and_counted_and_a_namesake_is_reported() {
    let port = free_port().await;
    let quiet = discovering(port)
        .with(|options| options.udp_first = (Duration::from_secs(600), Duration::from_secs(600)));
    let node = Node::open("me", "ns", quiet).await.unwrap();
    let attacker = UdpSocket::bind((HERE, 0)).await.unwrap();
    let long = [b"ns|".as_slice(), &[b'x'; 3000]].concat();
    let malformed: [&[u8]; 9] = [
        &long,
        b"ns|id",
        b"ns|id|4000|5",
        b"ns|id|0",
        b"ns|id|70000",
        b"ns|id|-1",
        b"ns|id|1e3",
        b"ns||4000",
        b"ns|a\nb|4000",
    ];
    for datagram in malformed {
        attacker.send_to(datagram, (HERE, port)).await.unwrap();
    }
    attacker.send_to(b"other|id|4000", (HERE, port)).await.unwrap();
    let own = format!("ns|me|{}", node.port());
    attacker.send_to(own.as_bytes(), (HERE, port)).await.unwrap();
    attacker.send_to(b"ns|me|1234", (HERE, port)).await.unwrap();
    node.until("a node is sighted", |log| !log.sighted.is_empty()).await;
    node.log(|log| {
        let source = attacker.local_addr().unwrap();
        assert_eq!(log.sighted, [("me".to_owned(), "127.0.0.1:1234".to_owned(), Some(source))]);
    });
    let stats = node.live.stats();
    assert_eq!((stats.udp_malformed, stats.udp_foreign, stats.udp_sighted), (9, 1, 1));
}

#[tokio::test]
async fn a_flood_of_invented_nodes_is_limited() {
    let port = free_port().await;
    let node = Node::open("me", "ns", discovering(port)).await.unwrap();
    let attacker = UdpSocket::bind((HERE, 0)).await.unwrap();
    let mut sent = 0u32;
    // Datagrams may be dropped on the way; what counts is that some are held back.
    until("some are held back", async || {
        for _ in 0..100 {
            let _ = attacker.try_send_to(format!("ns|node-{sent}|4000").as_bytes(), (HERE, port).into());
            sent += 1;
        }
        is(node.live.stats(), |stats| stats.udp_limited > 500)
    })
    .await;
    let stats = node.live.stats();
    assert!(stats.udp_sighted < u64::from(sent) / 2, "{stats:?}");
}

#[tokio::test]
async fn a_namespace_that_an_announcement_cannot_carry_is_refused() {
    let Err(error) = Node::open("me", "a|b", discovering(free_port().await)).await else {
        panic!("nobody could understand its announcements")
    };
    assert!(matches!(error, TransportError::Config(_)));
    Node::open("me", "a|b", loopback()).await.unwrap();
}
