//! The message servers, and what is needed to measure with them.

use std::io;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

/// A kind of message server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Bus {
    Nats,
    Redis,
    Mqtt,
    Amqp,
    Kafka,
}

/// The client of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// Ligand. Bodies are passed as bytes.
    Ligand,
    /// Request and reply, written directly on the client library that ligand uses.
    ByHand,
    /// Moleculer on Node. With AMQP, its `prefetch` is 100 and its socket has no delay.
    Js,
    /// Moleculer on Node with its default options, if they make a large difference: with AMQP it takes one
    /// request at a time, and each one waits for a delayed acknowledgement.
    JsDefault,
    /// NATS services, which are part of its client library.
    Micro,
}

impl Part {
    pub(crate) const ALL: [Self; 5] = [Self::Ligand, Self::ByHand, Self::Js, Self::JsDefault, Self::Micro];
}

impl Bus {
    pub(crate) const ALL: [Self; 5] = [Self::Nats, Self::Redis, Self::Mqtt, Self::Amqp, Self::Kafka];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Nats => "nats",
            Self::Redis => "redis",
            Self::Mqtt => "mqtt",
            Self::Amqp => "amqp",
            Self::Kafka => "kafka",
        }
    }

    /// The client library that ligand uses.
    pub(crate) const fn library(self) -> &'static str {
        match self {
            Self::Nats => "async-nats",
            Self::Redis => "redis",
            Self::Mqtt => "rumqttc",
            Self::Amqp => "lapin",
            Self::Kafka => "rdkafka",
        }
    }

    /// The environment variable that holds the server's URL.
    const fn variable(self) -> &'static str {
        match self {
            Self::Nats => "NATS_URL",
            Self::Redis => "REDIS_URL",
            Self::Mqtt => "MQTT_URL",
            Self::Amqp => "AMQP_URL",
            Self::Kafka => "KAFKA_URL",
        }
    }

    const fn port(self) -> u16 {
        match self {
            Self::Nats => 4222,
            Self::Redis => 6379,
            Self::Mqtt => 1883,
            Self::Amqp => 5672,
            Self::Kafka => 9092,
        }
    }

    const fn is_compiled(self) -> bool {
        match self {
            Self::Nats => cfg!(feature = "nats"),
            Self::Redis => cfg!(feature = "redis"),
            Self::Mqtt => cfg!(feature = "mqtt"),
            Self::Amqp => cfg!(feature = "amqp"),
            Self::Kafka => cfg!(feature = "kafka"),
        }
    }

    /// The URL of the server, from the environment.
    pub(crate) fn url(self) -> io::Result<String> {
        std::env::var(self.variable())
            .ok()
            .filter(|url| !url.is_empty())
            .ok_or_else(|| io::Error::other(format!("{} is not set", self.variable())))
    }

    /// Why this server cannot be measured.
    pub(crate) fn is_missing(self) -> Option<String> {
        if !self.is_compiled() {
            return Some(format!("skipped: built without it, give `--features {}`", self.name()));
        }
        let Ok(url) = self.url() else { return Some(format!("skipped: {} is not set", self.variable())) };
        let address = Address::of(&url, self.port());
        let known = (address.host.as_str(), address.port).to_socket_addrs();
        let mut known = known.into_iter().flatten();
        let answers = known.any(|at| TcpStream::connect_timeout(&at, Duration::from_secs(2)).is_ok());
        (!answers).then(|| format!("skipped: nothing answers where {} points", self.variable()))
    }

    /// The server's address.
    pub(crate) fn address(self) -> io::Result<Address> {
        Ok(Address::of(&self.url()?, self.port()))
    }
}

/// The parts of a URL, for clients that take no URL.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Name and password.
    #[cfg_attr(not(feature = "mqtt"), allow(dead_code, reason = "for MQTT alone"))]
    pub(crate) user: Option<(String, String)>,
}

impl Address {
    /// The first one of several hosts.
    fn of(url: &str, port: u16) -> Self {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let authority = rest.split(['/', '?', ',']).next().unwrap_or_default();
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user.split_once(':').unwrap_or((user, ""))), host),
            None => (None, authority),
        };
        let (host, port) = match host.rsplit_once(':') {
            Some((host, given)) => (host, given.parse().unwrap_or(port)),
            None => (host, port),
        };
        Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            user: user.map(|(name, password)| (name.to_owned(), password.to_owned())),
        }
    }
}
