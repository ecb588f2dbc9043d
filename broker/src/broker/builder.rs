//! Configuring a broker.

use ligand_transporters::{IntoTransporter, Name, NodeId, TransportError, Transporter};
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{BuildError, Limits, LocalBus, LocalServices, ServiceBroker, Shared};
use crate::config::{self, BrokerConfig, ConfigLoader, Timeout, TransporterConfig};
use crate::deadlines::Deadlines;
use crate::middleware::{IntoLayer, Layer, Pipeline};
use crate::protocol::PacketId;
use crate::registry::{Registry, RegistryOptions};
use crate::service::{IntoServiceDef, ServiceDef};
use crate::strategy::StrategyKind;
use crate::transit::{composer, identity};

/// Configures a [`ServiceBroker`].
///
/// Single settings made here win over the environment, which wins over files, which win over
/// [`BrokerBuilder::config`], whatever the order of the calls.
#[must_use = "a builder does nothing until `build`"]
pub struct BrokerBuilder {
    sources: ConfigLoader,
    changes: Vec<Change>,
    transporter: Option<Result<Arc<dyn Transporter>, TransportError>>,
    services: Vec<ServiceDef>,
    layers: Vec<Layer>,
    force_codec: bool,
}

/// A setting made in code, to be applied after everything else has been read.
type Change = Box<dyn FnOnce(&mut BrokerConfig) + Send>;

impl BrokerBuilder {
    pub(super) fn new() -> Self {
        Self {
            sources: ConfigLoader::new(),
            changes: Vec::new(),
            transporter: None,
            services: Vec::new(),
            layers: Vec::new(),
            force_codec: false,
        }
    }

    /// A whole configuration in place of the defaults. Replaces the sources given before.
    pub fn config(mut self, config: BrokerConfig) -> Self {
        self.sources = ConfigLoader::over(config);
        self
    }

    /// Reads the `LIGAND_…` variables of the environment.
    pub fn from_env(mut self) -> Self {
        self.sources = self.sources.env();
        self
    }

    /// Reads a TOML, JSON or YAML file.
    #[cfg(feature = "config-file")]
    #[cfg_attr(docsrs, doc(cfg(feature = "config-file")))]
    pub fn from_file(mut self, path: impl AsRef<std::path::Path>) -> Self {
        self.sources = self.sources.file(path);
        self
    }

    /// Any change of the configuration.
    pub fn configure(mut self, change: impl FnOnce(&mut BrokerConfig) + Send + 'static) -> Self {
        self.changes.push(Box::new(change));
        self
    }

    /// The namespace: nodes of different ones do not see each other.
    pub fn namespace(self, namespace: impl Into<String>) -> Self {
        let namespace = namespace.into();
        self.configure(move |config| config.namespace = namespace)
    }

    /// The node id; host name and process id unless given.
    pub fn node_id(self, id: impl Into<String>) -> Self {
        let id = id.into();
        self.configure(move |config| config.node_id = Some(id))
    }

    /// How long a call may take unless the caller or the action says otherwise (30 s).
    pub fn request_timeout(self, timeout: impl Into<Timeout>) -> Self {
        let timeout = timeout.into();
        self.configure(move |config| config.request_timeout = timeout)
    }

    /// How packets are written (JSON). All nodes of a cluster need the same serializer.
    pub fn serializer(self, serializer: config::SerializerKind) -> Self {
        self.configure(move |config| config.serializer = serializer)
    }

    /// Whether `$node` is offered, by which other nodes look at this one.
    pub fn internal_services(self, offered: bool) -> Self {
        self.configure(move |config| config.internal_services.enabled = offered)
    }

    /// How nodes reach each other: a URL such as `tcp://`, or a configured transporter. Without one the
    /// broker is alone.
    pub fn transporter(mut self, transporter: impl IntoTransporter) -> Self {
        self.transporter = Some(transporter.into_transporter());
        self
    }

    /// A service of this node.
    pub fn service(mut self, service: impl IntoServiceDef) -> Self {
        self.services.push(service.into_service_def());
        self
    }

    /// A layer around calls, events, bytes or the life of the broker; the first one given is the
    /// outermost.
    pub fn layer<Kind>(mut self, layer: impl IntoLayer<Kind>) -> Self {
        self.layers.push(layer.into_layer());
        self
    }

    /// Makes every call go through the codec, also within this process.
    #[cfg(any(test, feature = "testing"))]
    pub fn through_codec(mut self, always: bool) -> Self {
        self.force_codec = always;
        self
    }

    /// The broker, not yet started.
    ///
    /// # Errors
    /// [`BuildError`] names what was wrong and what to do.
    pub fn build(self) -> Result<ServiceBroker, BuildError> {
        let mut config = self.sources.load()?;
        for change in self.changes {
            change(&mut config);
        }
        config.validate()?;
        let node_id = match &config.node_id {
            Some(id) => NodeId::new(id.as_str())?,
            None => default_node_id(),
        };
        let transporter = match self.transporter {
            Some(transporter) => Some(transporter?),
            None => config.transporter.as_ref().map(configured).transpose()?,
        };
        let balances = transporter.as_ref().is_some_and(|transporter| transporter.capabilities().balanced);
        if config.disable_balancer && !balances {
            tracing::warn!(
                transporter = transporter.as_ref().map(|transporter| transporter.scheme()),
                "disableBalancer is switched back: the transporter cannot balance by itself"
            );
            config.disable_balancer = false;
        }
        let pipeline = Arc::new(Pipeline::new(self.layers));
        let instance_id: Name = PacketId::random().to_string().into();
        let born = super::health::started().max(std::time::Instant::now());
        let limits = Limits {
            request_timeout: config.request_timeout,
            max_call_level: config.max_call_level,
            prefer_local: config.registry.prefer_local,
        };
        let shared = Arc::new_cyclic(|weak| Shared {
            registry: Registry::new(
                identity(&config, &node_id, &instance_id),
                RegistryOptions {
                    strategy: match config.registry.strategy {
                        config::StrategyKind::Random => StrategyKind::Random,
                        _ => StrategyKind::RoundRobin,
                    },
                    max_nodes: config.registry.max_nodes,
                    by_bus: config.disable_balancer,
                    base: born,
                },
                composer(weak, &pipeline),
                born,
            ),
            node_id,
            instance_id,
            config: Arc::new(config),
            limits,
            pipeline,
            transporter,
            local_bus: LocalBus::default(),
            services: LocalServices::default(),
            lifecycle: super::Lifecycle::default(),
            deadlines: Deadlines::default(),
            tracker: TaskTracker::new(),
            called: TaskTracker::new(),
            cut: CancellationToken::new(),
            cancel: CancellationToken::new(),
            transit: OnceLock::new(),
            force_codec: AtomicBool::new(self.force_codec),
            runtime: OnceLock::new(),
            changed: watch::Sender::new(0),
            born,
        });
        for service in self.services {
            shared.services.take(service)?;
        }
        Ok(ServiceBroker::from_shared(shared))
    }
}

/// `<host name>-<process id>`, as Node makes it, with what topics cannot carry left out.
fn default_node_id() -> NodeId {
    let host = hostname::get().unwrap_or_default().to_string_lossy().to_lowercase();
    let host: String = host.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).collect();
    let host = if host.is_empty() { "node" } else { host.as_str() };
    // Several brokers of one process need ids of their own.
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let id = match NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
        0 => format!("{host}-{}", std::process::id()),
        n => format!("{host}-{}-{n}", std::process::id()),
    };
    NodeId::new(id.get(id.len().saturating_sub(NodeId::MAX_LEN)..).unwrap_or("node").to_owned())
        .unwrap_or_else(|_| NodeId::new(Name::from_static("node")).expect("a literal that is valid"))
}

fn configured(transporter: &TransporterConfig) -> Result<Arc<dyn Transporter>, BuildError> {
    Ok(match transporter {
        TransporterConfig::Url(url) => ligand_transporters::transporter_for(url)?,
        TransporterConfig::Options { kind, options } => {
            let options = options
                .iter()
                .flat_map(|(key, value)| values(value).into_iter().map(|value| (key.clone(), value)));
            ligand_transporters::transporter_with(kind, options)?
        }
    })
}

/// An option as text. Of a list of URLs each is given by itself, because each may have options of its own.
fn values(value: &serde_json::Value) -> Vec<String> {
    let has_options = |item: &serde_json::Value| item.as_str().is_some_and(|text| text.contains('?'));
    match value {
        serde_json::Value::Array(urls) if urls.iter().any(has_options) => urls.iter().map(plain).collect(),
        other => vec![plain(other)],
    }
}

/// An option as text: texts without quotes, lists separated by commas.
fn plain(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

impl fmt::Debug for BrokerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrokerBuilder")
            .field("sources", &self.sources)
            .field("services", &self.services)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// The transporter that a configuration describes, printed. Secrets are never printed.
    fn printed(kind: &str, options: &Value) -> String {
        let config = BrokerConfig::from_value(json!({ "transporter": { "type": kind, "options": options } }));
        let transporter = config.unwrap().transporter.expect("it is given");
        let made = configured(&transporter).unwrap_or_else(|error| panic!("{kind} with {options}: {error}"));
        let text = format!("{made:?}");
        assert!(!text.contains("canary"), "{kind} with {options}: {text}");
        text
    }

    /// Options as Node takes them, and what stands in the transporter then.
    type Rows = Vec<(Value, &'static [&'static str])>;

    fn understood(kind: &str, rows: Rows) {
        for (options, expected) in rows {
            let text = printed(kind, &options);
            let missing: Vec<_> = expected.iter().filter(|part| !text.contains(**part)).collect();
            assert!(missing.is_empty(), "{kind} with {options}: {missing:?} is not in {text}");
        }
    }

    #[cfg(feature = "tcp")]
    #[test]
    fn nodes_options_for_tcp_are_understood() {
        understood(
            "TCP",
            vec![
                (
                    json!({ "urls": ["127.0.0.1:6000/a", "127.0.0.1:6001/b"], "udpDiscovery": false }),
                    &["6000", "6001", "udp_discovery: false"],
                ),
                (json!({ "port": 4445, "gossipPeriod": 2 }), &["port: 4445", "gossip_period: 2s"]),
            ],
        );
    }

    #[cfg(feature = "nats")]
    #[test]
    fn nodes_options_for_nats_are_understood() {
        understood(
            "NATS",
            vec![
                (
                    json!({
                        "servers": ["nats://a", "tls://u:canary@b:4333"], "timeout": 2000, "maxReconnectAttempts": -1,
                        "tls": { "caFile": "ca.pem", "handshakeFirst": true }, "preserveBuffers": true,
                    }),
                    &["nats://a:4222", "b:4333", "connect_timeout: 2s", "ca.pem", "tls_first: true"],
                ),
                (
                    json!({ "url": "nats://a:1,nats://b:2", "user": "u", "pass": "canary", "token": null }),
                    &["nats://a:1", "nats://b:2", "user: Some(\"u\")", "token: None"],
                ),
                (json!({ "user": null, "pass": null, "tls": null }), &["user: None", "require_tls: false"]),
            ],
        );
    }

    #[cfg(feature = "redis")]
    #[test]
    fn nodes_options_for_redis_are_understood() {
        understood(
            "Redis",
            vec![
                (
                    json!({ "host": "a", "port": 7000, "db": 2, "password": "canary" }),
                    &["redis://a:7000", "mode: Single", "db: 2"],
                ),
                (
                    json!({ "sentinels": [{ "host": "a", "port": 1 }, { "host": "b" }], "name": "mymaster" }),
                    &["a:1", "b:26379", "mode: Sentinel", "master: Some(\"mymaster\")"],
                ),
                (
                    json!({ "cluster": {
                        "nodes": [{ "host": "a", "port": 7000 }, "redis://b:7001", 7002],
                        "clusterOptions": { "redisOptions": { "password": "canary", "tls": { "caFile": "ca.pem" } } },
                    } }),
                    &["a:7000", "b:7001", "127.0.0.1:7002", "mode: Cluster", "secure: true", "ca.pem"],
                ),
            ],
        );
    }

    #[cfg(feature = "mqtt")]
    #[test]
    fn nodes_options_for_mqtt_are_understood() {
        understood(
            "MQTT",
            vec![
                (
                    json!({ "host": "a", "port": 1884, "qos": 1, "topicSeparator": "/", "protocolVersion": 5 }),
                    &["mqtt://a:1884", "qos: 1", "topic_separator: \"/\"", "protocol_version: 5"],
                ),
                (json!({ "url": ["mqtt://a", "mqtts://u:canary@b"] }), &["mqtt://a:1883", "b:8883"]),
                (
                    json!({ "servers": [{ "host": "a", "port": 1884 }, { "host": "b", "protocol": "mqtts" }] }),
                    &["mqtt://a:1884", "mqtts://b:8883"],
                ),
            ],
        );
    }

    #[cfg(feature = "amqp")]
    #[test]
    fn nodes_options_for_amqp_are_understood() {
        understood(
            "AMQP",
            vec![
                (
                    json!({
                        "url": ["amqp://a", "amqp://u:canary@b"], "prefetch": 1, "eventTimeToLive": 5000,
                        "autoDeleteQueues": false, "queueOptions": { "arguments": { "x-queue-type": "quorum" } },
                        "exchangeOptions": { "durable": false }, "socketOptions": { "servername": "rabbit" },
                    }),
                    &[
                        "amqp://a:5672",
                        "b:5672",
                        "prefetch: 1",
                        "event_time_to_live: Some(5s)",
                        "auto_delete_queues: None",
                        "x-queue-type",
                        "durable: false",
                        "rabbit",
                    ],
                ),
                (
                    json!({ "url": "amqp://a;amqps://b", "autoDeleteQueues": null, "messageOptions": null }),
                    &["amqp://a:5672", "amqps://b:5671", "auto_delete_queues: Some(120s)"],
                ),
                // Each URL of a list may have options of its own.
                (
                    json!({ "url": ["amqp://a?heartbeat=9", "amqp://b?heartbeat=9"] }),
                    &["a:5672", "b:5672", "9s"],
                ),
            ],
        );
    }

    #[cfg(feature = "kafka")]
    #[test]
    fn nodes_options_for_kafka_are_understood() {
        understood(
            "Kafka",
            vec![
                (
                    json!({
                        "clientId": "shop", "bootstrapBrokers": ["a:1", "b"], "producer": { "acks": -1, "retries": 2 },
                        "consumer": { "sasl": { "mechanism": "PLAIN", "username": "u", "password": "canary" } },
                        "admin": {}, "publishMessage": { "partition": 3 },
                    }),
                    &["client_id: \"shop\"", "a:1", "b:9092", "username: Some", "partition: 3"],
                ),
                (
                    json!({ "kafkaHost": "a:1,b:2", "publish": { "partition": 1, "attributes": 1 } }),
                    &["a:1", "b:2", "partition: 1", "compression.codec"],
                ),
            ],
        );
    }

    #[cfg(all(feature = "nats", feature = "redis", feature = "mqtt", feature = "amqp"))]
    #[test]
    fn an_option_that_no_bus_has_is_named_however_deep_it_stands() {
        for (kind, options, name) in [
            ("NATS", json!({ "tls": { "nonsense": "canary" } }), "tls.nonsense"),
            ("Redis", json!({ "cluster": { "nodes": ["a"], "nonsense": 1 } }), "cluster.nonsense"),
            ("MQTT", json!({ "servers": [{ "nonsense": "canary" }] }), "servers"),
            ("AMQP", json!({ "queueOptions": { "nonsense": ["canary"] } }), "queueOptions.nonsense"),
        ] {
            let options = options.as_object().unwrap().clone();
            let error = configured(&TransporterConfig::Options { kind: kind.into(), options }).unwrap_err();
            let error = error.to_string();
            assert!(error.contains(name) && !error.contains("canary"), "{error}");
        }
    }
}
