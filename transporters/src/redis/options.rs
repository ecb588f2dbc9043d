//! Options of the Redis transporter, most of them those of ioredis.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::time::Duration;

use super::foreign::FOREIGN;
use crate::TransportError;
use crate::bus::{BusLimits, Form, Server, ServerOptions, TlsOptions};
use crate::options;
use crate::options::kind::{flag, maybe, milliseconds, parsed, text};
use crate::options::{Also, BYTES, FLAG, Kind, MILLISECONDS, SECRET, TEXT, Unfit};

/// What kind of servers the list has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Mode {
    /// Redis servers.
    #[default]
    Single,
    /// Sentinels, which know where the master is.
    Sentinel,
    /// Nodes of a cluster.
    Cluster,
}

impl Mode {
    pub(super) fn of(scheme: &str) -> Self {
        match scheme.split_once('-') {
            Some((_, "sentinel")) => Self::Sentinel,
            Some((_, "cluster")) => Self::Cluster,
            _ => Self::Single,
        }
    }
}

options! {
    /// Options of the Redis transporter.
    ///
    /// [`RedisOptions::set`] accepts Node's objects for Sentinel (`sentinels`, `name`) and Cluster
    /// (`cluster`).
    #[derive(Clone)]
    pub struct RedisOptions of "the Redis transporter", elsewhere FOREIGN;
    first {
        /// Servers, in the order in which they are tried.
        "url" | "servers": Self::SERVERS;
        /// Node's way to name Sentinels: a list of `{ host, port }` or of `host:port`.
        "sentinels": Also::new(|options: &mut Self, _, list| Ok(options.set_sentinels(list)?)).secret().whole();
        /// Node's `{ nodes: […], clusterOptions: {…} }`.
        "cluster": Also::new(|options: &mut Self, _, object| Ok(options.set_cluster(object)?)).secret().whole();
        /// Addresses to connect to in place of those that Sentinel or a cluster reports:
        /// `10.0.0.1:6379=proxy:7000,…`, or Node's object.
        "natMap": Also::new(|options: &mut Self, _, map| Ok(options.set_nat_map(map)?)).whole();
        /// Whether connections are encrypted, whatever the URL says. Any `tls.…` option turns it on.
        "tls": Also::new(|options: &mut Self, _, value| options.set_tls(value)).default("false").whole();
        /// The name that a certificate must be valid for. The default is the host.
        "tls.servername": Also::new(|options: &mut Self, _, name| {
            options.secure = true;
            options.tls_server_name = text(name)?;
            Ok(())
        }).default("none");
    }
    fields {
        /// Node's way to name a single server, instead of a URL.
        "host": TEXT => pub host: Option<String> = None;
        /// Its port.
        "port": PORT => pub port: Option<u16> = None;
        /// User name, unless the URL has one. All servers of a list share the name of one of them.
        "username": SECRET => pub username: Option<String> = None;
        /// Password, unless the URL has one.
        "password": SECRET => pub password: Option<String> = None;
        /// Number of the database. Pub/sub does not depend on it.
        "db": DATABASE => pub db: u32 = 0;
        /// The name of the master to ask Sentinel for.
        "name": TEXT => pub master: Option<String> = None;
        /// User name for Sentinel. The one in the URL is for the master.
        "sentinelUsername": SECRET => pub sentinel_username: Option<String> = None;
        /// Password for Sentinel.
        "sentinelPassword": SECRET => pub sentinel_password: Option<String> = None;
        /// Whether connections with Sentinel use TLS, as with `rediss-sentinel://`.
        "enableTLSForSentinelMode": FLAG => pub secure_sentinel: bool = false;
        /// Version of IP: 4, 6, or 0 for either.
        "family": FAMILY => pub family: u8 = 0;
        /// Time without traffic after which the system checks the connection (TCP keep-alive), at least 1 s.
        "keepAlive": KEEP_ALIVE => pub keep_alive: Duration = KEPT_ALIVE;
        /// Whether packets are sent at once.
        "noDelay": FLAG => pub no_delay: bool = true;
        /// Name of the connections in `CLIENT LIST`. The default is `ligand:` and the id of the node.
        "connectionName": NAME => pub connection_name: Option<String> = None;
        /// How often a server is checked: whether it answers, and whether it is still the right one.
        "pingInterval": ABOVE_ZERO => pub ping_interval: Duration = Duration::from_secs(2);
        /// A server from which nothing comes for this long after a question is lost.
        "commandTimeout": ABOVE_ZERO => pub command_timeout: Duration = Duration::from_secs(3);
        /// How often a cluster is asked for its nodes.
        "slotsRefreshInterval": ABOVE_ZERO => pub refresh_interval: Duration = Duration::from_secs(10);
        /// Largest packet that is accepted from the server. A larger one ends the session.
        "maxIncomingPacketSize": BYTES => pub max_incoming: usize = 16 * 1024 * 1024;
    }
    shared {
        /// TLS, for `rediss://`.
        pub tls: TlsOptions = TlsOptions::default();
        /// Limits of queues and waits.
        pub limits: BusLimits = BusLimits::default();
    }
    state {
        pub(super) servers: Vec<Server> = Vec::new();
        pub(super) mode: Mode = Mode::Single;
        /// Maps the addresses that Sentinel or a cluster reports to the addresses to connect to.
        pub nat_map: BTreeMap<String, String> = BTreeMap::new();
        /// Whether connections use TLS, regardless of the URL.
        pub secure: bool = false;
        /// The name that a server's certificate must be valid for. The default is the host.
        pub tls_server_name: Option<String> = None;
    }
}

const KEPT_ALIVE: Duration = Duration::from_secs(10);

// In Node, 0 leaves the time to the system, which takes hours.
const KEEP_ALIVE: Kind<Duration> = MILLISECONDS.reading(|text| match milliseconds(text)? {
    Duration::ZERO => Ok(KEPT_ALIVE),
    time => Ok(time.max(Duration::from_secs(1))),
});

const ABOVE_ZERO: Kind<Duration> = MILLISECONDS.reading(|text| match milliseconds(text)? {
    Duration::ZERO => Err("a time above 0"),
    time => Ok(time),
});

const PORT: Kind<Option<u16>> = Kind::new(|text| parsed(text, "a port").map(Some), maybe);

const DATABASE: Kind<u32> = Kind::new(|text| parsed(text, "the number of a database"), u32::to_string);

const FAMILY: Kind<u8> = Kind::new(
    |text| match text {
        "0" => Ok(0),
        "4" => Ok(4),
        "6" => Ok(6),
        _ => Err("0, 4 or 6"),
    },
    u8::to_string,
);

const NAME: Kind<Option<String>> =
    TEXT.reading(|name| match name.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => text(name),
        false => Err("a name without blanks"),
    });

impl ServerOptions for RedisOptions {
    const FORM: Form = Form {
        kind: "Redis",
        schemes: &[
            ("redis", 6379),
            ("rediss", 6379),
            ("redis-sentinel", 26379),
            ("rediss-sentinel", 26379),
            ("redis-cluster", 6379),
            ("rediss-cluster", 6379),
        ],
        separators: &[','],
    };

    fn take(&mut self, servers: Vec<Server>) -> Result<(), TransportError> {
        let mode = servers.first().map_or(Mode::Single, |server| Mode::of(&server.scheme));
        if servers.iter().any(|server| Mode::of(&server.scheme) != mode) {
            return Err(options::wrong::<Self>("url", "servers of one kind: Redis, Sentinel or Cluster"));
        }
        let path = servers.iter().rev().find_map(|server| server.path.clone());
        self.extend(servers, mode)?;
        match (path, self.mode) {
            (None, _) => Ok(()),
            (Some(master), Mode::Sentinel) => {
                self.master = Some(master);
                Ok(())
            }
            (Some(db), Mode::Single | Mode::Cluster) => self.set("db", &db),
        }
    }

    fn plain_list(text: &str) -> Result<Cow<'_, str>, TransportError> {
        // Node takes an IPv6 address without brackets.
        Ok(match text.parse::<Ipv6Addr>() {
            Ok(address) => format!("[{address}]").into(),
            Err(_) => text.into(),
        })
    }

    fn validate(&self) -> Result<(), TransportError> {
        let wrong = |why: &str| Err(TransportError::Config(why.to_owned()));
        if !cfg!(feature = "redis-tls") && (self.is_secure() || self.is_secure_sentinel()) {
            return wrong(
                "rediss:// needs TLS, which is not compiled in: enable the feature `redis-tls` of ligand",
            );
        }
        if !self.servers.is_empty() && (self.host.is_some() || self.port.is_some()) {
            return wrong("the Redis servers are named twice: give a URL, or `host` and `port`");
        }
        match self.mode {
            Mode::Sentinel if self.master.is_none() => {
                wrong("Sentinel has to be asked for a name: give redis-sentinel://host/mymaster or `name`")
            }
            Mode::Cluster if self.servers.is_empty() => {
                wrong("no nodes defined for cluster: give one of them at least")
            }
            Mode::Cluster if self.db != 0 => wrong("a Redis cluster has the database 0 only: leave `db` out"),
            _ => Ok(()),
        }
    }
}

impl RedisOptions {
    /// The servers to be tried, in this order.
    pub(super) fn list(&self) -> Vec<Server> {
        if !self.servers.is_empty() {
            return self.servers.clone();
        }
        let server = Server::on_this_host("redis", self.port.unwrap_or(6379));
        vec![Server { host: self.host.clone().unwrap_or(server.host), ..server }]
    }

    /// Whether connections with Redis servers use TLS. Sentinel has a setting of its own.
    pub(super) fn is_secure(&self) -> bool {
        let given = self.secure || self.tls != TlsOptions::default();
        given || self.servers.iter().any(|server| server.scheme.starts_with("rediss"))
    }

    /// Whether connections with Sentinel use TLS.
    pub(super) fn is_secure_sentinel(&self) -> bool {
        self.secure_sentinel || self.servers.iter().any(|server| server.scheme == "rediss-sentinel")
    }

    /// The address to connect to for an address that a server reports.
    pub(super) fn mapped(&self, host: &str, port: u16) -> (String, u16) {
        let told = self.nat_map.get(&format!("{host}:{port}"));
        let real = told.and_then(|real| real.rsplit_once(':'));
        match real.and_then(|(host, port)| Some((host, port.parse().ok()?))) {
            Some((host, port)) => (host.to_owned(), port),
            None => (host.to_owned(), port),
        }
    }

    /// Adds the servers of a list, which must all be of one kind.
    pub(super) fn extend(&mut self, list: Vec<Server>, mode: Mode) -> Result<(), TransportError> {
        if !self.servers.is_empty() && self.mode != mode {
            return Err(TransportError::Config(
                "a list of Redis servers holds servers of one kind: Redis, Sentinel or Cluster".to_owned(),
            ));
        }
        self.mode = mode;
        self.servers.extend(list);
        Ok(())
    }

    fn set_tls(&mut self, value: &str) -> Result<(), Unfit> {
        match value.starts_with('{') {
            true => {
                self.secure = true;
                Ok(options::set_keys(self, "tls", value)?)
            }
            false => {
                self.secure = flag(value)?;
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Foreign, Options as _, Row};

    fn configured(pairs: &[(&str, &str)]) -> Result<RedisOptions, TransportError> {
        let mut options = RedisOptions::default();
        for (name, value) in pairs {
            options.set(name, value)?;
        }
        options.validate()?;
        Ok(options)
    }

    fn printed(options: &RedisOptions) -> Vec<String> {
        options.list().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_named_option_can_be_set() {
        for name in RedisOptions::default().rows().iter().flat_map(Row::names) {
            let value = match name {
                "url" | "servers" => "redis://elsewhere",
                "sentinels" => "elsewhere:26379",
                "cluster" => r#"{"nodes": [7000]}"#,
                "natMap" => "a:1=b:2",
                "family" => "4",
                "noDelay" | "enableTLSForSentinelMode" | "tls" | "tls.dangerousAcceptAnyCertificate" => {
                    "true"
                }
                _ => "77",
            };
            let mut options = RedisOptions::default();
            options.set(name, value).unwrap();
        }
        for (name, foreign) in FOREIGN {
            if let Foreign::Moot(_) = foreign {
                RedisOptions::default().set(name, "1").unwrap();
            }
        }
    }

    #[test]
    fn urls_name_single_servers_sentinels_and_clusters() {
        let single = RedisOptions::new("rediss://u:p@a:7000,b/2?pingInterval=500ms").unwrap();
        assert_eq!((single.mode, single.db, single.is_secure()), (Mode::Single, 2, true));
        assert_eq!(single.ping_interval, Duration::from_millis(500));
        assert_eq!(printed(&single), ["rediss://a:7000", "rediss://b:6379"]);
        let sentinel = RedisOptions::new("redis-sentinel://a,b:26380/mymaster?db=3").unwrap();
        assert_eq!((sentinel.mode, sentinel.db), (Mode::Sentinel, 3));
        assert_eq!(sentinel.master.as_deref(), Some("mymaster"));
        assert_eq!(printed(&sentinel), ["redis-sentinel://a:26379", "redis-sentinel://b:26380"]);
        let cluster = RedisOptions::new("redis-cluster://a,[::1]:7000").unwrap();
        assert_eq!(cluster.mode, Mode::Cluster);
        assert_eq!(printed(&cluster), ["redis-cluster://a:6379", "redis-cluster://[::1]:7000"]);
    }

    #[test]
    fn the_objects_of_node_are_understood() {
        let options = configured(&[("host", "::1"), ("password", "null"), ("port", "7000")]).unwrap();
        assert_eq!((printed(&options), options.password), (vec!["redis://[::1]:7000".to_owned()], None));

        // A list of objects comes with its brackets or without.
        for list in [r#"{"host":"a","port":1},{"host":"b"}"#, r#"[{"host":"a","port":"1"}, "b"]"#] {
            let options = configured(&[("name", "mymaster"), ("sentinels", list)]).unwrap();
            assert_eq!(options.mode, Mode::Sentinel);
            let hosts: Vec<_> = options.list().iter().map(Server::address).collect();
            assert_eq!(hosts, ["a:1", "b:26379"]);
        }

        let cluster = r#"{
            "nodes": [{"host": "a", "port": 7000}, "redis://b:7001", 7002],
            "clusterOptions": {
                "scaleReads": "slave",
                "natMap": {"10.0.0.1:6379": {"host": "c", "port": 6380}},
                "redisOptions": {"password": "secret", "tls": {}}
            }
        }"#;
        let options = configured(&[("cluster", cluster)]).unwrap();
        assert_eq!(options.mode, Mode::Cluster);
        let hosts: Vec<_> = options.list().iter().map(Server::address).collect();
        assert_eq!(hosts, ["a:7000", "b:7001", "127.0.0.1:7002"]);
        assert_eq!(options.password.as_deref(), Some("secret"));
        assert!(options.is_secure());
        assert_eq!(options.mapped("10.0.0.1", 6379), ("c".to_owned(), 6380));
        assert_eq!(options.mapped("10.0.0.2", 6379), ("10.0.0.2".to_owned(), 6379));
    }

    #[test]
    fn what_cannot_be_is_named_with_what_can() {
        for (pairs, part) in [
            (&[("cluster", r#"{"nodes": []}"#)][..], "no nodes defined for cluster"),
            (&[("cluster", r#"{"nodes": ["a"], "shards": 3}"#)], "no option `cluster.shards`"),
            (&[("cluster", r#"{"nodes": ["a"]}"#), ("db", "2")], "database 0 only"),
            (&[("sentinels", "a:26379")], "has to be asked for a name"),
            (&[("url", "redis://a,redis-cluster://b")], "of one kind"),
            (&[("url", "redis://a"), ("host", "b")], "named twice"),
            (&[("url", "nats://canary")], "Redis server"),
            (&[("url", "redis://a/canary")], "number of a database"),
            (&[("role", "slave")], "replica"),
            (&[("path", "/run/redis.sock")], "sockets in the file system"),
            (&[("family", "5")], "0, 4 or 6"),
            (&[("pingInterval", "0")], "above 0"),
            (&[("connectionName", "two words")], "without blanks"),
            (&[("retryStrateg", "1")], "no option `retryStrateg`"),
            (&[("tls.rejectUnauthorized", "false")], "dangerousAcceptAnyCertificate"),
        ] {
            let error = configured(pairs).unwrap_err().to_string();
            assert!(error.contains(part) && !error.contains("secret"), "{pairs:?}: {error}");
        }
    }

    #[test]
    fn nothing_that_prints_the_options_prints_a_secret() {
        let mut options = RedisOptions::new("redis://canary1:canary2@host?password=canary3").unwrap();
        for name in ["username", "password", "sentinelUsername", "sentinelPassword"] {
            options.set(name, "canary4").unwrap();
        }
        let printed = format!("{options:?} {:?}", super::super::Redis { options: options.clone() });
        assert!(!printed.contains("canary"), "{printed}");
    }
}
