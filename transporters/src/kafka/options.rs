//! Options of the Kafka transporter, with Node's names.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use super::settings::{self, Raw, Role};
use crate::TransportError;
use crate::bus::{BusLimits, Expected, Form, OptionText, Servers, TlsOptions, count, parsed};

const FORM: Form =
    Form { kind: "Kafka", schemes: &[("kafka", 9092), ("kafka+tls", 9093)], separators: &[','] };

/// Which partition of a topic a frame is written to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Partitioning {
    /// Always the same, as Node does (`partitioning=fixed`): all frames to a node have one order. Which one
    /// says [`KafkaOptions::partition`].
    #[default]
    Fixed,
    /// By the id of the sending node (`partitioning=keyed`): the frames of each sender keep their order,
    /// and several partitions share the load. Receivers need nothing for it: every node, Node's too, reads
    /// all partitions of its topics. Topics need more than one partition, see
    /// [`KafkaOptions::topic_partitions`].
    Keyed,
}

/// Options of the Kafka transporter.
///
/// In the query of a URL or in a configuration file each has the name given in parentheses. Besides, any
/// setting of librdkafka can be given by its name behind `producer.`, `consumer.` or `admin.`.
#[derive(Clone)]
#[non_exhaustive]
pub struct KafkaOptions {
    /// Servers from which the others are learned (`bootstrapBrokers`; `kafkaHost`, `host`).
    pub(crate) servers: Servers,
    /// What the server's logs and quotas know this client by (`clientId`, default `moleculer-kafka`).
    pub client_id: String,
    /// User name (`sasl.username`), unless the URL has one. With one, this node logs in by SASL.
    pub username: Option<String>,
    /// Password (`sasl.password`), unless the URL has one.
    pub password: Option<String>,
    /// How it logs in (`sasl.mechanism`, default `PLAIN`; `SCRAM-SHA-256` and `SCRAM-SHA-512` need the
    /// feature `kafka-tls`).
    pub mechanism: String,
    /// See there (`partitioning`, default fixed).
    pub partitioning: Partitioning,
    /// The partition that is written to (`publishMessage.partition`, `publish.partition`; default 0).
    pub partition: i32,
    /// Partitions of topics that this node creates (`topicPartitions`); without, what the server says.
    pub topic_partitions: Option<i32>,
    /// Replicas of topics that this node creates (`topicReplicas`); without, what the server says.
    pub topic_replicas: Option<i32>,
    /// TLS (`tls.*`). Any of these turns it on, as `kafka+tls://` does.
    pub tls: TlsOptions,
    /// Bounds of queues and waits. Two defaults are Kafka's own: `maxPacketSize` is 1,000,000, so that a
    /// packet with what Kafka adds fits into what its servers take, and `connectTimeout` is 15 s, for a
    /// server lets a new group wait for 3 s, and topics may take their time to appear.
    pub limits: BusLimits,
    /// Settings of librdkafka.
    pub(super) raw: Raw,
}

impl Default for KafkaOptions {
    fn default() -> Self {
        let limits = BusLimits {
            max_frame: 1_000_000,
            connect_timeout: Duration::from_secs(15),
            ..BusLimits::default()
        };
        Self {
            servers: Servers::default(),
            client_id: "moleculer-kafka".to_owned(),
            username: None,
            password: None,
            mechanism: "PLAIN".to_owned(),
            partitioning: Partitioning::Fixed,
            partition: 0,
            topic_partitions: None,
            topic_replicas: None,
            tls: TlsOptions::default(),
            limits,
            raw: Raw::default(),
        }
    }
}

impl KafkaOptions {
    /// Adds servers: `kafka://user:secret@host:9092,other`, with options behind a `?`.
    ///
    /// # Errors
    /// [`TransportError::Config`] names what is wrong, without credentials.
    pub fn url(mut self, url: &str) -> Result<Self, TransportError> {
        self.add_servers(url)?;
        Ok(self)
    }

    /// `host:port`, joined by commas.
    pub(super) fn addresses(&self) -> String {
        if self.servers.list.is_empty() {
            "127.0.0.1:9092".to_owned()
        } else {
            self.servers.list.iter().map(|server| server.address()).collect::<Vec<_>>().join(",")
        }
    }

    pub(super) fn is_tls(&self) -> bool {
        self.tls != TlsOptions::default()
            || self.servers.list.first().is_some_and(|server| server.scheme == "kafka+tls")
    }

    /// Checks what single options cannot.
    pub(crate) fn validate(&self) -> Result<(), TransportError> {
        let wrong = |why: &str| Err(TransportError::Config(why.to_owned()));
        let (encrypted, schemes) = (self.is_tls(), self.servers.list.iter().map(|server| &server.scheme));
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

    /// Sets what Node's client libraries call otherwise, or librdkafka's own.
    fn set_raw(&mut self, role: Role, name: &str, value: &str) -> Option<Result<(), Expected>> {
        match name {
            "sasl.mechanism" | "sasl.username" | "sasl.password" => self.set_own(name, value),
            name if name.starts_with("tls.") => self.tls.set(name, value),
            name => self.raw.set(role, name, value),
        }
    }
}

impl OptionText for KafkaOptions {
    const KIND: &'static str = "Kafka";
    const NAMES: &'static [&'static str] = &[
        "bootstrapBrokers",
        "kafkaHost",
        "host",
        "servers",
        "url",
        "clientId",
        "sasl.mechanism",
        "sasl.username",
        "sasl.password",
        "partitioning",
        "publishMessage.partition",
        "publish.partition",
        "topicPartitions",
        "topicReplicas",
        "producer.<setting of librdkafka>",
        "consumer.<setting of librdkafka>",
        "admin.<setting of librdkafka>",
        "tls.caFile",
        "tls.certFile",
        "tls.keyFile",
        "tls.dangerousAcceptAnyCertificate",
    ];
    const IGNORED: &'static [(&'static str, &'static str)] = &[
        ("producer.autocreateTopics", "the server decides whether a topic is made by writing to it"),
        ("publish.autocreateTopics", "the server decides whether a topic is made by writing to it"),
        ("consumer.autocommit", "no group is used twice, so no offset is committed"),
        ("consumer.autoCommit", "no group is used twice, so no offset is committed"),
        ("consumer.encoding", "packets are bytes"),
        ("consumer.mode", "reading begins at the end of a topic"),
        ("consumer.fromOffset", "reading begins at the end of a topic"),
        ("client.autoConnect", "the node connects when it starts"),
    ];

    const SERVERS: &'static [&'static str] =
        &["bootstrapBrokers", "kafkaHost", "host", "client.kafkaHost", "servers", "url"];

    fn limits(&mut self) -> &mut BusLimits {
        &mut self.limits
    }

    fn add_servers(&mut self, text: &str) -> Result<(), TransportError> {
        let read = Servers::parse(text, FORM)?;
        for server in &read.list {
            if let (Some(user), None) = (&server.user, &self.username) {
                self.username = Some(user.clone());
                self.password.clone_from(&server.password);
            }
        }
        self.servers.list.extend(read.list);
        for (name, value) in read.options {
            self.set(&name, &value)?;
        }
        Ok(())
    }

    fn set_own(&mut self, name: &str, value: &str) -> Option<Result<(), Expected>> {
        let text = || Some(value.to_owned()).filter(|text| !text.is_empty());
        Some(match name {
            "clientId" => {
                value.clone_into(&mut self.client_id);
                Ok(())
            }
            "sasl.username" => {
                self.username = text();
                Ok(())
            }
            "sasl.password" => {
                self.password = text();
                Ok(())
            }
            "sasl.mechanism" => match value.to_ascii_uppercase().as_str() {
                known @ ("PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512") => {
                    known.clone_into(&mut self.mechanism);
                    Ok(())
                }
                _ => Err("PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"),
            },
            "partitioning" => {
                let known = match value {
                    "fixed" => Some(Partitioning::Fixed),
                    "keyed" => Some(Partitioning::Keyed),
                    _ => None,
                };
                known.map(|known| self.partitioning = known).ok_or("fixed or keyed")
            }
            "publishMessage.partition" | "publish.partition" => {
                let expected = "the number of a partition";
                parsed::<u16>(value, expected).map(|partition| self.partition = i32::from(partition))
            }
            "topicPartitions" => some_count(value).map(|count| self.topic_partitions = Some(count)),
            "topicReplicas" => some_count(value).map(|count| self.topic_replicas = Some(count)),
            // The codec of Node 0.14's client.
            "publish.attributes" => {
                let codec = match value {
                    "0" => "none",
                    "1" => "gzip",
                    "2" => "snappy",
                    _ => return Some(Err("0 (none), 1 (gzip) or 2 (snappy)")),
                };
                return self.raw.set(Role::Producer, "compression.codec", codec);
            }
            _ => {
                if let Some(own) = self.tls.set(name, value) {
                    return Some(own);
                }
                let (section, rest) = name.split_once('.')?;
                let role = settings::role(section)?;
                return self.set_raw(role, rest, value);
            }
        })
    }
}

fn some_count(value: &str) -> Result<i32, Expected> {
    count(value).and_then(|count| i32::try_from(count).map_err(|_| "a smaller number"))
}

/// Without credentials.
impl fmt::Debug for KafkaOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaOptions")
            .field("servers", &self.servers.list)
            .field("client_id", &self.client_id)
            .field("username", &self.username.as_ref().map(|_| "***"))
            .field("mechanism", &self.mechanism)
            .field("partitioning", &self.partitioning)
            .field("partition", &self.partition)
            .field("tls", &self.tls)
            .field("limits", &self.limits)
            .field("settings", &self.raw)
            .finish_non_exhaustive()
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
        let old = KafkaOptions::default().url("kafka://").unwrap();
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
        let options = KafkaOptions::default().url(url).unwrap();
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
        let options = KafkaOptions::default().url(url).unwrap();
        assert!(!format!("{options:?}").contains("canary"));
        assert!(!format!("{:?}", Kafka::with_options(options)).contains("canary"));
    }
}
