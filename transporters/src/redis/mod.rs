//! Redis pub/sub: a single server, a master behind Sentinel, or a Cluster (protocol chapter 3.4).
//!
//! Channels are named like Moleculer's topics, exactly as in Node. The transporter uses ordinary `PUBLISH`
//! and `SUBSCRIBE`, no patterns, no streams and no sharded pub/sub. As in Node, a session is a pair of
//! connections with one server. One listens and the other publishes, both in RESP3 (Redis 6 and later).
//!
//! * `options`, `node_form`, `foreign`: settings, from text and from the objects that Node takes, and the
//!   options of Node that have no meaning here;
//! * `places`: which servers there are, including those that a cluster reports;
//! * `stream`, `line`: from a socket to a connection that speaks RESP;
//! * `client`, `session`, `reader`, `publisher`: the parts that `crate::bus` asks for;
//! * `sentinel`, `topology`, `guard`: whether the server is still there, and still the right one.
//!
//! # Why not the library's own connections for Sentinel and Cluster
//!
//! redis-rs has a connection manager, a Sentinel client and a cluster connection. They reconnect and
//! subscribe again by themselves, hold commands back in the meantime, and keep connections with every node of
//! a cluster. Here a lost session is thrown away whole. Nothing is held back, and nothing stays open. A
//! cluster passes everything that is published on one node to all others, so a connection with one node is
//! enough. The other nodes are further servers to try.
//!
//! ```
//! use ligand_transporters::redis::{Redis, RedisOptions};
//!
//! # fn main() -> Result<(), ligand_transporters::TransportError> {
//! let single = Redis::from_url("redis://user:secret@10.0.0.1:6379/2?pingInterval=1s")?;
//! let sentinel = Redis::from_url("redis-sentinel://10.0.0.1,10.0.0.2:26379/mymaster")?;
//! let cluster = Redis::from_url("redis-cluster://10.0.0.1,10.0.0.2")?;
//! let mut options = RedisOptions::new("redis://10.0.0.1")?;
//! options.connection_name = Some("orders".to_owned());
//! let by_options = Redis::with_options(options)?;
//! # Ok(()) }
//! ```

mod client;
mod end;
mod foreign;
mod guard;
mod line;
mod node_form;
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

use crate::bus::{self, ServerOptions as _};
use crate::scheme::backend;
use crate::{Capabilities, Connection, Link, TransportError, Transporter};
use client::RedisClient;

backend! {
    /// The Redis transporter. It holds the configuration, and a node connects with it.
    Redis of RedisOptions
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
