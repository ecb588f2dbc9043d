//! Options of the MQTT transporter.

use std::fmt;
use std::time::Duration;

use crate::TransportError;
use crate::bus::{self, BusLimits, Expected, Form, OptionText, Server, Servers, TlsOptions};

const FORM: Form = Form {
    kind: "MQTT",
    schemes: &[("mqtt", 1883), ("mqtts", 8883), ("tcp", 1883), ("ssl", 8883)],
    separators: &[','],
};

/// Options of the MQTT transporter.
///
/// In the query of a URL or in a configuration file each has the name given in parentheses; most are those
/// of the MQTT client for Node.js.
#[derive(Clone)]
#[non_exhaustive]
pub struct MqttOptions {
    /// Servers, in the order in which they are tried (`url`).
    pub(crate) servers: Servers,
    /// User name (`username`), unless the URL has one.
    pub username: Option<String>,
    /// Password (`password`), unless the URL has one.
    pub password: Option<String>,
    /// Client id (`clientId`, default a random one for each connection). Of two clients with one id, a
    /// server throws the older one out.
    pub client_id: Option<String>,
    /// Version of MQTT (`protocolVersion`, default 4, which is 3.1.1; or 5).
    pub protocol_version: u8,
    /// Quality of service of every subscription and publish (`qos`, default 0).
    pub qos: u8,
    /// What stands between the parts of a topic (`topicSeparator`, default `.`); the same on all nodes.
    pub topic_separator: String,
    /// What the server is promised: a sign of life at least this often (`keepalive`, default 10 s; a bare
    /// number means seconds; at least 1 s, with MQTT 5 at least 5 s). The node itself asks more often whether
    /// the server is there, so that one that does not answer is lost before frames have been held for longer
    /// than [`BusLimits::max_hold`].
    pub keep_alive: Duration,
    /// Publishes of quality 1 and 2 that wait for the server's word (`inflight`, default 1,000).
    pub inflight: u16,
    /// Largest packet that is taken from the server, in bytes (`maxIncomingPacketSize`, default 16 MiB).
    /// A larger one ends the connection.
    pub max_incoming: usize,
    /// TLS, for `mqtts://` (`tls.*`).
    pub tls: TlsOptions,
    /// Bounds of queues and waits.
    pub limits: BusLimits,
}

impl Default for MqttOptions {
    fn default() -> Self {
        Self {
            servers: Servers::default(),
            username: None,
            password: None,
            client_id: None,
            protocol_version: 4,
            qos: 0,
            topic_separator: ".".to_owned(),
            keep_alive: Duration::from_secs(10),
            inflight: 1000,
            max_incoming: 16 * 1024 * 1024,
            tls: TlsOptions::default(),
            limits: BusLimits::default(),
        }
    }
}

impl MqttOptions {
    /// Adds servers: `mqtt://user:secret@host:1883,other`, with options behind a `?`.
    ///
    /// # Errors
    /// [`TransportError::Config`] names what is wrong, without credentials.
    pub fn url(mut self, url: &str) -> Result<Self, TransportError> {
        self.add_servers(url)?;
        Ok(self)
    }

    pub(crate) fn servers(&self) -> Vec<Server> {
        match self.servers.list.is_empty() {
            // A fixed text that has been read before.
            true => Servers::parse("mqtt://127.0.0.1", FORM).map(|servers| servers.list).unwrap_or_default(),
            false => self.servers.list.clone(),
        }
    }

    /// Node's `servers`: objects with host, port and protocol, with the brackets of the list or without.
    fn objects(&self, text: &str) -> Result<Vec<Server>, TransportError> {
        let wrong = || self.wrong("servers", "URLs or objects such as { host, port, protocol }");
        let list = if text.starts_with('[') { text.to_owned() } else { format!("[{text}]") };
        let list: Vec<serde_json::Map<String, serde_json::Value>> =
            serde_json::from_str(&list).map_err(|_| wrong())?;
        let mut servers = Vec::new();
        for object in list {
            let (mut host, mut port, mut scheme) = (None, None, "mqtt");
            for (key, value) in &object {
                match (key.as_str(), value) {
                    ("host", serde_json::Value::String(name)) => host = Some(name),
                    ("port", number) => port = Some(number.as_u64().ok_or_else(wrong)?),
                    ("protocol", serde_json::Value::String(name)) => scheme = name.trim_end_matches(':'),
                    _ => return Err(wrong()),
                }
            }
            let host = host.map_or("127.0.0.1", String::as_str);
            let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
            let port = port.map(|port| format!(":{port}")).unwrap_or_default();
            servers.extend(Servers::parse(&format!("{scheme}://{host}{port}"), FORM)?.list);
        }
        Ok(servers)
    }

    /// Checks what single options cannot.
    pub(crate) fn validate(&self) -> Result<(), TransportError> {
        if !cfg!(feature = "mqtt-tls") && self.servers.list.iter().any(is_tls) {
            return Err(TransportError::Config(
                "mqtts:// needs TLS, which is not compiled in: enable the feature `mqtt-tls` of ligand"
                    .to_owned(),
            ));
        }
        if self.protocol_version == 5 && self.keep_alive < Duration::from_secs(5) {
            let why = "option `keepalive` of MQTT is at least 5s with `protocolVersion` 5";
            return Err(TransportError::Config(why.to_owned()));
        }
        if self.keep_alive < Duration::from_secs(1) {
            return Err(TransportError::Config("option `keepalive` of MQTT is at least 1s".to_owned()));
        }
        Ok(())
    }
}

/// Whether the connection with a server is encrypted.
pub(super) fn is_tls(server: &Server) -> bool {
    matches!(server.scheme.as_str(), "mqtts" | "ssl")
}

impl OptionText for MqttOptions {
    const KIND: &'static str = "MQTT";
    const NAMES: &'static [&'static str] = &[
        "url",
        "host",
        "port",
        "username",
        "password",
        "clientId",
        "protocolVersion",
        "qos",
        "topicSeparator",
        "keepalive",
        "inflight",
        "maxIncomingPacketSize",
        "tls.caFile",
        "tls.certFile",
        "tls.keyFile",
        "tls.dangerousAcceptAnyCertificate",
    ];
    const IGNORED: &'static [(&'static str, &'static str)] = &[
        ("reconnectPeriod", "the node reconnects with full jitter between 50 ms and 5 s"),
        ("resubscribe", "subscriptions are always restored"),
        ("queueQoSZero", "nothing is queued while disconnected"),
        ("reschedulePings", "pings are sent after a time without traffic"),
        ("clean", "every connection begins a clean session"),
        ("protocolId", "it follows from the version"),
    ];

    const SERVERS: &'static [&'static str] = &["url", "host", "servers"];

    fn limits(&mut self) -> &mut BusLimits {
        &mut self.limits
    }

    fn add_servers(&mut self, text: &str) -> Result<(), TransportError> {
        if text.starts_with(['{', '[']) {
            self.servers.list.extend(self.objects(text)?);
            return Ok(());
        }
        let read = Servers::parse(text, FORM)?;
        self.servers.list.extend(read.list);
        read.options.iter().try_for_each(|(name, value)| self.set(name, value))
    }

    fn set_own(&mut self, name: &str, value: &str) -> Option<Result<(), Expected>> {
        use bus::{count, parsed, seconds};
        let text = || Some(value.to_owned()).filter(|text| !text.is_empty());
        Some(match name {
            "port" => parsed(value, "a port").map(|port| {
                let mut list = self.servers();
                list.iter_mut().for_each(|server| server.port = port);
                self.servers.list = list;
            }),
            "username" => {
                self.username = text();
                Ok(())
            }
            "password" => {
                self.password = text();
                Ok(())
            }
            "clientId" => {
                self.client_id = text();
                Ok(())
            }
            "protocolVersion" => match value {
                "4" | "5" => parsed(value, "4 or 5").map(|version| self.protocol_version = version),
                _ => Err("4 (MQTT 3.1.1) or 5"),
            },
            "qos" => match value {
                "0" | "1" | "2" => parsed(value, "0, 1 or 2").map(|qos| self.qos = qos),
                _ => Err("0, 1 or 2"),
            },
            "topicSeparator" => match value {
                "" | "+" | "#" => Err("a separator that is no wildcard, such as . or /"),
                separator => {
                    separator.clone_into(&mut self.topic_separator);
                    Ok(())
                }
            },
            "keepalive" => match seconds(value) {
                Ok(time) if time >= Duration::from_secs(1) => {
                    self.keep_alive = time;
                    Ok(())
                }
                _ => Err("a time of at least 1s"),
            },
            "inflight" => parsed::<std::num::NonZeroU16>(value, "a number from 1 to 65535")
                .map(|count| self.inflight = count.get()),
            "maxIncomingPacketSize" => count(value).map(|bytes| self.max_incoming = bytes),
            name => return self.tls.set(name, value),
        })
    }
}

/// Without secrets.
impl fmt::Debug for MqttOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MqttOptions")
            .field("servers", &self.servers.list)
            .field("protocol_version", &self.protocol_version)
            .field("qos", &self.qos)
            .field("topic_separator", &self.topic_separator)
            .field("keep_alive", &self.keep_alive)
            .field("tls", &self.tls)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_named_option_can_be_set() {
        for name in MqttOptions::NAMES {
            let value = match *name {
                "url" | "host" => "mqtt://elsewhere",
                "protocolVersion" => "5",
                "qos" => "2",
                "topicSeparator" => "/",
                "keepalive" => "30",
                "tls.dangerousAcceptAnyCertificate" => "true",
                _ => "77",
            };
            let mut options = MqttOptions::default();
            options.set(name, value).unwrap();
        }
        let mut options = MqttOptions::default();
        options.set("keepalive", "30").unwrap();
        assert_eq!(options.keep_alive, Duration::from_secs(30));
        options.set("tls", r#"{ "caFile": "ca.pem", "rejectUnauthorized": true }"#).unwrap();
        assert_eq!(options.tls.ca_file.as_deref(), Some("ca.pem"));
        options.set("maxHold", "3s").unwrap();
        assert_eq!(options.limits.max_hold, Duration::from_secs(3));
    }

    #[test]
    fn what_cannot_be_is_named_with_what_can() {
        for (name, value, part) in [
            ("qos", "3", "0, 1 or 2"),
            ("protocolVersion", "3", "4 (MQTT 3.1.1) or 5"),
            ("topicSeparator", "#", "no wildcard"),
            ("keepalive", "0", "at least 1s"),
            ("inflight", "0", "1 to 65535"),
            ("clientID", "x", "it has url, host"),
            ("tls.rejectUnauthorized", "false", "dangerousAcceptAnyCertificate"),
            ("url", "nats://host", "MQTT server"),
        ] {
            let error = MqttOptions::default().set(name, value).unwrap_err().to_string();
            assert!(error.contains(part), "{name}: {error}");
        }
    }

    #[test]
    fn a_keepalive_that_the_version_cannot_have_is_named() {
        let valid = |query: &str| {
            let options = MqttOptions::default().url(&format!("mqtt://host?{query}")).unwrap();
            options.validate().map_err(|error| error.to_string())
        };
        assert_eq!(valid("keepalive=1"), Ok(()));
        assert_eq!(valid("keepalive=5&protocolVersion=5"), Ok(()));
        assert!(valid("keepalive=4&protocolVersion=5").unwrap_err().contains("at least 5s"));
    }

    #[test]
    fn nothing_that_prints_the_options_prints_a_secret() {
        let mut options = MqttOptions::default().url("mqtt://canary1:canary2@host?password=canary3").unwrap();
        options.set("username", "canary4").unwrap();
        let printed = format!("{options:?}");
        assert!(!printed.contains("canary"), "{printed}");
    }
}
