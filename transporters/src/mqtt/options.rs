//! Options of the MQTT transporter, most of them those of the MQTT client for Node.js.

use std::borrow::Cow;
use std::num::NonZeroU16;
use std::time::Duration;

use crate::TransportError;
use crate::bus::{BusLimits, Form, Server, ServerOptions, TlsOptions};
use crate::options;
use crate::options::kind::{code, grouped, parsed, seconds};
use crate::options::{Also, BYTES, Foreign, Kind, SECONDS, SECRET, TEXT};

options! {
    /// Options of the MQTT transporter.
    #[derive(Clone)]
    pub struct MqttOptions of "the MQTT transporter", elsewhere FOREIGN;
    first {
        /// Servers, in the order in which they are tried: URLs, or Node's objects with `host`, `port` and
        /// `protocol`.
        "url" | "host" | "servers": Self::SERVERS.whole();
        /// Port of the servers that were named before.
        "port": Also::new(|options: &mut Self, _, port| {
            options.set_port(parsed(port, "a port")?);
            Ok(())
        }).default("1883, with TLS 8883");
    }
    fields {
        /// User name, unless the URL has one.
        "username": SECRET => pub username: Option<String> = None;
        /// Password, unless the URL has one.
        "password": SECRET => pub password: Option<String> = None;
        /// Client id. The default is a random one for each connection. If two clients use one id, the server
        /// disconnects the older one.
        "clientId": TEXT => pub client_id: Option<String> = None;
        /// Version of MQTT: 4, which is 3.1.1, or 5.
        "protocolVersion": VERSION => pub protocol_version: u8 = 4;
        /// Quality of service of every subscription and publish: 0, 1 or 2.
        "qos": QUALITY => pub qos: u8 = 0;
        /// Separator between the parts of a topic. It must be the same on all nodes.
        "topicSeparator": SEPARATOR => pub topic_separator: String = ".".to_owned();
        /// Keep-alive interval that the server is told: at least 1 s, with version 5 at least 5 s. The node
        /// itself asks more often whether the server is there, so that one that does not answer is lost
        /// before frames have been held for longer than `maxHold`.
        "keepalive": KEEP_ALIVE => pub keep_alive: Duration = Duration::from_secs(10);
        /// Publishes of quality 1 and 2 that may wait for the server's acknowledgement.
        "inflight": INFLIGHT => pub inflight: u16 = 1000;
        /// Largest packet that is accepted from the server. A larger one ends the connection.
        "maxIncomingPacketSize": BYTES => pub max_incoming: usize = 16 * 1024 * 1024;
    }
    shared {
        /// TLS, for `mqtts://`.
        pub tls: TlsOptions = TlsOptions::default();
        /// Limits of queues and waits.
        pub limits: BusLimits = BusLimits::default();
    }
    state {
        pub(super) servers: Vec<Server> = Vec::new();
    }
}

const VERSION: Kind<u8> = Kind::new(
    |text| match text {
        "4" => Ok(4),
        "5" => Ok(5),
        _ => Err("4 (MQTT 3.1.1) or 5"),
    },
    u8::to_string,
);

const QUALITY: Kind<u8> = Kind::new(
    |text| match text {
        "0" => Ok(0),
        "1" => Ok(1),
        "2" => Ok(2),
        _ => Err("0, 1 or 2"),
    },
    u8::to_string,
);

const SEPARATOR: Kind<String> = Kind::new(
    |text| match text {
        "" | "+" | "#" => Err("a separator that is no wildcard, such as . or /"),
        separator => Ok(separator.to_owned()),
    },
    code,
);

const KEEP_ALIVE: Kind<Duration> = SECONDS.reading(|text| match seconds(text) {
    Ok(time) if time >= Duration::from_secs(1) => Ok(time),
    _ => Err("a time of at least 1s"),
});

const INFLIGHT: Kind<u16> = Kind::new(
    |text| parsed(text, "a number from 1 to 65535").map(NonZeroU16::get),
    |count| grouped((*count).into()),
);

/// Options of Node's client that do not exist here.
const FOREIGN: &[(&str, Foreign)] = &[
    ("reconnectPeriod", Foreign::Moot("the node reconnects with full jitter between 50 ms and 5 s")),
    ("resubscribe", Foreign::Moot("subscriptions are always restored")),
    ("queueQoSZero", Foreign::Moot("nothing is queued while disconnected")),
    ("reschedulePings", Foreign::Moot("pings are sent after a time without traffic")),
    ("clean", Foreign::Moot("every connection begins a clean session")),
    ("protocolId", Foreign::Moot("it follows from the version")),
];

impl ServerOptions for MqttOptions {
    const FORM: Form = Form {
        kind: "MQTT",
        schemes: &[("mqtt", 1883), ("mqtts", 8883), ("tcp", 1883), ("ssl", 8883)],
        separators: &[','],
    };

    fn take(&mut self, servers: Vec<Server>) -> Result<(), TransportError> {
        self.servers.extend(servers);
        Ok(())
    }

    fn plain_list(text: &str) -> Result<Cow<'_, str>, TransportError> {
        let is_objects = text.trim_start_matches('[').trim_start().starts_with('{');
        if is_objects { objects(text).map(Cow::Owned) } else { Ok(text.into()) }
    }

    fn validate(&self) -> Result<(), TransportError> {
        if !cfg!(feature = "mqtt-tls") && self.servers.iter().any(is_tls) {
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

impl MqttOptions {
    /// The servers. There is at least one.
    pub(super) fn servers(&self) -> Vec<Server> {
        match self.servers.is_empty() {
            true => vec![Server::on_this_host("mqtt", 1883)],
            false => self.servers.clone(),
        }
    }

    fn set_port(&mut self, port: u16) {
        self.servers = self.servers();
        self.servers.iter_mut().for_each(|server| server.port = port);
    }
}

/// Turns Node's `servers` into URLs. They are objects with host, port and protocol, with or without the
/// brackets of a list.
fn objects(text: &str) -> Result<String, TransportError> {
    let wrong =
        || options::wrong::<MqttOptions>("servers", "URLs or objects such as { host, port, protocol }");
    let list = if text.starts_with('[') { text.to_owned() } else { format!("[{text}]") };
    let list: Vec<serde_json::Map<String, serde_json::Value>> =
        serde_json::from_str(&list).map_err(|_| wrong())?;
    let mut urls = Vec::new();
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
        urls.push(format!("{scheme}://{host}{port}"));
    }
    Ok(urls.join(","))
}

/// Whether the connection with a server is encrypted.
pub(super) fn is_tls(server: &Server) -> bool {
    matches!(server.scheme.as_str(), "mqtts" | "ssl")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Options as _, Row};

    #[test]
    fn every_named_option_can_be_set() {
        for name in MqttOptions::default().rows().iter().flat_map(Row::names) {
            let value = match name {
                "url" | "host" | "servers" => "mqtt://elsewhere",
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
            let options = MqttOptions::new(&format!("mqtt://host?{query}")).unwrap();
            options.validate().map_err(|error| error.to_string())
        };
        assert_eq!(valid("keepalive=1"), Ok(()));
        assert_eq!(valid("keepalive=5&protocolVersion=5"), Ok(()));
        assert!(valid("keepalive=4&protocolVersion=5").unwrap_err().contains("at least 5s"));
    }

    #[test]
    fn nothing_that_prints_the_options_prints_a_secret() {
        let mut options = MqttOptions::new("mqtt://canary1:canary2@host?password=canary3").unwrap();
        options.set("username", "canary4").unwrap();
        let printed = format!("{options:?}");
        assert!(!printed.contains("canary"), "{printed}");
    }
}
