//! Clusters of brokers over each transporter, and how soon nodes with static addresses meet.
#![allow(clippy::disallowed_methods, reason = "a test ends with all its tasks and threads")]

mod conformance;

use conformance::Fixture;
use ligand::config::SerializerKind;
use ligand::transport::memory::Network;
use ligand::transport::tcp::Tcp;
use ligand::{Error, ServiceBroker, ServiceDef};
use serde_json::{Value, json};
use std::net::UdpSocket;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tests_support::free_port;
use tokio::sync::RwLock;

/// The most nodes that one case starts.
const NODES: usize = 4;

/// Held alone by what looks at the clock.
static MACHINE: RwLock<()> = RwLock::const_new(());

async fn conform(fixture: impl Fn() -> Fixture) {
    let _shared = MACHINE.read().await;
    conformance::run(fixture).await;
}

fn loopback() -> Tcp {
    let tcp = Tcp::new().bind([127, 0, 0, 1]).hostname("127.0.0.1").udp_discovery(false);
    tcp.gossip_period(Duration::from_secs(1))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_in_memory_conform() {
    conform(|| {
        let network = Network::new();
        let (breaks, restores) = (network.clone(), network.clone());
        Fixture::new(move |_| Arc::new(network.transporter()))
            .with_crash(move |node| breaks.crash(node), move |node| restores.restore(node))
    })
    .await;
}

/// Nodes with static TCP addresses.
fn fixed() -> Fixture {
    let urls: Vec<_> = (0..NODES).map(|n| format!("127.0.0.1:{}/node-{n}", free_port())).collect();
    Fixture::new(move |_| Arc::new(loopback().urls(urls.clone())))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_let_the_bus_balance_conform() {
    conform(|| {
        let network = Network::new();
        let (breaks, restores) = (network.clone(), network.clone());
        Fixture::new(move |_| Arc::new(network.transporter()))
            .with_crash(move |node| breaks.crash(node), move |node| restores.restore(node))
            .balanced()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_with_static_tcp_addresses_conform() {
    conform(fixed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_speak_json_ext_conform() {
    conform(|| fixed().speaking(SerializerKind::JsonExt)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_speak_msgpack_conform() {
    conform(|| fixed().speaking(SerializerKind::MsgPack)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_speak_notepack_conform() {
    conform(|| fixed().speaking(SerializerKind::Notepack)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_speak_cbor_conform() {
    conform(|| fixed().speaking(SerializerKind::Cbor)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_find_each_other_by_udp_conform() {
    // All nodes share the port, which needs nobody else on it rather than everybody together.
    let port = UdpSocket::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port();
    conform(move || {
        Fixture::new(move |_| {
            Arc::new(loopback().udp_discovery(true).with(|options| {
                options.udp_port = port;
                options.udp_bind_address = Some([127, 0, 0, 1].into());
                options.udp_multicast_ttl = 0;
                options.udp_period = Duration::from_millis(300);
                options.udp_first = (Duration::from_millis(5), Duration::from_millis(20));
            }))
        })
    })
    .await;
}

fn greeter(name: &str) -> ServiceDef {
    ServiceDef::builder(name).action("hello", |_cx, who: Value| async move { Ok::<_, Error>(who) }).build()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_with_static_addresses_call_each_other_within_300_ms() {
    let _alone = MACHINE.write().await;
    let mut worst = Duration::ZERO;
    for run in 0..20 {
        let urls = [format!("127.0.0.1:{}/a", free_port()), format!("127.0.0.1:{}/b", free_port())];
        let node = |id: &str| {
            let builder = ServiceBroker::builder().node_id(id).namespace(format!("meet-{run}"));
            let builder = builder.configure(|config| config.registry.stop_delay = Duration::from_millis(1));
            builder.transporter(loopback().urls(urls.clone())).service(greeter(id)).build().unwrap()
        };
        let (a, b) = (node("a"), node("b"));
        a.start().await.unwrap();
        b.start().await.unwrap();
        let ready = Instant::now();
        let there = async {
            a.wait_for(&["b"]).await.unwrap();
            a.call::<Value>("b.hello", json!("a")).await.unwrap()
        };
        let back = async {
            b.wait_for(&["a"]).await.unwrap();
            b.call::<Value>("a.hello", json!("b")).await.unwrap()
        };
        let (there, back) = tokio::join!(there, back);
        worst = worst.max(ready.elapsed());
        assert_eq!((there, back), (json!("a"), json!("b")));
        let (a, b) = tokio::join!(a.stop(), b.stop());
        a.and(b).unwrap();
    }
    println!("the slowest of 20 pairs called each other {worst:.1?} after the second was ready");
    assert!(worst < Duration::from_millis(300), "it took {worst:?}");
}
