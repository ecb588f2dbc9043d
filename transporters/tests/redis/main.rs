//! Redis against real servers.
#![allow(clippy::disallowed_methods, reason = "a test ends with all its tasks and threads")]

mod outages;
mod sentinel;
#[path = "../support/mod.rs"]
mod support;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ligand_transporters::conformance::{self, Fixture};
use ligand_transporters::redis::Redis;
use ligand_transporters::{NodeId, PacketKind, Route, Subscription, TransportError, Transporter, Up};
use ligand_transporters::{transporter_for, transporter_with};
use tests_support::{Node, is, until};

use support::held::{self, HOLD};
use support::slow::{Excess, a_handler_that_blocks_holds_nothing_up, a_slow_node_gives_up_events_first};
use support::{Proxy, address, conforms, url};

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

/// A proxy in front of each of some servers that tell each other's addresses.
struct Proxies(Vec<(String, Proxy)>);

impl Proxies {
    fn before(servers: &[String]) -> Self {
        Self(servers.iter().map(|server| (server.clone(), Proxy::start(server))).collect())
    }

    fn addresses(&self) -> Vec<String> {
        self.0.iter().map(|(_, proxy)| proxy.address()).collect()
    }

    /// The option `natMap` that leads to them.
    fn map(&self) -> String {
        let pairs = self.0.iter().map(|(server, proxy)| format!("{server}={}", proxy.address()));
        pairs.collect::<Vec<_>>().join(",")
    }

    fn each(&self, act: fn(&Proxy)) {
        self.0.iter().for_each(|(_, proxy)| act(proxy));
    }

    /// Waits until so many connections are open through all of them.
    async fn have_open(&self, count: usize) {
        let open = || self.0.iter().map(|(_, proxy)| proxy.open()).sum::<usize>();
        until(&format!("{count} are open"), async || is(open(), |open| *open == count)).await;
    }
}

/// Where the nodes of the cluster are.
fn cluster() -> Vec<String> {
    url("REDIS_CLUSTER_URL").split_once("://").unwrap().1.split(',').map(str::to_owned).collect()
}

/// Runs the conformance suite where servers tell addresses of others: each node has a proxy in front of
/// each of them.
async fn conforms_behind(
    told: Vec<String>,
    make: impl Fn(&[String], &str) -> String + Send + Sync + Clone + 'static,
) {
    conformance::run(|| {
        let (told, make) = (told.clone(), make.clone());
        let proxies: Arc<Mutex<HashMap<usize, Proxies>>> = Arc::default();
        let each = |proxies: &Mutex<HashMap<usize, Proxies>>, id: &NodeId, act: fn(&Proxy)| {
            let node = id.as_str().rsplit('-').next().and_then(|number| number.parse().ok()).unwrap();
            proxies.lock().unwrap()[&node].each(act);
        };
        let (cut, restored) = (Arc::clone(&proxies), Arc::clone(&proxies));
        Fixture::new(move |node| {
            let mut proxies = proxies.lock().unwrap();
            let proxies = proxies.entry(node).or_insert_with(|| Proxies::before(&told));
            redis(&make(&proxies.addresses(), &proxies.map()))
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
    conforms_behind(cluster(), |reached, map| format!("redis-cluster://{}?natMap={map}", reached.join(",")))
        .await;
}

#[tokio::test]
async fn a_cluster_tells_the_nodes_that_nobody_named() {
    let proxies = Proxies::before(&cluster());
    let first = &proxies.0[0].1;
    let one = format!("redis-cluster://{}?natMap={}", first.address(), proxies.map());
    let node = Node::connect(&*redis(&one), "told", "me").await.unwrap();
    node.subscribe(&[Subscription::Own(PacketKind::Event)]).await.unwrap();
    let other = Node::connect(&*redis(&url("REDIS_CLUSTER_URL")), "told", "other").await.unwrap();
    first.connections(2).await;
    first.cut();
    node.until("it is back at another node", |log| log.ups == [Up::First, Up::Again]).await;
    other.send(&node.route(), PacketKind::Event, b"across").unwrap();
    node.until("a frame crosses the cluster", |log| log.frames.len() == 1).await;
    node.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_verified() {
    support::tls::verifies(
        "REDIS",
        |url, options| {
            let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            transporter_with("Redis", [("url".to_owned(), url.to_owned())].into_iter().chain(options))
        },
        support::tls::Words::RUSTLS,
    )
    .await;
}

#[tokio::test]
async fn the_objects_of_node_reach_each_kind_of_server() {
    let cluster: Vec<String> = cluster().iter().map(|node| format!("\"{node}\"")).collect();
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
    assert_eq!(node.log(|log| log.downs.len()), 0);
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
    node.until("the loss is noticed", |log| log.downs.len() == 1).await;
    let why = node.log(|log| log.downs[0].clone());
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
    other.send(&node.route(), PacketKind::Event, &[b'x'; 50_000]).unwrap();
    node.until("a smaller one arrives", |log| log.frames.len() == 1).await;
    other.send(&node.route(), PacketKind::Event, &[b'x'; 500_000]).unwrap();
    node.until("it is back", |log| log.ups.len() == 2).await;
    let why = node.log(|log| log.downs[0].clone());
    assert!(why.contains("maxIncomingPacketSize"), "{why}");
    other.send(&node.route(), PacketKind::Event, b"x").unwrap();
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
    other.send(&node.route(), PacketKind::Event, b"across").unwrap();
    node.until("a frame arrives", |log| log.frames.len() == 1).await;
    node.stop().await;
    other.stop().await;
}

fn slow(query: &str) -> Arc<dyn Transporter> {
    redis(&format!("{}?{query}", url("REDIS_URL")))
}

/// What it does not get round to stays with the server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_slow_node_cannot_take_is_counted_events_first_and_heartbeats_pass() {
    a_slow_node_gives_up_events_first(slow, "slow-reader", Excess::Later).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_handler_that_blocks_holds_up_no_heartbeats() {
    a_handler_that_blocks_holds_nothing_up(slow, "blocked").await;
}
