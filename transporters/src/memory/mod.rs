//! A network inside one process: for tests, examples, and several brokers in one program.
//!
//! A [`Network`] is a message bus without a server. Each broker gets a [`Memory`] of it, or names the network
//! by a URL: `memory://orders` is the network "orders" of this process, and `memory://` is the network
//! "default". Nodes in different namespaces share a network, but do not receive each other's packets.
//!
//! A frame is written once, into bytes of its own, and appended to the queue of its receiver. The receiver's
//! reader takes all waiting frames at once. A frame needs no task, no timer and no copy. The queue is bounded
//! ([`Options`]), and sending to a full queue fails at once.
//!
//! Tests can break a running network, in the terms of turmoil: [`Network::partition`], [`Network::hold`],
//! [`Network::crash`] and their opposites, [`Network::deny`], and [`Faults`] that delay, lose, repeat and
//! reorder frames at random. With the same seed, on a current-thread runtime with paused time, the same
//! program gets the same faults.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use ligand_transporters::memory::Network;
//! use ligand_transporters::*;
//! # use std::sync::{Arc, Mutex};
//! # #[derive(Debug, Default)] struct Log(Mutex<Vec<Frame>>);
//! # impl Sink for Log {
//! #     fn deliver(&self, batch: &mut Batch<'_>) { while let Some(f) = batch.next() { self.0.lock().unwrap().push(f) } }
//! # }
//! # let log = Arc::new(Log::default());
//! # let link = |name: &'static str| Link::new(LinkOptions::new(NodeId::new(name).unwrap(), ""), log.clone());
//!
//! let network = Network::new();
//! let a = network.transporter().connect(link("a")).await?;
//! let b = network.transporter().connect(link("b")).await?;
//! b.subscribe(&[Subscription::Own(PacketKind::Ping)]).await?;
//!
//! let to_b = Route::Node { id: NodeId::new("b")?, addr: None };
//! let mut ping = |frame: &mut FrameBuf<'_>| Ok(frame.buf().extend_from_slice(b"{}"));
//!
//! network.partition("a", "b");
//! a.send(&to_b, PacketKind::Ping, 0, &mut ping)?; // accepted, and lost on the way
//! network.repair("a", "b");
//! a.send(&to_b, PacketKind::Ping, 0, &mut ping)?;
//! # while log.0.lock().unwrap().is_empty() { tokio::task::yield_now().await }
//! # assert_eq!(network.counts().lost, 1);
//! # Ok(()) }
//! ```
//!
//! # Guarantees
//!
//! * Frames from one node to another arrive in the order in which they were sent, except with
//!   [`Faults::reorder`] or for a duplicate.
//! * A frame for a node that does not exist, or has not subscribed, is dropped silently, as on a bus.
//! * A broadcast reaches every receiver that has room. It never fails because one receiver is slow.
//! * Two nodes with one id both receive what is sent to that id, as on any bus.

mod connection;
mod faults;
mod hub;
mod inbox;
mod named;
mod network;
mod options;
mod pattern;
mod port;
mod queue;
mod routes;

pub use faults::Faults;
pub use network::{Counts, Memory, Network};
pub use options::Options;
