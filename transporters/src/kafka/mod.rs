//! Kafka (protocol chapter 3.7).
//!
//! Topics are named as in Node. A node creates those of its own that are missing, and writes to partition 0
//! of the others' topics. It reads its topics as the only member of a consumer group that is new with each
//! session. It never reads what was written before it subscribed, so a node that restarts under its old id
//! does not run old requests again.
//!
//! The client library is librdkafka, which reconnects to each server by itself, inside one client. It may do
//! so as long as any server answers: the leaders of partitions move, and librdkafka follows them. Once all
//! servers are gone, the session is lost, and the client is thrown away with everything it still holds.
//! Frames that wait for longer than 5 s are given up in any case. A frame that may have arrived is never sent
//! again.
//!
//! * `names`: what Kafka allows in a topic, checked before anything else;
//! * `options`, `settings`: from text to options, and from options to the settings of librdkafka;
//! * `client`, `session`: see `crate::bus`;
//! * `handles`: librdkafka's clients, and how to drop them without waiting;
//! * `topics`: lists and creates topics, waits for their leaders, and finds where each topic ends;
//! * `events`: what librdkafka reports. `reading` knows which partitions are read, and from where.
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
    /// The Kafka transporter. It holds the configuration, and a node connects with it.
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
