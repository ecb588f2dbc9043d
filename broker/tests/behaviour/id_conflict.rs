//! Two nodes with one id on a bus; over TCP see `tcp_wire/id_conflict.rs`.

use ligand::config::OnIdConflict;
use ligand::transport::memory::Network;
use ligand::transport::{
    Batch, Connection, Link, LinkOptions, NodeId, PacketKind, Route, Sink, Subscription, Transporter as _,
};
use ligand::{Error, ServiceBroker, ServiceDef};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, timeout};

fn node(network: &Network, id: &str) -> ServiceBroker {
    let name = format!("at-{id}");
    let service = ServiceDef::builder(name)
        .action("instance", |cx: ligand::Context, _: Value| async move {
            Ok::<_, Error>(cx.broker().instance_id().to_string())
        })
        .build();
    let builder = ServiceBroker::builder().node_id(id).transporter(network.transporter()).service(service);
    builder.configure(|config| config.control.thread = false).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_second_node_with_an_id_is_refused_and_the_first_is_not_disturbed() {
    let network = Network::new();
    let (first, other) = (node(&network, "a"), node(&network, "b"));
    first.start().await.unwrap();
    other.start().await.unwrap();
    other.wait_for(&["at-a"]).await.unwrap();
    let mut events = other.local_events("$node.*");

    let second = node(&network, "a");
    let from = Instant::now();
    let error = second.start().await.unwrap_err().to_string();
    assert_eq!(error, "the node id `a` is taken, its owner is another node on this bus: choose another id");
    assert!(from.elapsed() < Duration::from_millis(500), "it took {:?}", from.elapsed());

    // What the second sent, it sent before its start ended; a call goes the same way behind it.
    let instance: String = other.call("at-a.instance", json!({})).await.unwrap();
    assert_eq!(instance, first.instance_id().as_str());
    assert_eq!(events.try_recv(), None, "others took notice of a node that was refused");
    for broker in [&first, &other] {
        broker.stop().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_without_rivals_asks_and_goes_on_at_once() {
    let network = Network::new();
    let broker = node(&network, "a");
    let from = Instant::now();
    broker.start().await.unwrap();
    assert!(from.elapsed() < Duration::from_millis(100), "it took {:?}", from.elapsed());
    broker.stop().await.unwrap();
}

/// A node of hand-written packets that answers pings.
#[derive(Debug, Default)]
struct Rival(Mutex<Option<Arc<dyn Connection>>>);

impl Sink for Rival {
    fn deliver(&self, batch: &mut Batch<'_>) {
        while let Some(frame) = batch.next() {
            let mut packet: Value = serde_json::from_slice(&frame.payload).unwrap();
            if frame.kind == PacketKind::Ping {
                packet["arrived"] = json!(1);
                let connection = self.0.lock().unwrap().clone().unwrap();
                send(
                    &connection,
                    &Route::Node { id: NodeId::new("a").unwrap(), addr: None },
                    PacketKind::Pong,
                    &packet,
                );
            }
        }
    }
}

fn send(connection: &Arc<dyn Connection>, to: &Route, kind: PacketKind, packet: &Value) {
    let text = packet.to_string();
    connection
        .send(to, kind, 0, &mut |frame| {
            frame.buf().extend_from_slice(text.as_bytes());
            Ok(())
        })
        .unwrap();
}

/// Somebody else announces the id of node `a`, and proves it.
async fn announce_rival(network: &Network) -> (Link, Arc<dyn Connection>) {
    let rival = Arc::new(Rival::default());
    let link = Link::new(LinkOptions::new(NodeId::new("a").unwrap(), ""), Arc::clone(&rival) as _);
    let connection = network.transporter().connect(link.clone()).await.unwrap();
    *rival.0.lock().unwrap() = Some(Arc::clone(&connection));
    connection.subscribe(&[Subscription::Own(PacketKind::Ping)]).await.unwrap();
    let info = json!({
        "services": [], "ipList": [], "hostname": "elsewhere", "instanceID": "rival", "config": {}, "seq": 1,
        "client": { "type": "nodejs", "version": "0.15.2", "langVersion": "v22" }, "metadata": {},
        "ver": "5", "sender": "a",
    });
    send(&connection, &Route::Broadcast, PacketKind::Info, &info);
    (link, connection)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_conflict_is_an_event_and_the_node_goes_on() {
    let network = Network::new();
    let (broker, other) = (node(&network, "a"), node(&network, "b"));
    broker.start().await.unwrap();
    other.start().await.unwrap();
    let mut told = broker.local_events("$node.conflict");

    let (link, connection) = announce_rival(&network).await;
    let report = timeout(Duration::from_secs(10), told.recv()).await.unwrap().unwrap();
    assert_eq!(report.data, json!({ "owner": "rival", "proven": true }));
    let instance: String = broker.call("at-a.instance", json!({})).await.unwrap();
    assert_eq!(instance, broker.instance_id().as_str());
    connection.close().await.unwrap();
    link.shut().await;
    for broker in [&broker, &other] {
        broker.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_to_stop_at_a_conflict_ends_its_run() {
    let network = Network::new();
    let broker = ServiceBroker::builder()
        .node_id("a")
        .transporter(network.transporter())
        .configure(|config| {
            config.control.thread = false;
            config.on_id_conflict = OnIdConflict::Stop;
        })
        .build()
        .unwrap();
    let run = broker.run_until(std::future::pending());
    let rival = async {
        let mut told = broker.local_events("$broker.started");
        told.recv().await.unwrap();
        announce_rival(&network).await
    };
    let (run, (link, connection)) =
        timeout(Duration::from_secs(10), async { tokio::join!(run, rival) }).await.unwrap();
    run.unwrap();
    connection.close().await.unwrap();
    link.shut().await;
}
