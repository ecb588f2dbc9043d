//! Redis against real servers.

mod support;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ligand_transporters::conformance::{self, Fixture};
use ligand_transporters::redis::Redis;
use ligand_transporters::{NodeId, PacketKind, Route, Subscription, TransportError, Transporter, Up};
use ligand_transporters::{transporter_for, transporter_with};

use support::held::{self, HOLD};
use support::{Node, Proxy, address, at, conforms, url};

fn redis(url: &str) -> Arc<dyn Transporter> {
    Arc::new(Redis::from_url(url).unwrap())
}

/// Asks a server directly.
async fn ask(url: &str, command: &str) -> redis::Value {
    let client = redis::Client::open(format!("redis://{}", address(url))).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut words = command.split(' ');
    let mut asked = redis::cmd(words.next().unwrap());
    words.for_each(|word| {
        asked.arg(word);
    });
    asked.query_async(&mut connection).await.unwrap()
}

/// Connections of a name, as `CLIENT LIST` shows them.
async fn clients(url: &str, name: &str) -> Vec<String> {
    let list: String = redis::from_redis_value(ask(url, "CLIENT LIST").await).unwrap();
    let name = format!(" name={name} ");
    list.lines().filter(|line| line.contains(&name)).map(str::to_owned).collect()
}

fn to(node: &Node) -> Route {
    Route::Node { id: node.link.node().clone(), addr: None }
}

/// Runs the conformance suite where servers tell addresses of others: each node has a proxy in front of
/// each of them.
async fn conforms_behind(
    told: Vec<String>,
    make: impl Fn(&[String], &str) -> String + Send + Sync + Clone + 'static,
) {
    type Proxies = Arc<Mutex<HashMap<usize, Vec<Proxy>>>>;
    conformance::run(|| {
        let (told, make) = (told.clone(), make.clone());
        let proxies: Proxies = Arc::default();
        let each = |proxies: &Proxies, id: &NodeId, act: fn(&Proxy)| {
            let node = id.as_str().rsplit('-').next().and_then(|number| number.parse().ok()).unwrap();
            proxies.lock().unwrap()[&node].iter().for_each(act);
        };
        let (cut, restored) = (Arc::clone(&proxies), Arc::clone(&proxies));
        Fixture::new(move |node| {
            let mut proxies = proxies.lock().unwrap();
            let proxies =
                proxies.entry(node).or_insert_with(|| told.iter().map(|one| Proxy::start(one)).collect());
            let reached: Vec<String> = proxies.iter().map(Proxy::address).collect();
            let map: Vec<String> =
                told.iter().zip(&reached).map(|(told, reached)| format!("{told}={reached}")).collect();
            redis(&make(&reached, &map.join(",")))
        })
        .with_patience(Duration::from_secs(20))
        .with_break(move |id| each(&cut, id, Proxy::cut), move |id| each(&restored, id, Proxy::restore))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_single_server_conforms() {
    conforms(&url("REDIS_URL"), redis).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_conforms() {
    let cluster = url("REDIS_CLUSTER_URL");
    let nodes = cluster.split_once("://").unwrap().1.split(',').map(str::to_owned).collect();
    conforms_behind(nodes, |reached, map| format!("redis-cluster://{}?natMap={map}", reached.join(",")))
        .await;
}

#[tokio::test]
async fn a_cluster_tells_the_nodes_that_nobody_named() {
    let cluster = url("REDIS_CLUSTER_URL");
    let told: Vec<&str> = cluster.split_once("://").unwrap().1.split(',').collect();
    let proxies: Vec<Proxy> = told.iter().map(|told| Proxy::start(told)).collect();
    let map: Vec<String> =
        told.iter().zip(&proxies).map(|(told, proxy)| format!("{told}={}", proxy.address())).collect();
    let one = format!("redis-cluster://{}?natMap={}", proxies[0].address(), map.join(","));
    let node = Node::connect(&*redis(&one), "told", "me").await.unwrap();
    node.subscribe(&[Subscription::Own(PacketKind::Event)]).await.unwrap();
    let other = Node::connect(&*redis(&cluster), "told", "other").await.unwrap();
    proxies[0].connections(2).await;
    proxies[0].cut();
    node.until("it is back at another node", |log| log.ups == [Up::First, Up::Again]).await;
    other.send(&to(&node), PacketKind::Event, b"across").unwrap();
    node.until("a frame crosses the cluster", |log| log.frames.len() == 1).await;
    node.stop().await;
    other.stop().await;
}

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_verified() {
    support::tls::verifies("REDIS", |url, options| {
        let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        transporter_with("Redis", [("url".to_owned(), url.to_owned())].into_iter().chain(options))
    })
    .await;
}

#[tokio::test]
async fn the_objects_of_node_reach_each_kind_of_server() {
    let cluster: Vec<String> = url("REDIS_CLUSTER_URL")
        .split_once("://")
        .unwrap()
        .1
        .split(',')
        .map(|node| format!("\"{node}\""))
        .collect();
    let sentinel = url("REDIS_SENTINEL_URL");
    let (host, port) = address(&sentinel).rsplit_once(':').unwrap();
    let single = url("REDIS_URL");
    let single_port = address(&single).rsplit_once(':').unwrap().1;
    for options in [
        vec![("host", "127.0.0.1".to_owned()), ("port", single_port.to_owned()), ("db", "3".to_owned())],
        vec![("name", "mymaster".to_owned()), ("sentinels", format!(r#"{{"host":"{host}","port":{port}}}"#))],
        vec![("cluster", format!(r#"{{"nodes":[{}],"clusterOptions":{{}}}}"#, cluster.join(",")))],
    ] {
        let options = options.into_iter().map(|(name, value)| (name.to_owned(), value));
        let transporter = transporter_with("Redis", options).unwrap();
        Node::connect(&*transporter, "", "objects").await.unwrap().stop().await;
    }
    transporter_for("redis://").unwrap();
}

#[tokio::test]
async fn a_wrong_password_fails_the_start_and_is_not_printed() {
    let wrong = url("REDIS_AUTH_URL").replace("secret", "canary");
    let error = Node::connect(&*redis(&wrong), "", "me").await.err().unwrap().to_string();
    assert!(error.contains(address(&wrong)) && !error.contains("canary"), "{error}");
    let right = format!("{}/2", url("REDIS_AUTH_URL"));
    Node::connect(&*redis(&right), "", "me").await.unwrap().stop().await;
}

#[tokio::test]
async fn a_refused_subscription_names_its_channel() {
    let node = Node::connect(&*redis(&url("REDIS_RESTRICTED_URL")), "denied", "me").await.unwrap();
    let topics = [Subscription::Broadcast(PacketKind::Info), Subscription::Own(PacketKind::Info)];
    let error = node.subscribe(&topics).await.unwrap_err();
    assert!(
        matches!(&error, TransportError::Subscribe { topic, .. } if topic == "MOL-denied.INFO"),
        "{error}"
    );
    node.stop().await;
    let allowed = Node::connect(&*redis(&url("REDIS_RESTRICTED_URL")), "", "me").await.unwrap();
    allowed.subscribe(&topics).await.unwrap();
    allowed.stop().await;
}

#[tokio::test]
async fn a_refused_publish_is_told_and_the_rest_goes_through() {
    let node = Node::connect(&*redis(&url("REDIS_RESTRICTED_URL")), "mute", "me").await.unwrap();
    node.send(&Route::Broadcast, PacketKind::Info, b"{}").unwrap();
    node.until("the refusal is told", |log| !log.refused.is_empty()).await;
    let told = node.log(|log| log.refused[0].clone());
    assert!(told.contains("MOL-mute.INFO"), "{told}");
    assert_eq!(node.log(|log| log.downs), 0);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_connections_leave_two_and_each_subscription_once() {
    let server = url("REDIS_URL");
    let proxy = Proxy::start(address(&server));
    let node = Node::connect(&*redis(&at(&server, &proxy.address())), "cuts", "broken").await.unwrap();
    node.subscribe(&[Subscription::Own(PacketKind::Event), Subscription::Broadcast(PacketKind::Info)])
        .await
        .unwrap();
    let other = Node::connect(&*redis(&server), "cuts", "other").await.unwrap();
    for round in 1..=10 {
        // With frames under way in both directions.
        for _ in 0..20 {
            node.send(&Route::Broadcast, PacketKind::Heartbeat, b"{}").unwrap();
            other.send(&to(&node), PacketKind::Event, b"under way").unwrap();
        }
        proxy.cut();
        node.until("the loss is noticed", |log| log.downs == round).await;
        proxy.restore();
        node.until("it is back", |log| log.ups.len() == round + 1).await;
    }
    proxy.connections(2).await;
    let listed = clients(&server, "ligand:broken").await;
    assert_eq!(listed.len(), 2, "{listed:?}");
    assert!(listed.iter().any(|line| line.contains(" sub=2 ")), "{listed:?}");
    other.send(&to(&node), PacketKind::Event, b"once").unwrap();
    other.send(&to(&node), PacketKind::Event, b"end").unwrap();
    node.until("the end arrives", |log| log.frames.iter().any(|(_, payload)| payload == "end")).await;
    let once = node.log(|log| log.frames.iter().filter(|(_, payload)| payload == "once").count());
    assert_eq!(once, 1);
    node.stop().await;
    other.stop().await;
    proxy.connections(0).await;
}

#[tokio::test]
async fn losing_the_first_server_moves_the_node_to_the_next() {
    let server = url("REDIS_URL");
    let (first, second) = (Proxy::start(address(&server)), Proxy::start(address(&server)));
    let both = format!("redis://{},{}", first.address(), second.address());
    let node = Node::connect(&*redis(&both), "hosts", "me").await.unwrap();
    first.connections(2).await;
    first.cut();
    second.connections(2).await;
    node.until("it is back", |log| log.ups == [Up::First, Up::Again]).await;
    node.stop().await;
}

#[tokio::test]
async fn a_server_that_falls_silent_is_noticed() {
    let server = url("REDIS_URL");
    let proxy = Proxy::start(address(&server));
    let quick = format!("{}?pingInterval=100ms&commandTimeout=300ms", at(&server, &proxy.address()));
    let node = Node::connect(&*redis(&quick), "frozen", "me").await.unwrap();
    proxy.freeze();
    node.until("the silence is noticed", |log| log.downs == 1).await;
    assert!(node.log(|log| log.reasons[0].contains("no answer for 300ms")));
    proxy.restore();
    node.until("it is back", |log| log.ups.len() == 2).await;
    node.stop().await;
}

#[tokio::test]
async fn what_a_silent_server_was_to_get_does_not_come_late() {
    held::nothing_arrives_late(Proxy::start, &url("REDIS_URL"), "late", HOLD, redis).await;
}

#[tokio::test]
async fn what_waits_for_a_silent_server_is_told_as_unsent() {
    held::what_waits_is_told_as_unsent(Proxy::start, &url("REDIS_URL"), "waits", redis).await;
}

#[tokio::test]
async fn a_slow_listener_that_the_server_cuts_off_learns_why() {
    let server = url("REDIS_URL");
    let node = Node::connect(&*redis(&server), "slow", "slow").await.unwrap();
    node.subscribe(&[Subscription::Own(PacketKind::Event)]).await.unwrap();
    let listed = clients(&server, "ligand:slow").await;
    let listener = listed.iter().find(|line| line.contains(" sub=1 ")).unwrap();
    let id = listener.split(' ').find_map(|field| field.strip_prefix("id=")).unwrap();
    ask(&server, &format!("CLIENT KILL ID {id}")).await;
    node.until("the loss is noticed", |log| log.downs == 1).await;
    let why = node.log(|log| log.reasons[0].clone());
    assert!(why.contains("client-output-buffer-limit"), "{why}");
    node.until("it is back", |log| log.ups.len() == 2).await;
    assert_eq!(clients(&server, "ligand:slow").await.len(), 2);
    node.stop().await;
}

#[tokio::test]
async fn a_packet_that_is_too_large_to_be_taken_ends_the_session_only() {
    let server = url("REDIS_URL");
    let small = format!("{server}?maxIncomingPacketSize=100000");
    let node = Node::connect(&*redis(&small), "large", "me").await.unwrap();
    node.subscribe(&[Subscription::Own(PacketKind::Event)]).await.unwrap();
    let other = Node::connect(&*redis(&server), "large", "other").await.unwrap();
    other.send(&to(&node), PacketKind::Event, &[b'x'; 50_000]).unwrap();
    node.until("a smaller one arrives", |log| log.frames.len() == 1).await;
    other.send(&to(&node), PacketKind::Event, &[b'x'; 500_000]).unwrap();
    node.until("it is back", |log| log.ups.len() == 2).await;
    let why = node.log(|log| log.reasons[0].clone());
    assert!(why.contains("maxIncomingPacketSize"), "{why}");
    other.send(&to(&node), PacketKind::Event, b"x").unwrap();
    node.until("the next one arrives", |log| log.frames.len() == 2).await;
    node.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn databases_and_names_of_connections_are_told_to_the_server() {
    let server = url("REDIS_URL");
    let node = Node::connect(&*redis(&format!("{server}/3?connectionName=mine")), "db", "me").await.unwrap();
    node.subscribe(&[Subscription::Own(PacketKind::Event)]).await.unwrap();
    let listed = clients(&server, "mine").await;
    assert!(listed.len() == 2 && listed.iter().all(|line| line.contains(" db=3 ")), "{listed:?}");
    // Pub/sub knows no databases.
    let other = Node::connect(&*redis(&server), "db", "other").await.unwrap();
    other.send(&to(&node), PacketKind::Event, b"across").unwrap();
    node.until("a frame arrives", |log| log.frames.len() == 1).await;
    node.stop().await;
    other.stop().await;
}
