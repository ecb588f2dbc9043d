//! Packets as data: what nodes tell each other, without I/O and without a codec.
//!
//! What arrives is an [`Incoming`]: a packet whose texts and values are views of the received frame.
//! What leaves is an [`Outgoing`], which borrows everything it is made of. A
//! [`Serializer`](crate::serializer::Serializer) turns one into bytes and bytes into the other; only these
//! two modules know names of fields (protocol chapter 2).
//!
//! Numbers, limits and quirks of peers are judged while decoding, so a value of these types is within
//! [`Limits`](crate::serializer::Limits) and needs no second look.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

mod beat;
mod gossip;
mod id;
mod incoming;
mod info;
mod outgoing;
mod raw;
mod version;
mod wire_error;

pub(crate) use beat::beat_record;
pub(crate) use gossip::{
    Cpu, Digest, GossipResponse, Offline, Online, OnlineRow, OutGossipResponse, OutGossipRow,
};
pub(crate) use id::{ForeignId, PacketId};
pub(crate) use incoming::{
    ContextFields, Event, GossipHello, Heartbeat, Incoming, Packet, Ping, Pong, Request, Response,
};
pub use info::Visibility;
pub(crate) use info::{
    ActionInfo, Client, EventInfo, InfoPacket, MAX_CLAIM, MAX_SEQ, ServiceInfo, ServiceVersion, Services,
};
#[cfg(test)]
pub(crate) use outgoing::OutStream;
pub(crate) use outgoing::{Id, OutEvent, OutRequest, OutResponse, Outcome, Outgoing};
pub(crate) use raw::{Part, Raw, Span, TextSpan};
pub(crate) use version::{ProtocolVersion, Ver};
pub(crate) use wire_error::{Code, WireError};
