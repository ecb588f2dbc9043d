//! What the server does not let this node do.

use ligand_transporters::{PacketKind, Route, SendError, Subscription, TransportError};

use super::node::Node;
use super::url;

const EVENTS: Subscription = Subscription::Own(PacketKind::Event);

#[tokio::test]
async fn a_refused_subscription_fails_and_names_its_subject() {
    let node = Node::connect_in(&url("NATS_RESTRICTED_URL"), "denied").await.unwrap();
    let refused = node.live.subscribe(&[Subscription::Broadcast(PacketKind::Info)]).await.unwrap_err();
    assert!(matches!(&refused, TransportError::Subscribe { topic, .. } if topic == "MOL-denied.INFO"));
    assert!(refused.to_string().contains("Permissions Violation"), "{refused}");

    let balanced = Subscription::BalancedEvent { event: "order.**".into(), group: "mail".into() };
    let refused = node.live.subscribe(&[balanced]).await.unwrap_err();
    assert_eq!(refused.topic(), Some("MOL-denied.EVENTB.mail.order.>"));
    node.told(|told| assert!(told.refused.is_empty(), "it is told once: {told:?}"));
    node.stop().await;
}

#[tokio::test]
async fn a_refused_publish_is_told_with_its_subject() {
    let node = Node::connect_in(&url("NATS_RESTRICTED_URL"), "mute").await.unwrap().listens(&[EVENTS]).await;
    node.send(&Route::Broadcast, PacketKind::Heartbeat, 0, b"{}").unwrap();
    node.until(|told| told.refused.iter().any(|why| why.contains("MOL-mute.HEARTBEAT"))).await;
    // One that is told while subscriptions are made is none about a subscription.
    node.send(&Route::Broadcast, PacketKind::Info, 0, b"{}").unwrap();
    node.live.subscribe(&[Subscription::Own(PacketKind::Ping)]).await.unwrap();
    node.until(|told| told.refused.iter().any(|why| why.contains("MOL-mute.INFO"))).await;
    node.stop().await;
}

#[tokio::test]
async fn a_topic_that_is_no_subject_is_refused_and_harms_nobody() {
    let url = url("NATS_URL");
    let node = Node::connect(&url).await.unwrap().listens(&[EVENTS]).await;
    let injected = format!("x\r\nPUB MOL.EVENT.{} 2", node.id);
    let to = Route::BalancedRequest { action: injected.as_str().into() };
    let refused = node.send(&to, PacketKind::Request, 7, b"{}").unwrap_err();
    assert!(
        matches!(refused, SendError::NoTopic { .. }) && refused.to_string().contains("NATS"),
        "{refused}"
    );
    for nowhere in ["a b", "a..b", ".a", "a.", ""] {
        let to = Route::BalancedEvent { event: nowhere.into(), group: "g".into() };
        let refused = node.send(&to, PacketKind::Event, 0, b"{}").unwrap_err();
        assert!(matches!(refused, SendError::NoTopic { .. }), "{nowhere:?}");
    }
    node.send(&node.route(), PacketKind::Event, 0, b"still here").unwrap();
    node.until(|told| told.unsent.is_empty() && told.refused.len() == 6 && told.frames.len() == 1).await;
    assert_eq!(node.told(|told| told.frames[0].1.clone()), "still here");

    let balanced = Subscription::BalancedRequest { action: "a b".into() };
    let refused = node.live.subscribe(&[balanced]).await.unwrap_err();
    assert_eq!(refused.topic(), Some("MOL.REQB.a b"));
    node.stop().await;
}
