//! More comes in than can be handled: events go first, requests are refused as not run, control never.

use async_trait::async_trait;
use ligand::testing::{RunningBroker, TestBroker};
use ligand::transport::memory::Network;
use ligand::transport::{Ack, Frame, PacketKind, Source};
use ligand::{Context, Error, ServiceDef};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tests_support::outsider::peer::Peer;
use tokio::sync::Notify;

use crate::bus::Server;
use crate::ways::{ms, secs};

/// Frames that a transporter hands over in one go.
struct Frames(Vec<Frame>);

#[async_trait]
impl Source for Frames {
    async fn next(&mut self, batch: &mut Vec<Frame>) -> bool {
        batch.append(&mut self.0);
        !batch.is_empty()
    }
}

struct Counted {
    runs: Arc<AtomicUsize>,
    go: Arc<Notify>,
}

impl Counted {
    fn new() -> Self {
        Self { runs: Arc::default(), go: Arc::default() }
    }

    fn runs(&self) -> usize {
        self.runs.load(Ordering::Relaxed)
    }

    /// An action and an event whose handlers wait until they are let go.
    fn service(&self) -> ServiceDef {
        let wait = |runs: &Arc<AtomicUsize>, go: &Arc<Notify>| {
            let (runs, go) = (Arc::clone(runs), Arc::clone(go));
            move |_: Context, _: Value| {
                runs.fetch_add(1, Ordering::Relaxed);
                let go = Arc::clone(&go);
                async move {
                    go.notified().await;
                    Ok::<_, Error>(())
                }
            }
        };
        ServiceDef::builder("svc")
            .action("wait", wait(&self.runs, &self.go))
            .event("wait", wait(&self.runs, &self.go))
            .build()
    }
}

fn request(id: &str, size: usize) -> Value {
    json!({ "id": id, "action": "svc.wait", "params": "x".repeat(size), "meta": {}, "headers": {}, "level": 1,
        "timeout": 0, "tracing": null, "parentID": null, "requestID": id, "caller": null, "stream": false })
}

fn event(size: usize) -> Value {
    json!({ "id": "e", "event": "wait", "data": "x".repeat(size), "groups": null, "broadcast": false, "meta": {},
        "headers": {}, "level": 1, "tracing": null, "parentID": null, "requestID": "e", "caller": null,
        "needAck": null })
}

fn frame(kind: PacketKind, mut packet: Value, shed: bool) -> Frame {
    packet["ver"] = json!("5");
    packet["sender"] = json!("peer");
    let mut frame = Frame::new(kind, packet.to_string());
    frame.shed = shed;
    frame
}

async fn node(
    counted: &Counted,
    change: impl FnOnce(&mut ligand::BrokerConfig) + Send + 'static,
) -> (RunningBroker, Server, Peer) {
    let network = Network::new();
    let server = Server::on(&network);
    let broker = TestBroker::new().node_id("a").transporter(server.clone()).service(counted.service());
    (broker.configure(change).start().await, server, Peer::join(&network, "peer").await)
}

fn full(answer: &Value) -> bool {
    answer["success"] == false && answer["error"]["name"] == "QueueIsFullError"
}

#[tokio::test(start_paused = true)]
async fn what_the_transporter_had_no_room_for_is_answered_or_dropped_without_being_run() {
    let counted = Counted::new();
    let (broker, server, peer) = node(&counted, |_| {}).await;
    let acked = Arc::new(AtomicUsize::new(0));
    let mut first = frame(PacketKind::Request, request("r1", 10), true);
    first.ack = Some(Ack::new({
        let acked = Arc::clone(&acked);
        move || {
            acked.fetch_add(1, Ordering::Relaxed);
        }
    }));
    let frames = vec![
        first,
        frame(PacketKind::Event, event(10), true),
        frame(PacketKind::Ping, json!({ "time": 1, "id": "p" }), true),
        frame(PacketKind::Request, request("r2", 10), false),
    ];
    server.link().read(Frames(frames));
    let answer = peer.hears(PacketKind::Response).await;
    assert!(full(&answer) && answer["id"] == "r1", "{answer}");
    assert_eq!(answer["error"]["data"], json!({ "action": "svc.wait", "nodeID": "a" }));
    assert_eq!(peer.hears(PacketKind::Pong).await["id"], "p");
    assert_eq!(acked.load(Ordering::Relaxed), 1);
    let stats = broker.stats();
    assert_eq!((stats.refused, stats.events_dropped, counted.runs()), (1, 1, 1));
    counted.go.notify_waiters();
    assert_eq!(peer.hears(PacketKind::Response).await["id"], "r2");
}

#[tokio::test(start_paused = true)]
async fn events_are_shed_before_requests_and_control_never() {
    let counted = Counted::new();
    let (broker, _server, peer) = node(&counted, |config| config.transit.max_in_flight = 10).await;
    for n in 0..8 {
        peer.to("a", PacketKind::Request, request(&n.to_string(), 1));
    }
    for _ in 0..5 {
        peer.to("a", PacketKind::Event, event(1));
    }
    for n in 8..15 {
        peer.to("a", PacketKind::Request, request(&n.to_string(), 1));
    }
    peer.to("a", PacketKind::Ping, json!({ "time": 1, "id": "p" }));
    peer.broadcast(PacketKind::Discover, json!({}));
    tokio::time::sleep(ms(5)).await;
    let stats = broker.stats();
    assert_eq!((stats.events_dropped, stats.refused, counted.runs()), (5, 5, 10));
    let refused = peer.heard(PacketKind::Response);
    assert!(refused.len() == 5 && refused.iter().all(full), "{refused:?}");
    assert_eq!(peer.heard(PacketKind::Pong).len(), 1);
    assert!(!peer.heard(PacketKind::Info).is_empty());
    counted.go.notify_waiters();
    tokio::time::sleep(ms(5)).await;
    assert_eq!(peer.heard(PacketKind::Response).len(), 10, "what was taken is finished");
    peer.to("a", PacketKind::Event, event(1));
    tokio::time::sleep(ms(5)).await;
    assert_eq!(counted.runs(), 11, "and then there is room again");
}

#[tokio::test(start_paused = true)]
async fn large_packets_are_bounded_by_their_bytes() {
    let counted = Counted::new();
    let (broker, _server, peer) = node(&counted, |config| config.transit.max_in_flight_bytes = 100_000).await;
    // One is taken however large it is.
    peer.to("a", PacketKind::Request, request("huge", 200_000));
    peer.to("a", PacketKind::Request, request("small", 10));
    tokio::time::sleep(ms(5)).await;
    assert_eq!((counted.runs(), broker.stats().refused), (1, 1));
    counted.go.notify_waiters();
    tokio::time::sleep(ms(5)).await;
    for n in 0..5 {
        peer.to("a", PacketKind::Event, event(30_000));
        peer.to("a", PacketKind::Request, request(&n.to_string(), 30_000));
    }
    tokio::time::sleep(ms(5)).await;
    // Two of the first three fit below four fifths; the rest of the room is for requests.
    let stats = broker.stats();
    assert_eq!((counted.runs(), stats.events_dropped, stats.refused), (4, 4, 4), "{stats:?}");
    counted.go.notify_waiters();
    tokio::time::sleep(ms(5)).await;
    peer.to("a", PacketKind::Event, event(30_000));
    tokio::time::sleep(ms(5)).await;
    assert_eq!(counted.runs(), 5, "nothing is counted for ever");
}

#[tokio::test(start_paused = true)]
async fn heartbeats_go_on_while_the_node_drowns() {
    let counted = Counted::new();
    let (broker, _server, peer) = node(&counted, |config| config.transit.max_in_flight = 1).await;
    peer.heard(PacketKind::Heartbeat);
    for second in 0..60 {
        for n in 0..100 {
            peer.to("a", PacketKind::Request, request(&format!("{second}-{n}"), 100));
            peer.to("a", PacketKind::Event, event(100));
        }
        tokio::time::sleep(secs(1)).await;
    }
    let beats = peer.heard(PacketKind::Heartbeat).len();
    assert!((5..=7).contains(&beats), "{beats}");
    assert_eq!(counted.runs(), 1);
    assert_eq!((broker.stats().refused, broker.stats().events_dropped), (5_999, 6_000));
}
