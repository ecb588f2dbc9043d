//! MQTT 3.1.1 and 5, over any server that speaks one of them (protocol chapter 3.3).
//!
//! Each packet kind and node has one topic, exactly as in Node. The transporter uses no wildcards, no
//! retained messages and no last will.
//!
//! The client library (rumqttc) has two modules of the same shape, one per version of MQTT. `wire` hides
//! which one is in use. A lost connection takes the library's event loop with it. A loop that lived on could
//! stop for ever, when a packet id collides after a reconnect (its issue 1056). `pulse` checks whether the
//! server is still there, more often than the library does.
//!
//! ```
//! use ligand_transporters::mqtt::{Mqtt, MqttOptions};
//!
//! # fn main() -> Result<(), ligand_transporters::TransportError> {
//! let by_url = Mqtt::from_url("mqtt://user:secret@10.0.0.1,10.0.0.2:1884?qos=1&topicSeparator=/")?;
//! let mut options = MqttOptions::default();
//! options.protocol_version = 5;
//! let by_options = Mqtt::with_options(options)?;
//! # Ok(()) }
//! ```

mod client;
mod options;
mod pulse;
mod session;
mod waiting;
mod wire;

use async_trait::async_trait;
use std::sync::Arc;

pub use options::MqttOptions;

use crate::bus::{self, ServerOptions as _};
use crate::scheme::backend;
use crate::{Capabilities, Connection, Link, TransportError, Transporter};
use client::MqttClient;

backend! {
    /// The MQTT transporter. It holds the configuration, and a node connects with it.
    Mqtt of MqttOptions
}

#[async_trait]
impl Transporter for Mqtt {
    fn scheme(&self) -> &'static str {
        "mqtt"
    }

    fn url(&self) -> String {
        bus::shown(&self.options.servers())
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::bus().with_max_frame(self.options.limits.max_frame)
    }

    async fn connect(&self, link: Link) -> Result<Arc<dyn Connection>, TransportError> {
        let client = MqttClient::new(&self.options, &link)?;
        bus::open(client, link, self.options.limits.clone().with_writes_in_hold()).await
    }
}
