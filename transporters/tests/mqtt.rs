//! MQTT against a real server.
#![allow(clippy::disallowed_methods, reason = "a test ends with all its tasks and threads")]

mod support;

use std::sync::Arc;

use ligand_transporters::mqtt::{Mqtt, MqttOptions};
use ligand_transporters::{
    PacketKind, Route, SendError, Subscription, TransportError, Transporter, Up, transporter_with,
};
use tests_support::Node;

use support::held::{self, HOLD};
use support::slow::{Excess, a_handler_that_blocks_holds_nothing_up, a_slow_node_gives_up_events_first};
use support::standstill::a_server_that_stands_still_costs_a_bounded_amount;
use support::{Proxy, address, at, conforms, is_named_without_its_password, url};

fn mqtt(query: &'static str) -> impl Fn(&str) -> Arc<dyn Transporter> + Send + Sync + Clone + 'static {
    move |url| Arc::new(Mqtt::from_url(&format!("{url}?{query}")).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mqtt_3_conforms() {
    conforms(&url("MQTT_URL"), mqtt("")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mqtt_5_conforms() {
    conforms(&url("MQTT_URL"), mqtt("protocolVersion=5&topicSeparator=/")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quality_1_conforms() {
    conforms(&url("MQTT_URL"), mqtt("qos=1")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quality_2_of_version_5_conforms() {
    conforms(&url("MQTT_URL"), mqtt("qos=2&protocolVersion=5")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_verified() {
    support::tls::verifies(
        "MQTT",
        |url, options| {
            let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            transporter_with("MQTT", [("url".to_owned(), url.to_owned())].into_iter().chain(options))
        },
        support::tls::Words::RUSTLS,
    )
    .await;
}

#[tokio::test]
async fn an_absent_server_is_named_without_its_password_and_may_be_tried_again() {
    for version in ["4", "5"] {
        let url = |address: &str| format!("mqtt://user:canary@{address}?protocolVersion={version}");
        is_named_without_its_password(url, |url| Arc::new(Mqtt::from_url(url).unwrap())).await;
    }
}

#[tokio::test]
async fn a_wrong_password_fails_the_start_and_is_not_printed() {
    let wrong = url("MQTT_AUTH_URL").replace("secret", "canary");
    let error = Node::connect(&Mqtt::from_url(&wrong).unwrap(), "", "me").await.err().unwrap().to_string();
    assert!(error.contains(address(&wrong)) && !error.contains("canary"), "{error}");
    let right = Mqtt::from_url(&url("MQTT_AUTH_URL")).unwrap();
    Node::connect(&right, "", "me").await.unwrap().stop().await;
}

#[tokio::test]
async fn a_refused_subscription_names_its_topic() {
    for version in ["4", "5"] {
        let url = format!("{}?protocolVersion={version}", url("MQTT_RESTRICTED_URL"));
        let node = Node::connect(&Mqtt::from_url(&url).unwrap(), "denied", "me").await.unwrap();
        let error = node.subscribe(&[Subscription::Broadcast(PacketKind::Info)]).await.unwrap_err();
        assert!(
            matches!(&error, TransportError::Subscribe { topic, .. } if topic == "MOL-denied.INFO"),
            "{error}"
        );
        node.stop().await;
    }
}

#[tokio::test]
async fn a_refused_publish_of_version_5_is_told() {
    let url = format!("{}?protocolVersion=5&qos=1", url("MQTT_RESTRICTED_URL"));
    let node = Node::connect(&Mqtt::from_url(&url).unwrap(), "mute", "me").await.unwrap();
    node.send(&Route::Broadcast, PacketKind::Info, b"{}").unwrap();
    node.until("the refusal is told", |log| !log.refused.is_empty()).await;
    let told = node.log(|log| log.refused[0].clone());
    assert!(told.contains("MOL-mute.INFO"), "{told}");
    node.stop().await;
}

#[tokio::test]
async fn a_packet_above_the_limit_that_a_server_of_version_5_tells_fails_at_its_sender() {
    let url = format!("{}?protocolVersion=5", url("MQTT_AUTH_URL"));
    let node = Node::connect(&Mqtt::from_url(&url).unwrap(), "limit", "me").await.unwrap();
    node.subscribe(&[Subscription::Own(PacketKind::Event)]).await.unwrap();
    let to = Route::Node { id: node.link.node().clone(), addr: None };
    // What MQTT and the longest topic add does not count as payload.
    let Err(SendError::TooLarge { limit, .. }) = node.send(&to, PacketKind::Event, &[b'x'; 65_536]) else {
        panic!("it was taken")
    };
    assert!((64_000..65_536).contains(&limit), "{limit}");
    let refused = node.send(&to, PacketKind::Event, &vec![b'x'; limit + 1]);
    assert_eq!(refused, Err(SendError::TooLarge { size: limit + 1, limit }));
    node.send(&to, PacketKind::Event, &vec![b'x'; limit]).unwrap();
    node.until("the largest arrives", |log| log.frames.len() == 1).await;
    node.log(|log| assert_eq!((log.frames[0].1.len(), log.downs.len()), (limit, 0)));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_connections_leave_one_connection_and_each_subscription_once() {
    for query in ["", "?qos=1", "?qos=2&protocolVersion=5"] {
        let server = url("MQTT_URL");
        let proxy = Proxy::start(address(&server));
        let broken = Mqtt::from_url(&format!("{}{query}", at(&server, &proxy.address()))).unwrap();
        let node = Node::connect(&broken, "cuts", "broken").await.unwrap();
        node.subscribe(&[Subscription::Own(PacketKind::Event)]).await.unwrap();
        let other = Node::connect(&Mqtt::from_url(&server).unwrap(), "cuts", "other").await.unwrap();
        let to = Route::Node { id: node.link.node().clone(), addr: None };
        for round in 1..=8 {
            // With frames under way in both directions.
            for _ in 0..20 {
                node.send(&Route::Broadcast, PacketKind::Heartbeat, b"{}").unwrap();
                other.send(&to, PacketKind::Event, b"under way").unwrap();
            }
            proxy.cut();
            node.until("the loss is noticed", |log| log.downs.len() == round).await;
            proxy.restore();
            node.until("it is back", |log| log.ups.len() == round + 1).await;
        }
        proxy.connections(1).await;
        other.send(&to, PacketKind::Event, b"once").unwrap();
        other.send(&to, PacketKind::Event, b"end").unwrap();
        node.until("the end arrives", |log| log.frames.iter().any(|(_, payload)| payload == "end")).await;
        let once = node.log(|log| log.frames.iter().filter(|(_, payload)| payload == "once").count());
        assert_eq!(once, 1);
        node.stop().await;
        other.stop().await;
    }
}

#[tokio::test]
async fn losing_the_first_server_moves_the_node_to_the_next() {
    let server = url("MQTT_URL");
    let (first, second) = (Proxy::start(address(&server)), Proxy::start(address(&server)));
    let both = Mqtt::from_url(&format!("mqtt://{},{}", first.address(), second.address())).unwrap();
    let node = Node::connect(&both, "hosts", "me").await.unwrap();
    first.connections(1).await;
    first.cut();
    second.connections(1).await;
    node.until("it is back", |log| log.ups == [Up::First, Up::Again]).await;
    node.stop().await;
}

#[tokio::test]
async fn what_a_silent_server_was_to_get_does_not_come_late() {
    let server = url("MQTT_URL");
    let by = |query| held::nothing_arrives_late(Proxy::start, &server, "late", HOLD, mqtt(query));
    tokio::join!(by(""), by("protocolVersion=5&keepalive=60"), by("qos=1"), by("qos=2&protocolVersion=5"));
    for (hold, query) in [(1, "maxHold=1s"), (2, "maxHold=2s&protocolVersion=5")] {
        let hold = std::time::Duration::from_secs(hold);
        held::nothing_arrives_late(Proxy::start, &server, "sooner", hold, mqtt(query)).await;
    }
}

#[tokio::test]
async fn what_waits_for_a_silent_server_is_told_as_unsent() {
    for query in ["maxHold=1s", "maxHold=1s&protocolVersion=5"] {
        held::what_waits_is_told_as_unsent(Proxy::start, &url("MQTT_URL"), "waits", mqtt(query)).await;
    }
}

#[tokio::test]
async fn a_server_that_falls_silent_is_noticed() {
    let server = url("MQTT_URL");
    let proxy = Proxy::start(address(&server));
    let options = MqttOptions::new(&at(&server, &proxy.address())).unwrap();
    let mut options = options;
    options.keep_alive = std::time::Duration::from_secs(1);
    let node = Node::connect(&Mqtt::with_options(options).unwrap(), "frozen", "me").await.unwrap();
    proxy.freeze();
    node.until("the silence is noticed", |log| log.downs.len() == 1).await;
    proxy.restore();
    node.until("it is back", |log| log.ups.len() == 2).await;
    node.stop().await;
}

fn slow(query: &str) -> Arc<dyn Transporter> {
    Arc::new(Mqtt::from_url(&format!("{}?{query}", url("MQTT_URL"))).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_slow_node_cannot_take_is_counted_events_first_and_heartbeats_pass() {
    a_slow_node_gives_up_events_first(slow, "slow", Excess::AtOnce).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_handler_that_blocks_holds_up_no_heartbeats() {
    a_handler_that_blocks_holds_nothing_up(slow, "blocked").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stands_still_costs_a_bounded_amount_and_what_is_unsent_stays_so() {
    let make = |url: &str, query: &str| Arc::new(Mqtt::from_url(&format!("{url}?{query}")).unwrap()) as _;
    let server = url("MQTT_URL");
    let proxy = Proxy::start(address(&server));
    a_server_that_stands_still_costs_a_bounded_amount(proxy, &server, make, "standstill").await;
}
