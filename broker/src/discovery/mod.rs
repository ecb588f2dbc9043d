//! How nodes learn of each other, who is alive, and who uses whose name.
//!
//! Everything here decides and nothing acts: the structs are plain data, take `now` and the packets'
//! content, and hand back what to send and what changed. Sockets, clocks, randomness and tasks belong
//! to the drivers around them.
//!
//! * [`gossip`]: membership over TCP, where nodes tell each other what they know.
//! * [`liveness`]: membership over a message bus, where nodes send heartbeats.
//! * [`records`]: membership by records in a store, whatever the transporter.
//! * [`conflict`]: what to do when somebody else seems to use our node id.

mod bus;
pub(crate) mod chores;
mod claim;
pub(crate) mod conflict;
mod cpu;
mod defence;
pub(crate) mod driver;
mod farewell;
pub(crate) mod gossip;
mod held;
pub(crate) mod limit;
pub(crate) mod liveness;
pub(crate) mod records;
mod succession;
mod tcp;
#[cfg(test)]
mod tests;
mod vanished;
mod versions;

pub(crate) use limit::{Bucket, LinePerSender};
