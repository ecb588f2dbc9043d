//! What the server does not let this node do.

use ligand_transporters::{PacketKind, Route, SendError, Subscription, TransportError};

use super::node::{connect, connect_in};
use super::url;

const EVENTS: Subscription = Subscription::Own(PacketKind::Event);

#[tokio::test]
async fn a_refused_subscription_fails_and_names_its_subject() {
    let node = connect_in(&url("NATS_RESTRICTED_URL"), "denied").await.unwrap();
    let refused = node.live.subscribe(&[Subscription::Broadcast(PacketKind::Info)]).await.unwrap_err();
    assert!(matches!(&refused, TransportError::Subscribe { topic, .. } if topic == "MOL-denied.INFO"));
    assert!(refused.to_string().contains("Permissions Violation"), "{refused}");

    let balanced = Subscription::BalancedEvent { event: "order.**".into(), group: "mail".into() };
    let refused = node.live.subscribe(&[balanced]).await.unwrap_err();
    assert_eq!(refused.topic(), Some("MOL-denied.EVENTB.mail.order.>"));
    node.log(|log| assert!(log.refused.is_empty(), "it is told once: {log:?}"));
    node.stop().await;
}

#[tokio::test]
async fn a_refused_publish_is_told_with_its_subject() {
    let node = connect_in(&url("NATS_RESTRICTED_URL"), "mute").await.unwrap().listens(&[EVENTS]).await;
    node.send(&Route::Broadcast, PacketKind::Heartbeat, b"{}").unwrap();
    node.until("the refused heartbeat is told", |log| {
        log.refused.iter().any(|why| why.contains("MOL-mute.HEARTBEAT"))
    })
    .await;
    // One that is told while subscriptions are made is none about a subscription.
    node.send(&Route::Broadcast, PacketKind::Info, b"{}").unwrap();
    node.live.subscribe(&[Subscription::Own(PacketKind::Ping)]).await.unwrap();
    node.until("the refused INFO is told", |log| log.refused.iter().any(|why| why.contains("MOL-mute.INFO")))
        .await;
    node.stop().await;
}

#[tokio::test]
async fn a_topic_that_is_no_subject_is_refused_and_harms_nobody() {
    let url = url("NATS_URL");
    let node = connect(&url).await.unwrap().listens(&[EVENTS]).await;
    let injected = format!("x\r\nPUB MOL.EVENT.{} 2", node.link.node());
    let to = Route::BalancedRequest { action: injected.as_str().into() };
    let refused = node.send_named(&to, PacketKind::Request, 7, b"{}").unwrap_err();
    assert!(
        matches!(refused, SendError::NoTopic { .. }) && refused.to_string().contains("NATS"),
        "{refused}"
    );
    for nowhere in ["a b", "a..b", ".a", "a.", ""] {
        let to = Route::BalancedEvent { event: nowhere.into(), group: "g".into() };
        let refused = node.send(&to, PacketKind::Event, b"{}").unwrap_err();
        assert!(matches!(refused, SendError::NoTopic { .. }), "{nowhere:?}");
    }
    node.send(&node.route(), PacketKind::Event, b"still here").unwrap();
    node.until("six refusals are told and a frame arrives", |log| {
        log.unsent.is_empty() && log.refused.len() == 6 && log.frames.len() == 1
    })
    .await;
    assert_eq!(node.log(|log| log.frames[0].1.clone()), "still here");

    let balanced = Subscription::BalancedRequest { action: "a b".into() };
    let refused = node.live.subscribe(&[balanced]).await.unwrap_err();
    assert_eq!(refused.topic(), Some("MOL.REQB.a b"));
    node.stop().await;
}
