//! Membership over TCP: every node keeps a table of the cluster and compares it with its peers'.
//!
//! There is no server and no broadcast. Each period a node sends a [`Digest`] of its table to one random
//! peer, which answers with whatever it knows better ([`ResponseRows`]). Every statement about a node carries
//! that node's sequence number, the larger number wins, and a node that hears a wrong statement about
//! itself refutes it with a number larger still (protocol chapter 4.5).
//!
//! [`Gossip`] is that table. Inputs are packets and facts of the transporter, outputs are a [`Step`]: what
//! to send, what changed for the registry, and hints that somebody else uses our id. The GOSSIP_HELLO
//! is not among the sends: the transporter puts it on every new connection ([`Gossip::greeting`]).
//!
//! # Where this differs from Node on purpose
//!
//! The packets and their meaning are Node's; a Node peer cannot tell the difference. Our own conduct is
//! quicker and harder to fool:
//!
//! * *Pull at once.* A newly sighted peer, a peer that says HELLO while we hold it offline, and a peer whose
//!   request has news for us are asked at once, not by the next round. [`Options::ask_gap`] and
//!   two token buckets bound that, so two nodes that agree exchange nothing outside their rounds and
//!   two that cannot agree do not loop.
//! * *Push our own change* to up to [`Options::push_to`] online peers, instead of waiting to be asked.
//! * *Verify before dropping.* Node takes a node offline when any peer says so, failing every call to it.
//!   Here the claim is first put to the node itself, as a request that repeats it: a live node refutes,
//!   a dead one refuses the connection, a silent one is dropped after [`Options::suspicion`]. The
//!   same question settles a request in which a node states a smaller number than we hold for it (it
//!   restarted), and a relayed INFO that shows another instance of a node that is online here.
//! * *Higher claims about ourselves are refuted even if they say "online"*: they stem from an earlier run
//!   under this id, and Node would keep that run's services for ever.
//! * *Recently lost and configured nodes are retried each round*, [`Options::retries`] of them, beside
//!   the random one of Node's rule, so that a healed partition is whole again within a few seconds.
//! * *A peer that we cannot reach ourselves stays offline* although others relay its INFO; it is asked
//!   directly instead. Otherwise a one-way cut makes it come and go.
//! * *A sighting does not move an online node* (Node redirects it by one unsigned datagram): the new address
//!   is tried when the old one fails. Addresses of an unreachable node are tried in turn.
//! * *Offline nodes are forgotten* after [`Options::forget_after`] unless configured; Node on TCP keeps
//!   the ghosts of every id it ever met. The table has a fixed size, too. It is the only one: the registry
//!   follows its changes.
//! * *Numbers have a ceiling*: [`MAX_SEQ`] and [`MAX_CLAIM`], so that an owner always has the last word. Above
//!   the second one only an INFO from the node itself counts, and there its last word does.
//! * *An INFO under our own instance that we did not make* is outdone and told; Node ignores rows about
//!   itself.

mod digest;
mod merge;
mod options;
mod peer;
mod reach;
mod round;
mod state;
mod step;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use self::{
    digest::{Digest, Info, ResponseRows, Row, Seen},
    options::Options,
    state::Gossip,
    step::{Change, Step, What},
};
