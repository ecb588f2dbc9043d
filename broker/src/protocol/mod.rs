//! Packets as data: what nodes send to each other, without I/O and without a codec.
//!
//! A received packet is an [`Incoming`]. Its texts and values are views of the received frame. A packet to
//! send is an [`Outgoing`], which borrows everything. A [`Serializer`](crate::serializer::Serializer)
//! converts both from and to bytes. Only these two modules know the names of fields (protocol chapter 2).
//!
//! The decoder checks numbers, limits and peculiarities of peers. So a value of these types is within
//! [`PacketLimits`](crate::serializer::PacketLimits), and needs no further check.
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
pub(crate) use outgoing::{Id, OutEvent, OutRequest, OutResponse, OutResult, Outgoing};
pub(crate) use raw::{Part, Raw, Span, TextSpan};
pub(crate) use version::{ProtocolVersion, Ver};
pub(crate) use wire_error::{Code, WireError};
