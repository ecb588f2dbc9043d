//! Moleculer's AMQP 0.9.1 transporter, for RabbitMQ (protocol chapter 3.5).
//!
//! Every node has a queue of its own for each kind of packet; broadcasts go through a fanout exchange per
//! kind. Where the server balances, nodes share a queue per action, and per group and event. Names and
//! arguments are Node's (`topology`, `arguments`), so nodes of both kinds can share a server and queues.
//!
//! A `session` is one connection with five channels: an error of AMQP closes the channel it occurs on, and
//! so a refused declaration closes a channel on which nothing else happens. Published is on one
//! (`publish`), which is opened again when the server refuses a publish (`refusals`), consumed on three, so
//! that control packets wait for nobody (`consume`). Requests are acknowledged when their responses have
//! left this process (`ledger`, `acks`); more than [`prefetch`](AmqpOptions::prefetch) are not handed over
//! before that, per queue. What the server hands over again because a connection was lost is not started a
//! second time (`underway`).
//!
//! The client library reads into queues without bounds and has a thread of its own per connection. So a
//! task per queue empties it at once into the bounded inbox of the node, and `socket` keeps a handle by
//! which the connection is cut when its session is given up, whatever the library still wants to send.

mod acks;
mod arguments;
mod client;
mod consume;
mod ledger;
mod options;
mod publish;
mod refusals;
mod session;
mod socket;
mod topology;
mod underway;

use async_trait::async_trait;
use std::sync::Arc;

use crate::bus::{self, ServerOptions as _};
use crate::scheme::backend;
use crate::{Capabilities, Connection, Link, TransportError, Transporter};

pub use options::AmqpOptions;

backend! {
    /// The AMQP 0.9.1 transporter.
    ///
    /// ```
    /// use ligand_transporters::amqp::Amqp;
    ///
    /// let amqp = Amqp::from_url("amqp://user:password@rabbit-1;amqp://user:password@rabbit-2?prefetch=50")?;
    /// assert_eq!(amqp.options().prefetch, 50);
    /// # Ok::<(), ligand_transporters::TransportError>(())
    /// ```
    Amqp of AmqpOptions
}

#[async_trait]
impl Transporter for Amqp {
    fn scheme(&self) -> &'static str {
        "amqp"
    }

    fn url(&self) -> String {
        bus::shown(&self.options.servers())
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            balanced: true,
            balanced_wildcards: false,
            acks: true,
            shared_inboxes: true,
            max_frame: Some(self.options.limits.max_frame),
            ..Capabilities::bus()
        }
    }

    async fn connect(&self, link: Link) -> Result<Arc<dyn Connection>, TransportError> {
        let client = client::AmqpClient::new(self.options.clone(), link.node())?;
        bus::open(client, link, self.options.limits.clone().with_writes_in_hold()).await
    }
}
