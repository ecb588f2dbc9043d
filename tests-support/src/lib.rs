//! What the integration tests of several crates share.
//!
//! - [`until`] and [`within`]: the one way to wait.
//! - [`Node`]: a transporter without a broker, which records what it is told.
//! - [`outsider`]: a peer that sends hand-written packets, and the packets that no node of ours sends.
//! - [`tcp`]: frames of the TCP transporter, byte by byte.
//! - [`log`]: what was logged on this thread.
//! - [`servers`]: servers that a test adds, to break them.
//!
//! It stands on `ligand-transporters` alone, so the tests of that crate and of all above it can use it. What a
//! test of a *service* needs is public: `ligand::testing`.
#![allow(missing_docs, reason = "it is not published, and most names say it")]

pub mod log;
pub mod outsider;
pub mod servers;
pub mod tcp;

mod memory;
mod node;
mod port;
mod wait;

pub use memory::resident;
pub use node::{Log, Node, Recorder, to};
pub use port::free_port;
pub use wait::{Look, PATIENCE, Waited, is, try_until, until, within};
