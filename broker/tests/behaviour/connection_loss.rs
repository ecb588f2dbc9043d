//! The connection to the message server goes, and comes back.

use async_trait::async_trait;
use ligand::testing::{RunningBroker, TestBroker};
use ligand::transport::memory::Network;
use ligand::transport::{
    Capabilities, Connection, Link, PacketKind, Route, Subscription, TransportError, Transporter,
};
use ligand::{Context, ErrorKind, LocalEvents, Outcome, ServiceBroker, ServiceDef, Timeout};
use serde_json::{Value, json};
use std::sync::Arc;
use tests_support::log::Log;
use tests_support::outsider::peer::Peer;
use tokio::time::Instant;

use crate::bus::{Asked, Server};
use crate::svc::svc;
use crate::ways::{ms, ok, secs};

fn service() -> ServiceDef {
    svc().event("news", |_: Context, _: Value| async { ok(()) }).build()
}

/// `a` on a server of its own, `b` with the service.
async fn two() -> (RunningBroker, Server, RunningBroker, Network) {
    let network = Network::new();
    let server = Server::on(&network);
    let a = TestBroker::new().node_id("a").transporter(server.clone()).start().await;
    let b =
        TestBroker::new().node_id("b").transporter(network.transporter()).service(service()).start().await;
    a.wait_for(&["svc"]).await.unwrap();
    server.asked();
    (a, server, b, network)
}

fn told(events: &mut LocalEvents) -> Vec<(String, Value)> {
    std::iter::from_fn(|| events.try_recv()).map(|event| (event.name.to_string(), event.data)).collect()
}

#[tokio::test(start_paused = true)]
async fn while_it_is_gone_everything_fails_at_once_as_not_run_and_nothing_is_queued() {
    let (a, server, b, network) = two().await;
    network.crash("a");
    tokio::time::sleep(ms(1)).await;
    let from = Instant::now();
    let error = a.call::<String>("svc.where", ()).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Disconnected, Outcome::NotRun));
    assert_eq!(error.name(), "BrokerDisconnectedError");
    let error = a.emit("news", 1).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Disconnected, Outcome::NotRun));
    assert_eq!(a.ping(b.node_id()).await.unwrap_err().kind(), ErrorKind::Disconnected);
    assert!(from.elapsed() < ms(1));
    network.restore("a");
    tokio::time::sleep(secs(1)).await;
    let sent = server.asked();
    assert!(
        !sent.iter().any(|asked| matches!(asked, Asked::Send(_, PacketKind::Request | PacketKind::Event, _)))
    );
    assert_eq!(a.call::<String>("svc.where", ()).await.unwrap(), "b");
}

#[tokio::test(start_paused = true)]
async fn calls_under_way_settle_at_their_deadline_or_with_an_answer_that_comes_after_all() {
    let (a, _server, _b, network) = two().await;
    let from = Instant::now();
    let (lost, answered, ()) = tokio::join!(
        a.call::<u64>("svc.slow", 500_u64).timeout(secs(4)),
        a.call::<u64>("svc.slow", 2_000_u64).timeout(secs(4)),
        async {
            tokio::time::sleep(ms(10)).await;
            network.crash("a");
            tokio::time::sleep(secs(1)).await;
            network.restore("a");
        }
    );
    assert_eq!(answered.unwrap(), 2_000);
    let error = lost.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::RequestTimeout, Outcome::MayHaveRun));
    assert_eq!(from.elapsed().as_secs(), 4);
}

#[tokio::test(start_paused = true)]
async fn every_subscription_is_restored_once_and_then_the_node_asks_and_announces_itself() {
    let network = Network::new();
    let server = Server::on(&network);
    let a = TestBroker::new().node_id("a").transporter(server.clone()).start().await;
    let made = |asked: &[Asked]| {
        let made = asked.iter().filter(|asked| matches!(asked, Asked::Subscribe(_)));
        made.cloned().collect::<Vec<_>>()
    };
    let first = made(&server.asked());
    assert_eq!(first.len(), 12);
    let mut events = a.local_events("$transporter.*");
    for _ in 0..3 {
        network.crash("a");
        tokio::time::sleep(secs(2)).await;
        assert_eq!(
            told(&mut events),
            [("$transporter.disconnected".to_owned(), json!({ "graceFul": false }))]
        );
        server.asked();
        network.restore("a");
        tokio::time::sleep(secs(2)).await;
        assert_eq!(
            told(&mut events),
            [("$transporter.connected".to_owned(), json!({ "wasReconnect": true }))]
        );
        let asked = server.asked();
        assert_eq!(made(&asked), first, "each once, in the same order");
        let sent = asked.iter().skip(first.len()).filter_map(|asked| match asked {
            Asked::Send(Route::Broadcast, kind, _) => Some(*kind),
            _ => None,
        });
        assert_eq!(sent.take(2).collect::<Vec<_>>(), [PacketKind::Discover, PacketKind::Info]);
    }
    // A connection that flickers ends up restored, too.
    for _ in 0..20 {
        network.crash("a");
        network.restore("a");
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(secs(6)).await;
    let names: Vec<_> = told(&mut events).into_iter().map(|(name, _)| name).collect();
    let turns = ["$transporter.disconnected", "$transporter.connected"];
    assert_eq!(names.len() % 2, 0, "{names:?}");
    assert!(names.iter().zip(turns.iter().cycle()).all(|(name, turn)| name == turn), "{names:?}");
    a.ping_all().await;
}

#[tokio::test(start_paused = true)]
async fn a_subscription_refused_on_return_raises_an_error_naming_it_and_is_tried_again() {
    let (a, server, _b, network) = two().await;
    let log = Log::of_this_thread(tracing::Level::WARN);
    let mut events = a.local_events("$transporter.*");
    network.crash("a");
    server.refuse(Subscription::Own(PacketKind::Response));
    network.restore("a");
    tokio::time::sleep(secs(20)).await;
    let told = told(&mut events);
    assert_eq!(told[0].0, "$transporter.disconnected");
    let errors: Vec<_> = told.iter().filter(|(name, _)| name == "$transporter.error").collect();
    assert!(errors.len() > 1 && told.len() == errors.len() + 1, "{told:?}");
    assert_eq!(errors[0].1["topic"], "Own(Response)");
    assert!(errors[0].1["error"]["message"].as_str().unwrap().contains("permissions violation"));
    assert_eq!(log.with("Own(Response)").len(), 1, "logged once");
    // Answers would not arrive, so nothing is asked.
    assert_eq!(a.call::<String>("svc.where", ()).await.unwrap_err().outcome(), Outcome::NotRun);
    server.allow_everything();
    tokio::time::sleep(secs(6)).await;
    assert_eq!(events.recv().await.unwrap().name, "$transporter.connected");
    assert_eq!(a.call::<String>("svc.where", ()).await.unwrap(), "b");
}

#[tokio::test(start_paused = true)]
async fn a_subscription_refused_at_the_start_fails_it_and_is_named() {
    let server = Server::on(&Network::new());
    server.refuse(Subscription::Broadcast(PacketKind::Info));
    let broker = ServiceBroker::builder().node_id("a").transporter(server).build().unwrap();
    let error = broker.start().await.unwrap_err().to_string();
    assert!(error.contains("Broadcast(Info)") && error.contains("permissions violation"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_comes_later_raises_an_error_each_time_and_is_logged_once() {
    let (a, server, _b, _network) = two().await;
    let log = Log::of_this_thread(tracing::Level::WARN);
    let mut events = a.local_events("$transporter.error");
    for _ in 0..3 {
        server.link().refused(&TransportError::refused("MOL.REQ.b", "permissions violation for publish"));
    }
    let told = told(&mut events);
    assert_eq!(told.len(), 3);
    assert_eq!(told[0].1["topic"], "MOL.REQ.b");
    let text = told[0].1["error"]["message"].as_str().unwrap();
    assert!(text.contains("MOL.REQ.b") && text.contains("permissions violation for publish"), "{text}");
    assert_eq!(log.with("MOL.REQ.b").len(), 1);
    // A storm of them is no storm of events.
    for _ in 0..1000 {
        server.link().refused(&TransportError::refused("MOL.REQ.c", "no"));
    }
    assert!(std::iter::from_fn(|| events.try_recv()).count() < 10);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_comes_back_before_the_first_announcement_repeats_nothing() {
    let network = Network::new();
    let peer = Peer::join(&network, "peer").await;
    let broker = TestBroker::new().node_id("a").transporter(network.transporter());
    let (broker, ()) = tokio::join!(broker.start(), async {
        // While it asks whether its id is free.
        tokio::time::sleep(ms(5)).await;
        network.crash("a");
        tokio::time::sleep(ms(5)).await;
        let said =
            [PacketKind::Info, PacketKind::Discover, PacketKind::Heartbeat].map(|kind| peer.heard(kind));
        assert_eq!(said.concat(), Vec::<Value>::new());
        network.restore("a");
    });
    assert_eq!(peer.heard(PacketKind::Discover).len(), 1);
    assert_eq!(peer.heard(PacketKind::Info).len(), 1);
    drop(broker);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_comes_back_while_services_start_announces_those_that_have() {
    let network = Network::new();
    let server = Server::on(&network);
    let slow = ServiceDef::builder("slow").started(|_| async {
        tokio::time::sleep(secs(5)).await;
        Ok::<_, ligand::Error>(())
    });
    let broker = TestBroker::new().node_id("a").transporter(server.clone()).service(slow);
    let announced = |asked: &[Asked]| {
        let services = |asked: &Asked| match asked {
            Asked::Send(Route::Broadcast, PacketKind::Info, info) => {
                let services = info["services"].as_array()?.iter();
                Some(services.map(|one| one["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>())
            }
            _ => None,
        };
        asked.iter().filter_map(services).collect::<Vec<_>>()
    };
    let ((), broker) = tokio::join!(
        async {
            tokio::time::sleep(secs(1)).await;
            network.crash("a");
            tokio::time::sleep(secs(1)).await;
            network.restore("a");
            tokio::time::sleep(secs(2)).await;
            assert_eq!(announced(&server.asked()), [["$node"], ["$node"]]);
        },
        broker.start()
    );
    assert_eq!(announced(&server.asked()), [["$node", "slow"]]);
    drop(broker);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_comes_late_is_waited_for() {
    let network = Network::new();
    network.crash("a");
    let broker = TestBroker::new().node_id("a").transporter(network.transporter());
    let from = Instant::now();
    let (broker, ()) = tokio::join!(broker.start(), async {
        tokio::time::sleep(secs(10)).await;
        network.restore("a");
    });
    assert!(from.elapsed() < secs(16), "{:?}", from.elapsed());
    drop(broker);
}

/// A server behind a password that cannot be reached, or that never answers.
#[derive(Debug, Clone)]
struct Away {
    hangs: bool,
}

#[async_trait]
impl Transporter for Away {
    fn scheme(&self) -> &'static str {
        "away"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::bus()
    }

    async fn connect(&self, _link: Link) -> Result<Arc<dyn Connection>, TransportError> {
        if self.hangs {
            std::future::pending::<()>().await;
        }
        Err(TransportError::connect("away://user:s3cret@broker.internal:4222", "connection refused"))
    }
}

async fn fails(away: Away, change: impl FnOnce(&mut ligand::BrokerConfig) + Send + 'static) -> String {
    let url = "away://user:s3cret@broker.internal:4222";
    let broker = ServiceBroker::builder().node_id("a").transporter(away).configure(|config| {
        config.transporter = Some(url.into());
        change(config);
    });
    broker.build().unwrap().start().await.unwrap_err().to_string()
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_not_there_fails_the_start_in_time_and_its_url_is_told_without_the_password() {
    for hangs in [false, true] {
        let from = Instant::now();
        let text = fails(Away { hangs }, |_| {}).await;
        assert!(from.elapsed() > secs(20) && from.elapsed() <= secs(30), "{:?}", from.elapsed());
        assert!(text.contains("away://***@broker.internal:4222") && !text.contains("s3cret"), "{text}");
    }
    let from = Instant::now();
    let text = fails(Away { hangs: false }, |config| config.transit.disable_reconnect = true).await;
    assert!(from.elapsed() < ms(10) && text.contains("connection refused"), "{text}");
    let never = fails(Away { hangs: false }, |config| config.transit.connect_timeout = Timeout::Never);
    assert!(tokio::time::timeout(secs(3600), never).await.is_err(), "`never` tries for ever");
}
