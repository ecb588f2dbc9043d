//! Packets in a binary format: MsgPack, Notepack and CBOR (protocol chapters 9.3 to 9.5).
//!
//! The packets of calls and events are read as [`fields`] of the frame, and checked ([`decode`]) like in the
//! JSON serializer. All other packets are first converted to JSON, through the parts of the codec, and then
//! read by the JSON serializer. So there is only one check for INFO and one for gossip. Writing works in the
//! same way ([`encode`]).

mod decode;
mod encode;
mod fields;
#[cfg(test)]
mod oddities;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use ligand_transporters::{Abandon, FrameBuf, NodeId, PacketKind};

use super::{Codec, DecodeError, Json, PacketLimits, Problem, Serializer, WriteBody};
use crate::codec::token::Format;
use crate::codec::{from_json, to_json};
use crate::protocol::{Incoming, Outgoing, ProtocolVersion, Raw, Services, WireError};
use fields::salvage;

/// How much larger than a frame its JSON may be, and the size that is always allowed.
const JSON_FACTOR: usize = 2;
const JSON_LEAST: usize = 16 * 1024;

/// The largest size of the JSON for these bytes.
fn json_length(bytes: &[u8]) -> usize {
    bytes.len().saturating_mul(JSON_FACTOR).saturating_add(JSON_LEAST)
}

/// A serializer for one binary format.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Binary<F> {
    codec: Codec,
    format: F,
}

impl<F: Format> Binary<F> {
    pub(crate) const fn new(codec: Codec, format: F) -> Self {
        Self { codec, format }
    }

    /// A packet as JSON.
    fn json(&self, frame: &[u8], limits: &PacketLimits) -> Result<Bytes, Problem> {
        let limit = json_length(frame);
        let json = to_json(frame, self.format, limits.max_depth(), limit);
        json.map(Bytes::from).map_err(|_| fields::fault(self.codec, self.format, frame, limits, limit))
    }
}

impl<F: Format + std::fmt::Debug + Send + Sync> Serializer for Binary<F> {
    fn codec(&self) -> Codec {
        self.codec
    }

    fn encode(
        &self,
        ver: ProtocolVersion,
        sender: &NodeId,
        packet: &Outgoing<'_>,
        body: &mut WriteBody<'_>,
        out: &mut FrameBuf<'_>,
    ) -> Result<(), Abandon> {
        encode::packet(self.format, ver, sender, packet, body, out)
    }

    fn decode(&self, kind: PacketKind, frame: Bytes, limits: &PacketLimits) -> Result<Incoming, DecodeError> {
        let read = match kind {
            PacketKind::Request | PacketKind::Response | PacketKind::Event => {
                decode::packet(self.codec, self.format, kind, &frame, limits)
            }
            _ if frame.is_empty() => Err(Problem::Empty),
            _ => match self.json(&frame, limits) {
                Ok(json) => return Json.decode(kind, json, limits),
                Err(problem) => Err(problem),
            },
        };
        read.map_err(|problem| salvage(self.format, problem, &frame))
    }

    fn services(&self, raw: &Raw, limits: &PacketLimits) -> Result<Services, Problem> {
        Json.services(raw, limits)
    }

    fn error(&self, raw: Option<&Raw>) -> WireError {
        Json.error(raw)
    }

    fn write_error(&self, error: &WireError, out: &mut FrameBuf<'_>) {
        encode::error(self.format, error, out.buf());
    }
}

/// Converts JSON to the format.
fn translated<F: Format>(json: &[u8], format: F, out: &mut bytes::BytesMut) {
    match json {
        b"{}" => format.map_header(out, 0),
        b"null" => format.null(out),
        _ => from_json(json, format, out),
    }
}
