//! How nodes learn of each other, which of them are alive, and who uses whose name.
//!
//! Everything here decides, and nothing acts. The structs are plain data. They take `now` and the content of
//! packets, and return what to send and what changed. Sockets, clocks, randomness and tasks belong to
//! [`membership`](crate::membership), which carries the decisions out.
//!
//! * [`gossip`]: membership over TCP, where nodes tell each other what they know.
//! * [`liveness`]: membership over a message bus, where nodes send heartbeats. It works with [`farewell`],
//!   [`succession`] (whether a node is now another process), [`held`] (INFO that arrived too fast) and
//!   [`versions`].
//! * [`beats`] and [`record_names`]: membership by records in a store, over any transporter.
//! * [`conflict`]: what to do when another node seems to use our node id. [`defence`]: when somebody speaks
//!   in our name.
//! * [`limit`] and [`vanished`]: how often something is done or logged.

#[cfg_attr(not(feature = "discovery-redis"), allow(dead_code, reason = "there is no store without it"))]
pub(crate) mod beats;
pub(crate) mod conflict;
pub(crate) mod defence;
pub(crate) mod farewell;
pub(crate) mod gossip;
pub(crate) mod held;
pub(crate) mod limit;
pub(crate) mod liveness;
#[cfg_attr(not(feature = "discovery-redis"), allow(dead_code, reason = "there is no store without it"))]
pub(crate) mod record_names;
pub(crate) mod succession;
pub(crate) mod vanished;
pub(crate) mod versions;

pub(crate) use limit::{Bucket, LinePerSender};
