//! Which transporter moves the packets, as data.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};

use super::redact::{redact, redact_map};

/// A transporter by URL, or by name with options.
///
/// `Debug`, `Display` and `Serialize` hide passwords; read the fields to connect.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum TransporterConfig {
    /// `"tcp://127.0.0.1:4000"`, or a bare name such as `"TCP"`.
    Url(String),
    /// Moleculer's `{ type, options }`.
    Options {
        /// The key `type`, such as `"TCP"`.
        kind: String,
        /// What this transporter takes; its own module reads them.
        options: Map<String, Value>,
    },
}

impl TransporterConfig {
    /// Everything, passwords included, for merging one source over another.
    pub(super) fn to_plain_value(&self) -> Value {
        match self {
            Self::Url(url) => Value::from(url.as_str()),
            Self::Options { kind, options } => {
                let mut map = Map::new();
                map.insert("type".into(), Value::from(kind.as_str()));
                map.insert("options".into(), Value::Object(options.clone()));
                Value::Object(map)
            }
        }
    }

    /// Whether this can be a name or URL: JSON with an error in it, say, is neither.
    fn is_named(&self) -> bool {
        match self {
            Self::Url(name) | Self::Options { kind: name, .. } => {
                name.starts_with(|first: char| first.is_ascii_alphabetic())
            }
        }
    }
}

impl From<&str> for TransporterConfig {
    fn from(url: &str) -> Self {
        Self::Url(url.to_owned())
    }
}

impl From<String> for TransporterConfig {
    fn from(url: String) -> Self {
        Self::Url(url)
    }
}

impl fmt::Display for TransporterConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => f.write_str(&redact(url)),
            Self::Options { kind, .. } => f.write_str(&redact(kind)),
        }
    }
}

impl fmt::Debug for TransporterConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => f.debug_tuple("Url").field(&redact(url)).finish(),
            Self::Options { kind, options } => f
                .debug_struct("Options")
                .field("kind", &redact(kind))
                .field("options", &redact_map(options))
                .finish(),
        }
    }
}

impl Serialize for TransporterConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Url(url) => serializer.serialize_str(&redact(url)),
            Self::Options { kind, options } => {
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry("type", &redact(kind))?;
                map.serialize_entry("options", &redact_map(options))?;
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for TransporterConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let transporter = deserializer.deserialize_any(TransporterVisitor)?;
        if transporter.is_named() { Ok(transporter) } else { Err(D::Error::custom("no name")) }
    }
}

struct TransporterVisitor;

impl<'de> Visitor<'de> for TransporterVisitor {
    type Value = TransporterConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a URL, or an object with the keys type and options")
    }

    fn visit_str<E: Error>(self, url: &str) -> Result<TransporterConfig, E> {
        Ok(TransporterConfig::Url(url.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<TransporterConfig, A::Error> {
        let (mut kind, mut options) = (None, None);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "type" if kind.is_none() => kind = Some(map.next_value()?),
                "options" if options.is_none() => options = map.next_value()?,
                _ => return Err(A::Error::unknown_field(&key, &["type", "options"])),
            }
        }
        let kind = kind.ok_or_else(|| A::Error::missing_field("type"))?;
        Ok(TransporterConfig::Options { kind, options: options.unwrap_or_default() })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_of_moleculers_forms_are_read() -> Result<(), serde_json::Error> {
        let url: TransporterConfig = serde_json::from_value(json!("tcp://"))?;
        assert_eq!(url, "tcp://".into());
        let object: TransporterConfig =
            serde_json::from_value(json!({ "type": "TCP", "options": { "udpPort": 4445 } }))?;
        assert_eq!(object.to_plain_value(), json!({ "type": "TCP", "options": { "udpPort": 4445 } }));
        for wrong in
            [json!(""), json!({}), json!({ "type": "TCP", "option": {} }), json!(5), json!(["tcp://"])]
        {
            assert!(serde_json::from_value::<TransporterConfig>(wrong.clone()).is_err(), "{wrong}");
        }
        Ok(())
    }

    #[test]
    fn nothing_that_prints_a_transporter_prints_its_password() -> Result<(), serde_json::Error> {
        for transporter in [
            json!("nats://user:canary@host"),
            json!({ "type": "NATS", "options": { "pass": "canary", "url": "nats://canary@host" } }),
            json!({ "type": "nats://user:canary@host" }),
        ] {
            let transporter: TransporterConfig = serde_json::from_value(transporter)?;
            let printed = format!("{transporter:?} {transporter} {}", serde_json::to_string(&transporter)?);
            assert!(!printed.contains("canary"), "{printed}");
            assert!(transporter.to_plain_value().to_string().contains("canary"));
        }
        Ok(())
    }
}
