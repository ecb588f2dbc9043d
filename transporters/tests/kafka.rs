//! Kafka against Apache Kafka.
#![allow(clippy::disallowed_methods, reason = "a test ends with all its tasks and threads")]

mod support;

use futures_util::future::join_all;
use ligand_transporters::kafka::{Kafka, KafkaOptions};
use ligand_transporters::{PacketKind, Route, Subscription, TransportError, Transporter, Up};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tests_support::{Node, is, to, until};

use support::held::{self, HOLD};
use support::slow::{Excess, a_handler_that_blocks_holds_nothing_up, a_slow_node_gives_up_events_first};
use support::standstill::a_server_that_stands_still_costs_a_bounded_amount;
use support::{Proxy, address, at, conforms_behind, is_named_without_its_password, url};

const EVENTS: Subscription = Subscription::Own(PacketKind::Event);
const REQUESTS: Subscription = Subscription::Own(PacketKind::Request);

fn kafka(query: &'static str) -> impl Fn(&str) -> Arc<dyn Transporter> + Send + Sync + Clone + 'static {
    move |url| Arc::new(Kafka::from_url(&format!("{url}?{query}")).unwrap())
}

/// A namespace that no earlier run has used: the server keeps its topics.
fn fresh(name: &str) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    format!("{name}-{}", now.as_micros())
}

async fn connect(query: &'static str, namespace: &str, id: &str) -> Node {
    Node::connect(&*kafka(query)(&url("KAFKA_URL")), namespace, id).await.unwrap()
}

async fn until_text(node: &Node, text: &'static str) {
    node.until(text, |log| log.frames.iter().any(|(_, payload)| payload == text)).await;
}

fn texts(node: &Node) -> Vec<String> {
    node.log(|log| {
        log.frames.iter().map(|(_, payload)| String::from_utf8_lossy(payload).into_owned()).collect()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_conforms() {
    conforms_behind(Proxy::posing, &url("KAFKA_URL"), kafka("")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_conforms_with_senders_as_keys_of_three_partitions() {
    let keyed = kafka("partitioning=keyed&topicPartitions=3");
    conforms_behind(Proxy::posing, &url("KAFKA_URL"), keyed).await;
}

#[tokio::test]
async fn nothing_that_is_sent_once_a_subscription_stands_is_lost() {
    let namespace = fresh("at-once");
    let sender = connect("", &namespace, "sender").await;
    for round in 0..5 {
        let id = format!("receiver-{round}");
        let receiver = connect("", &namespace, &id).await;
        receiver.subscribe(&[EVENTS, Subscription::Broadcast(PacketKind::Info)]).await.unwrap();
        sender.send(&to(&id), PacketKind::Event, b"first").unwrap();
        until_text(&receiver, "first").await;
        // Nor while other subscriptions are made.
        let more = [PacketKind::Request, PacketKind::Response].map(Subscription::Own);
        let numbers: Vec<String> = (0..200).map(|number| number.to_string()).collect();
        let sending = async {
            for number in &numbers {
                sender.send(&to(&id), PacketKind::Event, number.as_bytes()).unwrap();
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let (subscribed, ()) = tokio::join!(receiver.subscribe(&more), sending);
        subscribed.unwrap();
        until_text(&receiver, "199").await;
        assert_eq!(texts(&receiver)[1..], numbers);
        receiver.stop().await;
    }
    sender.stop().await;
}

#[tokio::test]
async fn a_node_that_restarts_under_its_id_is_told_nothing_of_before() {
    let namespace = fresh("restart");
    let sender = connect("", &namespace, "sender").await;
    let node = connect("", &namespace, "fixed").await;
    let (calls, kinds) = ([EVENTS, REQUESTS], [PacketKind::Event, PacketKind::Request]);
    node.subscribe(&calls).await.unwrap();
    let send = |from: &Node, text: &str| kinds.map(|kind| from.send(&to("fixed"), kind, text).unwrap());
    send(&sender, "handled");
    node.until("both arrive", |log| log.frames.len() == 2).await;
    node.stop().await;
    send(&sender, "nobody is there");
    // Which sends them.
    sender.stop().await;
    let sender = connect("", &namespace, "sender").await;
    let again = connect("", &namespace, "fixed").await;
    again.subscribe(&calls).await.unwrap();
    send(&sender, "end");
    again
        .until("both arrive", |log| {
            kinds.iter().all(|kind| log.frames.iter().any(|(is, text)| is == kind && text == "end"))
        })
        .await;
    assert_eq!(texts(&again), ["end", "end"]);
    again.stop().await;
    sender.stop().await;
}

fn slow(query: &str) -> Arc<dyn Transporter> {
    Arc::new(Kafka::from_url(&format!("{}?{query}", url("KAFKA_URL"))).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_slow_node_cannot_take_is_counted_events_first_and_heartbeats_pass() {
    a_slow_node_gives_up_events_first(slow, &fresh("slow"), Excess::AtOnce).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_handler_that_blocks_stops_neither_the_consumer_nor_heartbeats() {
    a_handler_that_blocks_holds_nothing_up(slow, &fresh("blocked")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_start_at_once_in_a_new_namespace_all_find_their_topics() {
    use PacketKind::{Disconnect, Discover, Event, Heartbeat, Info, Ping, Pong, Request, Response};
    let namespace = fresh("race");
    let mut nodes = Vec::new();
    for number in 0..4 {
        nodes.push(connect("", &namespace, &format!("node-{number}")).await);
    }
    let own = [Event, Request, Response, Discover, Info, Ping, Pong].map(Subscription::Own);
    let all = [Discover, Info, Disconnect, Heartbeat, Ping].map(Subscription::Broadcast);
    let twelve = [&own[..], &all[..]].concat();
    for subscribed in join_all(nodes.iter().map(|node| node.subscribe(&twelve))).await {
        subscribed.unwrap();
    }
    // They share the topics of broadcasts, whoever made them.
    for node in &nodes {
        node.send(&Route::Broadcast, Info, b"{}").unwrap();
    }
    for node in &nodes {
        node.until("each hears all", |log| log.frames.len() == nodes.len()).await;
    }
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test]
async fn no_topic_is_made_for_a_node_that_is_not_there_and_a_stop_does_not_wait_for_one() {
    let namespace = fresh("nobody");
    let node = connect("closeTimeout=4s", &namespace, "me").await;
    node.subscribe(&[EVENTS]).await.unwrap();
    for n in 0..100 {
        node.send(&to(&format!("invented-{n}")), PacketKind::Request, b"x").unwrap();
    }
    // A node that comes later is found all the same.
    node.send(&to("late"), PacketKind::Event, b"before").unwrap();
    let late = connect("", &namespace, "late").await;
    late.subscribe(&[EVENTS]).await.unwrap();
    reaches(&node, "late", &late, "after").await;
    late.stop().await;

    let token = 7;
    node.send_named(&to("invented"), PacketKind::Request, token, b"x").unwrap();
    node.send(&to("me"), PacketKind::Event, b"end").unwrap();
    until_text(&node, "end").await;
    node.live.close().await.unwrap();
    node.log(|log| {
        assert!(log.unsent.contains(&token), "{:?}", log.unsent);
        assert!(log.refused.is_empty(), "{:?}", log.refused);
    });
    node.link.shut().await;

    let server = address(&url("KAFKA_URL")).to_owned();
    let invented = tokio::task::spawn_blocking(move || {
        let mut settings = rdkafka::ClientConfig::new();
        let consumer: BaseConsumer = settings.set("bootstrap.servers", server).create().unwrap();
        let told = consumer.fetch_metadata(None, Duration::from_secs(10)).unwrap();
        let names = told.topics().iter().map(|topic| topic.name().to_owned());
        names.filter(|name| name.contains(&namespace) && name.contains("invented")).collect::<Vec<_>>()
    });
    assert_eq!(invented.await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn topics_that_exist_are_left_as_they_are() {
    let namespace = fresh("existing");
    let [info, heartbeat] = [PacketKind::Info, PacketKind::Heartbeat].map(Subscription::Broadcast);
    let first = connect("topicPartitions=3", &namespace, "first").await;
    first.subscribe(std::slice::from_ref(&info)).await.unwrap();
    let second = connect("topicPartitions=2", &namespace, "second").await;
    second.subscribe(&[info, heartbeat]).await.unwrap();
    let server = address(&url("KAFKA_URL")).to_owned();
    let partitions = tokio::task::spawn_blocking(move || {
        let mut settings = rdkafka::ClientConfig::new();
        let consumer: BaseConsumer = settings.set("bootstrap.servers", server).create().unwrap();
        ["INFO", "HEARTBEAT"].map(|kind| {
            let topic = format!("MOL-{namespace}.{kind}");
            let told = consumer.fetch_metadata(Some(&topic), Duration::from_secs(10)).unwrap();
            told.topics()[0].partitions().len()
        })
    });
    assert_eq!(partitions.await.unwrap(), [3, 2]);
    first.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_connections_leave_as_many_connections_as_before_and_each_frame_comes_once() {
    let (server, namespace) = (url("KAFKA_URL"), fresh("cuts"));
    let proxy = Proxy::posing(address(&server));
    let node =
        Node::connect(&*kafka("")(&at(&server, &proxy.address())), &namespace, "broken").await.unwrap();
    node.subscribe(&[EVENTS]).await.unwrap();
    let other = connect("", &namespace, "other").await;
    other.subscribe(&[EVENTS]).await.unwrap();
    other.send(&to("broken"), PacketKind::Event, b"first").unwrap();
    node.send(&to("other"), PacketKind::Event, b"first").unwrap();
    until_text(&node, "first").await;
    until_text(&other, "first").await;
    let first = proxy.open();
    let rounds = std::env::var("TEST_CUTS").map_or(8, |rounds| rounds.parse().unwrap());
    for round in 1..=rounds {
        // With frames under way in both directions.
        for _ in 0..20 {
            node.send(&to("other"), PacketKind::Event, b"under way").unwrap();
            other.send(&to("broken"), PacketKind::Event, b"under way").unwrap();
        }
        proxy.cut();
        node.until("the loss is noticed", |log| log.downs.len() == round).await;
        proxy.restore();
        node.until("it is back", |log| log.ups.len() == round + 1).await;
    }
    other.send(&to("broken"), PacketKind::Event, b"once").unwrap();
    node.send(&to("other"), PacketKind::Event, b"once").unwrap();
    other.send(&to("broken"), PacketKind::Event, b"end").unwrap();
    until_text(&node, "end").await;
    assert_eq!(texts(&node).iter().filter(|text| *text == "once").count(), 1);
    until("the old connections are closed", async || is(proxy.open(), |open| *open <= first)).await;
    node.stop().await;
    proxy.connections(0).await;
    other.stop().await;
}

#[tokio::test]
async fn a_server_that_falls_silent_is_noticed() {
    let (server, namespace) = (url("KAFKA_URL"), fresh("frozen"));
    let proxy = Proxy::posing(address(&server));
    let impatient = kafka("writeTimeout=3s&connectTimeout=4s&maxHold=1s");
    let node = Node::connect(&*impatient(&at(&server, &proxy.address())), &namespace, "me").await.unwrap();
    node.subscribe(&[EVENTS]).await.unwrap();
    proxy.freeze();
    node.until("the silence is noticed", |log| log.downs.len() == 1).await;
    proxy.restore();
    node.until("it is back", |log| log.ups == [Up::First, Up::Again]).await;
    node.send(&to("me"), PacketKind::Event, b"end").unwrap();
    until_text(&node, "end").await;
    node.stop().await;
}

/// Sends until something arrives: what was under way when a connection broke may be lost.
async fn reaches(from: &Node, id: &str, node: &Node, text: &'static str) {
    until(&format!("`{text}` arrives"), async || {
        // While there is no connection it is refused.
        let _ = from.send(&to(id), PacketKind::Event, text);
        let arrived = node.log(|log| log.frames.iter().any(|(_, payload)| payload == text));
        if arrived { Ok(()) } else { Err(node.log(|log| log.downs.clone())) }
    })
    .await;
}

/// A single server behind two addresses, of which it tells the one that it was asked at.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn losing_a_server_of_a_list_moves_the_node_to_the_next() {
    let (server, namespace) = (url("KAFKA_URL"), fresh("next"));
    let proxies = [Proxy::posing(address(&server)), Proxy::posing(address(&server))];
    let list = format!("kafka://{},{}", proxies[0].address(), proxies[1].address());
    let node = Node::connect(&*kafka("")(&list), &namespace, "me").await.unwrap();
    node.subscribe(&[EVENTS]).await.unwrap();
    let other = connect("", &namespace, "other").await;
    other.subscribe(&[EVENTS]).await.unwrap();
    reaches(&other, "me", &node, "to it, before").await;
    reaches(&node, "other", &other, "from it, before").await;
    for (gone, [there, back]) in [
        (0, ["to it, at the second", "from it, at the second"]),
        (1, ["to it, at the first", "from it, at the first"]),
    ] {
        proxies[gone].cut();
        proxies[1 - gone].restore();
        reaches(&other, "me", &node, there).await;
        reaches(&node, "other", &other, back).await;
        proxies[gone].connections(0).await;
    }
    node.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn what_a_silent_server_was_to_get_does_not_come_late() {
    held::nothing_old_arrives(Proxy::posing, &url("KAFKA_URL"), "late", HOLD, kafka("")).await;
}

/// Many at once: librdkafka then says of some that all servers are down, while it lets go of the list.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_server_of_a_list_is_enough() {
    let nobody = Proxy::start("127.0.0.1:1");
    nobody.cut();
    let list = format!("kafka://{},{}?connectTimeout=30s", nobody.address(), address(&url("KAFKA_URL")));
    let namespace = fresh("list");
    join_all((0..24).map(async |number| {
        let id = format!("node-{number}");
        let node = Node::connect(&Kafka::from_url(&list).unwrap(), &namespace, &id).await.unwrap();
        node.subscribe(&[EVENTS]).await.unwrap();
        reaches(&node, &id, &node, "end").await;
        node.log(|log| assert_eq!(log.downs.len(), 0));
        node.stop().await;
    }))
    .await;
}

#[tokio::test]
async fn without_a_server_connecting_fails_soon_and_names_it() {
    let began = Instant::now();
    let url = |address: &str| format!("kafka://user:canary@{address}");
    is_named_without_its_password(url, |url| Arc::new(Kafka::from_url(url).unwrap())).await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn names_that_kafka_cannot_carry_are_refused_before_anything_is_connected() {
    let error = Node::connect(&Kafka::new(), "a.b", "me").await.err().unwrap();
    assert!(matches!(&error, TransportError::Config(why) if why.contains("`a.b`")), "{error}");
    let error = Node::connect(&Kafka::new(), "", "me@home").await.err().unwrap();
    assert!(matches!(&error, TransportError::Config(why) if why.contains("`me@home`")), "{error}");
}

#[tokio::test]
async fn a_packet_larger_than_the_server_takes_is_told_with_its_topic() {
    let namespace = fresh("large");
    let node = connect("maxPacketSize=3000000", &namespace, "me").await;
    node.subscribe(&[EVENTS]).await.unwrap();
    node.send(&to("me"), PacketKind::Event, &vec![b'x'; 2_000_000]).unwrap();
    node.until("the refusal is told", |log| !log.refused.is_empty()).await;
    let told = node.log(|log| log.refused[0].clone());
    assert!(told.contains("EVENT.me") && told.contains("message.max.bytes"), "{told}");
    node.send(&to("me"), PacketKind::Event, b"end").unwrap();
    until_text(&node, "end").await;
    node.stop().await;
}

#[tokio::test]
async fn a_password_lets_a_node_in_and_a_wrong_one_is_not_printed() {
    let right = url("KAFKA_AUTH_URL");
    let node = Node::connect(&Kafka::from_url(&right).unwrap(), &fresh("login"), "me").await.unwrap();
    node.subscribe(&[EVENTS]).await.unwrap();
    node.stop().await;
    let wrong = right.replace("secret", "canary");
    let error = Node::connect(&Kafka::from_url(&wrong).unwrap(), "", "me").await.err().unwrap().to_string();
    assert!(error.contains(address(&wrong)) && !error.contains("canary"), "{error}");
    assert!(error.to_lowercase().contains("authentication"), "{error}");
}

#[tokio::test]
async fn a_refused_subscription_names_its_topic() {
    let restricted = Kafka::from_url(&url("KAFKA_RESTRICTED_URL")).unwrap();
    let namespace = fresh("denied");
    let node = Node::connect(&restricted, &namespace, "me").await.unwrap();
    let error = node.subscribe(&[Subscription::Broadcast(PacketKind::Info)]).await.unwrap_err();
    let topic = format!("MOL-{namespace}.INFO");
    assert!(matches!(&error, TransportError::Subscribe { topic: named, .. } if *named == topic), "{error}");
    node.stop().await;

    // One that exists is refused all the same.
    let owner = connect("", &namespace, "owner").await;
    owner.subscribe(&[Subscription::Broadcast(PacketKind::Info)]).await.unwrap();
    let node = Node::connect(&restricted, &namespace, "me").await.unwrap();
    let error = node.subscribe(&[Subscription::Broadcast(PacketKind::Info)]).await.unwrap_err();
    assert!(matches!(&error, TransportError::Subscribe { topic: named, .. } if *named == topic), "{error}");
    node.stop().await;
    owner.stop().await;
}

#[tokio::test]
async fn a_refused_publish_is_told_with_its_topic() {
    let restricted = Kafka::from_url(&url("KAFKA_RESTRICTED_URL")).unwrap();
    let namespace = fresh("mute");
    let owner = connect("", &namespace, "owner").await;
    owner.subscribe(&[Subscription::Broadcast(PacketKind::Info)]).await.unwrap();
    let node = Node::connect(&restricted, &namespace, "me").await.unwrap();
    node.send(&Route::Broadcast, PacketKind::Info, b"{}").unwrap();
    let topic = format!("MOL-{namespace}.INFO");
    node.until("the refusal is told", |log| log.refused.iter().any(|told| told.contains(&topic))).await;
    let _ = node.live.close().await;
    node.link.shut().await;
    owner.stop().await;
}

#[tokio::test]
async fn options_are_checked_when_they_are_set() {
    let error = KafkaOptions::new("kafka://a?groupId=x").err().unwrap().to_string();
    assert!(error.contains("no option `groupId`"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stands_still_costs_a_bounded_amount_and_what_is_unsent_stays_so() {
    let make = |url: &str, query: &str| {
        Arc::new(Kafka::from_url(&format!("{url}?connectTimeout=4s&{query}")).unwrap()) as _
    };
    let server = url("KAFKA_URL");
    let proxy = Proxy::posing(address(&server));
    a_server_that_stands_still_costs_a_bounded_amount(proxy, &server, make, &fresh("standstill")).await;
}

#[cfg(feature = "kafka-tls")]
mod tls {
    use super::*;
    use ligand_transporters::transporter_with;

    fn encrypted(url: &str) -> String {
        url.replacen("kafka://", "kafka+tls://", 1)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn certificates_are_verified() {
        // librdkafka does not pass on what OpenSSL has against a certificate.
        let refused = "certificate verify failed";
        let words = support::tls::Words { unknown: refused, expired: refused, elsewhere: refused };
        support::tls::verifies(
            "KAFKA",
            |url, options| {
                let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
                transporter_with("Kafka", [("url".to_owned(), encrypted(url))].into_iter().chain(options))
            },
            words,
        )
        .await;
    }

    #[tokio::test]
    async fn passwords_are_proved_without_being_sent() {
        let ca = format!("tls.caFile={}/ca.pem", url("TEST_TLS_DIR"));
        for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
            let url = format!("{}?{ca}&sasl.mechanism={mechanism}", encrypted(&url("KAFKA_TLS_AUTH_URL")));
            let node = Node::connect(&Kafka::from_url(&url).unwrap(), &fresh("scram"), "me").await.unwrap();
            node.subscribe(&[EVENTS]).await.unwrap();
            node.stop().await;
            let wrong = Kafka::from_url(&url.replace("secret", "canary")).unwrap();
            let error = Node::connect(&wrong, "", "me").await.err().unwrap().to_string();
            assert!(!error.contains("canary"), "{error}");
        }
    }
}
