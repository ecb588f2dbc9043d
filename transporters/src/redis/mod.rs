//! Redis pub/sub: a single server, a master behind Sentinel, or a Cluster (protocol chapter 3.4).
//!
//! Channels are Moleculer's topics, exactly Node's; ordinary `PUBLISH` and `SUBSCRIBE`, no patterns, no
//! streams, no sharded pub/sub. A session is a pair of connections with one server, as Node's is: one
//! that listens, one that publishes, in RESP3 (Redis 6 and later).
//!
//! * `options`, `option_names`, `node_form`: settings, from texts and from the objects that Node takes;
//! * `places`: which servers there are, those that a cluster tells included;
//! * `stream`, `line`: from a socket to a connection that speaks RESP;
//! * `client`, `session`, `reader`, `publisher`: what the kit for message servers asks for;
//! * `sentinel`, `topology`, `guard`: whether the server is still there, and still the right one.
//!
//! # Why not the library's own connections for Sentinel and Cluster
//!
//! redis-rs has a connection manager, a Sentinel client and a cluster connection, which reconnect and
//! subscribe again by themselves, hold commands back meanwhile, and keep connections with every node of a
//! cluster. Here a lost session has to be thrown away whole, with nothing held back and nothing left open.
//! And a Cluster passes what is published on one node to all others, so one node is enough: the rest are
//! further servers to go to.
//!
//! ```
//! use ligand_transporters::redis::{Redis, RedisOptions};
//!
//! # fn main() -> Result<(), ligand_transporters::TransportError> {
//! let single = Redis::from_url("redis://user:secret@10.0.0.1:6379/2?pingInterval=1s")?;
//! let sentinel = Redis::from_url("redis-sentinel://10.0.0.1,10.0.0.2:26379/mymaster")?;
//! let cluster = Redis::from_url("redis-cluster://10.0.0.1,10.0.0.2")?;
//! let mut options = RedisOptions::default().url("redis://10.0.0.1")?;
//! options.connection_name = Some("orders".to_owned());
//! let by_options = Redis::with_options(options)?;
//! # Ok(()) }
//! ```

mod client;
mod end;
mod guard;
mod line;
mod node_form;
mod option_names;
mod options;
mod places;
mod publisher;
mod reader;
mod sentinel;
mod session;
mod stream;
mod topology;

use async_trait::async_trait;
use std::sync::Arc;

pub use options::RedisOptions;

use crate::{Capabilities, Connection, Link, TransportError, Transporter, bus};
use client::RedisClient;

/// The Redis transporter: its configuration, to be opened by a node.
#[derive(Debug, Clone, Default)]
pub struct Redis {
    options: RedisOptions,
}

impl Redis {
    /// A server on this host, with defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From a URL such as `redis://user:secret@host:6379/0`, or a bare `Redis`.
    ///
    /// # Errors
    /// [`TransportError::Config`] names what is wrong, without credentials.
    pub fn from_url(url: &str) -> Result<Self, TransportError> {
        let mut options = RedisOptions::default();
        if url.contains("://") {
            options = options.url(url)?;
        }
        Self::with_options(options)
    }

    /// With these options.
    ///
    /// # Errors
    /// [`TransportError::Config`] when they do not go together.
    pub fn with_options(options: RedisOptions) -> Result<Self, TransportError> {
        options.validate()?;
        Ok(Self { options })
    }
}

#[async_trait]
impl Transporter for Redis {
    fn scheme(&self) -> &'static str {
        "redis"
    }

    fn url(&self) -> String {
        bus::shown(&self.options.list())
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::bus().with_max_frame(self.options.limits.max_frame)
    }

    async fn connect(&self, link: Link) -> Result<Arc<dyn Connection>, TransportError> {
        let client = RedisClient::new(&self.options)?;
        bus::open(client, link, self.options.limits.clone()).await
    }
}
