//! The settings of librdkafka: ours, and those that are given by name.

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;
use std::fmt;
use std::fs::File;
use std::time::Duration;

use super::{KafkaOptions, Partitioning};
use crate::TransportError;
use crate::bus::BusLimits;
use crate::options::Unfit;

/// The most that Kafka adds to a packet, with room to spare: the head of a batch and of a record, and a key.
const FRAMING: usize = 1024;

/// Settings on which the transporter depends. They cannot be changed.
const OURS: &[&str] = &[
    "allow.auto.create.topics",
    "auto.offset.reset",
    "bootstrap.servers",
    "client.id",
    "delivery.report.only.error",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "group.id",
    "metadata.broker.list",
];

/// Settings as `@platformatic/kafka` (Moleculer 0.15) and `kafka-node` (0.14) call them.
const NODES: &[(Role, &str, &str)] = &[
    (Role::Producer, "acks", "acks"),
    (Role::Producer, "requireAcks", "acks"),
    (Role::Producer, "ackTimeoutMs", "request.timeout.ms"),
    (Role::Producer, "compression", "compression.codec"),
    (Role::Producer, "idempotent", "enable.idempotence"),
    (Role::Producer, "retries", "message.send.max.retries"),
    (Role::Producer, "retryDelay", "retry.backoff.ms"),
    (Role::Producer, "requestTimeout", "socket.timeout.ms"),
    (Role::Consumer, "minBytes", "fetch.min.bytes"),
    (Role::Consumer, "fetchMinBytes", "fetch.min.bytes"),
    (Role::Consumer, "maxBytes", "fetch.max.bytes"),
    (Role::Consumer, "fetchMaxBytes", "fetch.max.bytes"),
    (Role::Consumer, "maxBytesPerPartition", "fetch.message.max.bytes"),
    (Role::Consumer, "maxWaitTime", "fetch.wait.max.ms"),
    (Role::Consumer, "fetchMaxWaitMs", "fetch.wait.max.ms"),
    (Role::Consumer, "sessionTimeout", "session.timeout.ms"),
    (Role::Consumer, "heartbeatInterval", "heartbeat.interval.ms"),
    (Role::Consumer, "rebalanceTimeout", "max.poll.interval.ms"),
    (Role::Consumer, "requestTimeout", "socket.timeout.ms"),
    (Role::Admin, "requestTimeout", "socket.timeout.ms"),
];

/// The purpose of a client of librdkafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Producer,
    Consumer,
    Admin,
}

/// The role that a section of Node's options is about. `publish` are the options of each send.
pub(super) fn role(section: &str) -> Option<Role> {
    match section {
        "producer" | "publish" => Some(Role::Producer),
        "consumer" => Some(Role::Consumer),
        "admin" | "client" => Some(Role::Admin),
        _ => None,
    }
}

/// Settings that were given by name. `Debug` prints only the names, because values may be secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Raw(Vec<(Role, String, String)>);

impl Raw {
    /// # Errors
    /// [`Unfit::Unknown`] if librdkafka has no setting of that name, or if it must not be changed.
    pub(super) fn set(&mut self, role: Role, name: &str, value: &str) -> Result<(), Unfit> {
        let known = NODES.iter().find(|(of, nodes, _)| *of == role && *nodes == name);
        let name = known.map_or(name, |(_, _, name)| name);
        if OURS.contains(&name) || name.starts_with("test.") {
            return Err(Unfit::Unknown);
        }
        match ClientConfig::new().set(name, value).create_native_config() {
            Ok(_) => {}
            Err(KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..)) => {
                return Err(Unfit::Unknown);
            }
            Err(_) => return Err("a value that librdkafka takes for it".into()),
        }
        self.0.push((role, name.to_owned(), value.to_owned()));
        Ok(())
    }

    fn apply(&self, role: Role, config: &mut ClientConfig) {
        for (_, name, value) in self.0.iter().filter(|(of, ..)| *of == role) {
            config.set(name, value);
        }
    }
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(role, name, _)| (role, name))).finish()
    }
}

/// Settings of the client that writes.
pub(super) fn producer(options: &KafkaOptions) -> ClientConfig {
    let limits = &options.limits;
    let mut config = common(options);
    set(&mut config, "linger.ms", 0);
    set(&mut config, "acks", 1);
    // librdkafka sends again only what cannot have arrived, which it does not count as a retry. So a request
    // never runs twice.
    set(&mut config, "message.send.max.retries", 0);
    // Once a second, librdkafka looks for requests without an answer. It then gives up their connection, with
    // what waits in it.
    set(&mut config, "message.timeout.ms", milliseconds(limits.max_hold * 3 / 4, 1));
    // A node creates its topics before it announces itself, so a topic that does not exist has no reader.
    // Anyone who may publish can invent node ids. The server would then create topics for the responses to
    // them.
    set(&mut config, "allow.auto.create.topics", false);
    set(&mut config, "delivery.report.only.error", true);
    set(&mut config, "queue.buffering.max.messages", limits.send_frames.min(i32::MAX as usize));
    set(&mut config, "queue.buffering.max.kbytes", kilobytes(limits.send_bytes, i32::MAX as usize));
    if options.partitioning == Partitioning::Keyed {
        // The partitioner of Java's and Node's clients, so that a key means the same partition to all.
        set(&mut config, "partitioner", "murmur2_random");
    }
    let mut given = ClientConfig::new();
    options.raw.apply(Role::Producer, &mut given);
    if given.get("enable.idempotence") == Some("true") {
        // Idempotence sets its own values for these, and accepts no others.
        config.remove("acks").remove("message.send.max.retries");
    }
    options.raw.apply(Role::Producer, &mut config);
    config
}

/// Settings of the client that reads, as the only member of a group.
pub(super) fn consumer(options: &KafkaOptions, group: &str) -> ClientConfig {
    let mut config = common(options);
    set(&mut config, "group.id", group);
    // Topics that are already read continue to be read while others are added or removed.
    set(&mut config, "partition.assignment.strategy", "cooperative-sticky");
    set(&mut config, "auto.offset.reset", "latest");
    // Nobody returns to this group, so it leaves nothing behind on the server.
    set(&mut config, "enable.auto.commit", false);
    set(&mut config, "enable.auto.offset.store", false);
    set(&mut config, "allow.auto.create.topics", false);
    set(&mut config, "fetch.queue.backoff.ms", 10);
    set(&mut config, "fetch.error.backoff.ms", 100);
    set(&mut config, "queued.max.messages.kbytes", kilobytes(options.limits.receive_bytes, 2_097_151));
    options.raw.apply(Role::Consumer, &mut config);
    config
}

/// Settings of the client that creates topics.
pub(super) fn admin(options: &KafkaOptions) -> ClientConfig {
    let mut config = common(options);
    options.raw.apply(Role::Admin, &mut config);
    config
}

fn common(options: &KafkaOptions) -> ClientConfig {
    let BusLimits { connect_timeout, write_timeout, max_frame, .. } = options.limits;
    let mut config = ClientConfig::new();
    set(&mut config, "bootstrap.servers", options.addresses());
    set(&mut config, "client.id", &options.client_id);
    set(&mut config, "message.max.bytes", max_frame.saturating_add(FRAMING).clamp(1000, 1_000_000_000));
    set(&mut config, "socket.nagle.disable", true);
    set(&mut config, "socket.timeout.ms", milliseconds(write_timeout, 10).min(300_000));
    set(&mut config, "socket.connection.setup.timeout.ms", milliseconds(connect_timeout, 1000));
    set(&mut config, "reconnect.backoff.ms", 50);
    set(&mut config, "reconnect.backoff.max.ms", 5000);
    // Failures are read from the log.
    set(&mut config, "log.connection.close", true);
    config.set_log_level(RDKafkaLogLevel::Info);
    let protocol = match (options.is_tls(), options.username.is_some()) {
        (false, false) => "plaintext",
        (true, false) => "ssl",
        (false, true) => "sasl_plaintext",
        (true, true) => "sasl_ssl",
    };
    set(&mut config, "security.protocol", protocol);
    if let Some(user) = &options.username {
        set(&mut config, "sasl.mechanism", &options.mechanism);
        set(&mut config, "sasl.username", user);
        set(&mut config, "sasl.password", options.password.as_deref().unwrap_or_default());
    }
    if options.is_tls() {
        let tls = &options.tls;
        for (name, file) in [
            ("ssl.ca.location", &tls.ca_file),
            ("ssl.certificate.location", &tls.certificate_file),
            ("ssl.key.location", &tls.key_file),
        ] {
            if let Some(file) = file {
                set(&mut config, name, file);
            }
        }
        if tls.dangerous_accept_any_certificate {
            set(&mut config, "enable.ssl.certificate.verification", false);
        }
    }
    config
}

/// Checks that the files for TLS can be read. librdkafka does not report which one it could not read.
///
/// # Errors
/// [`TransportError::Config`] names the file.
pub(super) fn check_files(options: &KafkaOptions) -> Result<(), TransportError> {
    let tls = &options.tls;
    for file in [&tls.ca_file, &tls.certificate_file, &tls.key_file].into_iter().flatten() {
        File::open(file)
            .map_err(|why| TransportError::Config(format!("TLS: {file} cannot be read: {why}")))?;
    }
    Ok(())
}

fn set(config: &mut ClientConfig, name: &str, value: impl fmt::Display) {
    config.set(name, value.to_string());
}

fn milliseconds(time: Duration, least: u128) -> u128 {
    time.as_millis().clamp(least, i32::MAX as u128)
}

fn kilobytes(bytes: usize, most: usize) -> usize {
    bytes.div_ceil(1024).clamp(1, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn librdkafka_takes_every_setting() {
        let options = KafkaOptions::default();
        for config in [producer(&options), consumer(&options, "group"), admin(&options)] {
            config.create_native_config().unwrap();
        }
    }

    #[test]
    fn a_file_of_tls_that_is_not_there_is_named() {
        let mut options = KafkaOptions::default();
        check_files(&options).unwrap();
        options.tls.ca_file = Some("no-such-file.pem".to_owned());
        let why = check_files(&options).unwrap_err();
        assert!(!why.is_retryable() && why.to_string().contains("no-such-file.pem"), "{why}");
    }

    #[test]
    fn a_setting_that_was_given_replaces_ours() {
        let mut options = KafkaOptions::default();
        for (name, value) in
            [("producer.linger.ms", "7"), ("producer.acks", "all"), ("consumer.fetch.wait.max.ms", "5")]
        {
            options.set(name, value).unwrap();
        }
        let config = producer(&options);
        assert_eq!((config.get("linger.ms"), config.get("acks")), (Some("7"), Some("all")));
        assert_eq!(consumer(&options, "group").get("fetch.wait.max.ms"), Some("5"));
        assert_eq!(admin(&options).get("linger.ms"), None);
    }

    #[test]
    fn an_idempotent_producer_brings_its_own_acks_and_retries() {
        let mut options = KafkaOptions::default();
        options.set("producer.idempotent", "true").unwrap();
        let config = producer(&options);
        assert_eq!((config.get("acks"), config.get("message.send.max.retries")), (None, None));
        config.create_native_config().unwrap();
    }
}
