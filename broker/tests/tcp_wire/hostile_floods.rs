//! Much of everything: the node lives, serves its honest peers, and does not grow.

use ligand::ServiceBroker;
use ligand::transport::PacketKind;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::net::UdpSocket;
use std::time::{Duration, Instant};
use tests_support::outsider::dice::Dice;
use tests_support::{resident, within};
use tokio::sync::oneshot;

use crate::peer::{
    Door, EVENT, GOSSIP_REQ, GOSSIP_RES, HELLO, PING, PONG, Peer, REQUEST, RESPONSE, frame, info,
};
use crate::support::{builder, echo, loopback, port_of, started, stop, until_it_echoes, until_it_sees};

const MUTATIONS: usize = 100_000;

/// Packets that real nodes sent, with the type under which they travel over TCP.
fn captured() -> Vec<(u8, Vec<u8>)> {
    let code = |kind| match kind {
        PacketKind::Request => Some(REQUEST),
        PacketKind::Response => Some(RESPONSE),
        PacketKind::Event => Some(EVENT),
        PacketKind::Ping => Some(PING),
        PacketKind::Pong => Some(PONG),
        PacketKind::GossipRequest => Some(GOSSIP_REQ),
        PacketKind::GossipResponse => Some(GOSSIP_RES),
        PacketKind::GossipHello => Some(HELLO),
        _ => None,
    };
    let packets = tests_support::outsider::captured::packets().into_iter();
    packets.filter_map(|(kind, packet)| Some((code(kind)?, packet))).collect()
}

/// A packet with up to four changes. Those that say where a node is are only cut off, or this test would
/// make connections to who knows where.
fn mutated(dice: &mut Dice, code: u8, packet: &[u8]) -> Vec<u8> {
    match code {
        HELLO | GOSSIP_RES => packet[..dice.below(packet.len())].to_vec(),
        _ => dice.mutated(packet),
    }
}

/// Calls a node every 10 ms until told to stop; how many calls there were, none of which failed.
struct Caller {
    stop: oneshot::Sender<()>,
    calls: tokio::task::JoinHandle<usize>,
}

impl Caller {
    fn start(from: &ServiceBroker, to: &ServiceBroker) -> Self {
        let (stop, mut stopped) = oneshot::channel();
        let (from, to) = (from.clone(), to.node_id().clone());
        let calls = tokio::spawn(async move {
            let mut calls = 0;
            while stopped.try_recv().is_err() {
                let answer: Value = from.call("echo.echo", json!(calls)).node(&to).await.unwrap();
                assert_eq!(answer, calls);
                calls += 1;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            calls
        });
        Self { stop, calls }
    }

    async fn end(self) -> usize {
        self.stop.send(()).unwrap();
        within("the calls end", self.calls).await.unwrap()
    }
}

/// A node and an honest peer of it.
async fn node_and_honest(id: &str) -> (ServiceBroker, ServiceBroker) {
    let node = started(id, loopback()).await;
    let urls = format!("127.0.0.1:{}/{id}", port_of(&node).await);
    let honest = builder("honest", loopback().urls(urls)).build().unwrap();
    honest.start().await.unwrap();
    until_it_echoes(&honest, id).await;
    until_it_sees(&node, "honest").await;
    (node, honest)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_mutated_packets_do_not_disturb_an_honest_peer() {
    let (node, honest) = node_and_honest("node-2").await;
    let door = Door::without_memory().await;
    let mut peer = Peer::greet_from("node-1", door, port_of(&node).await).await;
    let packets = captured();
    let mut dice = Dice(1);
    let mut flood = async |count: usize| {
        let mut bytes = Vec::new();
        for n in 0..count {
            let (code, packet) = dice.pick(&packets);
            bytes.extend(frame(*code, &mutated(&mut dice, *code, packet)));
            if bytes.len() > 60_000 || n + 1 == count {
                peer.line.write(&bytes).await;
                bytes.clear();
            }
        }
    };
    let (from, caller) = (Instant::now(), Caller::start(&honest, &node));
    flood(MUTATIONS / 4).await;
    let early = resident();
    flood(MUTATIONS - MUTATIONS / 4).await;
    let (late, calls) = (resident(), caller.end().await);
    let stats = node.stats();
    println!(
        "{MUTATIONS} mutated packets in {:.1?}, {calls} calls meanwhile, {early:?} to {late:?} bytes, {stats:?}",
        from.elapsed()
    );
    assert!(calls > 5);
    // Behind all of that on the same connection.
    let mut marker = Door::open().await;
    peer.line.hello("marker", marker.port).await;
    let ping = json!({ "time": 1, "id": "end", "ver": "5", "sender": "marker" });
    peer.line.send_json(PING, &ping).await;
    while tokio::time::timeout(Duration::from_secs(1), marker.next(PONG)).await.is_err() {
        peer.line.send_json(PING, &ping).await;
    }
    assert!(node.stats().malformed as usize > MUTATIONS / 10, "{:?}", node.stats());
    assert_eq!(node.stats().pending, 0);
    if let Some((early, late)) = early.zip(late) {
        assert!(late.saturating_sub(early) < 48 << 20, "memory grew from {early} to {late} bytes");
    }
    assert!(honest.ping(node.node_id()).await.unwrap().is_some());
    stop([&honest, &node]).await;
}

/// Rows about nodes that nobody has heard of, reachable nowhere but at this port.
fn strangers(from: usize, count: usize, port: u16) -> Value {
    let row = |n: usize| {
        let name = format!("stranger-{n}");
        (name.clone(), json!([info(&name, port, 1, json!([])), 0, 0]))
    };
    json!({ "online": (from..from + count).map(row).collect::<Map<_, _>>() })
}

async fn known(node: &ServiceBroker) -> usize {
    let list: Value = node.call("$node.list", json!({})).node(node.node_id()).await.unwrap();
    list.as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_gossip_rows_with_new_senders_stay_within_the_bound() {
    let node =
        builder("node", loopback()).service(echo()).configure(|config| config.registry.max_nodes = 500);
    let node = node.build().unwrap();
    node.start().await.unwrap();
    let mut peer = Peer::join("liar", &node, json!([])).await;
    let (port, before) = (peer.door.port, resident());
    let from = Instant::now();
    for n in 0..100 {
        peer.send(GOSSIP_RES, strangers(n * 100, 100, port)).await;
    }
    for n in 0..1000 {
        peer.line.hello(&format!("caller-{n}"), port).await;
    }
    peer.line.hello("liar", port).await;
    peer.caught_up().await;
    println!("10,000 rows were worked off after {:.1?}", from.elapsed());
    // The node itself is one more.
    assert_eq!(known(&node).await, 501);
    if let Some((before, after)) = before.zip(resident()) {
        assert!(after.saturating_sub(before) < 30 << 20, "memory grew from {before} to {after} bytes");
    }
    peer.request("after", "echo.echo", json!(1)).await;
    assert_eq!(peer.response("after").await["data"], 1);
    // Else the node would wait until a busy machine has taken what it says to 500 strangers.
    peer.door.slam();
    stop([&node]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_infos_about_one_node_is_taken_in_at_ten_per_second() {
    let (node, honest) = node_and_honest("node").await;
    let mut peer = Peer::join("liar", &node, json!([])).await;
    let mut updates = node.local_events("$node.updated");
    let (from, caller) = (Instant::now(), Caller::start(&honest, &node));
    for seq in 0..2_000 {
        let service = format!("s{seq}");
        peer.introduce(3 + seq, crate::peer::service(&service, "run")).await;
    }
    peer.caught_up().await;
    let seconds = from.elapsed().as_secs_f64();
    caller.end().await;
    let mut told = 0;
    while let Some(event) = updates.try_recv() {
        told += usize::from(event.data["node"]["id"] == "liar");
    }
    let allowed = 11.0 + 10.0 * seconds;
    assert!(told >= 1 && (told as f64) <= allowed, "{told} updates in {seconds:.2} s");
    stop([&honest, &node]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_datagrams_are_ignored_and_random_ids_are_bounded() {
    let port = UdpSocket::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port();
    let tcp = loopback().udp_discovery(true).with(|options| {
        options.udp_port = port;
        options.udp_bind_address = Some([127, 0, 0, 1].into());
        options.udp_multicast_ttl = 0;
        options.udp_period = Duration::from_secs(60);
    });
    let namespace = format!("datagrams-{}", std::process::id());
    let node = builder("node", tcp).namespace(&namespace).service(echo()).build().unwrap();
    node.start().await.unwrap();
    let mut door = Door::open().await;
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let send = |text: &str| drop(socket.send_to(text.as_bytes(), ("127.0.0.1", port)));
    let good = door.port;
    let odd = [
        format!("{namespace}|odd"),
        format!("{namespace}|odd|{good}|x"),
        format!("{namespace}|odd|0"),
        format!("{namespace}|odd|70000"),
        format!("{namespace}|odd|-1"),
        format!("{namespace}|odd|1e3"),
        format!("{namespace}||{good}"),
        format!("{namespace}|o\nd|{good}"),
        format!("elsewhere|odd|{good}"),
        format!("{namespace}|{}|{good}", "o".repeat(3000)),
        String::new(),
        "|||".to_owned(),
    ];
    for text in &odd {
        send(text);
    }
    // Believed, and greeted: what came before it has been looked at.
    send(&format!("{namespace}|believed|{good}"));
    door.next(HELLO).await;
    assert_eq!(known(&node).await, 1, "nobody of them is a member");

    let from = Instant::now();
    let mut text = String::new();
    for n in 0..1_000_000 {
        text.clear();
        write!(text, "{namespace}|random-{n}|{good}").unwrap();
        send(&text);
    }
    let mut peer = Peer::greet("p", port_of(&node).await).await;
    peer.request("after", "echo.echo", json!(1)).await;
    assert_eq!(peer.response("after").await["data"], 1);
    peer.caught_up().await;
    println!("a million datagrams after {:.1?}: {} nodes are known", from.elapsed(), known(&node).await);
    assert_eq!(known(&node).await, 1, "nobody of them is a member");
    assert!(door.noted(PONG).is_none(), "strangers are greeted, not answered");
    stop([&node]).await;
}
