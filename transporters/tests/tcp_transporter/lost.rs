//! A connection that cannot be made, or that breaks, is reported once.

use ligand_transporters::{Abandon, Connection as _, PacketKind};
use socket2::{Domain, SockAddr, Socket, Type};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::support::{Node, Peer, loopback, route};

#[tokio::test]
async fn a_refused_connection_is_lost_and_its_frames_are_unsent() {
    let (node, peer) = (Node::start("a").await, Peer::start().await);
    let to = peer.route("p");
    drop(peer);
    for token in [1, 2, 0, 3] {
        node.request(&to, token, b"x").unwrap();
    }
    node.until("the loss is told", |log| log.lost.len() == 1).await;
    node.log(|log| {
        assert_eq!(log.unsent, [1, 2, 3], "reported before the loss");
        assert_eq!(log.lost[0].0, "p");
        assert!(log.lost[0].1.starts_with("cannot connect to 127.0.0.1:"), "{}", log.lost[0].1);
    });
    node.request(&to, 4, b"x").unwrap();
    node.until("the second loss is told", |log| log.lost.len() == 2 && log.unsent == [1, 2, 3, 4]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_that_takes_long_to_encode_causes_one_attempt_to_connect() {
    let (node, peer, other) = (Node::start("a").await, Peer::start().await, Peer::start().await);
    let (to, elsewhere) = (peer.route("p"), other.route("q"));
    drop((peer, other));
    let mut encoded = 0;
    let sent = node.live.send(&to, PacketKind::Request, 1, &mut |frame| {
        encoded += 1;
        // While another peer is tried, refuses, and is reported, the same could happen to this one.
        if encoded == 1 {
            node.request(&elsewhere, 2, b"x").unwrap();
            while node.log(|log| log.lost.is_empty()) {
                std::thread::yield_now();
            }
        }
        frame.buf().extend_from_slice(b"x");
        if encoded < 5 { Ok(()) } else { Err(Abandon) }
    });
    assert_eq!((sent, encoded), (Ok(()), 1));
    node.until("both losses are told", |log| log.lost.len() == 2 && log.unsent == [2, 1]).await;
}

#[tokio::test]
async fn an_address_that_is_none_is_lost_too() {
    let node = Node::start("a").await;
    let nowhere = ligand_transporters::Route::Node {
        id: ligand_transporters::NodeId::new("p").unwrap(),
        addr: Some("no port".into()),
    };
    node.request(&nowhere, 1, b"x").unwrap();
    node.until("the loss is told", |log| log.lost.len() == 1 && log.unsent == [1]).await;
}

#[tokio::test]
async fn the_end_of_an_idle_connection_is_noticed_and_the_next_frame_connects_anew() {
    let (node, peer) = (Node::start("a").await, Peer::start().await);
    let to = peer.route("p");
    node.request(&to, 1, b"x").unwrap();
    let mut inbound = peer.accept().await;
    inbound.frame().await.unwrap();
    inbound.frame().await.unwrap();
    drop(inbound);
    node.until("the loss is told", |log| log.lost.len() == 1).await;
    assert!(node.log(|log| log.unsent.is_empty()), "it had been written");

    node.request(&to, 2, b"y").unwrap();
    let mut inbound = peer.accept().await;
    assert_eq!(inbound.frame().await.unwrap().0, 8, "a new connection begins with a greeting");
    assert_eq!(inbound.frame().await.unwrap().1, "y");
    assert_eq!(node.log(|log| log.lost.len()), 1);
}

#[tokio::test]
async fn a_stopped_node_is_lost_to_those_connected_to_it() {
    let (a, b) = (Node::start("a").await, Node::start("b").await);
    a.request(&b.route(), 1, b"x").unwrap();
    b.until("a frame arrives", |log| log.data().len() == 1).await;
    b.stop().await;
    a.until("the loss is told", |log| log.lost.len() == 1).await;
    assert!(b.log(|log| log.lost.is_empty()), "the end of an inbound connection concerns nobody");
}

/// A listener whose queue is full: connecting to it hangs.
fn deaf() -> (Socket, Vec<Socket>, SocketAddr) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&SockAddr::from(SocketAddr::from(([127, 0, 0, 1], 0)))).unwrap();
    listener.listen(0).unwrap();
    let addr = listener.local_addr().unwrap();
    let mut queue = Vec::new();
    loop {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let hung = socket.connect_timeout(&addr, Duration::from_millis(50)).is_err();
        queue.push(socket);
        if hung {
            return (listener, queue, addr.as_socket().unwrap());
        }
        assert!(queue.len() < 100, "the queue does not fill");
    }
}

#[tokio::test]
async fn a_peer_that_does_not_answer_is_lost_after_the_connect_timeout() {
    let (_listener, _queue, addr) = deaf();
    let timeout = Duration::from_millis(150);
    let node = Node::start_with("a", loopback().with(|options| options.connect_timeout = timeout)).await;
    let began = Instant::now();
    node.request(&route("p", addr), 1, b"x").unwrap();
    node.until("the loss is told", |log| log.lost.len() == 1 && log.unsent == [1]).await;
    assert!(began.elapsed() >= timeout);
    assert!(node.log(|log| log.lost[0].1.contains("no answer in time")));
}
