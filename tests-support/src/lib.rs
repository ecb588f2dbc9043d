//! Helpers that the integration tests of several crates share.
//!
//! - [`until`] and [`within`]: the one way to wait.
//! - [`Node`]: a transporter without a broker. It records what it is told.
//! - [`outsider`]: a peer that sends hand-written packets, and the packets that no node of ours sends.
//! - [`tcp`]: frames of the TCP transporter, byte by byte.
//! - [`log`]: what was logged on this thread.
//! - [`servers`]: servers that a test adds in order to break them.
//!
//! This crate depends only on `ligand-transporters`, so the tests of that crate and of all crates above it
//! can use it. Helpers for the tests of a *service* are public, in `ligand::testing`.
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
