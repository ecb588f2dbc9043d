//! Options of the AMQP transporter, with Node's names for them.

use std::time::Duration;

use super::arguments::{ConsumeOptions, ExchangeOptions, MessageOptions, QueueOptions};
use crate::bus::{Form, Server, ServerOptions};
use crate::options;
use crate::options::kind::{NONE, maybe, milliseconds, parsed, seconds, time};
use crate::options::{Also, Expected, FLAG, Foreign, Kind, SECONDS, TEXT};
use crate::{BusLimits, TlsOptions, TransportError};

options! {
    /// How a node connects to a RabbitMQ cluster over AMQP 0.9.1.
    ///
    /// Options that Node passes to its client library have no fields. [`AmqpOptions::set`] accepts them by
    /// name: `queueOptions.maxLength`, `exchangeOptions.…`, `messageOptions.…`, `consumeOptions.…`.
    #[derive(Clone, PartialEq)]
    pub struct AmqpOptions of "the AMQP transporter", elsewhere FOREIGN;
    first {
        /// Servers, which may also be separated by semicolons.
        "url": Self::SERVERS;
    }
    fields {
        /// Requests and balanced events that the server hands over, per queue, before one is acknowledged; 0
        /// for no limit. Node's default is 1, with which a chain of calls that comes back to a node stands
        /// still.
        "prefetch": PREFETCH => pub prefetch: u16 = 100;
        /// Time after which the server drops an event that nobody consumed. It must be the same on all nodes
        /// that share queues.
        "eventTimeToLive": TIME_TO_LIVE => pub event_time_to_live: Option<Duration> = None;
        /// The same for heartbeats.
        "heartbeatTimeToLive": TIME_TO_LIVE => pub heartbeat_time_to_live: Option<Duration> = None;
        /// Time after which the server deletes the queues of a node that has gone. `false` means never. It
        /// must be the same on all nodes that share queues.
        "autoDeleteQueues": DELETION => pub auto_delete_queues: Option<Duration> = Some(AUTO_DELETE);
        /// Whether the server confirms each batch that is published. A refusal raises `$transporter.error`.
        /// Costs a round trip per batch.
        "publisherConfirms": FLAG => pub publisher_confirms: bool = false;
        /// Time between heartbeats of the connection, at least 1 s. A server that is silent for twice as long
        /// is lost. At most two fifths of `maxHold`, in whole seconds, but never less than 1 s: 2 s unless
        /// that is raised.
        "heartbeat": HEARTBEAT => pub heartbeat: Duration = Duration::from_secs(5);
        /// Largest frame of the connection. The default is the server's. Packets may be larger.
        "frameMax": FRAME_MAX => pub frame_max: Option<u32> = None;
        /// `EXTERNAL`: this node logs in with its certificate. `PLAIN`: with user and password. The default
        /// is the former if it has a certificate and the URL has no user.
        "authMechanism" | "auth_mechanism": MECHANISM => pub external_login: Option<bool> = None;
        /// The name that certificates must be valid for. The default is the host of the URL.
        "socketOptions.servername": TEXT => pub server_name: Option<String> = None;
    }
    then {
        /// Node's name of `connectTimeout`.
        "socketOptions.timeout": Also::new(|options: &mut Self, _, time| {
            options.limits.connect_timeout = milliseconds(time)?;
            Ok(())
        }).unit("milliseconds");
        /// For every queue: `durable`, `exclusive`, `autoDelete`, `expires`, `messageTtl`, `maxLength`,
        /// `maxPriority`, `overflow`, `queueMode`, `deadLetterExchange`, `deadLetterRoutingKey`,
        /// `arguments.<name>`.
        "queueOptions.<name>":
            Also::new(|options: &mut Self, name, value| options.queue_options.set(behind_dot(name), value));
        /// For every exchange: `durable`, `autoDelete`, `internal`, `alternateExchange`, `arguments.<name>`.
        "exchangeOptions.<name>":
            Also::new(|options: &mut Self, name, value| options.exchange_options.set(behind_dot(name), value));
        /// For every message: `persistent`, `deliveryMode`, `expiration`, `priority`, `contentType`,
        /// `contentEncoding`, `type`, `appId`, `userId`, `headers.<name>`.
        "messageOptions.<name>":
            Also::new(|options: &mut Self, name, value| options.message_options.set(behind_dot(name), value));
        /// For every consumer: `priority`, `exclusive`, `noLocal`, `arguments.<name>`.
        "consumeOptions.<name>":
            Also::new(|options: &mut Self, name, value| options.consume_options.set(behind_dot(name), value));
    }
    shared {
        /// Which servers are trusted, for `amqps://`.
        pub tls: TlsOptions = TlsOptions::default();
        /// Limits of queues and waits.
        pub limits: BusLimits = BusLimits::default();
    }
    state {
        pub(super) servers: Vec<Server> = Vec::new();
        pub(super) queue_options: QueueOptions = QueueOptions::default();
        pub(super) exchange_options: ExchangeOptions = ExchangeOptions::default();
        pub(super) message_options: MessageOptions = MessageOptions::default();
        pub(super) consume_options: ConsumeOptions = ConsumeOptions::default();
    }
}

const AUTO_DELETE: Duration = Duration::from_secs(120);

const PREFETCH: Kind<u16> =
    Kind::new(|text| parsed(text, "a number from 0 (no limit) to 65535"), u16::to_string);

const TIME_TO_LIVE: Kind<Option<Duration>> = Kind::new(time_or_never, never_or_time).unit("milliseconds");

const DELETION: Kind<Option<Duration>> = TIME_TO_LIVE.reading(|text| match text {
    "true" => Ok(Some(AUTO_DELETE)),
    other => time_or_never(other),
});

const HEARTBEAT: Kind<Duration> = SECONDS.reading(|text| match seconds(text) {
    Ok(time) if time >= Duration::from_secs(1) => Ok(time),
    _ => Err("a time of 1s or more; a bare number means seconds"),
});

const FRAME_MAX: Kind<Option<u32>> = Kind::new(
    |text| match text.parse() {
        Ok(bytes) if bytes >= 4096 => Ok(Some(bytes)),
        _ => Err("a number of bytes from 4096"),
    },
    maybe,
)
.unit("bytes");

const MECHANISM: Kind<Option<bool>> = Kind::new(
    |text| match text.to_ascii_uppercase().as_str() {
        "PLAIN" => Ok(Some(false)),
        "EXTERNAL" => Ok(Some(true)),
        _ => Err("PLAIN or EXTERNAL"),
    },
    |external| match external {
        None => NONE.to_owned(),
        Some(true) => "`EXTERNAL`".to_owned(),
        Some(false) => "`PLAIN`".to_owned(),
    },
);

/// Options of Node's client that do not exist here.
const FOREIGN: &[(&str, Foreign)] = &[
    ("channelMax", Foreign::Moot("five channels are used, whatever the limit")),
    ("locale", Foreign::Moot("servers know one only")),
    ("socketOptions.noDelay", Foreign::Moot("packets are always sent without delay")),
    ("socketOptions.keepAlive", Foreign::Moot("heartbeats find out sooner")),
    ("socketOptions.keepAliveDelay", Foreign::Moot("heartbeats find out sooner")),
    (
        "socketOptions.rejectUnauthorized",
        Foreign::Only("true", "true, or switch verification off by tls.dangerousAcceptAnyCertificate=true"),
    ),
    // In Node these hold certificates, not the names of files.
    ("socketOptions.ca", Foreign::Refused("the file of the certificates by the option tls.caFile instead")),
    (
        "socketOptions.cert",
        Foreign::Refused("the file of the certificate by the option tls.certFile instead"),
    ),
    ("socketOptions.key", Foreign::Refused("the file of the key by the option tls.keyFile instead")),
];

impl ServerOptions for AmqpOptions {
    const FORM: Form =
        Form { kind: "AMQP", schemes: &[("amqp", 5672), ("amqps", 5671)], separators: &[';', ','] };

    fn take(&mut self, servers: Vec<Server>) -> Result<(), TransportError> {
        self.servers.extend(servers);
        Ok(())
    }
}

impl AmqpOptions {
    /// Seconds between heartbeats, as the server is told. The client library gives a connection up after a
    /// silence of 2 to 2.5 times as long, together with everything that it still holds. The result is short
    /// enough that this happens before frames have been held for longer than `maxHold`.
    pub(super) fn heartbeat_seconds(&self) -> u16 {
        let most = (self.limits.max_hold * 2 / 5).as_secs();
        u16::try_from(self.heartbeat.as_secs().min(most)).unwrap_or(u16::MAX).max(1)
    }

    /// The servers. There is at least one.
    pub(super) fn servers(&self) -> Vec<Server> {
        match self.servers.is_empty() {
            true => vec![Server { host: "localhost".to_owned(), ..Server::on_this_host("amqp", 5672) }],
            false => self.servers.clone(),
        }
    }
}

/// The name of an option within its group.
fn behind_dot(name: &str) -> &str {
    name.split_once('.').map_or(name, |(_, name)| name)
}

/// A time. `false`, 0 and negative values mean never.
fn time_or_never(value: &str) -> Result<Option<Duration>, Expected> {
    match value {
        "false" | "0" => Ok(None),
        negative if negative.starts_with('-') => Ok(None),
        value => {
            milliseconds(value).map(Some).map_err(|_| "a time such as 5000, 10s or 2m, or false for never")
        }
    }
}

fn never_or_time(span: &Option<Duration>) -> String {
    span.map_or_else(|| NONE.to_owned(), time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_holds_servers_credentials_vhost_and_options() {
        let url = "amqp://us%40er:p%2Fw@a/v%2Fh;amqps://b:1234?prefetch=1&autoDeleteQueues=-1&maxHold=2s";
        let options = AmqpOptions::new(url).unwrap();
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
            let options = AmqpOptions::new(&format!("amqp://a{query}")).unwrap();
            assert_eq!(options.heartbeat_seconds(), seconds, "{query}");
        }
    }

    #[test]
    fn a_hundred_requests_are_handed_over_at_once_unless_told_otherwise() {
        assert_eq!(AmqpOptions::default().prefetch, 100);
        assert_eq!(AmqpOptions::new("amqp://a").unwrap().prefetch, 100);
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
        let options = AmqpOptions::new("amqp://canary-user:canary-word@host/vhost").unwrap();
        let amqp = crate::amqp::Amqp::with_options(options.clone()).unwrap();
        assert!(!format!("{options:?} {amqp:?}").contains("canary"));
        let error = AmqpOptions::new("amqp://canary:canary@host:port").unwrap_err();
        assert!(!error.to_string().contains("canary"), "{error}");
    }
}
