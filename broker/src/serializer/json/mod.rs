//! Packets as JSON text (protocol chapter 9.1).
//!
//! Decoding is two passes. The first checks the syntax of the whole frame and notes where the value of
//! each known key lies ([`scan`], [`fields`]). The second judges those values ([`reader`], [`decode`],
//! [`info`], [`gossip`]). A frame that fails either is searched for whom to answer ([`salvage`]).
//! Encoding appends literals and values in Node's order of fields ([`encode`]).

mod decode;
mod encode;
mod fields;
#[cfg(test)]
mod golden;
mod gossip;
mod info;
#[cfg(test)]
mod limits_test;
mod number;
#[cfg(test)]
mod oddities;
#[cfg(test)]
mod properties;
mod reader;
mod salvage;
mod scan;
mod text;
#[cfg(test)]
mod tolerance;
mod walk;
mod wire_error;

#[cfg(test)]
pub(super) use golden::{decoded, echoed, single_packets};
pub(super) use number::print_number;

use bytes::Bytes;
use ligand_transporters::{Abandon, FrameBuf, NodeId, PacketKind};

use super::{DecodeError, Limits, Problem, Serializer, WriteBody};
use crate::codec::Codec;
use crate::protocol::{Incoming, Outgoing, ProtocolVersion, Raw, Services, WireError};

/// Adds to a problem what can be read of the frame: whom to answer.
pub(super) fn salvaged(problem: Problem, frame: &[u8]) -> DecodeError {
    salvage::error(problem, frame)
}

/// The JSON serializer, Node's default.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Json;

impl Serializer for Json {
    fn codec(&self) -> Codec {
        Codec::Json
    }

    fn encode(
        &self,
        ver: ProtocolVersion,
        sender: &NodeId,
        packet: &Outgoing<'_>,
        body: &mut WriteBody<'_>,
        out: &mut FrameBuf<'_>,
    ) -> Result<(), Abandon> {
        encode::packet(ver, sender, packet, body, out)
    }

    fn decode(&self, kind: PacketKind, frame: Bytes, limits: &Limits) -> Result<Incoming, DecodeError> {
        decode::packet(kind, &frame, limits).map_err(|problem| salvaged(problem, &frame))
    }

    fn services(&self, raw: &Raw, limits: &Limits) -> Result<Services, Problem> {
        info::services(raw, limits)
    }

    fn error(&self, raw: Option<&Raw>) -> WireError {
        wire_error::read(raw)
    }

    fn write_error(&self, error: &WireError, out: &mut FrameBuf<'_>) {
        wire_error::write(error, out.buf());
    }
}
