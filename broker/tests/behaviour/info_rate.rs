//! INFO that comes faster than it is taken: what is known of a node is what it said last.

use ligand::testing::{RunningBroker, TestBroker};
use ligand::transport::PacketKind;
use ligand::transport::memory::Network;
use serde_json::{Value, json};
use tests_support::log::Log;
use tests_support::outsider::packets::{forged, info, service};
use tests_support::outsider::peer::Peer;

use crate::ways::{ms, secs};

async fn node() -> (RunningBroker, Network) {
    let network = Network::new();
    let broker = TestBroker::new().node_id("a").transporter(network.transporter()).start().await;
    (broker, network)
}

/// Services of a node as they are known, in order.
async fn offered(broker: &RunningBroker, node: &str) -> Vec<String> {
    let services: Vec<Value> = broker.call("$node.services", json!({ "skipInternal": true })).await.unwrap();
    let of_node = services.iter().filter(|service| {
        service["nodes"].as_array().is_some_and(|nodes| nodes.iter().any(|known| known == node))
    });
    let mut names: Vec<_> = of_node.map(|service| service["name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

fn services(n: u64) -> Value {
    (0..n).map(|n| service(&format!("s{n:03}"), &["it"], &[])).collect()
}

#[tokio::test(start_paused = true)]
async fn of_services_that_come_and_go_one_by_one_all_are_known_that_are_there_and_no_others() {
    let (broker, network) = node().await;
    let peer = Peer::join(&network, "peer").await;
    let names = |n: u64| (0..n).map(|n| format!("s{n:03}")).collect::<Vec<_>>();
    let mut seq = 0;
    for n in (1..=120).chain((30..120).rev()) {
        seq += 1;
        peer.info("i", seq, &services(n));
        if n == 120 || n == 30 {
            tokio::time::sleep(ms(150)).await;
            assert_eq!(offered(&broker, "peer").await, names(n));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn infos_that_overtook_each_other_leave_the_newest() {
    let (broker, network) = node().await;
    let peer = Peer::join(&network, "peer").await;
    for seq in (1..=10).chain([40, 39, 38, 12]) {
        peer.info("i", seq, &services(seq));
    }
    tokio::time::sleep(secs(2)).await;
    assert_eq!(offered(&broker, "peer").await.len(), 40);
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_taken_although_somebody_else_claims_to_be_that_node_meanwhile() {
    let (broker, network) = node().await;
    let peer = Peer::join(&network, "peer").await;
    let liar = Peer::join(&network, "liar").await;
    for seq in 1..=20 {
        peer.info("i", seq, &services(seq));
    }
    tokio::time::sleep(ms(1)).await;
    liar.broadcast(PacketKind::Info, forged("peer", info("other", 1, &json!([]))));
    tokio::time::sleep(ms(200)).await;
    assert_eq!(offered(&broker, "peer").await.len(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_farewell_is_not_doubted_longer_for_what_was_said_before_it() {
    let (broker, network) = node().await;
    let peer = Peer::join(&network, "peer").await;
    let mut gone = broker.local_events("$node.disconnected");
    for seq in 1..=20 {
        peer.info("i", seq, &services(seq));
    }
    // It does not say that it offers nothing any more.
    peer.broadcast(PacketKind::Disconnect, json!({}));
    tokio::time::timeout(ms(600), gone.recv()).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_leaves_right_after_many_infos_has_left() {
    let (broker, network) = node().await;
    let peer = Peer::join(&network, "peer").await;
    let mut gone = broker.local_events("$node.disconnected");
    for seq in 1..=20 {
        peer.info("i", seq, &services(seq));
    }
    peer.info("i", 21, &json!([]));
    peer.broadcast(PacketKind::Disconnect, json!({}));
    let event = tokio::time::timeout(secs(1), gone.recv()).await.unwrap().unwrap();
    assert_eq!(event.data["node"]["id"], "peer");
    tokio::time::sleep(secs(5)).await;
    let nodes: Vec<Value> = broker.call("$node.list", ()).await.unwrap();
    assert!(nodes.iter().any(|node| node["id"] == "peer" && node["available"] == false), "{nodes:?}");
}

/// Answers what it is asked, as a process does that was just started.
async fn answers(peer: &Peer, span: std::time::Duration) {
    let until = tokio::time::Instant::now() + span;
    while tokio::time::Instant::now() < until {
        for ping in peer.heard(PacketKind::Ping) {
            let pong = json!({ "time": ping["time"], "id": ping["id"], "arrived": 1 });
            peer.to(ping["sender"].as_str().unwrap(), PacketKind::Pong, pong);
        }
        for discover in peer.heard(PacketKind::Discover) {
            let own = service(&format!("new-{}", peer.id), &["it"], &[]);
            let to = discover["sender"].as_str().unwrap();
            peer.to(to, PacketKind::Info, info("new", 1, &json!([own])));
        }
        tokio::time::sleep(ms(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_is_noticed_although_others_claim_to_be_that_node_faster_than_is_listened() {
    let (broker, network) = node().await;
    let peer = Peer::join(&network, "peer").await;
    let liar = Peer::join(&network, "liar").await;
    peer.info("old", 1, &json!([]));
    tokio::time::sleep(ms(5)).await;
    for n in 0..30 {
        let claim = info(&format!("forged-{n}"), 1, &json!([]));
        liar.broadcast(PacketKind::Info, forged("peer", claim));
    }
    peer.info("new", 1, &json!([service("new-peer", &["it"], &[])]));
    answers(&peer, secs(5)).await;
    assert_eq!(offered(&broker, "peer").await, ["new-peer"]);
}

#[tokio::test(start_paused = true)]
async fn restarts_of_more_nodes_than_can_be_looked_into_at_once_are_all_noticed() {
    const NODES: usize = 100;
    let (broker, network) = node().await;
    let mut peers = Vec::new();
    for n in 0..NODES {
        peers.push(Peer::join(&network, &format!("p{n}")).await);
    }
    for peer in &peers {
        peer.info("old", 1, &json!([]));
    }
    tokio::time::sleep(ms(5)).await;
    for peer in &peers {
        peer.info("new", 1, &json!([service(&format!("new-{}", peer.id), &["it"], &[])]));
    }
    for _ in 0..50 {
        for peer in &peers {
            answers(peer, ms(1)).await;
        }
    }
    let services: Vec<Value> = broker.call("$node.services", json!({ "skipInternal": true })).await.unwrap();
    assert_eq!(services.len(), NODES);
}

#[tokio::test(start_paused = true)]
async fn a_farewell_that_came_too_soon_after_the_last_is_contradicted_when_its_time_has_come() {
    let (broker, network) = node().await;
    let peer = Peer::join(&network, "peer").await;
    let slander = || peer.broadcast(PacketKind::Disconnect, forged("a", json!({})));
    slander();
    tokio::time::sleep(secs(1)).await;
    assert_eq!(peer.heard(PacketKind::Info).len(), 1);
    slander();
    tokio::time::sleep(secs(2)).await;
    assert_eq!(peer.heard(PacketKind::Info).len(), 0);
    tokio::time::sleep(secs(3)).await;
    assert_eq!(peer.heard(PacketKind::Info).len(), 1);
    tokio::time::sleep(secs(60)).await;
    assert_eq!(peer.heard(PacketKind::Info).len(), 0);
    drop(broker);
}

#[tokio::test(start_paused = true)]
async fn nodes_without_room_are_told_of_once_a_minute_and_name_the_option() {
    let log = Log::of_this_thread(tracing::Level::WARN);
    let network = Network::new();
    let broker = TestBroker::new().node_id("a").transporter(network.transporter());
    let broker = broker.configure(|config| config.registry.max_nodes = 2).start().await;
    let liar = Peer::join(&network, "liar").await;
    for n in 0..20 {
        liar.broadcast(PacketKind::Info, forged(&format!("fake-{n}"), info("i", 1, &json!([]))));
    }
    tokio::time::sleep(ms(50)).await;
    let lines = log.with("registry.maxNodes");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("limit=2"), "{lines:?}");
    drop(broker);
}
