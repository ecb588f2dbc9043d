//! Between packets and bytes.
//!
//! A [`Serializer`] is the codec of a whole cluster: nothing in a frame says which one wrote it (protocol
//! chapter 9). It writes the envelope of an [`Outgoing`] and lets the sender write the body in its midst,
//! straight into the send buffer; it reads an [`Incoming`] as views of the received frame and never opens
//! `params` or `data`.
//!
//! Within the process everything but bodies is JSON. The other serializers read and write the envelopes of
//! requests, responses and events themselves and leave their bodies alone; what is rare or small — INFO,
//! gossip, `meta`, errors — they translate from and to JSON ([`binary`], [`json_ext`]).
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
pub(crate) use limits::{Bound, Limits};

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

/// Writes the body of a packet, one complete value of the codec, at the end of the frame.
pub(crate) type WriteBody<'a> = dyn FnMut(&mut FrameBuf<'_>) -> Result<(), Abandon> + 'a;

/// A codec for whole packets.
pub(crate) trait Serializer: fmt::Debug + Send + Sync {
    /// What bodies have to be written in, and can be read with.
    fn codec(&self) -> Codec;

    /// Appends a packet to a frame. `body` is called once for requests and events and for responses with
    /// data, else not at all.
    ///
    /// # Errors
    /// [`Abandon`] when the body gave up; the transporter takes the frame back.
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
    /// [`DecodeError`], which still names the packet's id and sender where they can be found: a request
    /// that has both is to be answered, whatever else is wrong with it.
    fn decode(&self, kind: PacketKind, frame: Bytes, limits: &Limits) -> Result<Incoming, DecodeError>;

    /// Reads the services of an [`InfoPacket`](crate::protocol::InfoPacket). The result shares nothing
    /// with the receive buffer.
    ///
    /// # Errors
    /// [`Problem`] when it is no array of services or exceeds a limit.
    fn services(&self, raw: &Raw, limits: &Limits) -> Result<Services, Problem>;

    /// Reads the error object of a failed response, or of a stream that failed.
    ///
    /// Never fails: what is missing or odd becomes an error that says so (protocol chapter 13.2, Q1).
    fn error(&self, raw: Option<&Raw>) -> WireError;

    /// Appends an error object, for `$streamError` in headers or meta.
    fn write_error(&self, error: &WireError, out: &mut FrameBuf<'_>);
}
