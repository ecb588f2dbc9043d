//! Options of the Kafka transporter, with Node's names.

use std::collections::BTreeSet;
use std::time::Duration;

use super::settings::{self, Raw, Role};
use crate::TransportError;
use crate::bus::{BusLimits, Form, Server, ServerOptions, TlsOptions};
use crate::options;
use crate::options::kind::{code, count, maybe, parsed};
use crate::options::{Also, Foreign, Kind, Options as _, SECRET, Unfit};

/// The partition of a topic that a frame is written to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Partitioning {
    /// Always the same partition, as in Node (`partitioning=fixed`). All frames to a node keep their order.
    /// [`KafkaOptions::partition`] says which partition it is.
    #[default]
    Fixed,
    /// Chosen by the id of the sending node (`partitioning=keyed`). The frames of each sender keep their
    /// order, and several partitions share the load. Receivers need no setting for this: every node reads all
    /// partitions of its topics, and so do Node's. Topics need more than one partition, see
    /// [`KafkaOptions::topic_partitions`].
    Keyed,
}

options! {
    /// Options of the Kafka transporter.
    ///
    /// Any setting of librdkafka can also be given by its name, after `producer.`, `consumer.` or `admin.`.
    #[derive(Clone)]
    pub struct KafkaOptions of "the Kafka transporter", elsewhere FOREIGN;
    first {
        /// Servers from which the others are learned.
        "bootstrapBrokers" | "kafkaHost" | "host" | "client.kafkaHost" | "servers" | "url":
            Self::SERVERS.default("`127.0.0.1:9092`");
    }
    fields {
        /// Name of this client in the server's logs and quotas.
        "clientId": CLIENT_ID => pub client_id: String = "moleculer-kafka".to_owned();
        /// How this node logs in: `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`. The latter two need the
        /// feature `kafka-tls`.
        "sasl.mechanism": MECHANISM => pub mechanism: String = "PLAIN".to_owned();
        /// User name, unless the URL has one. With a user name, this node logs in with SASL.
        "sasl.username": SECRET => pub username: Option<String> = None;
        /// Password, unless the URL has one.
        "sasl.password": SECRET => pub password: Option<String> = None;
        /// `fixed`: one partition, as Node. `keyed`: by the id of the sending node.
        "partitioning": PARTITIONING => pub partitioning: Partitioning = Partitioning::Fixed;
        /// The partition that is written to.
        "publishMessage.partition" | "publish.partition": PARTITION => pub partition: i32 = 0;
        /// Partitions of topics that this node creates. The server decides by default.
        "topicPartitions": MAYBE_COUNT => pub topic_partitions: Option<i32> = None;
        /// Replicas of topics that this node creates. The server decides by default.
        "topicReplicas": MAYBE_COUNT => pub topic_replicas: Option<i32> = None;
    }
    then {
        /// Any setting of librdkafka for the producer, such as `producer.acks=all`. Also the names of Node's
        /// clients: `acks`, `compression`, `idempotent`, `retries`.
        "producer.<name>" | "publish.<name>": RAW;
        /// The same for the consumer, such as `consumer.fetch.wait.max.ms=50`. Also the names of Node's
        /// clients: `maxWaitTime`, `minBytes`, `maxBytes`, `sessionTimeout`, `heartbeatInterval`.
        "consumer.<name>": RAW;
        /// The same for the client that creates topics.
        "admin.<name>" | "client.<name>": RAW;
    }
    shared {
        /// TLS. Setting any of these options turns it on, as `kafka+tls://` does.
        pub tls: TlsOptions = TlsOptions::default();
        /// Limits of queues and waits. Two defaults are special to Kafka. `maxPacketSize` is 1,000,000, so
        /// that a packet fits into what Kafka's servers accept, together with what Kafka adds to it.
        /// `connectTimeout` is 15 s, because a server makes a new group wait for 3 s, and topics may take
        /// some time to appear.
        pub limits: BusLimits = BusLimits {
            max_frame: 1_000_000,
            connect_timeout: Duration::from_secs(15),
            ..BusLimits::default()
        };
    }
    state {
        pub(super) servers: Vec<Server> = Vec::new();
        /// Settings of librdkafka.
        pub(super) raw: Raw = Raw::default();
    }
}

/// Settings of librdkafka, also under the names that Node's client libraries use. Values may be secret.
const RAW: Also<KafkaOptions> = Also::new(|options: &mut KafkaOptions, name, value| {
    let (section, name) = name.split_once('.').ok_or(Unfit::Unknown)?;
    options.set_raw(settings::role(section).ok_or(Unfit::Unknown)?, name, value)
})
.secret();

const CLIENT_ID: Kind<String> = Kind::new(|text| Ok(text.to_owned()), code);

const MECHANISM: Kind<String> = Kind::new(
    |text| match text.to_ascii_uppercase() {
        known if ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"].contains(&known.as_str()) => Ok(known),
        _ => Err("PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"),
    },
    code,
);

const PARTITIONING: Kind<Partitioning> = Kind::new(
    |text| match text {
        "fixed" => Ok(Partitioning::Fixed),
        "keyed" => Ok(Partitioning::Keyed),
        _ => Err("fixed or keyed"),
    },
    |partitioning| match partitioning {
        Partitioning::Fixed => code(&"fixed"),
        Partitioning::Keyed => code(&"keyed"),
    },
);

const PARTITION: Kind<i32> =
    Kind::new(|text| parsed::<u16>(text, "the number of a partition").map(i32::from), i32::to_string);

const MAYBE_COUNT: Kind<Option<i32>> = Kind::new(
    |text| count(text).and_then(|count| i32::try_from(count).map_err(|_| "a smaller number")).map(Some),
    maybe,
);

/// Options of Node's clients that do not exist here.
const FOREIGN: &[(&str, Foreign)] = &[
    ("producer.autocreateTopics", MADE_BY_WRITING),
    ("publish.autocreateTopics", MADE_BY_WRITING),
    ("consumer.autocommit", NO_COMMITS),
    ("consumer.autoCommit", NO_COMMITS),
    ("consumer.encoding", Foreign::Moot("packets are bytes")),
    ("consumer.mode", AT_THE_END),
    ("consumer.fromOffset", AT_THE_END),
    ("client.autoConnect", Foreign::Moot("the node connects when it starts")),
];
const MADE_BY_WRITING: Foreign = Foreign::Moot("the server decides whether a topic is made by writing to it");
const NO_COMMITS: Foreign = Foreign::Moot("no group is used twice, so no offset is committed");
const AT_THE_END: Foreign = Foreign::Moot("reading begins at the end of a topic");

impl ServerOptions for KafkaOptions {
    const FORM: Form =
        Form { kind: "Kafka", schemes: &[("kafka", 9092), ("kafka+tls", 9093)], separators: &[','] };

    fn take(&mut self, servers: Vec<Server>) -> Result<(), TransportError> {
        for server in &servers {
            if let (Some(user), None) = (&server.user, &self.username) {
                self.username = Some(user.clone());
                self.password.clone_from(&server.password);
            }
        }
        self.servers.extend(servers);
        Ok(())
    }

    fn validate(&self) -> Result<(), TransportError> {
        let wrong = |why: &str| Err(TransportError::Config(why.to_owned()));
        let (encrypted, schemes) = (self.is_tls(), self.servers.iter().map(|server| &server.scheme));
        if schemes.collect::<BTreeSet<_>>().len() > 1 {
            return wrong("kafka:// and kafka+tls:// cannot be mixed: one client speaks one of them");
        }
        if !cfg!(feature = "kafka-tls") {
            if encrypted {
                return wrong(
                    "Kafka over TLS is asked for, which is not compiled in: enable the feature `kafka-tls` of ligand",
                );
            }
            if self.username.is_some() && self.mechanism.starts_with("SCRAM") {
                return wrong("SCRAM is not compiled in: enable the feature `kafka-tls` of ligand");
            }
        }
        if self.username.is_none() && self.password.is_some() {
            return wrong("a password for Kafka is given without a user name: give `sasl.username` too");
        }
        if self.partitioning == Partitioning::Keyed && self.partition != 0 {
            return wrong(
                "the options `partitioning=keyed` and `publishMessage.partition` exclude each other",
            );
        }
        Ok(())
    }
}

impl KafkaOptions {
    /// `host:port`, joined by commas.
    pub(super) fn addresses(&self) -> String {
        if self.servers.is_empty() {
            "127.0.0.1:9092".to_owned()
        } else {
            self.servers.iter().map(|server| server.address()).collect::<Vec<_>>().join(",")
        }
    }

    pub(super) fn is_tls(&self) -> bool {
        self.tls != TlsOptions::default()
            || self.servers.first().is_some_and(|server| server.scheme == "kafka+tls")
    }

    fn set_raw(&mut self, role: Role, name: &str, value: &str) -> Result<(), Unfit> {
        match name {
            "sasl.mechanism" | "sasl.username" | "sasl.password" => self.put(name, name, value),
            name if name.starts_with("tls.") => {
                options::try_set(&mut self.tls, name, value).unwrap_or(Ok(())).map_err(Unfit::from)
            }
            // The codec, as the client of Moleculer 0.14 names it.
            "attributes" if role == Role::Producer => {
                let codec = match value {
                    "0" => "none",
                    "1" => "gzip",
                    "2" => "snappy",
                    _ => return Err("0 (none), 1 (gzip) or 2 (snappy)".into()),
                };
                self.raw.set(role, "compression.codec", codec)
            }
            name => self.raw.set(role, name, value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::Kafka;

    fn options(pairs: &[(&str, &str)]) -> Result<KafkaOptions, TransportError> {
        let mut options = KafkaOptions::default();
        for (name, value) in pairs {
            options.set(name, value)?;
        }
        options.validate()?;
        Ok(options)
    }

    fn refused(pairs: &[(&str, &str)]) -> String {
        options(pairs).expect_err("something is wrong").to_string()
    }

    #[test]
    fn nodes_options_of_both_versions_are_understood() {
        let options = options(&[
            ("clientId", "shop"),
            ("bootstrapBrokers", "a:9094,b"),
            ("producer", r#"{"acks": -1, "retries": 2, "compression": "lz4"}"#),
            (
                "consumer",
                r#"{"maxWaitTime": 50, "sasl": {"mechanism": "PLAIN", "username": "u", "password": "p"}}"#,
            ),
            ("admin", "{}"),
            ("publishMessage", r#"{"partition": 3}"#),
            ("publish.acks", "1"),
            ("consumer.autocommit", "true"),
        ])
        .unwrap();
        assert_eq!(options.addresses(), "a:9094,b:9092");
        assert_eq!((options.client_id.as_str(), options.partition), ("shop", 3));
        assert_eq!((options.username.as_deref(), options.password.as_deref()), (Some("u"), Some("p")));
        let old = KafkaOptions::new("kafka://").unwrap();
        assert_eq!(old.addresses(), "127.0.0.1:9092");
        let mut old = KafkaOptions::default();
        for (name, value) in [
            ("kafkaHost", "c:1"),
            ("publish", r#"{"partition": 1, "attributes": 1}"#),
            ("client.kafkaHost", "d:2"),
        ] {
            old.set(name, value).unwrap();
        }
        assert_eq!((old.addresses().as_str(), old.partition), ("c:1,d:2", 1));
    }

    #[test]
    fn a_url_holds_servers_credentials_and_options() {
        let url = "kafka://user:se%20cret@a,b:9999?partitioning=keyed&producer.linger.ms=2&maxHold=3s";
        let options = KafkaOptions::new(url).unwrap();
        assert_eq!(options.addresses(), "a:9092,b:9999");
        assert_eq!(options.password.as_deref(), Some("se cret"));
        assert_eq!(options.partitioning, Partitioning::Keyed);
        assert_eq!(options.limits.max_hold, Duration::from_secs(3));
    }

    #[test]
    fn what_is_not_known_or_does_not_fit_is_named() {
        assert!(refused(&[("brokers", "a")]).contains("no option `brokers`"));
        assert!(refused(&[("producer.lingerMs", "1")]).contains("no option `producer.lingerMs`"));
        assert!(refused(&[("consumer.group.id", "mine")]).contains("`consumer.group.id`"));
        assert!(refused(&[("producer.linger.ms", "canary")]).contains("`producer.linger.ms`"));
        assert!(!refused(&[("producer.linger.ms", "canary")]).contains("canary"));
        assert!(refused(&[("partitioning", "random")]).contains("fixed or keyed"));
        assert!(refused(&[("sasl.mechanism", "GSSAPI")]).contains("SCRAM"));
        assert!(refused(&[("partitioning", "keyed"), ("publish.partition", "2")]).contains("exclude"));
        assert!(refused(&[("sasl.password", "canary")]).contains("without a user name"));
        let mixed = Kafka::from_url("kafka://a,kafka+tls://b").unwrap_err().to_string();
        assert!(mixed.contains("cannot be mixed"), "{mixed}");
    }

    #[test]
    fn nothing_printed_holds_a_credential() {
        let url = "kafka://user:canary@a?producer.client.rack=canary&consumer.sasl.password=canary";
        let options = KafkaOptions::new(url).unwrap();
        assert!(!format!("{options:?}").contains("canary"));
        assert!(!format!("{:?}", Kafka::with_options(options)).contains("canary"));
    }
}
