//! Nodes of both protocol versions on one bus.

use ligand::config::Protocol;
use ligand::testing::{Cluster, RunningBroker, TestBroker};
use ligand::transport::memory::Network;
use ligand::transport::{PacketKind, Route};
use ligand::{Context, ServiceDef};
use serde_json::{Value, json};
use tests_support::log::Log;
use tests_support::outsider::packets::service as published;
use tests_support::outsider::peer::Peer;

use crate::bus::{Asked, Server};
use crate::ways::{ms, ok, secs};

fn service() -> ServiceDef {
    ServiceDef::builder("svc")
        .action("where", |cx: Context, _: Value| async move { ok(cx.broker().node_id().to_string()) })
        .build()
}

async fn speaking(protocol: Protocol, network: &Network) -> (RunningBroker, Server) {
    let server = Server::on(network);
    let broker = TestBroker::new().node_id("a").service(service()).transporter(server.clone());
    (broker.configure(move |config| config.protocol = protocol).start().await, server)
}

/// The versions of what was sent of this kind, to everybody or to one node.
fn versions(asked: &[Asked], kind: PacketKind, to_all: bool) -> Vec<String> {
    let version = |asked: &Asked| match asked {
        Asked::Send(to, sent, packet) if *sent == kind && (*to == Route::Broadcast) == to_all => {
            Some(packet["ver"].as_str().unwrap().to_owned())
        }
        _ => None,
    };
    asked.iter().filter_map(version).collect()
}

#[tokio::test(start_paused = true)]
async fn what_goes_to_everybody_goes_out_once_per_version() {
    let network = Network::new();
    let (broker, server) = speaking(Protocol::Both, &network).await;
    tokio::time::sleep(secs(12)).await;
    broker.stop().await.unwrap();
    let asked = server.asked();
    for (kind, times) in [
        (PacketKind::Discover, 1),
        (PacketKind::Info, 2),
        (PacketKind::Heartbeat, 1),
        (PacketKind::Disconnect, 1),
    ] {
        assert_eq!(versions(&asked, kind, true), ["4", "5"].repeat(times), "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_version_is_the_default() {
    for (protocol, version) in [(Protocol::V4, "4"), (Protocol::V5, "5")] {
        let (broker, server) = speaking(protocol, &Network::new()).await;
        broker.stop().await.unwrap();
        assert_eq!(versions(&server.asked(), PacketKind::Info, true), [version, version]);
    }
}

#[tokio::test(start_paused = true)]
async fn packets_for_one_node_are_in_its_own_version_whichever_that_is_and_whatever_ours() {
    for protocol in [Protocol::V4, Protocol::V5, Protocol::Both] {
        let network = Network::new();
        let (broker, server) = speaking(protocol, &network).await;
        for version in ["4", "5"] {
            let peer = Peer::join(&network, &format!("peer-{version}")).await.speaking(version);
            // Nobody knows it yet, and it would ignore a question in another version.
            peer.broadcast(PacketKind::Heartbeat, json!({ "cpu": 1 }));
            assert_eq!(peer.hears(PacketKind::Discover).await["ver"], version);
            peer.broadcast(PacketKind::Discover, json!({}));
            assert_eq!(peer.hears(PacketKind::Info).await["ver"], version);
            peer.info("i", 1, &json!([published(&peer.id, &["it"], &[("order.made", &peer.id)])]));
            tokio::time::sleep(ms(5)).await;

            let node = ligand::NodeId::new(peer.id.as_str()).unwrap();
            peer.heard(PacketKind::Ping);
            let (_, ping) = tokio::join!(broker.ping(&node), peer.hears(PacketKind::Ping));
            assert_eq!(ping["ver"], version);
            broker.emit("order.made", 1).await.unwrap();
            let event = peer.hears(PacketKind::Event).await;
            assert_eq!((&event["ver"], event.get("headers").is_some()), (&json!(version), version == "5"));
            let call = broker.call::<i64>(format!("{}.it", peer.id), ());
            let (answer, ()) = tokio::join!(call, async {
                let request = peer.hears(PacketKind::Request).await;
                assert_eq!(
                    (&request["ver"], request.get("headers").is_some()),
                    (&json!(version), version == "5")
                );
                peer.answer(&request, &json!(7));
            });
            assert_eq!(answer.unwrap(), 7);
            let request = json!({ "id": "r", "action": "svc.where", "params": {}, "meta": {}, "level": 1,
                "timeout": 0, "tracing": null, "parentID": null, "requestID": "r", "caller": null, "stream": false });
            peer.to("a", PacketKind::Request, request);
            let response = peer.hears(PacketKind::Response).await;
            assert_eq!((&response["ver"], &response["data"]), (&json!(version), &json!("a")));
        }
        drop(server);
    }
}

#[tokio::test(start_paused = true)]
async fn nodes_of_every_setting_reach_each_other_and_two_that_speak_both_use_the_newer() {
    let network = Network::new();
    let server = Server::on(&network);
    let for_d = server.clone();
    let cluster = Cluster::on(network)
        .node_with("a", [service()], |builder| builder.configure(|config| config.protocol = Protocol::V4))
        .node("b", [service()])
        .node_with("c", [service()], |builder| builder.configure(|config| config.protocol = Protocol::Both))
        .node_with("d", [], move |builder| {
            builder.configure(|config| config.protocol = Protocol::Both).transporter(for_d.clone())
        })
        .start()
        .await;
    cluster.advance(secs(60)).await;
    cluster.settle().await;
    for from in ["a", "b", "c", "d"] {
        for to in ["a", "b", "c"] {
            let node = cluster.at(to).node_id().clone();
            let found = cluster.at(from).call::<String>("svc.where", ()).node(&node).await.unwrap();
            assert_eq!(found, to);
        }
    }
    let to_c = |asked: &Asked| match asked {
        Asked::Send(Route::Node { id, .. }, PacketKind::Request, packet) if id == "c" => {
            Some(packet["ver"].clone())
        }
        _ => None,
    };
    assert_eq!(server.asked().iter().filter_map(to_c).collect::<Vec<_>>(), [json!("5")]);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_hears_only_the_other_version_says_so_once_and_names_the_option() {
    for (protocol, ours, theirs, told) in [
        (Protocol::V5, "5", "4", 1),
        (Protocol::V4, "4", "5", 1),
        (Protocol::V5, "5", "5", 0),
        (Protocol::Both, "5", "4", 0),
    ] {
        let log = Log::of_this_thread(tracing::Level::WARN);
        let network = Network::new();
        let (broker, _server) = speaking(protocol, &network).await;
        let peer = Peer::join(&network, "peer").await.speaking(theirs);
        peer.info("i", 1, &json!([]));
        for _ in 0..6 {
            tokio::time::sleep(secs(10)).await;
            peer.broadcast(PacketKind::Heartbeat, json!({ "cpu": 1 }));
        }
        let lines = log.with("set `protocol` to theirs");
        assert_eq!(lines.len(), told, "{protocol} and {theirs}: {lines:?}");
        for line in lines {
            assert!(line.contains(&format!("own=\"{ours}\"")) && line.contains("\"both\""), "{line}");
        }
        drop(broker);
    }
}

#[tokio::test(start_paused = true)]
async fn nodes_of_our_own_kind_understand_both_and_prove_nothing() {
    let log = Log::of_this_thread(tracing::Level::WARN);
    let network = Network::new();
    let (_broker, _server) = speaking(Protocol::V5, &network).await;
    let second = TestBroker::new().node_id("b").transporter(network.transporter()).start().await;
    let peer = Peer::join(&network, "peer").await.speaking("4");
    peer.info("i", 1, &json!([]));
    tokio::time::sleep(secs(20)).await;
    assert_eq!(log.with("set `protocol` to theirs").len(), 2, "each of ours says it");
    drop(second);
}
