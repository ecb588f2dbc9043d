//! A master that changes, and nodes that follow it.

use ligand_transporters::{PacketKind, Subscription, Up};
use std::time::{Duration, Instant};
use tests_support::Node;
use tests_support::servers::Added;

use super::support::url;
use super::{ask, clients, conforms_behind, redis};

async fn master(sentinel: &str) -> String {
    let told = ask(sentinel, "SENTINEL get-master-addr-by-name mymaster").await;
    let told: (String, u16) = redis::from_redis_value(told).unwrap();
    format!("{}:{}", told.0, told.1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_master_behind_sentinel_conforms_and_is_followed() {
    let sentinel = url("REDIS_SENTINEL_URL");
    let first = master(&sentinel).await;
    let mapped = sentinel.clone();
    conforms_behind(vec![first.clone()], move |_, map| format!("{mapped}?natMap={map}")).await;

    let options = format!("{sentinel}?pingInterval=100ms");
    let node = Node::connect(&*redis(&options), "switch", "me").await.unwrap();
    let other = Node::connect(&*redis(&options), "switch", "other").await.unwrap();
    node.subscribe(&[Subscription::Own(PacketKind::Event)]).await.unwrap();
    assert_eq!(clients(&first, "ligand:me").await.len(), 2);
    ask(&sentinel, "SENTINEL FAILOVER mymaster").await;
    for each in [&node, &other] {
        each.until("the switch is followed", |log| log.ups == [Up::First, Up::Again]).await;
    }
    let second = master(&sentinel).await;
    assert_ne!(first, second);
    assert_eq!(clients(&second, "ligand:me").await.len(), 2);
    assert_eq!(clients(&first, "ligand:me").await.len(), 0);
    other.send(&node.route(), PacketKind::Event, b"at the new one").unwrap();
    node.until("a frame arrives", |log| log.frames.len() == 1).await;
    node.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn a_master_that_sentinel_does_not_know_is_named() {
    let unknown = url("REDIS_SENTINEL_URL").replace("mymaster", "nobody");
    let error = Node::connect(&*redis(&unknown), "", "me").await.err().unwrap();
    assert!(error.is_retryable() && error.to_string().contains("`nobody`"), "{error}");
}

/// Sentinel takes a master for dead after a second here, and may need a few more to choose another one.
const SWITCH: Duration = Duration::from_secs(20);

/// It tells a former master some ten seconds after its return, and looks away for half a minute when the
/// machine stood still.
const RETURN: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_is_killed_is_left_for_its_replica() {
    let servers = Added::new("redis-sentinel").await;
    let (sentinel, former) = (&servers.url, servers.instance("-master"));
    let first = master(sentinel).await;
    let node = Node::connect(&*redis(sentinel), "killed", "me").await.unwrap();
    let other = Node::connect(&*redis(sentinel), "killed", "other").await.unwrap();
    node.subscribe(&[Subscription::Own(PacketKind::Event)]).await.unwrap();
    let killed = Instant::now();
    servers.tell("kill", former).await;
    for each in [&node, &other] {
        each.until("the loss is noticed", |log| log.downs.len() == 1).await;
        each.until("the replica is found", |log| log.ups == [Up::First, Up::Again]).await;
    }
    assert!(killed.elapsed() < SWITCH, "it took {:?}", killed.elapsed());
    let second = master(sentinel).await;
    assert_ne!(first, second);
    assert_eq!(clients(&second, "ligand:me").await.len(), 2);
    other.send(&node.route(), PacketKind::Event, b"at the replica").unwrap();
    node.until("a frame arrives", |log| log.frames.len() == 1).await;

    // The one that was killed comes back as a master, until Sentinel tells it otherwise.
    servers.tell("start-one", former).await;
    let end = Instant::now() + RETURN;
    while role(&first).await != "slave" {
        assert!(Instant::now() < end, "the former master is still one");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    other.send(&node.route(), PacketKind::Event, b"there still").unwrap();
    node.until("a frame arrives", |log| log.frames.len() == 2).await;
    node.log(|log| assert_eq!((log.downs.len(), log.ups.len()), (1, 2)));
    node.stop().await;
    other.stop().await;
    servers.remove().await;
}

async fn role(server: &str) -> String {
    let redis::Value::Array(told) = ask(server, "ROLE").await else { panic!("no role") };
    redis::from_redis_value(told[0].clone()).unwrap()
}
