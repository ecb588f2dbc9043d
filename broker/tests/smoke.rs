//! First sign of life.
use ligand::transport::memory::Network;
use ligand::{Context, ServiceBroker, ServiceDef};
use serde_json::{Value, json};
use std::time::Duration;

fn math() -> ServiceDef {
    ServiceDef::builder("math")
        .action("add", |_cx, p: Value| async move {
            Ok::<_, ligand::Error>(p["a"].as_i64().unwrap() + p["b"].as_i64().unwrap())
        })
        .action("where", |cx: Context, _p: Value| async move {
            Ok::<_, ligand::Error>(cx.broker().node_id().to_string())
        })
        .action("slow", |_cx: Context, _p: Value| async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            Ok::<_, ligand::Error>("done")
        })
        .build()
}

async fn pair(a: ServiceBroker, b: ServiceBroker) {
    ligand::logging::init();
    a.start().await.unwrap();
    let t = std::time::Instant::now();
    b.start().await.unwrap();
    a.wait_for(&["math"]).await.unwrap();
    println!("ready after {:?}", t.elapsed());
    let sum: i64 = a.call("math.add", json!({"a": 1, "b": 2})).await.unwrap();
    assert_eq!(sum, 3);
    let s: String = a.call("math.slow", json!({})).await.unwrap();
    assert_eq!(s, "done");
    let w: String = a.call("math.where", json!({})).await.unwrap();
    assert_eq!(w, "b");
    println!("ping {:?}", a.ping(b.node_id()).await.unwrap());
    let list: Value = b.call("$node.list", json!({})).await.unwrap();
    println!("{list:#}");
    println!("{:?}", a.stats());
    b.stop().await.unwrap();
    println!("after stop {:?}", a.call::<Value>("math.add", json!({})).timeout(Duration::from_secs(1)).await);
    a.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory() {
    let net = Network::new();
    let a = ServiceBroker::builder().node_id("a").transporter(net.transporter()).build().unwrap();
    let b =
        ServiceBroker::builder().node_id("b").transporter(net.transporter()).service(math()).build().unwrap();
    pair(a, b).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tcp() {
    let a = ServiceBroker::builder()
        .node_id("a")
        .transporter(
            "tcp://127.0.0.1:47001/a,127.0.0.1:47002/b?udpDiscovery=false&useHostname=false&bind=127.0.0.1",
        )
        .build()
        .unwrap();
    let b = ServiceBroker::builder()
        .node_id("b")
        .transporter(
            "tcp://127.0.0.1:47001/a,127.0.0.1:47002/b?udpDiscovery=false&useHostname=false&bind=127.0.0.1",
        )
        .service(math())
        .build()
        .unwrap();
    pair(a, b).await;
}
