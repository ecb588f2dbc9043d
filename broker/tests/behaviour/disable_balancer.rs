//! The bus balances, not the sender (`disableBalancer`).

use ligand::testing::{Cluster, EventLog, TestBroker};
use ligand::transport::memory::Network;
use ligand::transport::{PacketKind, Route};
use ligand::{
    ActionDef, BrokerBuilder, Context, Error, ErrorKind, IntoServiceDef as _, Outcome, ServiceDef, Visibility,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};
use tests_support::log::Log;
use tests_support::outsider::packets::service as published;
use tests_support::outsider::peer::Peer;
use tokio::time::Instant;

use super::balanced_subscriptions::subscribed;
use crate::bus::{Asked, Server, of_action};
use crate::ways::{ms, ok, secs};

pub(super) fn service() -> ServiceDef {
    ServiceDef::builder("svc")
        .action("where", |cx: Context, _: Value| async move { ok(cx.broker().node_id().to_string()) })
        .build()
}

fn cluster(nodes: &[&str]) -> Cluster {
    let empty = Cluster::seeded(3).configure(|config| config.disable_balancer = true);
    nodes.iter().fold(empty, |cluster, node| cluster.node(node, [service()]))
}

/// A node on a server of its own, and the server.
pub(super) async fn alone(services: Vec<ServiceDef>) -> (TestBroker, Server, Network) {
    let network = Network::new();
    let server = Server::on(&network);
    let broker = on(&server, services);
    (broker, server, network)
}

pub(super) fn on(server: &Server, services: Vec<ServiceDef>) -> TestBroker {
    let broker = TestBroker::new().node_id("a").transporter(server.clone());
    services.into_iter().fold(broker, TestBroker::service).configure(|config| config.disable_balancer = true)
}

pub(super) fn requests(asked: &[Asked]) -> Vec<Route> {
    let request = |asked: &Asked| match asked {
        Asked::Send(route, PacketKind::Request, _) => Some(route.clone()),
        _ => None,
    };
    asked.iter().filter_map(request).collect()
}

#[tokio::test(start_paused = true)]
async fn the_bus_chooses_among_all_nodes_the_caller_included() {
    let cluster = cluster(&["a", "b", "c"]).start().await;
    let mut counts = BTreeMap::new();
    for _ in 0..9 {
        let response = cluster.at("a").call::<()>("svc.where", ()).raw().await.unwrap();
        let who = response.node.to_string();
        let node: String = response.decode().unwrap();
        assert_eq!(who, node, "who answered is known");
        *counts.entry(node).or_insert(0) += 1;
    }
    assert_eq!(counts, BTreeMap::from([("a".into(), 3), ("b".into(), 3), ("c".into(), 3)]));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_names_its_node_goes_there() {
    let cluster = cluster(&["a", "b", "c"]).start().await;
    let c = cluster.at("c").node_id().clone();
    for _ in 0..5 {
        assert_eq!(cluster.at("a").call::<String>("svc.where", ()).node(&c).await.unwrap(), "c");
    }
}

#[tokio::test(start_paused = true)]
async fn even_own_actions_and_the_internal_ones_go_over_the_bus() {
    let (broker, server, _network) = alone(vec![service()]).await;
    let broker = broker.start().await;
    server.asked();
    assert_eq!(broker.call::<String>("svc.where", ()).await.unwrap(), "a");
    broker.call::<Value>("$node.list", ()).await.unwrap();
    // This one tells no other node anything, so nobody gets it over the bus.
    broker.call::<Value>("$node.options", ()).await.unwrap();
    let balanced = |action: &str| Route::BalancedRequest { action: action.into() };
    assert_eq!(requests(&server.asked()), [balanced("svc.where"), balanced("$node.list")]);
}

#[tokio::test(start_paused = true)]
async fn what_the_registry_does_not_know_fails_without_a_packet() {
    let (broker, server, network) = alone(vec![]).await;
    let broker = broker.start().await;
    let peer = Peer::join(&network, "peer").await;
    peer.info("i", 1, &json!([published("gone", &["by"], &[])]));
    tokio::time::sleep(ms(5)).await;
    peer.info("i", 2, &json!([]));
    tokio::time::sleep(ms(5)).await;
    server.asked();
    let error = broker.call::<Value>("never.was", ()).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::ServiceNotFound, Outcome::NotRun));
    let error = broker.call::<Value>("gone.by", ()).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::ServiceNotAvailable, Outcome::NotRun));
    assert_eq!(requests(&server.asked()), []);
}

#[tokio::test(start_paused = true)]
async fn protected_and_private_actions_stay_on_their_node() {
    let hidden = ServiceDef::builder("h")
        .action(ActionDef::new("inner").visibility(Visibility::Protected), |_, _: Value| async { ok(1) })
        .action("outer", |cx: Context, _: Value| async move { cx.call::<i64>("h.secret", ()).await })
        .action(ActionDef::new("secret").visibility(Visibility::Private), |_, _: Value| async { ok(2) });
    let (broker, server, _network) = alone(vec![hidden.build()]).await;
    let broker = broker.start().await;
    assert_eq!(subscribed(&server.asked()), HashSet::from([of_action("h.outer")]));
    assert_eq!(broker.call::<i64>("h.inner", ()).await.unwrap(), 1);
    assert_eq!(broker.call::<i64>("h.outer", ()).await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_emit_is_one_packet_per_group_and_of_each_group_one_gets_it() {
    let listener = |log: &EventLog| log.clone().into_service_def();
    let logs: Vec<_> = (0..3).map(|_| EventLog::of("order.*")).collect();
    let network = Network::new();
    let server = Server::on(&network);
    let for_a = server.clone();
    let cluster = Cluster::on(network)
        .configure(|config| config.disable_balancer = true)
        .node_with("a", [listener(&logs[0])], move |builder: BrokerBuilder| {
            builder.transporter(for_a.clone())
        })
        .node("b", [listener(&logs[1])])
        .node("c", [listener(&logs[2])])
        .start()
        .await;
    let peer = Peer::join(cluster.network(), "peer").await;
    peer.balances_event("mail", "order.made").await;
    peer.info("i", 1, &json!([published("mailer", &[], &[("order.made", "mail")])]));
    cluster.advance(ms(5)).await;
    server.asked();
    for n in 0..6 {
        cluster.at("a").emit("order.made", n).await.unwrap();
    }
    cluster.advance(ms(5)).await;
    let sent = server.asked();
    assert!(sent.iter().all(|asked| matches!(asked, Asked::Send(Route::BalancedEvent { .. }, PacketKind::Event, packet) if packet["groups"].as_array().unwrap().len() == 1)), "{sent:?}");
    assert_eq!(sent.len(), 12);
    let each: Vec<_> = logs.iter().map(|log| log.all().len()).collect();
    assert_eq!(each, [2, 2, 2], "one of the group each");
    let mails = peer.heard(PacketKind::Event);
    assert_eq!(mails.len(), 6);
    assert_eq!((&mails[0]["groups"], &mails[0]["broadcast"]), (&json!(["mail"]), &json!(false)));
    // Named groups are the groups, and no group is nobody.
    cluster.at("a").emit("order.made", 9).group("mail").await.unwrap();
    cluster.at("a").emit("nobody.listens", 9).await.unwrap();
    cluster.advance(ms(5)).await;
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_group_whose_members_have_left_is_still_sent_to() {
    let (broker, server, network) = alone(vec![]).await;
    let broker = broker.start().await;
    let peer = Peer::join(&network, "peer").await;
    peer.info("i", 1, &json!([published("mailer", &[], &[("order.made", "mail")])]));
    tokio::time::sleep(ms(5)).await;
    peer.info("i", 2, &json!([]));
    tokio::time::sleep(ms(5)).await;
    server.asked();
    broker.emit("order.made", 1).await.unwrap();
    let route = Route::BalancedEvent { event: "order.made".into(), group: "mail".into() };
    assert!(matches!(&server.asked()[..], [Asked::Send(to, PacketKind::Event, _)] if *to == route));
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_goes_to_each_node_this_one_included() {
    let logs: Vec<_> = (0..2).map(|_| EventLog::of("news")).collect();
    let network = Network::new();
    let server = Server::on(&network);
    let for_a = server.clone();
    let cluster = Cluster::on(network)
        .configure(|config| config.disable_balancer = true)
        .node_with("a", [logs[0].clone().into_service_def()], move |builder| {
            builder.transporter(for_a.clone())
        })
        .node("b", [logs[1].clone().into_service_def()])
        .start()
        .await;
    server.asked();
    cluster.at("a").broadcast("news", 1).await.unwrap();
    cluster.advance(ms(5)).await;
    let mut to: Vec<_> = server
        .asked()
        .into_iter()
        .map(|asked| match asked {
            Asked::Send(Route::Node { id, .. }, PacketKind::Event, packet) => {
                assert_eq!(packet["broadcast"], true);
                assert_eq!(packet["groups"].as_array().unwrap().len(), 1);
                id.to_string()
            }
            other => panic!("{other:?}"),
        })
        .collect();
    to.sort();
    assert_eq!(to, ["a", "b"]);
    assert_eq!(logs.iter().map(|log| log.all().len()).collect::<Vec<_>>(), [1, 1]);
}

#[tokio::test(start_paused = true)]
async fn before_it_is_announced_and_once_it_leaves_a_node_calls_itself_directly() {
    let early = ServiceDef::builder("early").started(|cx| async move {
        // Nobody gets it over the bus as long as nobody knows of this node.
        cx.broker().wait_for(&["svc"]).await.map_err(Error::internal)?;
        let node: String = cx.broker().call("svc.where", ()).timeout(ms(100)).await?;
        assert_eq!(node, "a");
        Ok::<_, Error>(())
    });
    let slow = ServiceDef::builder("slow").action("last", |cx: Context, _: Value| async move {
        tokio::time::sleep(ms(300)).await;
        cx.call::<String>("svc.where", ()).timeout(ms(100)).await
    });
    let (broker, server, _network) = alone(vec![service(), early.build(), slow.build()]).await;
    let broker = broker.start().await;
    assert_eq!(requests(&server.asked()), []);
    let (called, stopped) = tokio::join!(broker.call::<String>("slow.last", ()), async {
        tokio::time::sleep(ms(20)).await;
        broker.stop().await
    });
    assert_eq!(called.unwrap(), "a");
    stopped.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_transporter_that_cannot_balance_switches_it_back_with_a_warning() {
    let log = Log::of_this_thread(tracing::Level::WARN);
    let network = Network::new();
    let server = Server::on(&network).can(|can| can.balanced = false);
    let broker = on(&server, vec![service()]).start().await;
    assert_eq!(log.with("disableBalancer is switched back").len(), 1);
    assert!(!broker.config().disable_balancer);
    assert_eq!(broker.call::<String>("svc.where", ()).await.unwrap(), "a");
    assert!(subscribed(&server.asked()).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_node_that_answers_that_it_does_not_offer_it_is_passed_over_by_name() {
    let (broker, server, network) = alone(vec![]).await;
    let broker = broker.start().await;
    let (stale, good) = (Peer::join(&network, "stale").await, Peer::join(&network, "good").await);
    stale.balances("svc.where").await;
    for peer in [&stale, &good] {
        peer.info("i", 1, &json!([published("svc", &["where"], &[])]));
    }
    tokio::time::sleep(ms(5)).await;
    server.asked();
    let (answer, ()) = tokio::join!(broker.call::<String>("svc.where", ()), async {
        stale.refuse(&stale.hears(PacketKind::Request).await);
        let again = good.hears(PacketKind::Request).await;
        good.answer(&again, &json!("good"));
    });
    assert_eq!(answer.unwrap(), "good");
    let sent = requests(&server.asked());
    assert_eq!(sent.len(), 2);
    assert!(matches!(&sent[1], Route::Node { id, .. } if id == "good"), "{sent:?}");
}

#[tokio::test(start_paused = true)]
async fn any_node_may_answer_a_balanced_call_but_only_one_that_was_made_and_only_once() {
    let (broker, _server, network) = alone(vec![]).await;
    let broker = broker.start().await;
    let (asked, other) = (Peer::join(&network, "asked").await, Peer::join(&network, "other").await);
    asked.balances("svc.where").await;
    asked.info("i", 1, &json!([published("svc", &["where"], &[])]));
    tokio::time::sleep(ms(5)).await;
    let (answer, ()) = tokio::join!(broker.call::<String>("svc.where", ()), async {
        let request = asked.hears(PacketKind::Request).await;
        let mut guessed = request.clone();
        guessed["id"] = json!("00000000-0000-4000-8000-000000000000");
        other.answer(&guessed, &json!("guessed"));
        tokio::time::sleep(ms(5)).await;
        other.answer(&request, &json!("other"));
        asked.answer(&request, &json!("asked"));
    });
    assert_eq!(answer.unwrap(), "other");
    tokio::time::sleep(ms(5)).await;
    assert_eq!((broker.stats().orphans, broker.stats().responses), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_call_to_a_node_that_dies_settles_at_its_deadline() {
    let (broker, _server, network) = alone(vec![]).await;
    let broker = broker.start().await;
    let peer = Peer::join(&network, "peer").await;
    peer.balances("svc.where").await;
    peer.info("i", 1, &json!([published("svc", &["where"], &[])]));
    tokio::time::sleep(ms(5)).await;
    let from = Instant::now();
    let (error, ()) = tokio::join!(broker.call::<String>("svc.where", ()).timeout(secs(3)), async {
        peer.hears(PacketKind::Request).await;
        peer.broadcast(PacketKind::Disconnect, json!({}));
    });
    let error = error.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::RequestTimeout, Outcome::MayHaveRun));
    assert_eq!(from.elapsed().as_secs(), 3);
    assert_eq!((broker.stats().pending, broker.stats().deadlines), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn balanced_packets_carry_the_other_version_only_where_everybody_who_may_get_them_speaks_it() {
    let (broker, server, network) = alone(vec![]).await;
    let broker = broker.start().await;
    let old = Peer::join(&network, "old").await.speaking("4");
    let new = Peer::join(&network, "new").await;
    let entry = json!([published("svc", &["where"], &[("order.made", "mail")])]);
    let versions = async || {
        tokio::time::sleep(ms(5)).await;
        server.asked();
        let _ = broker.call::<String>("svc.where", ()).timeout(ms(1)).await;
        broker.emit("order.made", 1).await.unwrap();
        let sent = server.asked().into_iter().filter_map(|asked| match asked {
            Asked::Send(_, PacketKind::Request | PacketKind::Event, packet) => Some(packet["ver"].clone()),
            _ => None,
        });
        sent.collect::<Vec<_>>()
    };
    old.info("i", 1, &entry);
    assert_eq!(versions().await, [json!("4"), json!("4")]);
    new.info("i", 1, &entry);
    assert_eq!(versions().await, [json!("5"), json!("5")], "in a mixed cluster our own");
}

#[tokio::test(start_paused = true)]
async fn a_rolling_restart_loses_no_balanced_call() {
    let mut cluster = cluster(&["a", "b", "c"]).start().await;
    let a = cluster.at("a").clone();
    let calls = tokio::spawn(async move {
        let until = Instant::now() + secs(8);
        let mut made = 0;
        while Instant::now() < until {
            a.call::<String>("svc.where", ()).timeout(ms(500)).await.unwrap();
            made += 1;
            tokio::time::sleep(ms(3)).await;
        }
        made
    });
    for node in ["b", "c"] {
        cluster.advance(secs(1)).await;
        cluster.stop(node).await;
        cluster.restart(node).await;
        cluster.settle().await;
    }
    assert!(calls.await.unwrap() > 1000);
}
