//! Kafka (protocol chapter 3.7).
//!
//! Topics are Node's. A node makes those of its own that are missing, reads them as the only member of a
//! consumer group that is new with each session, and writes to partition 0 of the others' topics. What was
//! written before a node subscribed is never read, so one that restarts under its old id runs no old
//! request again.
//!
//! Underneath works librdkafka, which reconnects by itself, server by server, inside one client. That is
//! left to it as long as any server answers: the leaders of partitions move, and it follows. Once all
//! servers are gone the session is lost, and the client is thrown away with everything it still holds; what
//! waits for longer than 5 s it gives up anyway. It never sends a frame a second time that may have arrived.
//!
//! * `names`: what Kafka allows in a topic, checked before anything else;
//! * `options`, `settings`: texts to options, options to librdkafka's settings;
//! * `client`, `session`: see `crate::bus`;
//! * `handles`: librdkafka's clients, and how to be rid of them without waiting;
//! * `topics`: lists, creates, waits for leaders, and finds where each topic ends;
//! * `events`: what librdkafka tells, with `reading` for the partitions that are read and from where.
//!
//! ```
//! use ligand_transporters::kafka::{Kafka, KafkaOptions, Partitioning};
//!
//! # fn main() -> Result<(), ligand_transporters::TransportError> {
//! let by_url = Kafka::from_url("kafka://10.0.0.1:9092,10.0.0.2:9092?clientId=shop")?;
//! let mut options = KafkaOptions::new("kafka://10.0.0.1")?;
//! options.partitioning = Partitioning::Keyed;
//! let by_options = Kafka::with_options(options)?;
//! # Ok(()) }
//! ```

mod client;
mod events;
mod handles;
mod health;
mod names;
mod options;
mod reading;
mod session;
mod settings;
mod topics;

use async_trait::async_trait;
use std::sync::Arc;

pub use options::{KafkaOptions, Partitioning};

use crate::bus::{self, ServerOptions as _};
use crate::scheme::backend;
use crate::{Capabilities, Connection, Link, TransportError, Transporter};
use client::KafkaClient;

backend! {
    /// The Kafka transporter: its configuration, to be opened by a node.
    Kafka of KafkaOptions
}

#[async_trait]
impl Transporter for Kafka {
    fn scheme(&self) -> &'static str {
        "kafka"
    }

    fn url(&self) -> String {
        let scheme = if self.options.is_tls() { "kafka+tls" } else { "kafka" };
        format!("{scheme}://{}", self.options.addresses())
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::bus().with_max_frame(self.options.limits.max_frame)
    }

    async fn connect(&self, link: Link) -> Result<Arc<dyn Connection>, TransportError> {
        names::check(&link)?;
        let client = KafkaClient::new(&self.options, &link);
        bus::open(client, link, self.options.limits.clone()).await
    }
}
