//! A master that changes, and nodes that follow it.

use ligand_transporters::{PacketKind, Subscription, Up};

use super::support::{Node, url};
use super::{ask, clients, conforms_behind, redis, to};

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
    other.send(&to(&node), PacketKind::Event, b"at the new one").unwrap();
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
