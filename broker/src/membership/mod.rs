//! How this node takes part in the cluster: what [`discovery`](crate::discovery) decides is done here.
//!
//! The [control loop](control) takes messages ([`mailbox`]) and the time, a turn for each ([`turn`]). There are
//! three ways in which nodes learn of each other ([`discoverer`]): over a message bus they broadcast that they
//! are there ([`heartbeats`]), over TCP they gossip ([`gossip`]), and with a discoverer they leave records in a
//! store ([`records`]). What all of them do to this node is in [`env`](env) and in the modules named for it:
//!
//! * [`nodes`]: the registry, local events; [`departures`]: calls that wait for nodes that have gone.
//! * [`presence`] and [`announce`]: what this node says of itself.
//! * [`claim`]: whether its id is its own.
//! * [`packets`] and [`versions`]: PING, PONG, and which protocol versions are spoken.
//!
//! The rest of the crate knows the mailbox, and starts the loop.

mod announce;
mod claim;
mod control;
mod cpu;
mod departures;
mod discoverer;
mod driver;
mod env;
mod gossip;
mod heartbeats;
mod mailbox;
mod nodes;
mod packets;
mod presence;
mod records;
#[cfg(test)]
mod tests;
mod turn;
mod versions;

pub(crate) use control::start;
pub(crate) use mailbox::{Mailbox, Message};
pub(crate) use records::open_store;
