//! Peers on a bus that lie: about who they are, who others are, and who has left.

use ligand::testing::{Cluster, RunningBroker, TestBroker};
use ligand::transport::memory::Network;
use ligand::transport::{PacketKind, Route};
use ligand::{LocalEvents, ServiceDef};
use serde_json::{Value, json};
use std::future::IntoFuture as _;
use tests_support::log::Log;
use tests_support::outsider::packets::{forged, info, service as published};
use tests_support::outsider::payloads;
use tests_support::outsider::peer::Peer;
use tests_support::to;

use crate::svc::svc;
use crate::ways::{ms, secs};

fn service() -> ServiceDef {
    svc().build()
}

fn names(events: &mut LocalEvents) -> Vec<String> {
    std::iter::from_fn(|| events.try_recv()).map(|event| event.name.to_string()).collect()
}

/// `a` calls, `b` serves, and somebody else listens to everything for everybody and nothing for them.
async fn watched() -> (Cluster, Peer) {
    let cluster = Cluster::seeded(1).node("a", []).node("b", [service()]).start().await;
    let liar = Peer::join(cluster.network(), "liar").await;
    (cluster, liar)
}

/// A node alone with a peer.
async fn alone() -> (RunningBroker, Peer, Network) {
    let network = Network::new();
    let broker = TestBroker::new().node_id("a").transporter(network.transporter()).start().await;
    let peer = Peer::join(&network, "peer").await;
    (broker, peer, network)
}

#[tokio::test(start_paused = true)]
async fn a_response_in_the_name_of_another_node_is_dropped_and_counted() {
    let (cluster, liar) = watched().await;
    let peer = Peer::join(cluster.network(), "peer").await;
    peer.info("i", 1, &json!([published("other", &["it"], &[])]));
    cluster.advance(ms(5)).await;
    let a = cluster.at("a");
    let call = a.call::<()>("other.it", ()).raw().into_future();
    let (answer, ()) = tokio::join!(call, async {
        let request = peer.hears(PacketKind::Request).await;
        for success in [true, false] {
            let packet = json!({ "id": request["id"], "success": success, "data": "forged", "meta": { "user": "admin" } });
            liar.to("a", PacketKind::Response, packet);
        }
        cluster.advance(ms(5)).await;
        peer.answer(&request, &json!("real"));
    });
    let answer = answer.unwrap();
    assert_eq!(answer.meta.get("user"), None);
    assert_eq!(answer.decode::<String>().unwrap(), "real");
    assert_eq!((a.stats().forged, a.stats().responses), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn an_info_of_another_instance_neither_drops_the_old_one_nor_its_calls() {
    let (cluster, liar) = watched().await;
    let a = cluster.at("a").clone();
    let mut events = a.local_events("$node.*");
    let under_way = tokio::spawn(async move { a.call::<u64>("svc.slow", 20_000_u64).await });
    for n in 0..10 {
        liar.broadcast(PacketKind::Info, forged("b", info(&format!("forged-{n}"), 1_000 + n, &json!([]))));
        cluster.advance(secs(1)).await;
        assert_eq!(cluster.at("a").call::<String>("svc.where", ()).await.unwrap(), "b");
    }
    assert_eq!(under_way.await.unwrap().unwrap(), 20_000);
    let told = names(&mut events);
    assert!(told.iter().all(|name| name == "$node.pong" || name == "$node.updated"), "{told:?}");
    assert!(!told.contains(&"$node.updated".to_owned()), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn nor_do_many_at_once() {
    let (cluster, liar) = watched().await;
    for burst in 0..5 {
        for n in 0..30 {
            let packet = info(&format!("forged-{burst}-{n}"), 1_000 + n, &json!([]));
            liar.broadcast(PacketKind::Info, forged("b", packet));
        }
        for _ in 0..100 {
            cluster.advance(ms(10)).await;
            assert_eq!(cluster.at("a").call::<String>("svc.where", ()).await.unwrap(), "b");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_node_whose_name_is_used_reports_it_and_keeps_running() {
    let (cluster, liar) = watched().await;
    let log = Log::of_this_thread(tracing::Level::WARN);
    let mut events = cluster.at("b").local_events("$node.conflict");
    for n in 0..50 {
        liar.broadcast(PacketKind::Info, forged("b", info(&format!("forged-{n}"), 1, &json!([]))));
        liar.to("b", PacketKind::Info, forged("b", json!({ "services": [] })));
        cluster.advance(ms(200)).await;
    }
    let told = std::iter::from_fn(|| events.try_recv()).collect::<Vec<_>>();
    assert_eq!(told.len(), 1, "one a minute, however many instances there seem to be");
    assert!(told.iter().all(|event| event.data["proven"] == false));
    assert_eq!(log.with("may use this node's id").len(), 1);
    assert_eq!(cluster.at("a").call::<String>("svc.where", ()).await.unwrap(), "b");
}

#[tokio::test(start_paused = true)]
async fn a_restart_is_believed_once_the_node_echoes_a_ping() {
    let (broker, peer, _network) = alone().await;
    let mut events = broker.local_events("$node.*");
    peer.info("old", 1, &json!([published("old", &["it"], &[])]));
    tokio::time::sleep(ms(5)).await;
    peer.heard(PacketKind::Ping);
    peer.info("new", 1, &json!([published("new", &["it"], &[])]));
    let ping = peer.hears(PacketKind::Ping).await;
    peer.hears(PacketKind::Discover).await;
    tokio::time::sleep(secs(3)).await;
    broker.wait_for(&["old"]).await.unwrap();
    peer.to("a", PacketKind::Pong, json!({ "time": ping["time"], "id": "guessed", "arrived": 1 }));
    tokio::time::sleep(secs(1)).await;
    assert_eq!(names(&mut events), ["$node.connected"]);
    // That was no echo, but it was a packet: it is asked again.
    let ping = peer.hears(PacketKind::Ping).await;
    peer.to("a", PacketKind::Pong, json!({ "time": ping["time"], "id": ping["id"], "arrived": 1 }));
    tokio::time::sleep(ms(5)).await;
    peer.to("a", PacketKind::Info, info("new", 2, &json!([published("new", &["it"], &[])])));
    tokio::time::sleep(ms(5)).await;
    broker.wait_for(&["new"]).await.unwrap();
    assert_eq!(names(&mut events), ["$node.updated"]);
    assert_eq!(broker.call::<Value>("old.it", ()).await.unwrap_err().outcome(), ligand::Outcome::NotRun);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_echoes_and_says_nothing_else_is_what_its_info_said() {
    let (broker, peer, _network) = alone().await;
    peer.info("old", 1, &json!([]));
    tokio::time::sleep(ms(5)).await;
    peer.info("new", 1, &json!([published("new", &["it"], &[])]));
    let ping = peer.hears(PacketKind::Ping).await;
    peer.to("a", PacketKind::Pong, json!({ "time": ping["time"], "id": ping["id"], "arrived": 1 }));
    tokio::time::sleep(secs(1)).await;
    tokio::time::timeout(secs(1), broker.wait_for(&["new"])).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn farewells_in_the_name_of_a_healthy_node_do_not_hide_it_and_cost_no_call() {
    let (cluster, liar) = watched().await;
    let a = cluster.at("a").clone();
    let mut events = a.local_events("$node.*connected");
    let under_way = tokio::spawn({
        let a = a.clone();
        async move { a.call::<u64>("svc.slow", 25_000_u64).await }
    });
    for _ in 0..60 {
        liar.broadcast(PacketKind::Disconnect, forged("b", json!({})));
        assert_eq!(a.call::<String>("svc.where", ()).await.unwrap(), "b");
        cluster.advance(ms(20)).await;
        assert_eq!(a.call::<String>("svc.where", ()).await.unwrap(), "b");
        cluster.advance(ms(980)).await;
    }
    assert_eq!(under_way.await.unwrap().unwrap(), 25_000, "the call was not given up");
    assert_eq!(names(&mut events), Vec::<String>::new());
    cluster.settle().await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_slandered_can_still_leave() {
    let (mut cluster, liar) = watched().await;
    liar.broadcast(PacketKind::Disconnect, forged("b", json!({})));
    cluster.advance(secs(1)).await;
    let mut gone = cluster.at("a").local_events("$node.disconnected");
    cluster.stop("b").await;
    cluster.advance(secs(5)).await;
    assert_eq!(gone.recv().await.unwrap().data, json!({ "node": { "id": "b" }, "unexpected": false }));
    cluster.settle().await;
    cluster.restart("b").await;
    cluster.settle().await;
}

#[tokio::test(start_paused = true)]
async fn a_farewell_in_our_own_name_is_contradicted_but_not_each_time() {
    let (broker, peer, _network) = alone().await;
    peer.heard(PacketKind::Info);
    for _ in 0..100 {
        peer.broadcast(PacketKind::Disconnect, forged("a", json!({})));
        tokio::time::sleep(ms(100)).await;
    }
    let said = peer.heard(PacketKind::Info).len();
    assert!((2..=3).contains(&said), "{said}");
    drop(broker);
}

#[tokio::test(start_paused = true)]
async fn of_one_sender_ten_infos_a_second_are_taken() {
    let (broker, peer, _network) = alone().await;
    let mut events = broker.local_events("$node.updated");
    for seq in 1..=1_000 {
        peer.info("i", seq, &json!([published(&format!("s{seq}"), &["it"], &[])]));
    }
    tokio::time::sleep(ms(50)).await;
    assert_eq!(names(&mut events).len(), 9, "the first one brought it online");
    tokio::time::sleep(secs(1)).await;
    peer.info("i", 2_000, &json!([published("last", &["it"], &[])]));
    tokio::time::timeout(secs(1), broker.wait_for(&["last"])).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_invented_nodes_are_bounded_and_an_honest_one_finds_its_place() {
    let network = Network::new();
    let broker = TestBroker::new().node_id("a").transporter(network.transporter());
    let broker = broker.configure(|config| config.registry.max_nodes = 1_000).start().await;
    let liar = Peer::join(&network, "liar").await;
    for n in 0..10_000 {
        liar.broadcast(PacketKind::Info, forged(&format!("fake-{n}"), info("i", 1, &json!([]))));
        if n % 500 == 0 {
            tokio::time::sleep(ms(10)).await;
        }
    }
    tokio::time::sleep(ms(50)).await;
    let known: Vec<Value> = broker.call("$node.list", ()).await.unwrap();
    assert_eq!(known.len(), 1_001);
    // They say nothing more, so they go, and each makes room for one that is there.
    tokio::time::sleep(secs(40)).await;
    let honest = TestBroker::new().node_id("b").transporter(network.transporter()).service(service());
    let honest = honest.start().await;
    tokio::time::timeout(secs(15), broker.wait_for(&["svc"])).await.unwrap().unwrap();
    assert_eq!(broker.call::<String>("svc.where", ()).await.unwrap(), "b");
    drop(honest);
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_before_the_info_and_one_that_names_another_instance_ask_who_that_is() {
    let (broker, peer, _network) = alone().await;
    peer.broadcast(PacketKind::Heartbeat, json!({ "cpu": 5, "instanceID": "i" }));
    peer.hears(PacketKind::Discover).await;
    let mut nothing = info("", 1, &json!([published("late", &["it"], &[])]));
    nothing.as_object_mut().unwrap().remove("instanceID");
    peer.broadcast(PacketKind::Info, nothing);
    tokio::time::timeout(secs(1), broker.wait_for(&["late"])).await.unwrap().unwrap();
    for _ in 0..40 {
        tokio::time::sleep(secs(10)).await;
        peer.broadcast(PacketKind::Heartbeat, json!({ "cpu": 5, "instanceID": "i" }));
    }
    tokio::time::sleep(ms(5)).await;
    let known: Vec<Value> = broker.call("$node.list", ()).await.unwrap();
    assert!(known.iter().any(|node| node["id"] == "peer" && node["available"] == true));
    assert_eq!(peer.heard(PacketKind::Discover).len(), 40, "once per heartbeat, not more");
}

#[tokio::test(start_paused = true)]
async fn garbage_on_every_topic_disturbs_nobody() {
    let (cluster, liar) = watched().await;
    for kind in PacketKind::ALL {
        for packet in payloads::no_packets() {
            liar.raw(&to("a"), kind, packet).unwrap();
            liar.raw(&Route::Broadcast, kind, packet).unwrap();
        }
        for packet in payloads::hollow().into_iter().chain([json!({ "sender": "b" })]) {
            liar.to("a", kind, packet.clone());
            liar.broadcast(kind, packet);
        }
    }
    cluster.advance(secs(12)).await;
    assert_eq!(cluster.at("a").call::<String>("svc.where", ()).await.unwrap(), "b");
    assert!(cluster.at("a").stats().malformed > 0);
}
