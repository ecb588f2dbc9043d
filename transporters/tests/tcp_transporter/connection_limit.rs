//! No more outgoing connections than `maxConnections` stay open, and the least useful one goes.

use ligand_transporters::PacketKind;

use crate::support::{Inbound, Node, Peer, loopback};

async fn contact(node: &Node, peer: &Peer, id: &str, kind: PacketKind) -> Inbound {
    node.send(&peer.route(id), kind, b"x").unwrap();
    let mut inbound = peer.accept().await;
    for _ in 0..2 {
        inbound.frame().await.unwrap();
    }
    inbound
}

#[tokio::test]
async fn the_connection_without_data_for_the_longest_time_is_closed_without_being_lost() {
    let node = Node::start_with("a", loopback().with(|options| options.max_connections = 2)).await;
    let (p, q, r) = (Peer::start().await, Peer::start().await, Peer::start().await);
    let mut to_p = contact(&node, &p, "p", PacketKind::Request).await;
    let mut to_q = contact(&node, &q, "q", PacketKind::Request).await;
    node.request(&p.route("p"), 0, b"used again").unwrap();
    assert_eq!(to_p.frame().await.unwrap().1, "used again");
    // Gossip does not make a connection useful.
    node.send(&q.route("q"), PacketKind::GossipRequest, b"gossip").unwrap();
    assert_eq!(to_q.frame().await.unwrap().1, "gossip");

    let _to_r = contact(&node, &r, "r", PacketKind::Request).await;
    assert_eq!(to_q.frame().await, None);
    node.request(&p.route("p"), 0, b"and again").unwrap();
    assert_eq!(to_p.frame().await.unwrap().1, "and again");

    contact(&node, &q, "q", PacketKind::Request).await;
    assert!(node.log(|log| !log.lost.iter().any(|(id, _)| *id == "p")));
    assert!(node.log(|log| log.unsent.is_empty()));
}

#[tokio::test]
async fn one_connection_is_kept_in_any_case() {
    let node = Node::start_with("a", loopback().with(|options| options.max_connections = 1)).await;
    let (p, q) = (Peer::start().await, Peer::start().await);
    let mut to_p = contact(&node, &p, "p", PacketKind::Request).await;
    let mut to_q = contact(&node, &q, "q", PacketKind::Request).await;
    assert_eq!(to_p.frame().await, None);
    node.request(&q.route("q"), 0, b"kept").unwrap();
    assert_eq!(to_q.frame().await.unwrap().1, "kept");
    assert!(node.log(|log| log.lost.is_empty()));
}
