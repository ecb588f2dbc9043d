//! A network inside one process: for tests, examples, and several brokers in one program.
//!
//! A [`Network`] is a message bus without a server. Every broker is given a [`Memory`] of it, or names
//! one by a URL: `memory://orders` is the network called "orders" of this process, plain `memory://`
//! the one called "default". Nodes of different namespaces share a network without hearing each other.
//!
//! A frame is written once, into bytes of its own, and appended to the queue of its receiver; the
//! receiver's reader takes what is there in one go. Nothing else happens per frame: no task, no timer,
//! no copy. The queue is bounded ([`Options`]), and a sender that meets a full one is told so at once.
//!
//! Tests break the network while it runs, with turmoil's words: [`Network::partition`],
//! [`Network::hold`], [`Network::crash`] and their opposites, [`Network::deny`], and [`Faults`] that delay, lose, repeat
//! and reorder frames at random. With the same seed, on a current-thread runtime with paused time, the
//! same program sees the same faults.
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
//! # What it promises
//!
//! * Frames from one node to another arrive in the order they were sent, unless [`Faults::reorder`] or
//!   a duplicate says otherwise.
//! * A frame for a node that is not there, or did not subscribe, is dropped silently, as a bus does.
//! * A broadcast reaches whoever has room; it never fails because one receiver is slow.
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
