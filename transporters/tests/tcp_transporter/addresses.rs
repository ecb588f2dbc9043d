//! Which address and port a node listens on, and what it tells others.

use ligand_transporters::{Connection, TransportError};

use crate::support::{Node, Peer, loopback};

#[tokio::test]
async fn a_port_in_use_is_named() {
    let a = Node::start("a").await;
    let Err(error) = Node::open("b", "", loopback().port(a.port())).await else {
        panic!("it was taken twice")
    };
    assert!(matches!(error, TransportError::AddressInUse { .. }), "{error:?}");
    assert!(error.to_string().contains(&a.addr().to_string()), "{error}");
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn an_address_that_is_not_ours_is_named() {
    let tcp = loopback().bind([192, 0, 2, 1]);
    let Err(error) = Node::open("b", "", tcp).await else { panic!("it is bound to a foreign address") };
    assert!(matches!(error, TransportError::Connect { .. }), "{error:?}");
    assert!(error.to_string().contains("192.0.2.1"), "{error}");
}

#[tokio::test]
async fn the_port_of_an_info_packet_is_the_one_listened_on_unless_configured() {
    let a = Node::start("a").await;
    assert_eq!(a.live.advertised_port(), Some(a.port()));
    let b = Node::start_with("b", loopback().with(|options| options.advertised_port = Some(4321))).await;
    assert_eq!(b.live.advertised_port(), Some(4321));
    assert_ne!(b.port(), 4321);
}

/// A peer takes the source of our connection for our address.
#[tokio::test]
async fn a_node_that_is_bound_to_an_address_connects_from_it() {
    let (a, peer) = (Node::start_with("a", loopback().bind([127, 0, 0, 2])).await, Peer::start().await);
    a.request(&peer.route("p"), 0, b"x").unwrap();
    assert_eq!(peer.accept().await.from.ip(), std::net::Ipv4Addr::new(127, 0, 0, 2));
}
