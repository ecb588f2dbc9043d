//! Two nodes with one id on a bus; over TCP see `tcp_wire/id_conflict.rs`.

use ligand::config::OnIdConflict;
use ligand::transport::memory::Network;
use ligand::transport::{PacketKind, Subscription};
use ligand::{Error, ServiceBroker, ServiceDef};
use serde_json::{Value, json};
use std::time::Duration;
use tests_support::outsider::peer::Peer;
use tests_support::within;
use tokio::task::AbortHandle;
use tokio::time::Instant;

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

/// Somebody else announces the id of node `a`, and proves it: whoever asks gets an answer.
async fn announce_rival(network: &Network) -> AbortHandle {
    let pings = [Subscription::Own(PacketKind::Ping)];
    let rival = Peer::connect(&network.transporter(), "", "a", &pings).await;
    rival.info("rival", 1, &json!([]));
    let answering = tokio::spawn(async move {
        loop {
            let mut pong = rival.hears(PacketKind::Ping).await;
            pong["arrived"] = json!(1);
            rival.to("a", PacketKind::Pong, pong);
        }
    });
    answering.abort_handle()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_conflict_is_an_event_and_the_node_goes_on() {
    let network = Network::new();
    let (broker, other) = (node(&network, "a"), node(&network, "b"));
    broker.start().await.unwrap();
    other.start().await.unwrap();
    let mut told = broker.local_events("$node.conflict");

    let rival = announce_rival(&network).await;
    let report = within("the conflict is told", told.recv()).await.unwrap();
    assert_eq!(report.data, json!({ "owner": "rival", "proven": true }));
    let instance: String = broker.call("at-a.instance", json!({})).await.unwrap();
    assert_eq!(instance, broker.instance_id().as_str());
    rival.abort();
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
    let (run, rival) = within("the run ends", async { tokio::join!(run, rival) }).await;
    run.unwrap();
    rival.abort();
}
