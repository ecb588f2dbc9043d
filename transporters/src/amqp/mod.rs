//! Moleculer's AMQP 0.9.1 transporter, for RabbitMQ (protocol chapter 3.5).
//!
//! Every node has its own queue for each kind of packet. Broadcasts go through a fanout exchange per kind.
//! With the server's balancer, nodes share a queue per action, and one per group and event. Names and
//! arguments are Node's (`topology`, `arguments`), so nodes of both languages can share a server and its
//! queues.
//!
//! A `session` is one connection with five channels. An AMQP error closes the channel on which it occurs, so
//! declarations have a channel on which nothing else happens. One channel is for publishing (`publish`). It
//! is opened again when the server refuses a publish (`refusals`). Three are for consuming, so that control
//! packets wait for nothing else (`consume`). Requests are acknowledged when their responses have left this
//! process (`ledger`, `acks`). Until then the server hands over at most [`prefetch`](AmqpOptions::prefetch)
//! of them per queue. When a connection is lost, the server delivers some messages again. They are not
//! started a second time (`underway`).
//!
//! The client library reads into unbounded queues and has its own thread per connection. So one task per
//! queue moves everything at once into the bounded inbox of the node. `socket` keeps a second handle of the
//! connection, which cuts it when its session is given up, no matter what the library still wants to send.

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
