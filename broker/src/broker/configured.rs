//! Makes a transporter from a configuration: a URL, or Node's `{ type, options }`.

use ligand_transporters::{Schemes, Transporter, TransporterUrl};
use std::sync::Arc;

use super::BuildError;
use crate::config::{ConfigError, Origin, TransporterConfig};

/// The transporter that a configuration describes.
pub(super) fn configured(
    transporter: &TransporterConfig,
    origin: Origin,
    schemes: &Schemes,
) -> Result<Arc<dyn Transporter>, BuildError> {
    let url = match transporter {
        TransporterConfig::Url(url) => TransporterUrl::new(url),
        TransporterConfig::Options { kind, options } => {
            TransporterUrl::new(kind).with_options(options.clone())
        }
    };
    schemes.transporter(&url).map_err(|error| match origin {
        Origin::Code => error.into(),
        origin => {
            let (path, reason) = ("transporter".to_owned(), error.to_string());
            ConfigError::Unusable { path, origin, reason }.into()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::BrokerConfig;
    use serde_json::{Value, json};

    /// Prints the transporter that a configuration describes. Secrets are never printed.
    fn printed(kind: &str, options: &Value) -> String {
        let config = BrokerConfig::from_value(json!({ "transporter": { "type": kind, "options": options } }));
        let transporter = config.unwrap().transporter.expect("it is given");
        let made = configured(&transporter, Origin::Code, &Schemes::default())
            .unwrap_or_else(|error| panic!("{kind} with {options}: {error}"));
        let text = format!("{} {made:?}", made.url());
        assert!(!text.contains("canary"), "{kind} with {options}: {text}");
        text
    }

    /// Options as Node takes them, and what the transporter contains then.
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
                (
                    json!({ "port": 4445, "udpPort": null, "gossipPeriod": 2 }),
                    &["port: 4445", "gossip_period: 2s"],
                ),
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
            let error = configured(
                &TransporterConfig::Options { kind: kind.into(), options },
                Origin::Code,
                &Schemes::default(),
            )
            .unwrap_err();
            let error = error.to_string();
            assert!(error.contains(name) && !error.contains("canary"), "{error}");
        }
    }
}
