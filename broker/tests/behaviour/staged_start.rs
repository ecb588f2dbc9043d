//! A node is announced as its services start, once its id is its own.

use async_trait::async_trait;
use ligand::layer::Layer;
use ligand::transport::memory::Network;
use ligand::transport::{PacketKind, Subscription};
use ligand::{BrokerBuilder, ErrorKind, Outcome, ServiceBroker, ServiceCx, ServiceDef, StartError};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tests_support::outsider::peer::Peer;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::bus::{Asked, Server, of_action, of_event};
use crate::ways::{ms, ok, secs};

fn builder(id: &str, services: impl IntoIterator<Item = ServiceDef>) -> BrokerBuilder {
    let builder = ServiceBroker::builder().node_id(id).configure(|config| config.control.thread = false);
    services.into_iter().fold(builder, BrokerBuilder::service)
}

fn node(network: &Network, id: &str, services: impl IntoIterator<Item = ServiceDef>) -> ServiceBroker {
    builder(id, services).transporter(network.transporter()).build().unwrap()
}

fn starting(broker: &ServiceBroker) -> JoinHandle<Result<(), StartError>> {
    let broker = broker.clone();
    tokio::spawn(async move { broker.start().await })
}

fn service(name: &'static str, needs: &[&'static str]) -> ServiceDef {
    let builder = ServiceDef::builder(name).depends_on(needs.iter().copied());
    builder.action("get", |_, _: Value| async { ok(1) }).build()
}

/// A service that starts when this says so.
fn gated(name: &'static str, open: &watch::Sender<bool>) -> ServiceDef {
    let open = open.clone();
    let hook = move |_: ServiceCx| {
        let mut opened = open.subscribe();
        async move {
            opened.wait_for(|open| *open).await.unwrap();
            ok(())
        }
    };
    ServiceDef::builder(name).action("get", |_, _: Value| async { ok(1) }).started(hook).build()
}

/// One that takes so long to start.
fn slow(name: &'static str, millis: u64) -> ServiceDef {
    ServiceDef::builder(name)
        .started(move |_| async move {
            tokio::time::sleep(ms(millis)).await;
            ok(())
        })
        .build()
}

fn names(info: &Value) -> Vec<&str> {
    info["services"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect()
}

/// The next INFO, and when it came.
async fn next_info(peer: &Peer, from: Instant) -> (Value, u64) {
    let info = peer.hears(PacketKind::Info).await;
    (info, u64::try_from(from.elapsed().as_millis()).unwrap())
}

#[tokio::test(start_paused = true)]
async fn nodes_whose_services_need_each_other_crosswise_start() {
    let network = Network::new();
    let a = node(&network, "a", [service("tenant", &[]), service("location", &["device"])]);
    let b = node(&network, "b", [service("device", &["tenant"]), service("alarm", &["location"])]);
    let from = Instant::now();
    let started = tokio::join!(a.start(), b.start());
    started.0.unwrap();
    started.1.unwrap();
    a.wait_for(&["alarm"]).await.unwrap();
    assert!(from.elapsed() <= secs(3), "it took {:?}", from.elapsed());
    assert_eq!(a.call::<u8>("alarm.get", ()).await.unwrap(), 1);
    for broker in [&a, &b] {
        broker.stop().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_started_hook_hides_no_other_service_of_its_node() {
    let network = Network::new();
    let b = node(&network, "b", []);
    b.start().await.unwrap();
    let open = watch::Sender::new(false);
    let a = node(&network, "a", [service("quick", &[]), gated("slow", &open), service("third", &["quick"])]);
    let start = starting(&a);
    b.wait_for_within(&["quick", "third"], secs(1)).await.unwrap();
    assert_eq!(b.call::<u8>("quick.get", ()).await.unwrap(), 1);
    assert!(b.nodes().iter().any(|node| node.id.as_str() == "a" && node.is_available));
    let error = b.call::<u8>("slow.get", ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ServiceNotFound);
    assert!(!start.is_finished());

    open.send_replace(true);
    start.await.unwrap().unwrap();
    b.wait_for_within(&["slow"], ms(100)).await.unwrap();
    for broker in [&a, &b] {
        broker.stop().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn what_starts_at_once_is_in_one_announcement() {
    let network = Network::new();
    let peer = Peer::join(&network, "peer").await;
    let a = node(&network, "a", [service("one", &[]), service("two", &["one"])]);
    a.start().await.unwrap();
    tokio::time::sleep(secs(3)).await;
    let infos = peer.heard(PacketKind::Info);
    assert_eq!(infos.len(), 1, "{infos:?}");
    assert_eq!(names(&infos[0]), ["$node", "one", "two"]);
    a.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_first_announcement_goes_out_at_once_and_later_ones_after_the_debounce_time() {
    let network = Network::new();
    let peer = Peer::join(&network, "peer").await;
    let services = [slow("one", 200), slow("two", 300), slow("three", 900), slow("four", 5000)];
    let a = node(&network, "a", services);
    let from = Instant::now();
    let start = starting(&a);
    let mut seq = 0;
    let mut hears = async |services: &[&str], range: std::ops::Range<u64>| {
        let (info, at) = next_info(&peer, from).await;
        assert_eq!(names(&info), services, "after {at} ms");
        assert!(range.contains(&at), "{services:?} after {at} ms");
        assert!(info["seq"].as_u64().unwrap() > seq, "{info}");
        seq = info["seq"].as_u64().unwrap();
    };
    // The node is there while all of its services still start.
    hears(&["$node"], 0..100).await;
    hears(&["$node", "one"], 200..350).await;
    // Collected since the second one ended, however many follow.
    hears(&["$node", "one", "two", "three"], 1300..1450).await;
    // The start does not return before the last is told of, and lets nobody wait.
    hears(&["$node", "one", "two", "three", "four"], 5000..5150).await;
    start.await.unwrap().unwrap();
    tokio::time::sleep(secs(5)).await;
    assert_eq!(peer.heard(PacketKind::Info).len(), 0);
    a.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_node_without_any_service_is_announced_and_beats_while_others_start() {
    let network = Network::new();
    let peer = Peer::join(&network, "peer").await;
    let open = watch::Sender::new(false);
    let a = builder("a", [gated("slow", &open)]).transporter(network.transporter());
    let a = a.configure(|config| config.internal_services.enabled = false).build().unwrap();
    let start = starting(&a);
    assert_eq!(names(&peer.hears(PacketKind::Info).await), [""; 0]);
    assert_eq!(peer.hears(PacketKind::Heartbeat).await["sender"], "a");
    open.send_replace(true);
    start.await.unwrap().unwrap();
    assert_eq!(names(&peer.hears(PacketKind::Info).await), ["slow"]);
    a.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn discover_is_answered_while_services_start() {
    let network = Network::new();
    let peer = Peer::join(&network, "peer").await;
    let open = watch::Sender::new(false);
    let a = node(&network, "a", [service("quick", &[]), gated("slow", &open)]);
    let start = starting(&a);
    assert_eq!(names(&peer.hears(PacketKind::Info).await), ["$node", "quick"]);
    for _ in 0..2 {
        peer.broadcast(PacketKind::Discover, json!({}));
        assert_eq!(names(&peer.hears(PacketKind::Info).await), ["$node", "quick"]);
        peer.to("a", PacketKind::Discover, json!({}));
        assert_eq!(names(&peer.hears(PacketKind::Info).await), ["$node", "quick"]);
    }
    open.send_replace(true);
    start.await.unwrap().unwrap();
    a.stop().await.unwrap();
}

/// What a node said before it was gone.
fn is_taken_back(peer: &Peer, services: &[&str]) {
    let infos = peer.heard(PacketKind::Info);
    let [first, last] = infos.as_slice() else { panic!("{infos:?}") };
    assert_eq!((names(first), names(last)), (services.to_vec(), vec![]));
    assert!(last["seq"].as_u64() > first["seq"].as_u64());
    assert_eq!(peer.heard(PacketKind::Disconnect).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_fails_later_takes_back_what_was_announced() {
    let network = Network::new();
    let peer = Peer::join(&network, "peer").await;
    let fails = ServiceDef::builder("fails").started(|_| async {
        tokio::time::sleep(secs(2)).await;
        Err::<(), _>(ligand::Error::internal("no disk"))
    });
    let a = node(&network, "a", [service("quick", &[]), fails.build()]);
    let b = node(&network, "b", []);
    b.start().await.unwrap();
    peer.hears(PacketKind::Info).await;
    let calls = tokio::spawn({
        let b = b.clone();
        async move {
            b.wait_for_within(&["quick"], secs(1)).await.unwrap();
            // For as long as it is offered, it answers.
            loop {
                match b.call::<u8>("quick.get", ()).await {
                    Ok(_) => tokio::time::sleep(ms(10)).await,
                    Err(error) => return error,
                }
            }
        }
    });
    let error = a.start().await.unwrap_err();
    assert!(matches!(&error, StartError::Hook { service, .. } if service == "fails"), "{error}");
    let error = calls.await.unwrap();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::ServiceNotAvailable, Outcome::NotRun), "{error}");
    is_taken_back(&peer, &["$node", "quick"]);
    assert!(!b.nodes().iter().any(|node| node.id.as_str() == "a" && node.is_available));
    b.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_signal_while_services_start_takes_back_what_was_announced() {
    let network = Network::new();
    let peer = Peer::join(&network, "peer").await;
    let open = watch::Sender::new(false);
    let a = node(&network, "a", [service("quick", &[]), gated("slow", &open)]);
    a.run_until(tokio::time::sleep(secs(2))).await.unwrap();
    is_taken_back(&peer, &["$node", "quick"]);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_was_dropped_is_stopped_by_a_stop() {
    let network = Network::new();
    let peer = Peer::join(&network, "peer").await;
    let open = watch::Sender::new(false);
    let a = node(&network, "a", [service("quick", &[]), gated("slow", &open)]);
    let start = starting(&a);
    tokio::time::sleep(secs(1)).await;
    start.abort();
    assert!(start.await.unwrap_err().is_cancelled());
    assert_eq!(a.call::<u8>("quick.get", ()).await.unwrap(), 1);
    a.stop().await.unwrap();
    is_taken_back(&peer, &["$node", "quick"]);
}

#[tokio::test(start_paused = true)]
async fn balanced_subscriptions_stand_before_what_they_are_for_is_announced() {
    let network = Network::new();
    let peer = Peer::join(&network, "peer").await;
    let server = Server::on(&network);
    let open = watch::Sender::new(false);
    let late = {
        let open = open.clone();
        ServiceDef::builder("late")
            .action("get", |_, _: Value| async { ok(2) })
            .event("late.happened", |_, _: Value| async { ok(()) })
            .started(move |_| {
                let mut opened = open.subscribe();
                async move {
                    opened.wait_for(|open| *open).await.unwrap();
                    ok(())
                }
            })
    };
    let a = builder("a", [service("quick", &[]), late.build()]).transporter(server.clone());
    let a = a.configure(|config| config.disable_balancer = true).build().unwrap();
    server.hold_balanced(true);
    let start = starting(&a);
    tokio::time::sleep(secs(2)).await;
    assert_eq!(peer.heard(PacketKind::Info), Vec::<Value>::new(), "announced without its subscriptions");
    // Nobody has been told of it, so nobody is served.
    let request = json!({
        "id": "r", "action": "quick.get", "params": {}, "meta": {}, "level": 1, "caller": null,
        "timeout": 0, "tracing": false, "parentID": null, "requestID": "q", "stream": false,
    });
    peer.to("a", PacketKind::Request, request.clone());
    let answer = peer.hears(PacketKind::Response).await;
    assert_eq!(
        (&answer["success"], &answer["error"]["name"]),
        (&json!(false), &json!("ServiceNotAvailableError"))
    );

    server.hold_balanced(false);
    assert_eq!(names(&peer.hears(PacketKind::Info).await), ["$node", "quick"]);
    peer.to("a", PacketKind::Request, request);
    assert_eq!(peer.hears(PacketKind::Response).await["success"], true);
    server.asked();

    // A service that comes later, while its subscriptions are held up.
    server.hold_balanced(true);
    open.send_replace(true);
    tokio::time::sleep(secs(3)).await;
    assert_eq!(peer.heard(PacketKind::Info), Vec::<Value>::new(), "announced without its subscriptions");
    peer.broadcast(PacketKind::Discover, json!({}));
    assert_eq!(names(&peer.hears(PacketKind::Info).await), ["$node", "quick"], "told to whoever asked");
    // Over the bus nobody here would get it yet.
    assert_eq!(a.call::<u8>("late.get", ()).timeout(ms(100)).await.unwrap(), 2);
    server.hold_balanced(false);
    start.await.unwrap().unwrap();
    assert_eq!(names(&peer.hears(PacketKind::Info).await), ["$node", "quick", "late"]);
    let asked = server.asked();
    for wanted in [of_action("late.get"), of_event("late", "late.happened")] {
        assert!(asked.contains(&Asked::Subscribe(wanted.clone())), "{wanted:?}: {asked:?}");
    }
    server.asked();
    assert_eq!(a.call::<u8>("late.get", ()).await.unwrap(), 2);
    let by_bus = |asked: &Asked| matches!(asked, Asked::Send(_, PacketKind::Request, _));
    assert!(server.asked().iter().any(by_bus), "the bus balances again");
    a.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_starts_while_the_first_announcement_is_prepared_follows_it() {
    let network = Network::new();
    let peer = Peer::join(&network, "peer").await;
    let server = Server::on(&network);
    let open = watch::Sender::new(false);
    let a = builder("a", [slow("late", 500), gated("last", &open)]).transporter(server.clone());
    let a = a.configure(|config| config.disable_balancer = true).build().unwrap();
    server.hold_balanced(true);
    let start = starting(&a);
    tokio::time::sleep(secs(1)).await;
    server.hold_balanced(false);
    assert_eq!(names(&peer.hears(PacketKind::Info).await), ["$node"]);
    assert_eq!(names(&peer.hears(PacketKind::Info).await), ["$node", "late"]);
    open.send_replace(true);
    start.await.unwrap().unwrap();
    a.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nothing_is_subscribed_to_under_an_id_but_its_probe_until_nobody_else_has_it() {
    let network = Network::new();
    let owner = node(&network, "a", [service("owned", &[])]);
    owner.start().await.unwrap();
    let other = Peer::join(&network, "other").await;
    let own = |kinds: &[PacketKind]| kinds.iter().copied().map(Subscription::Own).collect::<Vec<_>>();
    for (shared, expected) in
        [(false, own(&[PacketKind::Pong, PacketKind::Ping])), (true, own(&[PacketKind::Pong]))]
    {
        let server = Server::on(&network).can(|capabilities| capabilities.shared_inboxes = shared);
        let second = builder("a", [service("owned", &[])]).transporter(server.clone()).build().unwrap();
        other.heard(PacketKind::Info);
        let error = second.start().await.unwrap_err();
        assert!(matches!(&error, StartError::DuplicateNode { node, .. } if node == "a"), "{error}");
        let asked = server.asked();
        let subscribed: Vec<_> = asked
            .iter()
            .filter_map(|asked| match asked {
                Asked::Subscribe(one) => Some(one.clone()),
                _ => None,
            })
            .collect();
        assert_eq!(subscribed, expected, "shared: {shared}");
        let said = |asked: &&Asked| {
            !matches!(asked, Asked::Subscribe(_) | Asked::Send(_, PacketKind::Ping | PacketKind::Pong, _))
        };
        assert_eq!(asked.iter().find(said), None, "shared: {shared}");
        assert_eq!(other.heard(PacketKind::Info), Vec::<Value>::new());
    }
    owner.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_free_id_is_taken_in_no_time_where_inboxes_are_shared() {
    let network = Network::new();
    let server = Server::on(&network).can(|capabilities| capabilities.shared_inboxes = true);
    let broker = builder("a", []).transporter(server).build().unwrap();
    let from = Instant::now();
    broker.start().await.unwrap();
    assert!(from.elapsed() < ms(100), "it took {:?}", from.elapsed());
    broker.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_node_whose_id_is_asked_about_answers_nobody_in_its_name() {
    let network = Network::new();
    let peer = Peer::join(&network, "peer").await;
    let a = node(&network, "a", [service("owned", &[])]);
    let start = starting(&a);
    // Less than it waits for an answer at least.
    tokio::time::sleep(ms(5)).await;
    peer.to("a", PacketKind::Ping, json!({ "time": 1, "id": "p" }));
    tokio::time::sleep(ms(5)).await;
    let early = peer.heard(PacketKind::Pong);
    start.await.unwrap().unwrap();
    peer.to("a", PacketKind::Ping, json!({ "time": 1, "id": "later" }));
    assert_eq!(peer.hears(PacketKind::Pong).await["id"], "later");
    assert_eq!(early, Vec::<Value>::new(), "it answered for the owner of the id");
    a.stop().await.unwrap();
}

/// Adds a service before the others start.
#[derive(Debug)]
struct Adds(Arc<AtomicUsize>, Arc<Notify>);

#[async_trait]
impl Layer for Adds {
    fn name(&self) -> &'static str {
        "adds"
    }

    async fn starting(&self, broker: &ServiceBroker) -> ligand::Result<()> {
        let count = Arc::clone(&self.0);
        let service = ServiceDef::builder("added").started(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            async { ok(()) }
        });
        broker.add(service).await.map_err(ligand::Error::internal)?;
        self.1.notify_one();
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_added_while_the_broker_starts_is_started_once() {
    let network = Network::new();
    let peer = Peer::join(&network, "peer").await;
    let (count, added) = (Arc::default(), Arc::default());
    let layer = Adds(Arc::clone(&count), Arc::clone(&added));
    let a = builder("a", [service("one", &[])]).layer(layer).transporter(network.transporter());
    let a = a.build().unwrap();
    a.start().await.unwrap();
    added.notified().await;
    assert_eq!(count.load(Ordering::Relaxed), 1);
    assert_eq!(names(&peer.hears(PacketKind::Info).await), ["$node", "added", "one"]);
    a.stop().await.unwrap();
}
