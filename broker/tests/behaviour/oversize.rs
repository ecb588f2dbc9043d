//! A node that says more of itself than others accept: both ends say so, once.

use ligand::testing::TestBroker;
use ligand::transport::memory::Network;
use ligand::transport::tcp::Tcp;
use ligand::{ActionDef, ServiceDef};
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use tests_support::log::Log;
use tests_support::outsider::packets::service;
use tests_support::outsider::peer::Peer;
use tests_support::{is, until};

use crate::ways::{ok, secs};

#[tokio::test(start_paused = true)]
async fn who_refuses_an_info_names_its_node_the_option_and_the_numbers_once() {
    let log = Log::of_this_thread(tracing::Level::WARN);
    let network = Network::new();
    let broker = TestBroker::new().node_id("a").transporter(network.transporter()).start().await;
    let peers = [Peer::join(&network, "many").await, Peer::join(&network, "wide").await];
    let many: Value = (0..1_100).map(|n| service(&format!("s{n}"), &[], &[])).collect();
    let names: Vec<_> = (0..1_200).map(|n| format!("a{n}")).collect();
    let wide = service("w", &names.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
    for seq in 1..4 {
        peers[0].info("i", seq, &many);
        peers[1].info("i", seq, &json!([wide]));
        tokio::time::sleep(secs(61)).await;
    }
    for (node, told) in [
        ("node=many", r#"option="transit.limits.services" limit=1000 found=1100"#),
        ("node=wide", r#"option="transit.limits.actions" limit=1000 found=1200"#),
    ] {
        let lines = log.with(node);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains(told), "{lines:?}");
    }
    peers[0].info("i", 9, &json!([service("few", &["it"], &[])]));
    tokio::time::timeout(secs(1), broker.wait_for(&["few"])).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_packet_over_a_limit_is_told_of_as_well() {
    let log = Log::of_this_thread(tracing::Level::WARN);
    let network = Network::new();
    let broker = TestBroker::new().node_id("a").transporter(network.transporter()).start().await;
    let peer = Peer::join(&network, "peer").await;
    for _ in 0..3 {
        peer.info(&"i".repeat(200), 1, &json!([]));
        tokio::time::sleep(secs(1)).await;
    }
    let lines = log.with("node=peer");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("transit.limits.id"), "{lines:?}");
    drop(broker);
}

#[tokio::test(start_paused = true)]
async fn the_node_itself_says_once_that_others_will_not_see_it() {
    let log = Log::of_this_thread(tracing::Level::WARN);
    let network = Network::new();
    let services = |n: usize| (0..n).map(|n| ServiceDef::builder(format!("s{n}")).build());
    let node = |id: &str| TestBroker::new().node_id(id).transporter(network.transporter());
    let within = services(900).fold(node("within"), TestBroker::service).start().await;
    assert_eq!(log.with("transit.limits"), [""; 0]);
    let over = services(1_100).fold(node("over"), TestBroker::service).start().await;
    over.add(ServiceDef::builder("more").build()).await.unwrap();
    tokio::time::sleep(secs(3)).await;
    let own = log.with("this node is over a limit");
    assert_eq!(own.len(), 1, "{own:?}");
    // With the service `$node`.
    assert!(own[0].contains(r#"option="transit.limits.services" limit=1000 found=1101"#), "{own:?}");
    assert_eq!(log.with("node=over").len(), 2, "and the other end");
    drop(within);
}

#[tokio::test(start_paused = true)]
async fn where_the_limit_was_raised_nobody_says_anything() {
    let log = Log::of_this_thread(tracing::Level::WARN);
    let network = Network::new();
    let node = |id: &str| {
        let broker = TestBroker::new().node_id(id).transporter(network.transporter());
        broker.configure(|config| config.transit.limits.actions = 2_000)
    };
    let wide = (0..1_500).fold(ServiceDef::builder("wide"), |builder, n| {
        builder.action(ActionDef::new(format!("a{n}")), |_, _: Value| async { ok(1) })
    });
    let caller = node("a").start().await;
    let server = node("b").service(wide.build()).start().await;
    tokio::time::timeout(secs(5), caller.wait_for(&["wide"])).await.unwrap().unwrap();
    assert_eq!(log.with("transit.limits"), [""; 0]);
    drop(server);
}

#[tokio::test]
async fn between_peers_a_node_that_does_not_fit_into_a_packet_says_so_once() {
    let log = Log::of_this_thread(tracing::Level::WARN);
    let tcp = || Tcp::new().bind(Ipv4Addr::LOCALHOST).port(0).udp_discovery(false);
    let large = TestBroker::new().node_id("large").transporter(tcp()).configure(|config| {
        for n in 0..3 {
            config.metadata.insert(n.to_string(), "x".repeat(400_000).into());
        }
    });
    let large = large.start().await;
    let nodes: Vec<Value> = large.call("$node.list", ()).await.unwrap();
    let other = tcp().urls(format!("127.0.0.1:{}/large", nodes[0]["port"]));
    let other = TestBroker::new().node_id("other").transporter(other).start().await;
    let said = async || is(log.with("too large for the transporter"), |lines| !lines.is_empty());
    assert_eq!(until("it says so", said).await.len(), 1);
    drop(other);
}
