//! Converts packets to bytes, and bytes to packets.
//!
//! All nodes of a cluster use the same [`Serializer`]: a frame does not say which one has written it
//! (protocol chapter 9). It writes the envelope of an [`Outgoing`], and lets the sender write the body within
//! it, directly into the send buffer. It reads an [`Incoming`] as views of the received frame, and never
//! opens `params` or `data`.
//!
//! Within the process, everything except bodies is JSON. The other serializers read and write the envelopes
//! of requests, responses and events themselves, and do not touch their bodies. They convert everything that
//! is rare or small (INFO, gossip, `meta`, errors) from and to JSON ([`binary`], [`json_ext`]).
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

mod binary;
mod error;
mod json;
mod json_ext;
mod limits;
mod timeout;

use bytes::Bytes;
use ligand_transporters::{Abandon, FrameBuf, NodeId, PacketKind};
use std::fmt;
use std::sync::Arc;

use crate::codec::{Cbor, Codec, MsgPack};
use crate::protocol::{Incoming, Outgoing, ProtocolVersion, Raw, Services, WireError};

use binary::Binary;
pub(crate) use error::{DecodeError, Problem};
pub(crate) use json::Json;
use json_ext::JsonExtended;
pub(crate) use limits::{Bound, PacketLimits};

/// The serializer of a codec.
pub(crate) fn serializer(codec: Codec) -> Arc<dyn Serializer> {
    match codec {
        Codec::Json => Arc::new(Json),
        Codec::JsonExt => Arc::new(JsonExtended),
        Codec::MsgPack => Arc::new(Binary::new(codec, MsgPack::Msgpack5)),
        Codec::Notepack => Arc::new(Binary::new(codec, MsgPack::Notepack)),
        Codec::Cbor => Arc::new(Binary::new(codec, Cbor)),
    }
}

/// Writes the body of a packet at the end of the frame. It is one complete value of the codec.
pub(crate) type WriteBody<'a> = dyn FnMut(&mut FrameBuf<'_>) -> Result<(), Abandon> + 'a;

/// A codec for whole packets.
pub(crate) trait Serializer: fmt::Debug + Send + Sync {
    /// The codec of bodies.
    fn codec(&self) -> Codec;

    /// Appends a packet to a frame. `body` is called once for requests, events and responses with data, and
    /// otherwise not at all.
    ///
    /// # Errors
    /// [`Abandon`] if the body gave up. The transporter removes the frame.
    fn encode(
        &self,
        ver: ProtocolVersion,
        sender: &NodeId,
        packet: &Outgoing<'_>,
        body: &mut WriteBody<'_>,
        out: &mut FrameBuf<'_>,
    ) -> Result<(), Abandon>;

    /// Reads a packet.
    ///
    /// # Errors
    /// [`DecodeError`]. If the id and the sender of the packet can be found, the error contains them: a
    /// request with both is answered, whatever else is wrong.
    fn decode(&self, kind: PacketKind, frame: Bytes, limits: &PacketLimits) -> Result<Incoming, DecodeError>;

    /// Reads the services of an [`InfoPacket`](crate::protocol::InfoPacket). The result shares no memory with
    /// the receive buffer.
    ///
    /// # Errors
    /// [`Problem`] if it is not an array of services, or exceeds a limit.
    fn services(&self, raw: &Raw, limits: &PacketLimits) -> Result<Services, Problem>;

    /// Reads the error object of a failed response, or of a stream that failed.
    ///
    /// It never fails. If something is missing or wrong, the result is an error that says so (protocol
    /// chapter 13.2, Q1).
    fn error(&self, raw: Option<&Raw>) -> WireError;

    /// Appends an error object, for `$streamError` in headers or meta.
    fn write_error(&self, error: &WireError, out: &mut FrameBuf<'_>);
}
