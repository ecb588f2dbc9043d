//! Frames reach the other node, whole and in order.

use bytes::Bytes;
use ligand_transporters::{Connection, Link, LinkOptions, NodeId, PacketKind, Route, SendError, Up};
use std::sync::Arc;

use crate::support::{Node, Peer, loopback};

#[tokio::test]
async fn the_greeting_comes_first_and_frames_follow_in_order() {
    let (a, b) = (Node::start("a").await, Node::start("b").await);
    let to_b = b.route();
    for n in 1..=100u64 {
        a.request(&to_b, n, n.to_string().as_bytes()).unwrap();
    }
    b.until("a hundred frames arrive", |log| log.data().len() == 100).await;
    b.log(|log| {
        assert_eq!(log.frames[0], (PacketKind::GossipHello, Bytes::from("hello from a")));
        let expected: Vec<_> = (1..=100).map(|n| Bytes::from(n.to_string())).collect();
        assert_eq!(log.data(), expected);
    });
    b.send(&a.route(), PacketKind::Response, b"answer").unwrap();
    a.until("the frame arrives", |log| log.data() == [Bytes::from("answer")]).await;
    assert_eq!(a.log(|log| log.ups.clone()), [Up::First]);
    assert_eq!(b.live.stats().accepted, 1);
}

#[tokio::test]
async fn the_greeting_is_the_first_thing_on_the_wire() {
    let (a, peer) = (Node::start("a").await, Peer::start().await);
    a.request(&peer.route("p"), 1, b"question").unwrap();
    let mut inbound = peer.accept().await;
    assert_eq!(inbound.frame().await, Some((8, Bytes::from("hello from a"))));
    assert_eq!(inbound.frame().await, Some((2, Bytes::from("question"))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_senders_at_once_keep_their_order_and_wait_for_room() {
    const SENDERS: usize = 4;
    const FRAMES: usize = 5_000;
    let (a, b) = (Arc::new(Node::start("a").await), Node::start("b").await);
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let (a, to_b) = (Arc::clone(&a), b.route());
            tokio::spawn(async move {
                for n in 0..FRAMES {
                    let text = format!("{sender} {n} {}", "x".repeat(n % 300));
                    while let Err(error) = a.request(&to_b, 0, text.as_bytes()) {
                        assert_eq!(error, SendError::Full);
                        a.live.room(&to_b).await;
                    }
                }
            })
        })
        .collect();
    for sender in senders {
        sender.await.unwrap();
    }
    b.until("all frames arrive", |log| log.frames.len() == SENDERS * FRAMES + 1).await;
    let mut next = [0; SENDERS];
    for payload in b.log(|log| log.data()) {
        let text = str::from_utf8(&payload).unwrap();
        let mut words = text.split(' ');
        let sender: usize = words.next().unwrap().parse().unwrap();
        let n: usize = words.next().unwrap().parse().unwrap();
        assert_eq!(n, next[sender]);
        assert_eq!(words.next().unwrap().len(), n % 300);
        next[sender] += 1;
    }
    assert_eq!(next, [FRAMES; SENDERS]);
}

#[tokio::test]
async fn large_bodies_travel_as_slices_between_small_parts() {
    let (a, b) = (Node::start("a").await, Node::start("b").await);
    let body = Bytes::from((0..900_000u32).map(|n| u8::try_from(n % 251).unwrap()).collect::<Vec<_>>());
    for n in 0..5 {
        a.live
            .send(&b.route(), PacketKind::Response, 0, &mut |frame| {
                frame.buf().extend_from_slice(format!("<{n}").as_bytes());
                frame.splice(&body);
                frame.buf().extend_from_slice(b">");
                Ok(())
            })
            .unwrap();
    }
    b.until("five frames arrive", |log| log.data().len() == 5).await;
    for (n, payload) in b.log(|log| log.data()).into_iter().enumerate() {
        assert_eq!(payload.len(), body.len() + 3);
        assert_eq!(payload[..2], *format!("<{n}").as_bytes());
        assert_eq!(payload[2..payload.len() - 1], body);
    }
}

#[tokio::test]
async fn the_largest_packet_passes_and_one_byte_more_is_refused() {
    let (a, b) = (Node::start("a").await, Node::start("b").await);
    let size = 960 * 1024;
    a.request(&b.route(), 0, &vec![b'x'; size]).unwrap();
    let refused = a.request(&b.route(), 0, &vec![b'x'; size + 1]);
    assert_eq!(refused, Err(SendError::TooLarge { size: size + 1, limit: size }));
    a.request(&b.route(), 0, b"after it").unwrap();
    b.until("two frames arrive", |log| log.data().len() == 2).await;
    assert_eq!(b.log(|log| log.data())[1], "after it");
}

#[tokio::test]
async fn a_node_reaches_itself() {
    let a = Node::start_with("a", loopback().bind([0, 0, 0, 0])).await;
    let itself = Route::Node { id: a.link.node().clone(), addr: None };
    a.request(&itself, 0, b"note to self").unwrap();
    a.until("the frame arrives", |log| log.data() == [Bytes::from("note to self")]).await;
}

#[tokio::test]
async fn there_is_no_way_to_everybody_or_to_an_unknown_address() {
    let a = Node::start("a").await;
    let unknown = Route::Node { id: NodeId::new("b").unwrap(), addr: None };
    let balanced = Route::BalancedRequest { action: "math.add".into() };
    for route in [Route::Broadcast, unknown, balanced] {
        assert_eq!(a.request(&route, 0, b""), Err(SendError::NoRoute), "{route:?}");
    }
}

#[tokio::test]
async fn an_open_connection_is_kept_when_the_address_changes() {
    let (a, b, other) = (Node::start("a").await, Node::start("b").await, Peer::start().await);
    a.request(&b.route(), 0, b"1").unwrap();
    b.until("a frame arrives", |log| log.data().len() == 1).await;
    a.request(&other.route("b"), 0, b"2").unwrap();
    let nowhere = Route::Node { id: b.link.node().clone(), addr: None };
    a.request(&nowhere, 0, b"3").unwrap();
    b.until("three frames arrive", |log| log.data().len() == 3).await;
    assert_eq!(b.live.stats().accepted, 1);
}

#[tokio::test]
async fn a_thread_without_a_runtime_may_send() {
    let (a, b) = (Arc::new(Node::start("a").await), Node::start("b").await);
    let to_b = b.route();
    let sender = Arc::clone(&a);
    std::thread::spawn(move || sender.request(&to_b, 0, b"from outside").unwrap());
    b.until("the frame arrives", |log| log.data() == [Bytes::from("from outside")]).await;
}

#[tokio::test]
async fn ipv6_mapped_addresses_are_understood() {
    let (a, b) = (Node::start("a").await, Node::start("b").await);
    let addr = format!("::ffff:127.0.0.1:{}", b.port());
    let mapped = Route::Node { id: b.link.node().clone(), addr: Some(addr.into()) };
    a.request(&mapped, 0, b"mapped").unwrap();
    b.until("the frame arrives", |log| log.data() == [Bytes::from("mapped")]).await;
}

#[tokio::test]
async fn host_names_are_looked_up() {
    let (a, b) = (Node::start("a").await, Node::start("b").await);
    let addr = format!("localhost:{}", b.port());
    let named = Route::Node { id: b.link.node().clone(), addr: Some(addr.into()) };
    a.request(&named, 0, b"named").unwrap();
    b.until("the frame arrives", |log| log.data() == [Bytes::from("named")]).await;
}

#[tokio::test]
async fn a_node_without_greeting_sends_its_frames_at_once() {
    #[derive(Debug)]
    struct Silent;
    impl ligand_transporters::Sink for Silent {
        fn deliver(&self, batch: &mut ligand_transporters::Batch<'_>) {
            while batch.next().is_some() {}
        }
    }
    let peer = Peer::start().await;
    let link = Link::new(LinkOptions::new(NodeId::new("a").unwrap(), ""), Arc::new(Silent));
    let connection = loopback().open(link).await.unwrap();
    let write = &mut |frame: &mut ligand_transporters::FrameBuf<'_>| {
        frame.buf().extend_from_slice(b"{}");
        Ok(())
    };
    connection.send(&peer.route("p"), PacketKind::Ping, 0, write).unwrap();
    assert_eq!(peer.accept().await.frame().await, Some((4, Bytes::from("{}"))));
}

#[tokio::test]
async fn what_a_peer_says_on_our_connection_is_thrown_away() {
    let (a, peer) = (Node::start("a").await, Peer::start().await);
    let to = peer.route("p");
    a.request(&to, 0, b"1").unwrap();
    let mut inbound = peer.accept().await;
    inbound.shout(&vec![b'!'; 100_000]).await;
    a.request(&to, 0, b"2").unwrap();
    for expected in ["hello from a", "1", "2"] {
        assert_eq!(inbound.frame().await.unwrap().1, expected);
    }
    assert!(a.log(|log| log.lost.is_empty()));
}
