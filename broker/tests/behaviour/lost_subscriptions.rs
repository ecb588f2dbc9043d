//! The server takes subscriptions away while the connection stands. A node that does not hear everything must
//! not pretend to be there.

use ligand::testing::{RunningBroker, TestBroker};
use ligand::transport::memory::Network;
use ligand::transport::{PacketKind, Route, Subscription};
use ligand::{Context, ErrorKind, LocalEvents, NodeInfo, Outcome, ServiceDef};
use serde_json::{Value, json};
use tests_support::{is, until};
use tokio::time::Instant;

use crate::bus::{Asked, Server, of_action, of_event};
use crate::svc::svc;
use crate::ways::{ms, ok, secs};

fn service() -> ServiceDef {
    svc().event("news", |_: Context, _: Value| async { ok(()) }).build()
}

fn node(id: &str, network: &Network, balanced: bool) -> TestBroker {
    let broker = TestBroker::new().node_id(id).transporter(network.transporter());
    broker.configure(move |config| config.disable_balancer = balanced)
}

/// `a` and, with the service, `b`, which is on a server of its own.
async fn two(balanced: bool) -> (RunningBroker, RunningBroker, Server, Network) {
    let network = Network::new();
    let server = Server::on(&network);
    let a = node("a", &network, balanced).start().await;
    let b = node("b", &network, balanced).transporter(server.clone()).service(service()).start().await;
    a.wait_for(&["svc"]).await.unwrap();
    (a, b, server, network)
}

fn names(events: &mut LocalEvents) -> Vec<String> {
    std::iter::from_fn(|| events.try_recv()).map(|event| event.name.to_string()).collect()
}

/// Waits until `b` is there for the node, or is not.
async fn until_there(node: &RunningBroker, there: bool) {
    let is_b = |node: &NodeInfo| node.id.as_str() == "b" && node.is_available;
    let what = format!("b is there: {there}");
    until(&what, async || is(node.nodes(), |nodes| nodes.iter().any(is_b) == there)).await;
}

fn every_one() -> impl Iterator<Item = Subscription> {
    let own = ["EVENT", "REQ", "RES", "DISCOVER", "INFO", "PING", "PONG"];
    let common = ["DISCOVER", "INFO", "DISCONNECT", "HEARTBEAT", "PING"];
    let kind = |name| PacketKind::named(name).unwrap();
    let own = own.into_iter().map(move |name| Subscription::Own(kind(name)));
    own.chain(common.into_iter().map(move |name| Subscription::Broadcast(kind(name))))
}

#[tokio::test(start_paused = true)]
async fn whichever_it_is_the_node_leaves_until_it_hears_everything_again() {
    let (a, b, _server, network) = two(false).await;
    for denied in every_one() {
        let mut events = b.local_events("$transporter.*");
        network.deny("b", denied.clone());
        let from = Instant::now();
        until_there(&a, false).await;
        assert!(from.elapsed() < secs(3), "{denied:?}: {:?}", from.elapsed());
        let from = Instant::now();
        let error = a.call::<String>("svc.where", ()).await.unwrap_err();
        assert_eq!(error.outcome(), Outcome::NotRun, "{denied:?}");
        // Answers might not come, so nothing is asked either.
        assert_eq!(b.ping(a.node_id()).await.unwrap_err().kind(), ErrorKind::Disconnected, "{denied:?}");
        assert!(from.elapsed() < ms(1), "{denied:?}");
        tokio::time::sleep(secs(40)).await;
        let told = names(&mut events);
        assert!(told.iter().filter(|name| *name == "$transporter.error").count() > 3, "{told:?}");
        assert_eq!(told.iter().filter(|name| *name == "$transporter.disconnected").count(), 1, "{told:?}");
        assert!(!told.iter().any(|name| name == "$transporter.connected"), "{told:?}");
        network.allow("b");
        until_there(&a, true).await;
        assert_eq!(names(&mut events).last().unwrap(), "$transporter.connected");
        assert_eq!(a.call::<String>("svc.where", ()).await.unwrap(), "b", "{denied:?}");
        b.ping(a.node_id()).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn it_takes_its_services_back_says_farewell_and_announces_itself_under_a_higher_number() {
    let (a, _b, server, network) = two(false).await;
    let said = || -> Vec<_> {
        let sent = server.asked().into_iter().filter_map(|asked| match asked {
            Asked::Send(Route::Broadcast, kind, packet) => Some((kind, packet)),
            _ => None,
        });
        sent.filter(|(kind, _)| *kind != PacketKind::Heartbeat).collect()
    };
    let before = said();
    let (_, offered) = before.iter().rfind(|(kind, _)| *kind == PacketKind::Info).unwrap();
    network.deny("b", Subscription::Own(PacketKind::Request));
    until_there(&a, false).await;
    tokio::time::sleep(secs(30)).await;
    let told = said();
    let [(PacketKind::Info, nothing), (PacketKind::Disconnect, farewell)] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert_eq!(nothing["services"], json!([]));
    assert_eq!(nothing["instanceID"], offered["instanceID"]);
    assert!(nothing["seq"].as_u64() > offered["seq"].as_u64(), "{nothing}");
    assert_eq!(*farewell, json!({ "ver": "5", "sender": "b" }));
    network.allow("b");
    until_there(&a, true).await;
    let told = said();
    let [(PacketKind::Discover, _), (PacketKind::Info, again), ..] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert_eq!(again["services"], offered["services"]);
    assert!(again["seq"].as_u64() > nothing["seq"].as_u64(), "{again}");
}

#[tokio::test(start_paused = true)]
async fn what_it_has_begun_is_still_answered() {
    let (a, _b, _server, network) = two(false).await;
    let (answer, ()) = tokio::join!(a.call::<u64>("svc.slow", 300_u64).timeout(secs(5)), async {
        tokio::time::sleep(ms(10)).await;
        network.deny("b", Subscription::Own(PacketKind::Request));
    });
    assert_eq!(answer.unwrap(), 300);
    until_there(&a, false).await;
}

#[tokio::test(start_paused = true)]
async fn the_topic_is_in_the_event() {
    let (_a, b, _server, network) = two(false).await;
    let mut events = b.local_events("$transporter.error");
    network.deny("b", Subscription::Own(PacketKind::Request));
    let told = events.recv().await.unwrap().data;
    assert_eq!(told["topic"], "MOL.REQ.b");
}

#[tokio::test(start_paused = true)]
async fn one_that_is_allowed_at_once_is_back_at_once() {
    let (a, b, _server, network) = two(false).await;
    let mut events = b.local_events("$transporter.*");
    network.deny("b", Subscription::Own(PacketKind::Event));
    network.allow("b");
    tokio::time::sleep(secs(1)).await;
    let told = names(&mut events);
    assert_eq!(told, ["$transporter.error", "$transporter.disconnected", "$transporter.connected"]);
    assert_eq!(a.call::<String>("svc.where", ()).await.unwrap(), "b");
}

#[tokio::test(start_paused = true)]
async fn services_that_come_meanwhile_are_offered_when_it_is_back() {
    let (a, b, server, network) = two(false).await;
    network.deny("b", Subscription::Own(PacketKind::Request));
    until_there(&a, false).await;
    tokio::time::sleep(secs(1)).await;
    server.asked();
    b.add(ServiceDef::builder("late").action("one", |_, _: Value| async { ok(1) })).await.unwrap();
    tokio::time::sleep(secs(10)).await;
    assert!(!server.asked().iter().any(|asked| matches!(asked, Asked::Send(..))), "it says nothing");
    network.allow("b");
    a.wait_for(&["late"]).await.unwrap();
    assert_eq!(a.call::<u64>("late.one", ()).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_one_when_the_connection_is_back_leaves_too() {
    let (a, _b, _server, network) = two(false).await;
    network.crash("b");
    network.deny("b", Subscription::Own(PacketKind::Request));
    tokio::time::sleep(ms(100)).await;
    network.restore("b");
    let from = Instant::now();
    until_there(&a, false).await;
    assert!(from.elapsed() < secs(3), "not only after its heartbeats are missed: {:?}", from.elapsed());
    network.allow("b");
    until_there(&a, true).await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_meanwhile_takes_no_longer() {
    let (_a, b, _server, network) = two(false).await;
    network.deny("b", Subscription::Own(PacketKind::Request));
    tokio::time::sleep(secs(5)).await;
    let from = Instant::now();
    b.stop().await.unwrap();
    assert!(from.elapsed() < secs(3), "{:?}", from.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_group_that_is_taken_away_is_left_to_the_others_until_it_is_back() {
    let (a, _b, _server, network) = two(true).await;
    let _c = node("c", &network, true).service(service()).start().await;
    for denied in [of_action("svc.where"), of_event("svc", "news")] {
        network.deny("b", denied.clone());
        until_there(&a, false).await;
        for _ in 0..10 {
            assert_eq!(a.call::<String>("svc.where", ()).await.unwrap(), "c", "{denied:?}");
        }
        network.allow("b");
        until_there(&a, true).await;
        let mut who = Vec::new();
        for _ in 0..2 {
            who.push(a.call::<String>("svc.where", ()).await.unwrap());
        }
        who.sort();
        assert_eq!(who, ["b", "c"], "{denied:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_whose_group_is_refused_is_offered_once_it_is_allowed() {
    let (a, b, server, _network) = two(true).await;
    let mut events = b.local_events("$transporter.error");
    server.refuse(of_action("late.one"));
    b.add(ServiceDef::builder("late").action("one", |_, _: Value| async { ok(1) })).await.unwrap();
    tokio::time::sleep(secs(20)).await;
    assert!(names(&mut events).len() > 2, "it is asked for again");
    let error = a.call::<u64>("late.one", ()).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::NotRun, "{error}");
    assert_eq!(a.call::<String>("svc.where", ()).await.unwrap(), "b");
    server.allow_everything();
    a.wait_for(&["late"]).await.unwrap();
    assert_eq!(a.call::<u64>("late.one", ()).await.unwrap(), 1);
}
