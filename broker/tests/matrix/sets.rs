//! Which sets there are.

use serde_json::{Value, json};

use crate::js::Version;

/// How many of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// One serializer per transporter: what every change is checked with.
    Few,
    /// All.
    All,
}

/// One live set: where its nodes meet and how they write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Set {
    pub(crate) transporter: &'static str,
    pub(crate) version: Version,
    pub(crate) serializer: &'static str,
}

const TRANSPORTERS: [&str; 6] = ["TCP", "NATS", "Redis", "MQTT", "AMQP", "Kafka"];
const SERIALIZERS: [&str; 5] = ["JSON", "JSONExt", "MsgPack", "Notepack", "CBOR"];
/// The few: each serializer once.
const FEW: [(&str, &str); 6] = [
    ("TCP", "JSON"),
    ("NATS", "MsgPack"),
    ("Redis", "Notepack"),
    ("MQTT", "CBOR"),
    ("AMQP", "JSONExt"),
    ("Kafka", "JSON"),
];

pub(crate) fn sets(which: Which) -> Vec<Set> {
    let mut sets = Vec::new();
    for transporter in TRANSPORTERS {
        for version in [Version::V015, Version::V014] {
            match which {
                Which::All => {
                    let all =
                        SERIALIZERS.into_iter().filter(|one| *one != "JSONExt" || version == Version::V015);
                    sets.extend(all.map(|serializer| Set { transporter, version, serializer }));
                }
                Which::Few => {
                    let few = FEW.into_iter().filter(|(of, _)| *of == transporter);
                    sets.extend(few.map(|(_, serializer)| {
                        let missing = serializer == "JSONExt" && version == Version::V014;
                        Set { transporter, version, serializer: if missing { "JSON" } else { serializer } }
                    }));
                }
            }
        }
    }
    sets
}

impl Set {
    /// `NATS 0.15.2 MsgPack`.
    pub(crate) fn name(&self) -> String {
        format!("{} {} {}", self.transporter, self.version.full(), self.serializer)
    }

    /// The variable that names the server; Moleculer 0.14 needs a Kafka before version 4.
    pub(crate) fn variable(&self) -> &'static str {
        match (self.transporter, self.version) {
            ("NATS", _) => "NATS_URL",
            ("Redis", _) => "REDIS_URL",
            ("MQTT", _) => "MQTT_URL",
            ("AMQP", _) => "AMQP_URL",
            ("Kafka", Version::V015) => "KAFKA_URL",
            _ => "KAFKA_39_URL",
        }
    }

    /// The transporter's URL for our nodes and its options for stock ones, given the ports of those that need
    /// one.
    pub(crate) fn place(&self, ports: &[(String, u16)]) -> Result<(String, Value), String> {
        if self.transporter == "TCP" {
            let urls: Vec<_> = ports.iter().map(|(name, port)| format!("127.0.0.1:{port}/{name}")).collect();
            let url = format!(
                "tcp://{}?udpDiscovery=false&useHostname=false&bind=127.0.0.1&gossipPeriod=1",
                urls.join(",")
            );
            let options =
                json!({ "urls": urls, "udpDiscovery": false, "gossipPeriod": 1, "useHostname": false });
            return Ok((url, json!({ "type": "TCP", "options": options })));
        }
        let variable = self.variable();
        let url = std::env::var(variable)
            .map_err(|_| format!("{variable} is not set: scripts/interop starts the servers"))?;
        Ok((url.clone(), json!(url)))
    }
}
