//! Transporters move frames between nodes.
//!
//! A program names a transporter with a URL
//! ([`BrokerBuilder::transporter`](crate::BrokerBuilder::transporter), or the option `transporter` in files
//! and in the environment), or makes one from its options. [`memory`] is always available; each of the others
//! is a feature. `docs/transporters.md` lists the options of all of them.
//!
//! # Writing a transporter
//!
//! A transporter is a type that implements [`Transporter`]; the documentation of that trait has a complete
//! example. [`options!`](crate::transport::options!) declares its options.
//! [`BrokerBuilder::scheme`](crate::BrokerBuilder::scheme) gives it a scheme. From then on it can be named
//! like the transporters of this crate: in code, in files and in the environment. The crate
//! `ligand-transporters` has the test suite that every transporter passes (feature `conformance`).
//!
//! ```
//! use async_trait::async_trait;
//! use ligand::ServiceBroker;
//! use ligand::transport::memory::Network;
//! use ligand::transport::options::COUNT;
//! use ligand::transport::{Capabilities, Connection, Link, TransportError, Transporter, TransporterUrl, options};
//! use std::sync::Arc;
//!
//! options! {
//!     /// Options of pipes.
//!     #[derive(Clone)]
//!     pub struct PipeOptions of "the pipe transporter";
//!     fields {
//!         /// How many pipes lie side by side.
//!         "pipes": COUNT => pub pipes: usize = 1;
//!     }
//! }
//!
//! /// Carries frames through pipes. These are short: they end in this process.
//! #[derive(Debug)]
//! struct Pipe { options: PipeOptions, network: Network }
//!
//! impl Pipe {
//!     fn from_url(url: &TransporterUrl) -> Result<Self, TransportError> {
//!         let mut options = PipeOptions::default();
//!         url.configure(&mut options)?;
//!         Ok(Self { options, network: Network::named(url.place()) })
//!     }
//! }
//!
//! #[async_trait]
//! impl Transporter for Pipe {
//!     fn scheme(&self) -> &'static str { "pipe" }
//!     fn capabilities(&self) -> Capabilities { Capabilities::bus() }
//!     async fn connect(&self, link: Link) -> Result<Arc<dyn Connection>, TransportError> {
//!         assert_eq!(self.options.pipes, 2);
//!         self.network.transporter().connect(link).await
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let builder = || ServiceBroker::builder().scheme("pipe", Pipe::from_url);
//! let broker = builder().transporter("pipe://cellar?pipes=2").build()?;
//! broker.start().await?;
//! # broker.stop().await?;
//! let refused = builder().transporter("pipe://cellar?pipe=2").build().unwrap_err();
//! assert!(refused.to_string().contains("did you mean `pipes`?"), "{refused}");
//! # Ok(()) }
//! ```

// The transporters of this build, one module for each.
pub use ligand_transporters::backends::*;
pub use ligand_transporters::options;

// What the author of a transporter needs.
pub use ligand_transporters::{
    Abandon, Ack, Batch, Capabilities, Connection, Frame, FrameBuf, InvalidId, Link, LinkOptions, LogLine,
    Membership, Name, NodeId, PacketKind, Peering, Route, SendError, Sink, Source, Subscription, Topics,
    TransportError, Transporter, Up, WriteFrame, collect,
};

// How a transporter is named.
pub use ligand_transporters::{IntoTransporter, SCHEMES, TransporterUrl, transporter_for};
