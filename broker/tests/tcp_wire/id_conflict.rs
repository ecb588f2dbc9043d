//! Two nodes with one id over TCP: the second is refused where it can be known, else both are told.

use ligand::transport::tcp::Tcp;
use ligand::{BrokerBuilder, Error, LocalEvents, NodeId, ServiceDef};
use serde_json::{Value, json};
use std::net::UdpSocket;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tests_support::log::Log;
use tests_support::{free_port, until, within};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::peer::{Door, GOSSIP_RES, Line, PING, PONG, Peer, info};
use crate::support::{
    LIMIT, builder, echo, event, loopback, on_this_thread, port_of, row, started, stop, until_it_echoes,
    until_it_sees,
};

/// Less than [`patient`] nodes wait for an answer.
const LONG: Duration = Duration::from_secs(5);

/// A node "a" that waits for long, so that what ends its wait is what it learns.
fn patient(tcp: Tcp) -> BrokerBuilder {
    builder("a", tcp).configure(|config| config.transit.id_conflict_wait = LIMIT)
}

/// A service that starts only when it is told to.
fn slow_start(go: &Arc<Notify>) -> ServiceDef {
    let go = Arc::clone(go);
    ServiceDef::builder("slow")
        .started(move |_| {
            let go = Arc::clone(&go);
            async move {
                go.notified().await;
                Ok::<_, Error>(())
            }
        })
        .build()
}

/// A second node "a" whose start has not ended yet.
struct Second {
    go: Arc<Notify>,
    start: tokio::task::JoinHandle<Result<(), ligand::StartError>>,
}

impl Second {
    fn begin(tcp: Tcp) -> Self {
        let go = Arc::new(Notify::new());
        let broker = patient(tcp).service(slow_start(&go)).build().unwrap();
        let start = tokio::spawn(async move { broker.start().await });
        Self { go, start }
    }

    /// Lets it become ready, and checks that it is not.
    async fn must_be_refused_for(self, owner: u16) {
        let from = Instant::now();
        self.go.notify_one();
        let error = within("the start ends", self.start).await.unwrap().unwrap_err().to_string();
        assert_eq!(
            error,
            format!("the node id `a` is taken, its owner is 127.0.0.1:{owner}: choose another id")
        );
        assert!(from.elapsed() < LONG, "it took {:?}", from.elapsed());
    }
}

fn no_conflict(events: &mut LocalEvents) {
    assert_eq!(events.try_recv(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_is_refused_when_the_configured_address_of_its_id_answers() {
    let first = started("a", loopback()).await;
    let owner = port_of(&first).await;
    let third = started("c", loopback().urls(format!("127.0.0.1:{owner}/a"))).await;
    until_it_echoes(&third, "a").await;
    until_it_sees(&first, "c").await;

    let urls = [format!("127.0.0.1:{owner}/a"), format!("127.0.0.1:{}/c", port_of(&third).await)];
    let second = patient(loopback().port(free_port()).urls(urls)).build().unwrap();
    let from = Instant::now();
    let error = second.start().await.unwrap_err().to_string();
    assert!(error.contains(&format!("127.0.0.1:{owner}")), "{error}");
    assert!(from.elapsed() < LONG, "it took {:?}", from.elapsed());

    // Nobody took the first for gone or emptied.
    let instance = row(&third, "a").await.unwrap()["instanceID"].clone();
    assert_eq!(instance, first.instance_id().as_str());
    let answer: Value = third.call("echo.echo", json!(1)).node(first.node_id()).await.unwrap();
    assert_eq!(answer, json!(1));
    stop([&first, &third]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_is_refused_when_a_hello_under_its_id_leads_to_another_node() {
    let first = started("a", loopback()).await;
    let (owner, port) = (port_of(&first).await, free_port());
    let second = Second::begin(loopback().port(port));
    let mut witness = witness(port).await;
    witness.line.hello("a", owner).await;
    witness.line.hello("w", witness.door.port).await;
    witness.caught_up().await;
    second.must_be_refused_for(owner).await;
    stop([&first]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_is_refused_when_a_gossip_row_about_its_id_leads_to_another_node() {
    let first = started("a", loopback()).await;
    let (owner, port) = (port_of(&first).await, free_port());
    let second = Second::begin(loopback().port(port));
    let mut witness = witness(port).await;
    let known = info(first.instance_id(), owner, 7, json!([]));
    witness.send(GOSSIP_RES, json!({ "online": { "a": [known, 0, 0] } })).await;
    witness.caught_up().await;
    second.must_be_refused_for(owner).await;
    stop([&first]).await;
}

/// A peer of a node that has begun to start.
async fn witness(port: u16) -> Peer {
    until("it listens", async || TcpStream::connect(("127.0.0.1", port)).await).await;
    Peer::greet("w", port).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_is_refused_when_the_owner_of_its_id_announces_itself_by_udp() {
    let port = UdpSocket::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port();
    let udp = |period| {
        loopback().udp_discovery(true).with(|options| {
            options.udp_port = port;
            options.udp_bind_address = Some([127, 0, 0, 1].into());
            options.udp_multicast_ttl = 0;
            options.udp_period = period;
            options.udp_first = (Duration::from_millis(1), Duration::from_millis(2));
        })
    };
    let namespace = format!("udp-conflict-{}", std::process::id());
    let first = builder("a", udp(Duration::from_millis(20))).namespace(&namespace).build().unwrap();
    first.start().await.unwrap();
    let owner = port_of(&first).await;
    let mut told = first.local_events("$node.conflict");

    let go = Arc::new(Notify::new());
    let second = patient(udp(Duration::from_secs(60))).namespace(&namespace).service(slow_start(&go));
    let second = second.build().unwrap();
    let start = tokio::spawn({
        let second = second.clone();
        async move { second.start().await }
    });
    // The first one was announced to the second at least as often as the second to it.
    let report = event(&mut told).await;
    assert_eq!(report.data["proven"], false, "a node that is not ready has no claim on the id");
    go.notify_one();
    let error = within("the start ends", start).await.unwrap().unwrap_err().to_string();
    assert!(error.contains(&format!("127.0.0.1:{owner}")), "{error}");
    stop([&first]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_evidence_a_start_does_not_wait() {
    // The best of three: the machine may have other things to do.
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let broker = builder("a", loopback()).service(echo()).build().unwrap();
        let from = Instant::now();
        broker.start().await.unwrap();
        best = best.min(from.elapsed());
        stop([&broker]).await;
    }
    println!("a start without evidence took {best:.1?}");
    assert!(best < Duration::from_millis(50), "it took {best:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_own_answer_from_an_address_that_leads_back_to_us_is_no_conflict() {
    // As behind a port mapping: what goes to the public port arrives at the node.
    let public = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (outside, inside) = (public.local_addr().unwrap().port(), free_port());
    let mapping = tokio::spawn(async move {
        while let Ok((mut from, _)) = public.accept().await {
            if let Ok(mut to) = TcpStream::connect(("127.0.0.1", inside)).await {
                tokio::spawn(async move { copy_bidirectional(&mut from, &mut to).await });
            }
        }
    });
    let tcp = loopback().port(inside).urls(format!("127.0.0.1:{outside}/a"));
    let broker = patient(tcp).build().unwrap();
    let mut told = broker.local_events("$node.conflict");
    let from = Instant::now();
    broker.start().await.unwrap();
    assert!(from.elapsed() < LONG, "it took {:?}", from.elapsed());
    // Two ticks later it would have been told.
    let mut rounds = Peer::greet("w", inside).await;
    for _ in 0..3 {
        rounds.door.next(crate::peer::GOSSIP_REQ).await;
    }
    no_conflict(&mut told);
    stop([&broker]).await;
    mapping.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_earlier_run_that_is_gone_does_not_hold_up_a_start() {
    let tcp = loopback().port(free_port()).urls(format!("127.0.0.1:{}/a", free_port()));
    let broker = patient(tcp).build().unwrap();
    let from = Instant::now();
    broker.start().await.unwrap();
    assert!(from.elapsed() < LONG, "it took {:?}", from.elapsed());
    stop([&broker]).await;
}

#[tokio::test]
async fn an_owner_that_cannot_answer_delays_the_start_by_half_a_second_and_is_reported() {
    let log = Log::of_this_thread(tracing::Level::WARN);
    // The best of three: the machine may have other things to do.
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let mut silent = Door::open().await;
        let tcp = loopback().port(free_port()).urls(format!("127.0.0.1:{}/a", silent.port));
        let broker = on_this_thread("a", tcp).build().unwrap();
        let mut told = broker.local_events("$node.conflict");
        let from = Instant::now();
        broker.start().await.unwrap();
        best = best.min(from.elapsed());
        assert!(from.elapsed() >= Duration::from_millis(450), "it took {:?}", from.elapsed());
        let probe = silent.next(PING).await.json();
        assert_eq!(probe["sender"], "a");
        let report = event(&mut told).await;
        assert_eq!(report.data, json!({ "owner": silent.addr().to_string(), "proven": false }));
        let lines = log.with(&format!("owner={}", silent.addr()));
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(
            lines[0].contains("WARN") && lines[0].contains("another node may use this node's id"),
            "{lines:?}"
        );
        stop([&broker]).await;
    }
    println!("a start with an owner that cannot answer took {best:.1?}");
    assert!(best < Duration::from_millis(550), "it took {best:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn later_both_are_told_and_both_keep_running() {
    let (first, second) = (started("a", loopback()).await, started("a", loopback()).await);
    let ports = [port_of(&first).await, port_of(&second).await];
    let mut told = [first.local_events("$node.conflict"), second.local_events("$node.conflict")];
    Line::open(ports[0]).await.hello("a", ports[1]).await;
    for (events, other) in told.iter_mut().zip([ports[1], ports[0]]) {
        let report = event(events).await;
        assert_eq!(report.data, json!({ "owner": format!("127.0.0.1:{other}"), "proven": true }));
    }
    for (broker, port) in [(&first, ports[0]), (&second, ports[1])] {
        let answer: Value = broker.call("echo.echo", json!("still here")).await.unwrap();
        assert_eq!(answer, "still here");
        let mut asker = Peer::greet("asker", port).await;
        asker.request("r1", "echo.echo", json!([1])).await;
        assert_eq!(asker.response("r1").await["data"], json!([1]));
    }
    stop([&first, &second]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_is_answered_to_the_address_in_its_hello() {
    let node = started("a", loopback()).await;
    let (mut door, mut line) = (Door::open().await, Line::open(port_of(&node).await).await);
    line.hello("a", door.port).await;
    line.send_json(PING, &json!({ "time": 1, "id": "nonce", "ver": "5", "sender": "a" })).await;
    let pong = door.next(PONG).await.json();
    assert_eq!((&pong["id"], &pong["sender"]), (&json!("nonce"), &json!("a")));
    assert_eq!(node.node_id(), &NodeId::new("a").unwrap());
    stop([&node]).await;
}
