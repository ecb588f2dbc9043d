//! The configuration of the discoverer, as data.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{SerializerKind, TransporterConfig};

/// A discoverer by its name or URL, or as Moleculer's `{ type, options }`.
///
/// `Debug`, `Display` and `Serialize` hide passwords.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DiscovererConfig(TransporterConfig);

/// The options of the Redis discoverer, read and checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RedisDiscoverer {
    /// The URL or the options of the connection. Null means the server on this host.
    pub(crate) redis: Value,
    /// The values of all records are read once in this number of rounds; in the others only their names. 0
    /// means never.
    pub(crate) full_check: u32,
    /// How many names Redis returns at a time.
    pub(crate) scan_length: usize,
    /// How records are encoded, whichever serializer the cluster uses.
    pub(crate) serializer: SerializerKind,
}

impl DiscovererConfig {
    /// A discoverer by its name, with options.
    #[must_use]
    pub fn with_options(kind: impl Into<String>, options: Map<String, Value>) -> Self {
        Self(TransporterConfig::Options { kind: kind.into(), options })
    }

    /// All options, including passwords, for merging one source with another.
    pub(super) fn to_plain_value(&self) -> Value {
        self.0.to_plain_value()
    }

    /// The Redis discoverer to use. `None` means that nodes discover each other through the transporter.
    ///
    /// # Errors
    /// The message says what is wrong, without secrets.
    pub(crate) fn redis(&self) -> Result<Option<RedisDiscoverer>, String> {
        let no_options = Map::new();
        let (kind, options) = match &self.0 {
            TransporterConfig::Url(url) => (url, &no_options),
            TransporterConfig::Options { kind, options } => (kind, options),
        };
        let (name, url) = match kind.split_once("://") {
            Some((scheme, _)) => (scheme, Some(Value::from(kind.as_str()))),
            None => (kind.as_str(), None),
        };
        match name.to_ascii_lowercase().as_str() {
            "redis" | "rediss" => RedisDiscoverer::read(url, options).map(Some),
            // It has no options. Options that are given are ignored, as in Node.
            "local" => Ok(None),
            "etcd3" => {
                Err("the discoverer `Etcd3` is planned, not there yet: there are Local and Redis".into())
            }
            _ => Err(format!("no discoverer is named `{}`: there are Local and Redis", super::redact(name))),
        }
    }
}

impl DiscovererConfig {
    /// The options of a discoverer that takes none.
    pub(crate) fn unused(&self) -> Vec<&str> {
        match &self.0 {
            TransporterConfig::Options { kind, options } if kind.eq_ignore_ascii_case("local") => {
                options.keys().map(String::as_str).collect()
            }
            _ => Vec::new(),
        }
    }
}

impl RedisDiscoverer {
    fn read(url: Option<Value>, options: &Map<String, Value>) -> Result<Self, String> {
        if !cfg!(feature = "discovery-redis") {
            let text =
                "the discoverer `Redis` is not compiled in: enable the feature `discovery-redis` of ligand";
            return Err(text.into());
        }
        let mut read = Self {
            redis: url.unwrap_or_default(),
            full_check: 10,
            scan_length: 100,
            // Node's default, even if the cluster uses another serializer.
            serializer: SerializerKind::Json,
        };
        for (name, value) in options {
            let wrong =
                |expected: &str| Err(format!("its option `{name}` has a wrong value: give {expected}"));
            match (name.as_str(), value) {
                ("redis", value) => read.redis = value.clone(),
                ("serializer", Value::Null) => {}
                ("serializer", value) => match super::choices::serializer(value) {
                    Ok(serializer) => read.serializer = serializer,
                    Err(_) => return wrong(&format!("one of {}", SerializerKind::WORDS.join(", "))),
                },
                ("fullCheck", Value::Null) => read.full_check = 0,
                ("fullCheck", value) => match value.as_u64().and_then(|count| count.try_into().ok()) {
                    Some(count) => read.full_check = count,
                    None => return wrong("a number of rounds, 0 for never"),
                },
                ("scanLength", value) => match value.as_u64().and_then(|count| count.try_into().ok()) {
                    Some(count @ 1..=100_000) => read.scan_length = count,
                    _ => return wrong("a number from 1 to 100000"),
                },
                ("monitor", Value::Bool(false)) => {}
                ("monitor", _) => return wrong("false: monitoring Redis is not supported"),
                ("cluster", Value::Null) => {}
                ("cluster", _) => {
                    return Err("its option `cluster` is not supported: records of one step lie in several \
                                slots, which Redis Cluster refuses to Node too; give one server as `redis`"
                        .into());
                }
                ("heartbeatInterval" | "heartbeatTimeout", _) => {
                    return Err(format!(
                        "its option `{name}` is the broker's: set `{name}` at the top level"
                    ));
                }
                ("cleanOfflineNodesTimeout", _) => {
                    return Err(format!("its option `{name}` is `registry.{name}` here"));
                }
                _ => {
                    let known = "redis, serializer, fullCheck, scanLength, monitor";
                    return Err(unknown("Redis", name, known));
                }
            }
        }
        #[cfg(feature = "discovery-redis")]
        ligand_transporters::redis_kv::RedisKv::new(&read.redis).map_err(|error| error.to_string())?;
        Ok(read)
    }
}

fn unknown(kind: &str, option: &str, known: &str) -> String {
    format!("the discoverer `{kind}` has no option `{option}`: it has {known}")
}

impl From<&str> for DiscovererConfig {
    fn from(url: &str) -> Self {
        Self(url.into())
    }
}

impl From<String> for DiscovererConfig {
    fn from(url: String) -> Self {
        Self(url.into())
    }
}

impl fmt::Display for DiscovererConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for DiscovererConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(all(test, feature = "discovery-redis"))]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Result<Option<RedisDiscoverer>, String> {
        serde_json::from_value::<DiscovererConfig>(value).unwrap().redis()
    }

    #[test]
    fn all_of_moleculers_forms_are_read() {
        let json = SerializerKind::Json;
        let usual = |redis| RedisDiscoverer { redis, full_check: 10, scan_length: 100, serializer: json };
        assert_eq!(read(json!("Local")), Ok(None));
        assert_eq!(read(json!("Redis")), Ok(Some(usual(Value::Null))));
        assert_eq!(read(json!("redis://host:1/2")), Ok(Some(usual(json!("redis://host:1/2")))));
        assert_eq!(read(json!({ "type": "Redis" })), Ok(Some(usual(Value::Null))));
        let options = json!({ "redis": { "host": "h" }, "fullCheck": null, "scanLength": 5, "serializer": "JSON",
            "monitor": false });
        assert_eq!(
            read(json!({ "type": "Redis", "options": options })),
            Ok(Some(RedisDiscoverer {
                redis: json!({ "host": "h" }),
                full_check: 0,
                scan_length: 5,
                serializer: json
            }))
        );
    }

    #[test]
    fn records_can_be_written_by_every_serializer_that_there_is() {
        let chosen = |serializer: Value| {
            let options = json!({ "serializer": serializer });
            read(json!({ "type": "Redis", "options": options })).unwrap().unwrap().serializer
        };
        for word in SerializerKind::WORDS {
            assert_eq!(chosen(json!(word)).as_str(), *word);
            assert_eq!(chosen(json!({ "type": word.to_lowercase() })).as_str(), *word);
        }
        assert_eq!(chosen(Value::Null), SerializerKind::Json);
    }

    #[test]
    fn options_of_a_discoverer_that_has_none_are_passed_over_and_known() {
        let config = json!({ "type": "Local", "options": { "heartbeatInterval": 5, "x": null } });
        let config: DiscovererConfig = serde_json::from_value(config).unwrap();
        assert_eq!(config.redis(), Ok(None));
        assert_eq!(config.unused(), ["heartbeatInterval", "x"]);
        assert_eq!(DiscovererConfig::from("Local").unused(), [""; 0]);
        let redis = json!({ "type": "Redis", "options": { "scanLength": 5 } });
        assert_eq!(serde_json::from_value::<DiscovererConfig>(redis).unwrap().unused(), [""; 0]);
    }

    #[test]
    fn what_cannot_work_is_named_without_secrets() {
        for (wrong, named) in [
            (json!("etcd3://host"), "Etcd3"),
            (json!("Consul"), "`Consul`"),
            (json!({ "type": "Redis", "options": { "fullcheck": 1 } }), "`fullcheck`"),
            (json!({ "type": "Redis", "options": { "fullCheck": "canary" } }), "`fullCheck`"),
            (json!({ "type": "Redis", "options": { "scanLength": 0 } }), "`scanLength`"),
            (json!({ "type": "Redis", "options": { "serializer": "Avro" } }), "`serializer`"),
            (json!({ "type": "Redis", "options": { "serializer": 5 } }), "MsgPack"),
            (json!({ "type": "Redis", "options": { "cluster": { "nodes": [] } } }), "`cluster`"),
            (json!({ "type": "Redis", "options": { "monitor": true } }), "`monitor`"),
            (json!({ "type": "Redis", "options": { "redis": { "pass": "canary" } } }), "`pass`"),
            (json!({ "type": "Redis", "options": { "redis": "redis://u:canary@h/x" } }), "path"),
        ] {
            let error = read(wrong.clone()).unwrap_err();
            assert!(error.contains(named) && !error.contains("canary"), "{wrong}: {error}");
        }
        let shown = format!("{:?}", DiscovererConfig::from("redis://u:canary@h"));
        assert!(!shown.contains("canary"), "{shown}");
    }
}
