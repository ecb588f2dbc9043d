//! Where nodes meet: the transporters, their servers, and what a process has to know to join.

use serde_json::{Value, json};
use std::sync::atomic::{AtomicU32, Ordering};
use tests_support::free_port;

/// A transporter and the server behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Transporter {
    pub(crate) name: &'static str,
    /// Its name in `scripts/servers`.
    pub(crate) server: Option<&'static str>,
    /// Whether the server opens its port before it answers. Its clients are then given time from the moment at
    /// which it answers.
    pub(crate) opens_early: bool,
}

pub(crate) const TRANSPORTERS: [Transporter; 7] = [
    Transporter { name: "TCP", server: None, opens_early: false },
    Transporter { name: "NATS", server: Some("nats"), opens_early: false },
    Transporter { name: "Redis", server: Some("redis"), opens_early: false },
    Transporter { name: "Redis Cluster", server: Some("redis-cluster"), opens_early: true },
    Transporter { name: "MQTT", server: Some("mosquitto"), opens_early: false },
    Transporter { name: "AMQP", server: Some("rabbitmq"), opens_early: true },
    Transporter { name: "Kafka", server: Some("kafka"), opens_early: true },
];

/// What a node has to know to join a cluster; nodes in processes of their own get it as text.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) url: String,
    pub(crate) namespace: String,
    /// How long a request takes.
    pub(crate) work_ms: u64,
}

impl Place {
    /// A place of its own, on a server's URL or else over TCP, for nodes of these names.
    pub(crate) fn new(url: Option<&str>, names: &[&str], work_ms: u64) -> Self {
        static PLACES: AtomicU32 = AtomicU32::new(0);
        let number = PLACES.fetch_add(1, Ordering::Relaxed);
        let namespace = format!("faults-{}-{number}", std::process::id());
        let url = url.map_or_else(|| tcp(names), ToOwned::to_owned);
        Self { url, namespace, work_ms }
    }

    pub(crate) fn written(&self) -> String {
        json!({ "url": self.url, "namespace": self.namespace, "work": self.work_ms }).to_string()
    }

    pub(crate) fn read(text: &str) -> Self {
        let value: Value = serde_json::from_str(text).expect("what `written` wrote");
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        Self {
            url: text("url"),
            namespace: text("namespace"),
            work_ms: value["work"].as_u64().unwrap_or_default(),
        }
    }
}

/// Fixed addresses, so that a worker that comes back is found where it was.
fn tcp(names: &[&str]) -> String {
    let nodes: Vec<_> = names.iter().map(|name| format!("127.0.0.1:{}/{name}", free_port())).collect();
    format!("tcp://{}?udpDiscovery=false&useHostname=false&bind=127.0.0.1&gossipPeriod=1", nodes.join(","))
}
