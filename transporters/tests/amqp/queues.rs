//! Queues and exchanges as the server knows them.

use ligand_transporters::{PacketKind, Route, Subscription, TransportError, Up};
use tests_support::{Node, to};

use crate::node::{join, namespace, subscribe_all};
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
    let node = join(&url, &namespace, "me").await.unwrap();
    subscribe_all(&node).await;
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
    let node = join(&url, &namespace, "me").await.unwrap();
    subscribe_all(&node).await;
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
    let node = join(&url, &namespace, "me").await.unwrap();
    subscribe_all(&node).await;
    let refused = node.live.subscribe(&balanced()[..1]).await.unwrap_err();
    assert_eq!(refused.topic(), Some(taken.as_str()));
    assert!(refused.to_string().contains("inequivalent arg"), "{refused}");
    node.live.subscribe(&balanced()[1..]).await.unwrap();
    node.send(&to("me"), PacketKind::Ping, "still here").unwrap();
    node.until("a frame arrives", |log| !log.frames.is_empty()).await;
    assert!(node.log(|log| log.downs.is_empty()));
    node.stop().await;
}

#[tokio::test]
async fn a_user_who_may_declare_nothing_is_told_the_queue() {
    let node = join(&url("AMQP_RESTRICTED_URL"), &namespace(), "me").await.unwrap();
    let refused = node.live.subscribe(&[Subscription::Own(PacketKind::Request)]).await.unwrap_err();
    assert!(matches!(refused, TransportError::Subscribe { .. }), "{refused:?}");
    assert!(refused.to_string().contains(".REQ.me") && refused.to_string().contains("refused"), "{refused}");
    // An exchange that may not be declared is told too, and the session goes on.
    node.send(&Route::Broadcast, PacketKind::Info, "{}").unwrap();
    node.until("the refused exchange is reported", |log| log.refused.iter().any(|why| why.contains(".INFO")))
        .await;
    assert!(node.log(|log| log.downs.is_empty()));
    node.stop().await;
}

/// A node of a user who may consume, and publish to nothing but the exchange of heartbeats.
async fn listener(query: &str, namespace: &str) -> Node {
    let node = join(&format!("{}{query}", url("AMQP_LISTENER_URL")), namespace, "me").await.unwrap();
    node.live.subscribe(&[Subscription::Own(PacketKind::Event)]).await.unwrap();
    node
}

#[tokio::test]
async fn an_exchange_that_may_not_be_published_to_is_named_once_and_the_rest_works() {
    for query in ["", "?publisherConfirms=true"] {
        let namespace = namespace();
        let node = listener(query, &namespace).await;
        // Declared by somebody else, bound by this node: its user may not.
        let other = join(&url("AMQP_URL"), &namespace, "other").await.unwrap();
        other.live.subscribe(&[Subscription::Broadcast(PacketKind::Heartbeat)]).await.unwrap();
        node.send(&Route::Broadcast, PacketKind::Info, "{}").unwrap();
        let topic = format!("MOL-{namespace}.INFO");
        node.until("the refusal is reported", |log| !log.refused.is_empty()).await;
        let told = node.log(|log| log.refused[0].clone());
        assert!(told.contains(&topic) && told.contains("ACCESS_REFUSED"), "{told}");
        for _ in 0..3 {
            node.send(&Route::Broadcast, PacketKind::Info, "{}").unwrap();
            node.send(&Route::Broadcast, PacketKind::Heartbeat, "{}").unwrap();
        }
        other.until("heartbeats arrive", |log| log.frames.len() == 3).await;
        node.log(|log| {
            assert_eq!(log.refused.len(), 1, "{:?}", log.refused);
            assert!(log.downs.is_empty(), "{:?}", log.downs);
        });
        node.stop().await;
        other.stop().await;
    }
}

#[tokio::test]
async fn a_packet_for_a_node_that_may_not_be_sent_names_its_queue_and_the_next_one_fails_at_once() {
    for query in ["", "?publisherConfirms=true"] {
        let namespace = namespace();
        let node = listener(query, &namespace).await;
        node.send_named(&to("other"), PacketKind::Request, 6, "{}").unwrap();
        node.until("the refusal is reported", |log| !log.refused.is_empty()).await;
        let told = node.log(|log| log.refused[0].clone());
        assert!(told.contains(&format!("MOL-{namespace}.REQ.other")), "{told}");
        assert!(told.contains("ACCESS_REFUSED"), "{told}");
        node.send_named(&to("third"), PacketKind::Request, 7, "{}").unwrap();
        node.until("the next one is told as unsent", |log| log.unsent == [7]).await;
        node.log(|log| {
            assert!(log.refused[1].contains(&format!("MOL-{namespace}.REQ.third")), "{log:?}");
            assert!(log.downs.is_empty(), "{:?}", log.downs);
        });
        // What this node receives is not affected.
        let other = join(&url("AMQP_URL"), &namespace, "other").await.unwrap();
        other.send(&to("me"), PacketKind::Event, "still here").unwrap();
        node.until("a frame arrives", |log| log.frames.len() == 1).await;
        other.stop().await;
        node.stop().await;
    }
}

#[tokio::test]
async fn a_message_that_the_server_does_not_take_for_one_is_told_by_where_it_was_to_go() {
    for query in ["", "&publisherConfirms=true"] {
        let (url, namespace) = (url("AMQP_URL"), namespace());
        let wrong = format!("{url}?messageOptions.userId=somebody-else{query}");
        let node = join(&wrong, &namespace, "me").await.unwrap();
        for (number, (id, kind)) in
            [("REQ.other", PacketKind::Request), ("RES.other", PacketKind::Response)].into_iter().enumerate()
        {
            node.send(&to("other"), kind, "{}").unwrap();
            node.until("the refusal is reported", |log| log.refused.len() > number).await;
            let told = node.log(|log| log.refused[number].clone());
            assert!(told.contains(&format!("MOL-{namespace}.{id}")), "{told}");
            assert!(told.contains("PRECONDITION_FAILED"), "{told}");
        }
        assert!(node.log(|log| log.downs.is_empty()));
        node.stop().await;
    }
}

#[tokio::test]
async fn an_exchange_that_somebody_deletes_is_made_again_with_what_was_bound_to_it() {
    let (url, namespace) = (url("AMQP_URL"), namespace());
    let server = Server::at(&url).await;
    let node = join(&url, &namespace, "me").await.unwrap();
    subscribe_all(&node).await;
    node.send(&Route::Broadcast, PacketKind::Heartbeat, "1").unwrap();
    node.until("the first one arrives", |log| log.frames.len() == 1).await;
    let name = format!("MOL-{namespace}.HEARTBEAT");
    server.delete_exchange(&name).await;
    node.send(&Route::Broadcast, PacketKind::Heartbeat, "lost").unwrap();
    node.until("it is connected again", |log| log.ups == [Up::First, Up::Again]).await;
    assert!(node.log(|log| log.downs[0].contains(&name)), "{:?}", node.log(|log| log.downs.clone()));
    node.send(&Route::Broadcast, PacketKind::Heartbeat, "2").unwrap();
    node.until("the next one arrives", |log| log.frames.len() == 2).await;
    node.stop().await;
}

#[tokio::test]
async fn a_message_for_a_full_queue_is_refused_by_the_name_of_the_queue() {
    let namespace = namespace();
    let options =
        "publisherConfirms=true&prefetch=1&queueOptions.maxLength=1&queueOptions.overflow=reject-publish";
    let node = join(&format!("{}?{options}", url("AMQP_URL")), &namespace, "me").await.unwrap();
    node.live.subscribe(&[Subscription::Own(PacketKind::Request)]).await.unwrap();
    node.send(&to("me"), PacketKind::Request, "being handled").unwrap();
    node.until("the first one arrives", |log| log.acks.len() == 1).await;
    // One has room in the queue.
    for text in ["waits", "refused"] {
        node.send(&to("me"), PacketKind::Request, text).unwrap();
    }
    node.until("the refusal is reported", |log| !log.refused.is_empty()).await;
    node.log(|log| {
        assert_eq!(log.refused.len(), 1, "{:?}", log.refused);
        assert!(log.refused[0].contains(&format!("MOL-{namespace}.REQ.me")), "{:?}", log.refused);
        log.acks.clear();
    });
    node.until("the one that waited arrives", |log| log.acks.len() == 1).await;
    node.log(|log| log.acks.clear());
    assert_eq!(node.texts(PacketKind::Request), ["being handled", "waits"]);
    node.stop().await;
}

#[tokio::test]
async fn a_wrong_password_is_told_at_once_and_not_printed() {
    let wrong = url("AMQP_URL").replacen("guest:guest", "guest:canary", 1);
    let Err(refused) = join(&wrong, &namespace(), "me").await else { panic!("it let us in") };
    assert!(!refused.is_retryable(), "{refused:?}");
    let text = format!("{refused} {refused:?}");
    assert!(text.contains("ACCESS_REFUSED") && !text.contains("canary"), "{text}");
}

#[tokio::test]
async fn a_virtual_host_that_is_not_there_is_told_at_once() {
    let Err(refused) = join(&format!("{}/nowhere", url("AMQP_URL")), &namespace(), "me").await else {
        panic!("it let us in")
    };
    assert!(!refused.is_retryable() && refused.to_string().contains("nowhere"), "{refused:?}");
}
