//! Queues and exchanges as the server knows them.

use ligand_transporters::{PacketKind, Route, Subscription, TransportError};

use crate::node::{Node, namespace, to};
use crate::server::Server;
use crate::support::url;

/// What Moleculer declares for a node without options (protocol chapter 3.5): name, whether it is deleted
/// with its last consumer, whether it expires.
const QUEUES: &[(&str, bool, bool)] = &[
    ("REQ.me", false, true),
    ("RES.me", false, true),
    ("EVENT.me", false, true),
    ("DISCOVER.me", true, false),
    ("INFO.me", true, false),
    ("PING.me", true, false),
    ("HEARTBEAT.me", true, false),
    ("DISCONNECT.me", true, false),
    ("PONG.me", true, false),
    ("REQB.math.add", false, false),
    ("EVENTB.mail.order.created", false, true),
];

fn balanced() -> [Subscription; 2] {
    [
        Subscription::BalancedRequest { action: "math.add".into() },
        Subscription::BalancedEvent { event: "order.created".into(), group: "mail".into() },
    ]
}

async fn declare_all(server: &Server, namespace: &str) {
    for (name, auto_delete, expires) in QUEUES {
        let arguments: &[_] = if *expires { &[("x-expires", 120_000)] } else { &[] };
        let name = format!("MOL-{namespace}.{name}");
        server.declare(&name, *auto_delete, arguments).await.unwrap_or_else(|why| panic!("{name}: {why}"));
    }
}

#[tokio::test]
async fn queues_are_declared_as_moleculer_declares_them_whoever_comes_first() {
    let (url, namespace) = (url("AMQP_URL"), namespace());
    let server = Server::at(&url).await;
    declare_all(&server, &namespace).await;
    let node = Node::join(&url, &namespace, "me").await.unwrap();
    node.subscribe_all().await;
    node.live.subscribe(&balanced()).await.unwrap();
    for (name, ..) in QUEUES {
        let name = format!("MOL-{namespace}.{name}");
        assert_eq!(server.consumers(&name).await, Some(1), "{name}");
    }
    node.stop().await;

    for (name, auto_delete, _) in QUEUES {
        let name = format!("MOL-{namespace}.{name}");
        assert_eq!(
            server.consumers(&name).await,
            (!auto_delete).then_some(0),
            "{name} after the node has left"
        );
    }
    let node = Node::join(&url, &namespace, "me").await.unwrap();
    node.subscribe_all().await;
    node.live.subscribe(&balanced()).await.unwrap();
    declare_all(&server, &namespace).await;
    node.stop().await;
}

#[tokio::test]
async fn a_queue_that_the_server_refuses_is_named_and_the_rest_works() {
    let (url, namespace) = (url("AMQP_URL"), namespace());
    let server = Server::at(&url).await;
    let taken = format!("MOL-{namespace}.REQB.math.add");
    server.declare(&taken, false, &[("x-max-length", 5)]).await.unwrap();
    let node = Node::join(&url, &namespace, "me").await.unwrap();
    node.subscribe_all().await;
    let refused = node.live.subscribe(&balanced()[..1]).await.unwrap_err();
    assert_eq!(refused.topic(), Some(taken.as_str()));
    assert!(refused.to_string().contains("inequivalent arg"), "{refused}");
    node.live.subscribe(&balanced()[1..]).await.unwrap();
    node.send(&to("me"), PacketKind::Ping, "still here").unwrap();
    node.until("a frame arrives", |record| !record.frames.is_empty()).await;
    assert!(node.look(|record| record.downs.is_empty()));
    node.stop().await;
}

#[tokio::test]
async fn a_user_who_may_declare_nothing_is_told_the_queue() {
    let node = Node::join(&url("AMQP_RESTRICTED_URL"), &namespace(), "me").await.unwrap();
    let refused = node.live.subscribe(&[Subscription::Own(PacketKind::Request)]).await.unwrap_err();
    assert!(matches!(refused, TransportError::Subscribe { .. }), "{refused:?}");
    assert!(refused.to_string().contains(".REQ.me") && refused.to_string().contains("refused"), "{refused}");
    // An exchange that may not be declared is told too, and the session goes on.
    node.send(&Route::Broadcast, PacketKind::Info, "{}").unwrap();
    node.until("the refused exchange is reported", |record| {
        record.refused.iter().any(|why| why.contains(".INFO"))
    })
    .await;
    assert!(node.look(|record| record.downs.is_empty()));
    node.stop().await;
}

#[tokio::test]
async fn a_wrong_password_is_told_at_once_and_not_printed() {
    let wrong = url("AMQP_URL").replacen("guest:guest", "guest:canary", 1);
    let Err(refused) = Node::join(&wrong, &namespace(), "me").await else { panic!("it let us in") };
    assert!(!refused.is_retryable(), "{refused:?}");
    let text = format!("{refused} {refused:?}");
    assert!(text.contains("ACCESS_REFUSED") && !text.contains("canary"), "{text}");
}

#[tokio::test]
async fn a_virtual_host_that_is_not_there_is_told_at_once() {
    let Err(refused) = Node::join(&format!("{}/nowhere", url("AMQP_URL")), &namespace(), "me").await else {
        panic!("it let us in")
    };
    assert!(!refused.is_retryable() && refused.to_string().contains("nowhere"), "{refused:?}");
}
