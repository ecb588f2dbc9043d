//! Moleculer over a NATS server.
//!
//! Each topic is a subject of the same name, with one subscription each. With the server's balancer, requests
//! and events come through queue groups (protocol chapter 3.2). The transporter uses no headers, no reply
//! subjects and no JetStream.
//!
//! * `options`: where the servers are and how this node logs in, under Node's names;
//! * `subjects`: topics as subjects and queue groups;
//! * `client`: opens a session, with everything switched off by which the library would keep one alive;
//! * `session`: subscribes, publishes, and closes without losing anything;
//! * `reader`: takes all messages that have arrived off the subscriptions;
//! * `signals`, `refusal`: what else the server says.
//!
//! ```
//! use ligand_transporters::nats::Nats;
//!
//! # fn main() -> Result<(), ligand_transporters::TransportError> {
//! let local = Nats::new();
//! let cluster = Nats::from_url("nats://user:pass@10.0.0.1:4222,10.0.0.2:4222?pingInterval=1s")?;
//! let encrypted = Nats::from_url("tls://nats.example.com?tls.caFile=ca.pem&userCreds=node.creds")?;
//! # Ok(()) }
//! ```

mod client;
mod options;
mod reader;
mod refusal;
mod session;
mod signals;
mod subjects;

use async_trait::async_trait;
use std::sync::Arc;

pub use options::NatsOptions;

use crate::bus::{self, ServerOptions as _};
use crate::scheme::backend;
use crate::{Capabilities, Connection, Link, TransportError, Transporter};
use client::NatsClient;

backend! {
    /// The NATS transporter. It holds the configuration, and a node connects with it.
    Nats of NatsOptions
}

#[async_trait]
impl Transporter for Nats {
    fn scheme(&self) -> &'static str {
        "nats"
    }

    fn url(&self) -> String {
        bus::shown(&self.options.servers())
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::bus().with_max_frame(self.options.limits.max_frame);
        capabilities.balanced = true;
        capabilities
    }

    async fn connect(&self, link: Link) -> Result<Arc<dyn Connection>, TransportError> {
        let client = NatsClient::new(self.options.clone(), &link);
        bus::open(client, link, self.options.limits.clone()).await
    }
}
