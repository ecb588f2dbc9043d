//! Packets as JSON text (protocol chapter 9.1).
//!
//! Decoding takes two passes. The first one checks the syntax of the whole frame, and notes the position of
//! each known value ([`scan`], [`fields`]). The second one checks these values ([`reader`], [`decode`],
//! [`info`], [`gossip`]). If either fails, the frame is searched for the receiver of an answer ([`salvage`]).
//! Encoding appends literals and values, with the fields in the same order as Node ([`encode`]).

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

use super::{DecodeError, PacketLimits, Problem, Serializer, WriteBody};
use crate::codec::Codec;
use crate::protocol::{Incoming, Outgoing, ProtocolVersion, Raw, Services, WireError};

/// Adds to a problem what can be read of the frame: the receiver of an answer.
pub(super) fn salvaged(problem: Problem, frame: &[u8]) -> DecodeError {
    salvage::error(problem, frame)
}

/// The JSON serializer, the default of Node.
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

    fn decode(&self, kind: PacketKind, frame: Bytes, limits: &PacketLimits) -> Result<Incoming, DecodeError> {
        decode::packet(kind, &frame, limits).map_err(|problem| salvaged(problem, &frame))
    }

    fn services(&self, raw: &Raw, limits: &PacketLimits) -> Result<Services, Problem> {
        info::services(raw, limits)
    }

    fn error(&self, raw: Option<&Raw>) -> WireError {
        wire_error::read(raw)
    }

    fn write_error(&self, error: &WireError, out: &mut FrameBuf<'_>) {
        wire_error::write(error, out.buf());
    }
}
