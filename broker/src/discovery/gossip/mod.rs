//! Membership over TCP. Every node keeps a table of the cluster and compares it with the tables of its peers.
//!
//! There is no server and no broadcast. In each period, a node sends a [`Digest`] of its table to one random
//! peer. The peer answers with whatever it knows better ([`ResponseRows`]). Every statement about a node carries
//! that node's sequence number, and the larger number wins. A node that hears a wrong statement about itself
//! refutes it with an even larger number (protocol chapter 4.5).
//!
//! [`Gossip`] is that table. Its inputs are packets and facts from the transporter. Its output is a [`Step`]:
//! what to send, what changed for the registry, and hints that another node uses our id. The GOSSIP_HELLO is
//! not part of what a step sends: the transporter sends it first on every new connection
//! ([`Gossip::greeting`]).
//!
//! # Where this differs from Node on purpose
//!
//! The packets and their meaning are Node's, and a Node peer cannot tell the difference. Our own behaviour is
//! quicker and harder to fool:
//!
//! * *Pull at once.* Some peers are asked at once, not in the next round: a newly sighted peer, a peer that
//!   says HELLO while we hold it offline, and a peer whose request has news for us. [`Options::ask_gap`] and
//!   two token buckets limit that. So two nodes that agree exchange nothing outside their rounds, and two
//!   that cannot agree do not loop.
//! * *Push our own change* to up to [`Options::push_to`] online peers, instead of waiting to be asked.
//! * *Verify before dropping.* Node takes a node offline when any peer says so, and every call to it fails.
//!   Here the node itself is asked first, with a request that repeats the claim. A live node refutes it. A
//!   dead one refuses the connection. A silent one is dropped after [`Options::suspicion`]. The same question
//!   is asked in two other cases: a request states a smaller number about its sender than we hold (the sender
//!   restarted), or a relayed INFO shows another instance of a node that is online here.
//! * *Higher claims about ourselves are refuted even if they say "online".* They come from an earlier run
//!   under this id, and Node would keep the services of that run for ever.
//! * *Recently lost and configured nodes are retried each round*, [`Options::retries`] of them, in addition
//!   to the random one of Node's rule. So a healed partition is whole again within a few seconds.
//! * *A peer that we cannot reach ourselves stays offline*, although others relay its INFO. It is asked
//!   directly instead. Otherwise, a one-way cut would make it come and go.
//! * *A sighting does not move an online node.* Node redirects a node on one unsigned datagram. Here the new
//!   address is tried when the old one fails. The addresses of an unreachable node are tried in turn.
//! * *Offline nodes are forgotten* after [`Options::forget_after`], unless they are configured. Node on TCP
//!   keeps every id it ever met. The table also has a fixed size. It is the only one: the registry follows
//!   its changes.
//! * *Numbers have a ceiling*, [`MAX_SEQ`] and [`MAX_CLAIM`], so that an owner always has the last word.
//!   Above the second one, only an INFO from the node itself counts. There, its last word counts.
//! * *An INFO under our own instance that we did not make* is outdone and reported. Node ignores rows about
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
