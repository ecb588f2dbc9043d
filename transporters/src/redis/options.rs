//! Options of the Redis transporter.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv6Addr;
use std::time::Duration;

use crate::TransportError;
use crate::bus::{BusLimits, Form, OptionText as _, Server, Servers, TlsOptions};

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

/// What the servers of the list are.
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

/// Options of the Redis transporter.
///
/// In the query of a URL or in a configuration file each has the name given in parentheses; most are those
/// of ioredis. Node's objects for Sentinel (`sentinels`, `name`) and Cluster (`cluster`) are understood.
#[derive(Clone)]
#[non_exhaustive]
pub struct RedisOptions {
    /// Servers, in the order in which they are tried (`url`).
    pub(super) servers: Servers,
    pub(super) mode: Mode,
    /// `host` and `port`, Node's way to name a single server.
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    /// User name (`username`), unless the URL has one.
    pub username: Option<String>,
    /// Password (`password`), unless the URL has one.
    pub password: Option<String>,
    /// Number of the database (`db`, default 0), which pub/sub does not look at.
    pub db: u32,
    /// The name of the master (`name`), where Sentinel is asked for it.
    pub master: Option<String>,
    /// User name towards Sentinel (`sentinelUsername`).
    pub sentinel_username: Option<String>,
    /// Password towards Sentinel (`sentinelPassword`).
    pub sentinel_password: Option<String>,
    /// Where addresses lead that Sentinel or a cluster tells (`natMap`): `told:port=real:port,…`, or Node's
    /// object.
    pub nat_map: BTreeMap<String, String>,
    /// Version of IP (`family`, default 0, which is either; 4, 6).
    pub family: u8,
    /// Time without traffic after which the system asks whether the other side is there (`keepAlive`,
    /// default 10 s).
    pub keep_alive: Duration,
    /// Whether packets are sent at once (`noDelay`, default true).
    pub no_delay: bool,
    /// What the connections are called in `CLIENT LIST` (`connectionName`, default `ligand:` and the id of
    /// the node).
    pub connection_name: Option<String>,
    /// How often a server is asked whether it is there, and still the right one (`pingInterval`, default
    /// 2 s).
    pub ping_interval: Duration,
    /// A server that gives no answer for this long is lost (`commandTimeout`, default 3 s).
    pub command_timeout: Duration,
    /// How often a cluster is asked for its nodes (`slotsRefreshInterval`, default 10 s).
    pub refresh_interval: Duration,
    /// Largest packet that is taken from the server, in bytes (`maxIncomingPacketSize`, default 16 MiB).
    /// A larger one ends the session.
    pub max_incoming: usize,
    /// Whether connections are encrypted whatever the URL says; any `tls.*` in text sets it.
    pub secure: bool,
    /// Whether Sentinel is talked to in TLS (`enableTLSForSentinelMode`), as it is with
    /// `rediss-sentinel://`.
    pub secure_sentinel: bool,
    /// The name that a certificate has to be for (`tls.servername`, default the host).
    pub tls_server_name: Option<String>,
    /// TLS, for `rediss://` (`tls.*`).
    pub tls: TlsOptions,
    /// Bounds of queues and waits.
    pub limits: BusLimits,
}

impl Default for RedisOptions {
    fn default() -> Self {
        Self {
            servers: Servers::default(),
            mode: Mode::Single,
            host: None,
            port: None,
            username: None,
            password: None,
            db: 0,
            master: None,
            sentinel_username: None,
            sentinel_password: None,
            nat_map: BTreeMap::new(),
            family: 0,
            keep_alive: Duration::from_secs(10),
            no_delay: true,
            connection_name: None,
            ping_interval: Duration::from_secs(2),
            command_timeout: Duration::from_secs(3),
            refresh_interval: Duration::from_secs(10),
            max_incoming: 16 * 1024 * 1024,
            secure: false,
            secure_sentinel: false,
            tls_server_name: None,
            tls: TlsOptions::default(),
            limits: BusLimits::default(),
        }
    }
}

impl RedisOptions {
    /// Adds servers: `redis://user:secret@host:6379/0`, `redis-sentinel://host,other/mymaster`,
    /// `redis-cluster://host,other`, with options behind a `?`.
    ///
    /// # Errors
    /// [`TransportError::Config`] names what is wrong, without credentials.
    pub fn url(mut self, url: &str) -> Result<Self, TransportError> {
        self.add_servers(url)?;
        Ok(self)
    }

    /// The servers to be tried, in this order.
    pub(super) fn list(&self) -> Vec<Server> {
        if !self.servers.list.is_empty() {
            return self.servers.list.clone();
        }
        vec![Server {
            scheme: "redis".to_owned(),
            host: self.host.clone().unwrap_or_else(|| "127.0.0.1".to_owned()),
            port: self.port.unwrap_or(6379),
            user: None,
            password: None,
            path: None,
        }]
    }

    /// Whether Redis servers, as opposed to Sentinel, are talked to in TLS.
    pub(super) fn is_secure(&self) -> bool {
        self.secure || self.servers.list.iter().any(|server| server.scheme.starts_with("rediss"))
    }

    /// Whether Sentinel is talked to in TLS.
    pub(super) fn is_secure_sentinel(&self) -> bool {
        self.secure_sentinel || self.servers.list.iter().any(|server| server.scheme == "rediss-sentinel")
    }

    /// Where an address leads that a server told.
    pub(super) fn mapped(&self, host: &str, port: u16) -> (String, u16) {
        let told = self.nat_map.get(&format!("{host}:{port}"));
        let real = told.and_then(|real| real.rsplit_once(':'));
        match real.and_then(|(host, port)| Some((host, port.parse().ok()?))) {
            Some((host, port)) => (host.to_owned(), port),
            None => (host.to_owned(), port),
        }
    }

    /// Checks what single options cannot.
    pub(crate) fn validate(&self) -> Result<(), TransportError> {
        let wrong = |why: &str| Err(TransportError::Config(why.to_owned()));
        if !cfg!(feature = "redis-tls") && (self.is_secure() || self.is_secure_sentinel()) {
            return wrong(
                "rediss:// needs TLS, which is not compiled in: enable the feature `redis-tls` of ligand",
            );
        }
        if !self.servers.list.is_empty() && (self.host.is_some() || self.port.is_some()) {
            return wrong("the Redis servers are named twice: give a URL, or `host` and `port`");
        }
        match self.mode {
            Mode::Sentinel if self.master.is_none() => {
                wrong("Sentinel has to be asked for a name: give redis-sentinel://host/mymaster or `name`")
            }
            Mode::Cluster if self.servers.list.is_empty() => {
                wrong("no nodes defined for cluster: give one of them at least")
            }
            Mode::Cluster if self.db != 0 => wrong("a Redis cluster has the database 0 only: leave `db` out"),
            _ => Ok(()),
        }
    }

    /// The servers of a list, which have to be of one kind.
    pub(super) fn extend(&mut self, list: Vec<Server>, mode: Mode) -> Result<(), TransportError> {
        if !self.servers.list.is_empty() && self.mode != mode {
            return Err(TransportError::Config(
                "a list of Redis servers holds servers of one kind: Redis, Sentinel or Cluster".to_owned(),
            ));
        }
        self.mode = mode;
        self.servers.list.extend(list);
        Ok(())
    }

    /// What stands behind the slash.
    pub(super) fn path(&mut self, path: &str) -> Result<(), TransportError> {
        match self.mode {
            Mode::Sentinel => {
                self.master = Some(path.to_owned());
                Ok(())
            }
            Mode::Single | Mode::Cluster => self.set("db", path),
        }
    }
}

/// Reads servers.
pub(super) fn servers(text: &str) -> Result<Servers, TransportError> {
    // Node takes an IPv6 address without brackets.
    match text.parse::<Ipv6Addr>() {
        Ok(address) => Servers::parse(&format!("[{address}]"), FORM),
        Err(_) => Servers::parse(text, FORM),
    }
}

/// Without secrets.
impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisOptions")
            .field("servers", &self.list())
            .field("mode", &self.mode)
            .field("db", &self.db)
            .field("master", &self.master)
            .field("ping_interval", &self.ping_interval)
            .field("command_timeout", &self.command_timeout)
            .field("secure", &self.is_secure())
            .field("tls", &self.tls)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
