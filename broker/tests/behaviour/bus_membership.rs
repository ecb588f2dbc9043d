//! How a node joins a cluster on a bus and leaves it, seen from the bus (protocol chapters 3.1 and 5).

use ligand::ServiceDef;
use ligand::testing::TestBroker;
use ligand::transport::memory::Network;
use ligand::transport::{PacketKind, Route, Subscription};
use serde_json::{Value, json};
use tests_support::outsider::packets::{info, service};
use tests_support::outsider::peer::Peer;
use tests_support::to;

use crate::bus::{Asked, Server};
use crate::ways::{ms, ok, secs};

#[tokio::test(start_paused = true)]
async fn everything_is_subscribed_before_anybody_is_asked() {
    let network = Network::new();
    let server = Server::on(&network);
    let broker = TestBroker::new().node_id("a").transporter(server.clone()).start().await;
    let asked = server.asked();
    // But for the question whether its id is free, which goes to the id.
    let asks = |asked: &Asked| matches!(asked, Asked::Send(Route::Node { id, .. }, PacketKind::Ping, _) if id.as_str() == "a");
    let asked: Vec<_> = asked.into_iter().filter(|one| !asks(one)).collect();
    let first_sent = asked.iter().position(|asked| matches!(asked, Asked::Send(..))).unwrap();
    let (made, sent) = asked.split_at(first_sent);
    let own = ["EVENT", "REQ", "RES", "DISCOVER", "INFO", "PING", "PONG"];
    let common = ["DISCOVER", "INFO", "DISCONNECT", "HEARTBEAT", "PING"];
    let expected: Vec<_> = own
        .map(|name| Subscription::Own(PacketKind::named(name).unwrap()))
        .into_iter()
        .chain(common.map(|name| Subscription::Broadcast(PacketKind::named(name).unwrap())))
        .collect();
    assert_eq!(made.len(), 12);
    for subscription in expected {
        assert!(made.contains(&Asked::Subscribe(subscription.clone())), "{subscription:?}");
    }
    assert!(sent.iter().all(|asked| matches!(asked, Asked::Send(..))), "{sent:?}");
    let broadcast = |kind| {
        sent.iter().any(|asked| matches!(asked, Asked::Send(Route::Broadcast, sent, _) if *sent == kind))
    };
    assert!(broadcast(PacketKind::Discover) && broadcast(PacketKind::Info), "{sent:?}");
    drop(broker);
}

#[tokio::test(start_paused = true)]
async fn who_answers_a_discover_to_the_asker_alone_can_be_called_within_a_second() {
    let network = Network::new();
    let peer = Peer::join(&network, "peer").await;
    let broker = TestBroker::new().node_id("a").transporter(network.transporter()).start().await;
    let discover = peer.hears(PacketKind::Discover).await;
    assert_eq!((&discover["ver"], &discover["sender"]), (&json!("5"), &json!("a")));
    peer.to("a", PacketKind::Info, info("i", 1, &json!([service("math", &["add"], &[])])));
    tokio::time::timeout(secs(1), broker.wait_for(&["math"])).await.unwrap().unwrap();
    let (sum, ()) = tokio::join!(broker.call::<u64>("math.add", json!({ "a": 1, "b": 2 })), async {
        let request = peer.hears(PacketKind::Request).await;
        peer.answer(&request, &json!(3));
    });
    assert_eq!(sum.unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_is_answered_alone_however_it_asked() {
    let network = Network::new();
    let server = Server::on(&network);
    let math = ServiceDef::builder("math").action("one", |_, _: Value| async { ok(1) }).build();
    let broker = TestBroker::new().node_id("a").transporter(server.clone()).service(math).start().await;
    let peer = Peer::join(&network, "peer").await;
    tokio::time::sleep(secs(1)).await;
    for route in [Route::Broadcast, to("a")] {
        server.asked();
        peer.send(&route, PacketKind::Discover, json!({}));
        tokio::time::sleep(ms(50)).await;
        let infos: Vec<_> = server
            .asked()
            .into_iter()
            .filter_map(|asked| match asked {
                Asked::Send(route, PacketKind::Info, packet) => Some((route, packet)),
                _ => None,
            })
            .collect();
        let [(answered, packet)] = infos.as_slice() else { panic!("{route:?}: {infos:?}") };
        assert_eq!(*answered, to("peer"), "asked by {route:?}");
        assert_eq!(packet["instanceID"], broker.instance_id().as_str());
        assert!(packet["seq"].as_u64() >= Some(1), "{packet}");
        let services = packet["services"].as_array().unwrap();
        assert!(services.iter().any(|service| service["fullName"] == "math"), "{packet}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_goes_out_every_ten_seconds_or_so() {
    let network = Network::new();
    let peer = Peer::join(&network, "peer").await;
    let broker = TestBroker::new().node_id("a").transporter(network.transporter());
    let broker = broker.configure(|config| config.heartbeat_interval = secs(10)).start().await;
    peer.heard(PacketKind::Heartbeat);
    // Half the time after which a stock node would miss it, whenever that begins.
    for _ in 0..20 {
        tokio::time::sleep(secs(15)).await;
        let beats = peer.heard(PacketKind::Heartbeat);
        assert!((1..=2).contains(&beats.len()), "{beats:?}");
        assert!(beats.iter().all(|beat| beat["sender"] == "a" && beat["ver"] == "5"), "{beats:?}");
    }
    drop(broker);
}

#[tokio::test(start_paused = true)]
async fn who_stops_offers_nothing_first_and_then_says_farewell() {
    let network = Network::new();
    let server = Server::on(&network);
    let math = ServiceDef::builder("math").action("one", |_, _: Value| async { ok(1) }).build();
    let broker = TestBroker::new().node_id("a").transporter(server.clone()).service(math).start().await;
    tokio::time::sleep(secs(1)).await;
    let said = |asked: Vec<Asked>| -> Vec<_> {
        let sent = asked.into_iter().filter_map(|asked| match asked {
            Asked::Send(Route::Broadcast, kind, packet) if kind != PacketKind::Heartbeat => {
                Some((kind, packet))
            }
            _ => None,
        });
        sent.collect()
    };
    let before = said(server.asked());
    let (_, offered) = before.iter().rfind(|(kind, _)| *kind == PacketKind::Info).unwrap();
    broker.stop().await.unwrap();
    let told = said(server.asked());
    let [(PacketKind::Info, nothing), (PacketKind::Disconnect, farewell)] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert_eq!(nothing["services"], json!([]));
    assert_eq!(nothing["seq"].as_u64(), offered["seq"].as_u64().map(|seq| seq + 1));
    assert_eq!(nothing["instanceID"], offered["instanceID"]);
    assert_eq!(*farewell, json!({ "ver": "5", "sender": "a" }));
}
