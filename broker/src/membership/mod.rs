//! How this node takes part in the cluster. [`discovery`](crate::discovery) decides, and this module acts.
//!
//! The [control loop](control) takes messages ([`mailbox`]) and watches the clock. It runs one turn for each
//! message and each time ([`turn`]). Nodes learn of each other in one of three ways ([`discoverer`]). Over a
//! message bus they broadcast that they are there ([`heartbeats`]). Over TCP they gossip ([`gossip`]). With a
//! discoverer they leave records in a store ([`records`]). The effects on this node, which all three share,
//! are in [`env`](env) and in these modules:
//!
//! * [`nodes`]: the registry and local events; [`departures`]: calls that wait for nodes that have gone.
//! * [`presence`] and [`announce`]: what this node announces about itself.
//! * [`claim`]: whether its id is its own.
//! * [`packets`] and [`versions`]: PING, PONG, and which protocol versions are spoken.
//!
//! The rest of the crate knows only the mailbox, and starts the loop.

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
