//! Options of the AMQP transporter, with Node's names for them.

use std::time::Duration;

use super::arguments::{ConsumeOptions, ExchangeOptions, MessageOptions, QueueOptions};
use crate::bus::{Expected, Form, OptionText, Server, Servers, milliseconds, parsed, seconds};
use crate::{BusLimits, TlsOptions, TransportError};

const FORM: Form =
    Form { kind: "AMQP", schemes: &[("amqp", 5672), ("amqps", 5671)], separators: &[';', ','] };

/// How a node speaks with a RabbitMQ cluster by AMQP 0.9.1.
///
/// In the query of a URL or in a configuration file each has the name given in parentheses. Options that
/// Node hands to its client library are known by name only: `queueOptions.maxLength`,
/// `exchangeOptions.…`, `messageOptions.…`, `consumeOptions.…` (see [`AmqpOptions::with_option`]).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct AmqpOptions {
    pub(super) servers: Vec<Server>,
    /// Requests and balanced events that the server hands over, per queue, before it waits for
    /// acknowledgements (`prefetch`, default 100, 0 for no limit). Node's default is 1, with which a chain
    /// of calls that comes back to a node stands still.
    pub prefetch: u16,
    /// Time after which an event that nobody took is dropped (`eventTimeToLive`, default never). The same
    /// on all nodes that share queues.
    pub event_time_to_live: Option<Duration>,
    /// The same for heartbeats (`heartbeatTimeToLive`, default never).
    pub heartbeat_time_to_live: Option<Duration>,
    /// Time after which the server deletes the queues of a node that has gone (`autoDeleteQueues`, default
    /// 2 min; `false` for never). The same on all nodes that share queues.
    pub auto_delete_queues: Option<Duration>,
    /// Whether the server confirms what is published (`publisherConfirms`, default false); frames that it
    /// refuses are reported. Costs a round trip per batch.
    pub publisher_confirms: bool,
    /// Time between heartbeats of the connection (`heartbeat`, default 5 s, at least 1 s). A server that is
    /// silent for twice as long is lost. At most two fifths of the time for which frames may be held
    /// ([`BusLimits::max_hold`]), in whole seconds, but never less than 1 s: 2 s by default.
    pub heartbeat: Duration,
    /// Largest frame of the connection in bytes (`frameMax`, default the server's); packets may be larger.
    pub frame_max: Option<u32>,
    /// Whether this node logs in by its certificate (`authMechanism` = `EXTERNAL`) rather than by user and
    /// password (`PLAIN`); by default if it has a certificate and the URL no user.
    pub external_login: Option<bool>,
    /// Which servers are trusted (`tls.…`), with `amqps://`.
    pub tls: TlsOptions,
    /// The name that certificates must be for (`socketOptions.servername`), if not the host of the URL.
    pub server_name: Option<String>,
    /// Bounds of queues and waits.
    pub limits: BusLimits,
    pub(super) queue_options: QueueOptions,
    pub(super) exchange_options: ExchangeOptions,
    pub(super) message_options: MessageOptions,
    pub(super) consume_options: ConsumeOptions,
}

impl Default for AmqpOptions {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            prefetch: 100,
            event_time_to_live: None,
            heartbeat_time_to_live: None,
            auto_delete_queues: Some(Duration::from_secs(120)),
            publisher_confirms: false,
            heartbeat: Duration::from_secs(5),
            frame_max: None,
            external_login: None,
            tls: TlsOptions::default(),
            server_name: None,
            limits: BusLimits::default(),
            queue_options: QueueOptions::default(),
            exchange_options: ExchangeOptions::default(),
            message_options: MessageOptions::default(),
            consume_options: ConsumeOptions::default(),
        }
    }
}

impl AmqpOptions {
    /// Options from a URL such as `amqp://user:password@host:5672/vhost?prefetch=10`; several servers are
    /// separated by semicolons.
    ///
    /// # Errors
    /// [`TransportError::Config`] says what is wrong, without the password.
    pub fn from_url(url: &str) -> Result<Self, TransportError> {
        let mut options = Self::default();
        options.add_servers(url)?;
        Ok(options)
    }

    /// The same with an option set by its name: `queueOptions.maxLength`, say. `url` adds servers.
    ///
    /// # Errors
    /// [`TransportError::Config`] when there is no such option or the value does not fit.
    pub fn with_option(mut self, name: &str, value: &str) -> Result<Self, TransportError> {
        self.set(name, value)?;
        Ok(self)
    }

    /// Seconds between heartbeats, as a server is told. The client library notices a silence of twice that
    /// up to half of that later, and then gives the connection up with all that it still holds: before
    /// frames have been held for longer than they may.
    pub(super) fn heartbeat_seconds(&self) -> u16 {
        let most = (self.limits.max_hold * 2 / 5).as_secs();
        u16::try_from(self.heartbeat.as_secs().min(most)).unwrap_or(u16::MAX).max(1)
    }

    /// The servers; at least one.
    pub(super) fn servers(&self) -> Vec<Server> {
        if self.servers.is_empty() {
            Servers::parse("amqp://localhost", FORM).map(|servers| servers.list).unwrap_or_default()
        } else {
            self.servers.clone()
        }
    }
}

impl OptionText for AmqpOptions {
    const KIND: &'static str = "AMQP";
    const NAMES: &'static [&'static str] = &[
        "url",
        "prefetch",
        "eventTimeToLive",
        "heartbeatTimeToLive",
        "autoDeleteQueues",
        "queueOptions.<name>",
        "exchangeOptions.<name>",
        "messageOptions.<name>",
        "consumeOptions.<name>",
        "socketOptions.timeout",
        "socketOptions.servername",
        "publisherConfirms",
        "heartbeat",
        "frameMax",
        "authMechanism",
        "tls.caFile",
        "tls.certFile",
        "tls.keyFile",
        "tls.dangerousAcceptAnyCertificate",
    ];
    const IGNORED: &'static [(&'static str, &'static str)] = &[
        ("channelMax", "five channels are used, whatever the limit"),
        ("locale", "servers know one only"),
        ("socketOptions.noDelay", "packets are always sent without delay"),
        ("socketOptions.keepAlive", "heartbeats find out sooner"),
        ("socketOptions.keepAliveDelay", "heartbeats find out sooner"),
    ];

    const SERVERS: &'static [&'static str] = &["url"];

    fn limits(&mut self) -> &mut BusLimits {
        &mut self.limits
    }

    fn add_servers(&mut self, text: &str) -> Result<(), TransportError> {
        let servers = Servers::parse(text, FORM)?;
        self.servers.extend(servers.list);
        servers.options.iter().try_for_each(|(name, value)| self.set(name, value))
    }

    fn set_own(&mut self, name: &str, value: &str) -> Option<Result<(), Expected>> {
        if let Some((group, name)) = name.split_once('.') {
            match group {
                "queueOptions" => return self.queue_options.set(name, value),
                "exchangeOptions" => return self.exchange_options.set(name, value),
                "messageOptions" => return self.message_options.set(name, value),
                "consumeOptions" => return self.consume_options.set(name, value),
                "socketOptions" => return self.set_socket(name, value),
                _ => {}
            }
        }
        Some(match name {
            "prefetch" => parsed(value, "a number from 0 (no limit) to 65535").map(|n| self.prefetch = n),
            "eventTimeToLive" => time_or_never(value).map(|time| self.event_time_to_live = time),
            "heartbeatTimeToLive" => time_or_never(value).map(|time| self.heartbeat_time_to_live = time),
            "autoDeleteQueues" => match value {
                "true" => Ok(Self::default().auto_delete_queues),
                other => time_or_never(other),
            }
            .map(|time| self.auto_delete_queues = time),
            "publisherConfirms" => crate::bus::flag(value).map(|on| self.publisher_confirms = on),
            "heartbeat" => match seconds(value) {
                Ok(time) if time >= Duration::from_secs(1) => {
                    self.heartbeat = time;
                    Ok(())
                }
                _ => Err("a time of 1s or more; a bare number means seconds"),
            },
            "frameMax" => match parsed(value, "a number of bytes from 4096") {
                Ok(bytes) if bytes >= 4096 => {
                    self.frame_max = Some(bytes);
                    Ok(())
                }
                _ => Err("a number of bytes from 4096"),
            },
            "authMechanism" | "auth_mechanism" => match value.to_ascii_uppercase().as_str() {
                "PLAIN" => {
                    self.external_login = Some(false);
                    Ok(())
                }
                "EXTERNAL" => {
                    self.external_login = Some(true);
                    Ok(())
                }
                _ => Err("PLAIN or EXTERNAL"),
            },
            other => return self.tls.set(other, value),
        })
    }
}

impl AmqpOptions {
    fn set_socket(&mut self, name: &str, value: &str) -> Option<Result<(), Expected>> {
        Some(match name {
            "timeout" => milliseconds(value).map(|time| self.limits.connect_timeout = time),
            "servername" => {
                self.server_name = Some(value.to_owned()).filter(|name| !name.is_empty());
                Ok(())
            }
            "rejectUnauthorized" => return self.tls.set("tls.rejectUnauthorized", value),
            // In Node these hold certificates, not their files.
            "ca" => Err("the file of the certificates by the option tls.caFile instead"),
            "cert" => Err("the file of the certificate by the option tls.certFile instead"),
            "key" => Err("the file of the key by the option tls.keyFile instead"),
            _ => return None,
        })
    }
}

/// A time; `false`, 0 and what is negative mean never.
fn time_or_never(value: &str) -> Result<Option<Duration>, Expected> {
    match value {
        "false" | "0" => Ok(None),
        negative if negative.starts_with('-') => Ok(None),
        value => {
            milliseconds(value).map(Some).map_err(|_| "a time such as 5000, 10s or 2m, or false for never")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_holds_servers_credentials_vhost_and_options() {
        let url = "amqp://us%40er:p%2Fw@a/v%2Fh;amqps://b:1234?prefetch=1&autoDeleteQueues=-1&maxHold=2s";
        let options = AmqpOptions::from_url(url).unwrap();
        assert_eq!(options.servers[0].path.as_deref(), Some("v/h"));
        assert_eq!(options.servers[0].password.as_deref(), Some("p/w"));
        let printed: Vec<_> = options.servers.iter().map(ToString::to_string).collect();
        assert_eq!(printed, ["amqp://a:5672", "amqps://b:1234"]);
        assert_eq!((options.prefetch, options.auto_delete_queues), (1, None));
        assert_eq!(options.limits.max_hold, Duration::from_secs(2));
        assert_eq!(AmqpOptions::default().servers()[0].to_string(), "amqp://localhost:5672");
    }

    #[test]
    fn options_have_the_names_of_node() {
        let mut options = AmqpOptions::default();
        for (name, value) in [
            ("url", "amqp://a;amqp://b"),
            ("prefetch", "10"),
            ("eventTimeToLive", "5000"),
            ("heartbeatTimeToLive", "30000"),
            ("autoDeleteQueues", "true"),
            ("queueOptions", r#"{"messageTtl":1000,"arguments":{"x-queue-type":"quorum"}}"#),
            ("exchangeOptions", r#"{"durable":false}"#),
            ("messageOptions", r#"{"persistent":true,"headers":{"team":"blue"}}"#),
            ("consumeOptions", r#"{"priority":5}"#),
            ("socketOptions", r#"{"timeout":1000,"noDelay":true,"servername":"rabbit"}"#),
            ("heartbeat", "10"),
            ("frameMax", "8192"),
            ("authMechanism", "external"),
        ] {
            options.set(name, value).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        assert_eq!(options.servers.len(), 2);
        assert_eq!(options.event_time_to_live, Some(Duration::from_secs(5)));
        assert_eq!(options.auto_delete_queues, Some(Duration::from_secs(120)));
        assert_eq!(options.queue_options.arguments.table().inner().len(), 2);
        assert!(!options.exchange_options.durable);
        assert_eq!(options.limits.connect_timeout, Duration::from_secs(1));
        assert_eq!((options.heartbeat, options.external_login), (Duration::from_secs(10), Some(true)));
    }

    #[test]
    fn heartbeats_find_a_silent_server_before_frames_have_been_held_for_too_long() {
        for (query, seconds) in [
            ("", 2),
            ("?heartbeat=1", 1),
            ("?maxHold=1s", 1),
            ("?maxHold=60m", 5),
            ("?maxHold=100s&heartbeat=60", 40),
        ] {
            let options = AmqpOptions::from_url(&format!("amqp://a{query}")).unwrap();
            assert_eq!(options.heartbeat_seconds(), seconds, "{query}");
        }
    }

    #[test]
    fn a_hundred_requests_are_handed_over_at_once_unless_told_otherwise() {
        assert_eq!(AmqpOptions::default().prefetch, 100);
        assert_eq!(AmqpOptions::from_url("amqp://a").unwrap().prefetch, 100);
    }

    #[test]
    fn what_is_unknown_or_does_not_fit_is_named() {
        let mut options = AmqpOptions::default();
        for (name, value, expected) in [
            ("prefetsch", "1", "no option `prefetsch`"),
            ("queueOptions.ttl", "1", "no option `queueOptions.ttl`"),
            ("prefetch", "65536", "0 (no limit) to 65535"),
            ("heartbeat", "0", "1s or more"),
            ("consumeOptions.noAck", "true", "option `consumeOptions.noAck`"),
            ("socketOptions.ca", "-----BEGIN", "tls.caFile"),
            ("socketOptions.rejectUnauthorized", "false", "dangerousAcceptAnyCertificate"),
        ] {
            let error = options.set(name, value).unwrap_err().to_string();
            assert!(error.contains(expected), "{name}: {error}");
        }
    }

    #[test]
    fn a_password_is_never_printed() {
        let options = AmqpOptions::from_url("amqp://canary-user:canary-word@host/vhost").unwrap();
        let amqp = crate::amqp::Amqp::with_options(options.clone());
        assert!(!format!("{options:?} {amqp:?}").contains("canary"));
        let error = AmqpOptions::from_url("amqp://canary:canary@host:port").unwrap_err();
        assert!(!error.to_string().contains("canary"), "{error}");
    }
}
