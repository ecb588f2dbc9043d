//! Two nodes that do not speak the same serializer: each names the other once.

use ligand::config::SerializerKind;
use ligand::transport::memory::Network;
use ligand::{Error, ServiceBroker, ServiceDef};
use serde_json::{Value, json};
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tests_support::{is, until};

/// Where the log goes that this test program writes.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn lines(&self, part: &str) -> Vec<String> {
        let text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&text);
        text.lines().filter(|line| line.contains(part)).map(str::to_owned).collect()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

async fn node(network: &Network, id: &str, serializer: SerializerKind) -> ServiceBroker {
    let echo = ServiceDef::builder(id)
        .action("echo", |_cx, value: Value| async move { Ok::<_, Error>(value) })
        .build();
    let node = ServiceBroker::builder()
        .node_id(id)
        .transporter(network.transporter())
        .serializer(serializer)
        .configure(|config| config.heartbeat_interval = Duration::from_millis(50))
        .service(echo)
        .build()
        .unwrap();
    node.start().await.unwrap();
    node
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_another_serializer_is_named_once_and_disturbs_nobody() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .try_init()
        .unwrap();
    let network = Network::new();
    let one = node(&network, "speaks-json", SerializerKind::Json).await;
    let other = node(&network, "speaks-cbor", SerializerKind::Cbor).await;
    let third = node(&network, "speaks-msgpack", SerializerKind::MsgPack).await;
    let friend = node(&network, "speaks-cbor-too", SerializerKind::Cbor).await;
    // Many packets later …
    for broker in [&one, &other, &third] {
        until("many packets are counted", async || is(broker.stats(), |stats| stats.other_serializer >= 20))
            .await;
    }
    // … each has named each other one once, and those of one kind work together.
    let named = |own: &str, node: &str, theirs: &str| {
        let lines = log.lines("packets of another serializer");
        let of = |line: &&String| {
            line.contains(&format!("own=\"{own}\""))
                && line.contains(&format!("theirs=\"{theirs}\""))
                && line.contains(&format!("node=\"{node}\""))
        };
        lines.iter().filter(of).count()
    };
    let names = [
        ("JSON", "speaks-cbor", "CBOR", 1),
        ("JSON", "speaks-msgpack", "MsgPack or Notepack", 1),
        ("MsgPack", "speaks-json", "JSON or JSONExt", 1),
        ("MsgPack", "speaks-cbor", "CBOR", 1),
        // Two nodes speak CBOR.
        ("CBOR", "speaks-json", "JSON or JSONExt", 2),
        ("CBOR", "speaks-msgpack", "MsgPack or Notepack", 2),
    ];
    for (own, node, theirs, times) in names {
        until("each is named", async || is(named(own, node, theirs), |named| *named >= times)).await;
        assert_eq!(named(own, node, theirs), times, "{own} of {node}: {:#?}", log.lines(""));
    }
    friend.wait_for(&["speaks-cbor"]).await.unwrap();
    assert_eq!(friend.call::<Value>("speaks-cbor.echo", json!(5)).await.unwrap(), 5);
    for broker in [one, other, third, friend] {
        broker.stop().await.unwrap();
    }
}
