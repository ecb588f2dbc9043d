//! What the log says of a server that is away: each once, and of what repeats a line a second.

use async_trait::async_trait;
use ligand::testing::{RunningBroker, TestBroker};
use ligand::transport::memory::{Memory, Network};
use ligand::transport::{Capabilities, Connection, Link, TransportError, Transporter};
use ligand::{ServiceBroker, ServiceDef, Timeout, Value};
use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tests_support::log;
use tokio::time::Instant;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context as Place, Layer, SubscriberExt as _};

use crate::bus::Server;
use crate::ways::{ms, ok, secs};

/// A line of the log. Its cause is the place in the code.
#[derive(Debug, Clone)]
struct Line {
    at: Instant,
    cause: String,
    level: Level,
    fields: HashMap<&'static str, String>,
}

impl Line {
    fn message(&self) -> &str {
        self.fields.get("message").map(String::as_str).unwrap_or_default()
    }

    fn number(&self, field: &str) -> u64 {
        self.fields.get(field).map_or(0, |number| number.parse().unwrap())
    }
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<Line>>>);

struct Fields<'a>(&'a mut HashMap<&'static str, String>);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Place<'_, S>) {
        let about = event.metadata();
        let cause = format!("{}:{}", about.file().unwrap_or_default(), about.line().unwrap_or_default());
        let mut fields = HashMap::new();
        event.record(&mut Fields(&mut fields));
        let line = Line { at: Instant::now(), cause, level: *about.level(), fields };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}

impl Lines {
    /// Everything at info and above on this thread, until the guard is dropped.
    fn of_this_thread() -> (Self, DefaultGuard) {
        let lines = Self::default();
        let subscriber = tracing_subscriber::registry().with(lines.clone().with_filter(LevelFilter::INFO));
        (lines, log::subscribe(subscriber))
    }

    fn take(&self) -> Vec<Line> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What was logged within a minute, and that none of it came twice within a second.
fn one_a_second(lines: &[Line]) {
    let mut last: HashMap<&str, Instant> = HashMap::new();
    for line in lines {
        if let Some(before) = last.insert(&line.cause, line.at) {
            assert!(line.at - before >= secs(1), "{line:?} came {:?} after one before", line.at - before);
        }
    }
}

fn messages(lines: &[Line]) -> Vec<&str> {
    lines.iter().map(Line::message).collect()
}

/// A server that refuses connections while it is away.
#[derive(Debug, Clone)]
struct Refusing {
    memory: Memory,
    away: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
}

#[async_trait]
impl Transporter for Refusing {
    fn scheme(&self) -> &'static str {
        "refusing"
    }
    fn capabilities(&self) -> Capabilities {
        Capabilities::bus()
    }
    async fn connect(&self, link: Link) -> Result<Arc<dyn Connection>, TransportError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.away.load(Ordering::Relaxed) {
            Err(TransportError::connect("refusing://here", "connection refused"))
        } else {
            self.memory.connect(link).await
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_for_a_minute_gives_a_line_a_second_which_counts_the_others() {
    let (lines, _guard) = Lines::of_this_thread();
    let away = Arc::new(AtomicBool::new(true));
    let memory = Network::new().transporter();
    let transporter = Refusing { memory, away: Arc::clone(&away), asked: Arc::default() };
    let asked = Arc::clone(&transporter.asked);
    let broker = ServiceBroker::builder().node_id("a").transporter(transporter).configure(|config| {
        config.transit.connect_timeout = Timeout::Never;
        config.control.thread = false;
    });
    let broker = broker.build().unwrap();
    let ((), started) = tokio::join!(
        async {
            tokio::time::sleep(secs(60)).await;
            away.store(false, Ordering::Relaxed);
        },
        broker.start()
    );
    started.unwrap();
    let all = lines.take();
    one_a_second(&all);
    let (first, rest) = all.split_first().unwrap();
    assert_eq!(first.message(), "broker starting");
    let refused: Vec<_> =
        rest.iter().filter(|line| line.message() == "transporter not connected, trying again").collect();
    assert!(refused.len() > 10, "{}", refused.len());
    assert!(refused.iter().all(|line| line.level == Level::WARN));
    assert!(refused[0].fields["error"].contains("connection refused"), "{:?}", refused[0]);
    // Each attempt that failed is in a line, or counted in the next.
    let told: u64 = refused.iter().map(|line| 1 + line.number("left_out")).sum();
    assert_eq!(told, refused.last().unwrap().number("attempts"));
    assert!(refused.iter().any(|line| line.number("left_out") > 2), "{refused:?}");
    let [connected, ready] = &all[1 + refused.len()..] else { panic!("{:?}", messages(&all)) };
    assert_eq!((connected.message(), connected.level), ("transporter connected", Level::INFO));
    assert_eq!(connected.number("attempts"), asked.load(Ordering::Relaxed) as u64);
    assert!(connected.number("elapsed_ms") >= 60_000, "{connected:?}");
    assert!(ready.message().starts_with("broker started, ready after 6"), "{ready:?}");
    broker.stop().await.unwrap();
}

/// `a`, which offers a service and listens to an event, on a network with `others`.
async fn cluster(network: &Network, others: usize) -> (RunningBroker, Server, Vec<RunningBroker>) {
    let server = Server::on(network);
    let service = ServiceDef::builder("svc")
        .action("get", |_, _: Value| async { ok(1) })
        .event("news", |_, _: Value| async { ok(()) });
    let a = TestBroker::new().node_id("a").transporter(server.clone()).service(service);
    let a = a.start().await;
    let mut all = Vec::new();
    for other in 0..others {
        let id = format!("b{other}");
        all.push(TestBroker::new().node_id(id).transporter(network.transporter()).start().await);
    }
    tokio::time::sleep(secs(2)).await;
    (a, server, all)
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_lost_and_comes_back_is_told_of_once_each_and_how_long_it_was_away() {
    let network = Network::new();
    let (a, _server, _others) = cluster(&network, 1).await;
    let (lines, _guard) = Lines::of_this_thread();
    network.crash("a");
    tokio::time::sleep(secs(20)).await;
    network.restore("a");
    tokio::time::sleep(secs(2)).await;
    let all = lines.take();
    let of_a = |line: &&Line| line.message().starts_with("transporter ");
    let found: Vec<_> = all.iter().filter(of_a).collect();
    let [lost, back] = found[..] else { panic!("{:?}", messages(&all)) };
    assert_eq!((lost.level, back.level), (Level::WARN, Level::INFO));
    let why = lost.message().strip_prefix("transporter lost: ").unwrap();
    assert!(why.strip_suffix(", trying again").is_some_and(|why| !why.is_empty()), "{why}");
    assert!((20_000..22_000).contains(&back.number("away_ms")), "{back:?}");
    assert!(back.message().starts_with("transporter connected again after 2"), "{back:?}");
    for line in [lost, back] {
        let named = ["node", "transporter"].map(|field| line.fields[field].trim_matches('"'));
        assert_eq!(named, ["a", "server://"]);
        assert!(!line.fields.contains_key("left_out"), "{line:?}");
    }
    a.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn while_a_server_is_away_nothing_that_a_node_tries_is_told_of_more_than_once_a_second() {
    let network = Network::new();
    let (a, _server, others) = cluster(&network, 30).await;
    let (lines, _guard) = Lines::of_this_thread();
    network.crash("a");
    let from = Instant::now();
    let mut added = 0;
    while from.elapsed() < secs(60) {
        a.call::<u8>("svc.get", ()).await.unwrap();
        a.call::<u8>("elsewhere.get", ()).await.unwrap_err();
        let _ = a.emit("news", 1).await;
        let _ = a.broadcast("news", 1).await;
        a.ping(others[0].node_id()).await.unwrap_err();
        let name = format!("late-{added}");
        a.add(ServiceDef::builder(name).action("get", |_, _: Value| async { ok(1) })).await.unwrap();
        added += 1;
        tokio::time::sleep(ms(100)).await;
    }
    let vanished = |line: &&Line| line.message().ends_with("disconnected unexpectedly");
    // The others, in the same process, each say that they miss `a`.
    let mut mine = lines.take();
    mine.retain(|line| {
        !vanished(&line) || line.fields.get("node").is_none_or(|node| !node.contains("\"a\""))
    });
    one_a_second(&mine);
    // They have left `a`, all of them within moments.
    let gone: u64 = mine.iter().filter(vanished).map(|line| line.number("count").max(1)).sum();
    assert_eq!(gone, 30, "{mine:#?}");
    assert_eq!(mine.iter().filter(|line| line.message().starts_with("transporter lost: ")).count(), 1);
    network.restore("a");
    a.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_flickers_gives_a_line_a_second_of_each_kind_and_the_last_one_is_true() {
    let network = Network::new();
    let (a, _server, _others) = cluster(&network, 1).await;
    let (lines, _guard) = Lines::of_this_thread();
    for _ in 0..300 {
        network.crash("a");
        tokio::time::sleep(ms(20)).await;
        network.restore("a");
        tokio::time::sleep(ms(80)).await;
    }
    network.crash("a");
    tokio::time::sleep(secs(5)).await;
    let mut all = lines.take();
    one_a_second(&all);
    all.retain(|line| line.message().starts_with("transporter "));
    assert!(all.iter().any(|line| line.number("left_out") > 5), "{:?}", messages(&all));
    assert!(all.last().unwrap().message().starts_with("transporter lost: "), "{:?}", messages(&all));
    network.restore("a");
    tokio::time::sleep(secs(5)).await;
    let all = lines.take();
    one_a_second(&all);
    let back = all.iter().find(|line| line.message().starts_with("transporter connected again after "));
    assert!(back.is_some_and(|line| line.number("away_ms") < 7_000), "{:?}", messages(&all));
    a.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_subscriptions_away_and_then_goes_is_lost_once() {
    let network = Network::new();
    let (a, server, _others) = cluster(&network, 1).await;
    let (lines, _guard) = Lines::of_this_thread();
    let why = TransportError::subscribe("MOL.REQ.a", "permissions violation");
    server.link().deaf(&why);
    server.link().down(&why);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let all = lines.take();
    let errors: Vec<_> = all.iter().filter(|line| line.level <= Level::WARN).collect();
    let [lost] = errors[..] else { panic!("{:?}", messages(&all)) };
    assert_eq!(lost.level, Level::ERROR);
    let text = "this node does not hear everything any more and leaves until it does: ";
    assert!(lost.message().starts_with(text) && lost.message().contains("MOL.REQ.a"), "{lost:?}");
    drop(a);
}
