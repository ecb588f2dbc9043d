//! What a Kafka cluster does to its clients, from librdkafka's mock: it speaks enough of the protocol to
//! lose leaders and members at will, which a single real server cannot. It is not Kafka.
#![allow(clippy::disallowed_methods, reason = "a test ends with all its tasks and threads")]

mod support;

use ligand_transporters::kafka::Kafka;
use ligand_transporters::{PacketKind, Subscription, TransportError, Up};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey as Api, RDKafkaRespErr as Error};
use std::time::{Duration, Instant};
use tests_support::Node;
use tokio::time::sleep;

const TOPIC: &str = "MOL-mock.EVENT.me";
const BROKERS: i32 = 3;

/// The mock, which exists as long as a test holds it. It creates no topics when asked by a client.
type Mock = MockCluster<'static, DefaultProducerContext>;

fn mock() -> Mock {
    let mock = MockCluster::new(BROKERS).unwrap();
    mock.create_topic(TOPIC, 1, BROKERS).unwrap();
    mock.partition_leader(TOPIC, 0, Some(1)).unwrap();
    mock
}

const EVENTS: Subscription = Subscription::Own(PacketKind::Event);

/// A node that reads what it sends to itself.
async fn node(mock: &Mock, query: &str) -> Node {
    let node = connect(mock, query).await;
    node.subscribe(&[EVENTS]).await.unwrap();
    node
}

async fn connect(mock: &Mock, query: &str) -> Node {
    connect_as(mock, "me", query).await
}

async fn connect_as(mock: &Mock, id: &str, query: &str) -> Node {
    let url = format!("kafka://{}?consumer.fetch.wait.max.ms=10&{query}", mock.bootstrap_servers());
    Node::connect(&Kafka::from_url(&url).unwrap(), "mock", id).await.unwrap()
}

/// Sends numbers, now and then with something in between.
async fn send(node: &Node, numbers: std::ops::Range<u32>, mut between: impl FnMut(u32)) {
    let to = node.route();
    for number in numbers {
        between(number);
        node.send(&to, PacketKind::Event, number.to_string().as_bytes()).unwrap();
        sleep(Duration::from_millis(5)).await;
    }
}

/// Each must come once, in order.
async fn each_came_once(node: &Node, count: u32) {
    let expected: Vec<String> = (0..count).map(|number| number.to_string()).collect();
    node.until("all have come", |log| log.frames.len() >= expected.len()).await;
    assert_eq!(node.texts(PacketKind::Event), expected);
    node.log(|log| assert_eq!((log.downs.len(), &*log.ups), (0, &[Up::First][..])));
}

#[tokio::test]
async fn a_leader_that_moves_costs_no_frame_and_repeats_none() {
    let mock = mock();
    let node = node(&mock, "").await;
    send(&node, 0..600, |number| {
        if number % 100 == 50 {
            let leader = i32::try_from(number / 100).unwrap() % BROKERS + 1;
            mock.partition_leader(TOPIC, 0, Some(leader)).unwrap();
        }
    })
    .await;
    each_came_once(&node, 600).await;
    node.stop().await;
}

#[tokio::test]
async fn a_member_that_the_group_forgot_reads_on_where_it_was() {
    let mock = mock();
    // The mock waits for the member that it was told to forget until its session ends.
    let node = node(&mock, "consumer.heartbeat.interval.ms=100&consumer.session.timeout.ms=6000").await;
    send(&node, 0..800, |number| match number {
        50 => mock.request_errors(Api::Heartbeat, &[Error::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID]),
        300 => mock.request_errors(Api::Heartbeat, &[Error::RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION]),
        500 => mock.request_errors(Api::Heartbeat, &[Error::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS]),
        _ => {}
    })
    .await;
    each_came_once(&node, 800).await;
    node.stop().await;
}

#[tokio::test]
async fn a_coordinator_that_moves_is_found_again() {
    let mock = mock();
    let node = node(&mock, "consumer.heartbeat.interval.ms=100").await;
    send(&node, 0..400, |number| {
        if number % 100 == 50 {
            let moved = [Error::RD_KAFKA_RESP_ERR_NOT_COORDINATOR; 3];
            mock.request_errors(Api::Heartbeat, &moved);
            mock.request_errors(
                Api::FindCoordinator,
                &[Error::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE; 2],
            );
        }
    })
    .await;
    each_came_once(&node, 400).await;
    node.stop().await;
}

/// What happens to the topic, and what is said of it.
async fn who_is_deaf_says_so_and_comes_back(what: Error, said: &str, query: &str) {
    let mock = mock();
    let query = format!("consumer.topic.metadata.refresh.interval.ms=100&closeTimeout=200ms{query}");
    let node = node(&mock, &query).await;
    mock.topic_error(TOPIC, what).unwrap();
    node.until("it is told that it is deaf", |log| log.deaf.len() == 1 && log.downs.len() == 1).await;
    node.log(|log| {
        assert!(log.deaf[0].contains(TOPIC) && log.deaf[0].contains(said), "{:?}", log.deaf);
        assert!(log.refused[0].contains(TOPIC), "{:?}", log.refused);
        assert_eq!(log.ups, [Up::First]);
    });
    mock.topic_error(TOPIC, Error::RD_KAFKA_RESP_ERR_NO_ERROR).unwrap();
    node.until("it is back", |log| log.ups == [Up::First, Up::Again]).await;
    let to = node.route();
    node.send(&to, PacketKind::Event, b"heard").unwrap();
    node.until("it hears again", |log| log.frames.iter().any(|(_, payload)| payload == "heard")).await;
    node.stop().await;
}

#[tokio::test]
async fn a_topic_that_may_not_be_read_any_more_is_noticed_at_once() {
    let what = Error::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    who_is_deaf_says_so_and_comes_back(what, "authorization failed", "").await;
}

#[tokio::test]
async fn a_topic_that_is_gone_is_noticed_when_it_is_not_read_for_too_long() {
    let what = Error::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    who_is_deaf_says_so_and_comes_back(what, "was it deleted", "&connectTimeout=5s").await;
}

#[tokio::test]
async fn slow_servers_keep_order_and_frames() {
    let mock = mock();
    let node = node(&mock, "").await;
    // It answers each fetch with one batch.
    for broker in 1..=BROKERS {
        mock.broker_round_trip_time(broker, Duration::from_millis(50)).unwrap();
    }
    send(&node, 0..100, |_| {}).await;
    each_came_once(&node, 100).await;
    node.stop().await;
}

#[tokio::test]
async fn throttled_requests_are_made_again() {
    let mock = mock();
    let node = node(&mock, "").await;
    send(&node, 0..300, |number| {
        if number % 100 == 50 {
            mock.request_errors(Api::Fetch, &[Error::RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED; 3]);
        }
    })
    .await;
    each_came_once(&node, 300).await;
    node.stop().await;
}

#[tokio::test]
async fn a_node_is_disconnected_when_the_last_server_is_gone_and_not_before() {
    let mock = mock();
    let node = node(&mock, "").await;
    for broker in 2..=BROKERS {
        mock.broker_down(broker).unwrap();
    }
    send(&node, 0..100, |_| {}).await;
    node.log(|log| assert_eq!(log.downs.len(), 0));
    mock.broker_down(1).unwrap();
    node.until("the loss is noticed", |log| log.downs.len() == 1).await;
    for broker in 1..=BROKERS {
        mock.broker_up(broker).unwrap();
    }
    node.until("it is back", |log| log.ups == [Up::First, Up::Again]).await;
    node.stop().await;
}

#[tokio::test]
async fn a_right_to_read_that_is_taken_back_is_told_with_the_topic() {
    let mock = mock();
    let node = node(&mock, "consumer.topic.metadata.refresh.interval.ms=200").await;
    mock.topic_error(TOPIC, Error::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED).unwrap();
    node.until("the refusal is told", |log| log.refused.iter().any(|told| told.contains(TOPIC))).await;
    node.stop().await;
}

#[tokio::test]
async fn the_leader_of_a_topic_that_exists_is_waited_for() {
    let mock = mock();
    mock.partition_leader(TOPIC, 0, None).unwrap();
    let node = connect(&mock, "").await;
    let subscribing = node.subscribe(&[EVENTS]);
    let late = async {
        // Meanwhile another node gets through whose topic has a leader.
        mock.create_topic("MOL-mock.EVENT.other", 1, BROKERS).unwrap();
        connect_as(&mock, "other", "").await.listens(&[EVENTS]).await.stop().await;
        mock.partition_leader(TOPIC, 0, Some(2)).unwrap();
        Instant::now()
    };
    let (subscribed, led) = tokio::join!(async { (subscribing.await, Instant::now()) }, late);
    subscribed.0.unwrap();
    assert!(subscribed.1 > led, "without a leader");
    send(&node, 0..10, |_| {}).await;
    each_came_once(&node, 10).await;
    node.stop().await;
}

#[tokio::test]
async fn a_topic_that_gets_no_leader_is_named_after_ten_seconds() {
    let mock = mock();
    mock.partition_leader(TOPIC, 0, None).unwrap();
    let node = connect(&mock, "").await;
    let began = Instant::now();
    let error = node.subscribe(&[EVENTS]).await.unwrap_err();
    assert!(matches!(&error, TransportError::Subscribe { topic, .. } if topic == TOPIC), "{error}");
    assert!(error.to_string().contains("no leader"), "{error}");
    let took = began.elapsed();
    assert!((Duration::from_secs(9)..Duration::from_secs(14)).contains(&took), "it took {took:?}");
    node.stop().await;
}
