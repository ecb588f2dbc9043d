//! The message servers that a set needs. `scripts/servers` starts them, and names them by the environment.

use crate::js::Version;
use crate::sets::{Set, Variation};

/// A server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Server {
    /// As `scripts/servers` calls it.
    pub(crate) name: &'static str,
    /// Names its URL.
    url: &'static str,
    /// Tells what it is.
    version: &'static str,
}

const NATS: Server = Server { name: "nats", url: "NATS_URL", version: "NATS_VERSION" };
const REDIS: Server = Server { name: "redis", url: "REDIS_URL", version: "REDIS_VERSION" };
const MOSQUITTO: Server = Server { name: "mosquitto", url: "MQTT_URL", version: "MQTT_VERSION" };
const RABBITMQ: Server = Server { name: "rabbitmq", url: "AMQP_URL", version: "AMQP_VERSION" };
const KAFKA: Server = Server { name: "kafka", url: "KAFKA_URL", version: "KAFKA_VERSION" };
/// The client of Moleculer 0.14 cannot talk to Kafka 4.
const KAFKA_39: Server = Server { name: "kafka39", url: "KAFKA_39_URL", version: "KAFKA_39_VERSION" };

pub(crate) const ALL: [Server; 6] = [NATS, REDIS, MOSQUITTO, RABBITMQ, KAFKA, KAFKA_39];

impl Server {
    pub(crate) fn url(self) -> Result<String, String> {
        let url = self.url;
        std::env::var(url).map_err(|_| format!("{url} is not set: scripts/interop starts the servers"))
    }

    /// `RabbitMQ 3.10.8`.
    pub(crate) fn version(self) -> String {
        std::env::var(self.version).unwrap_or_else(|_| format!("{} of an unknown version", self.name))
    }
}

/// The one that carries packets; none over TCP.
pub(crate) fn bus(set: &Set) -> Option<Server> {
    match set.transporter {
        "NATS" => Some(NATS),
        "Redis" => Some(REDIS),
        "MQTT" => Some(MOSQUITTO),
        "AMQP" => Some(RABBITMQ),
        "Kafka" if set.versions.contains(&Version::V014) => Some(KAFKA_39),
        "Kafka" => Some(KAFKA),
        _ => None,
    }
}

/// The one that the nodes find each other by.
pub(crate) fn discoverer(set: &Set) -> Option<Server> {
    (set.variation == Variation::RedisDiscoverer).then_some(REDIS)
}

/// Whether a set needs one of those that were left out, by name.
pub(crate) fn misses(set: &Set, without: &[String]) -> bool {
    let needed = bus(set).into_iter().chain(discoverer(set));
    needed.into_iter().any(|server| without.iter().any(|name| name == server.name))
}
