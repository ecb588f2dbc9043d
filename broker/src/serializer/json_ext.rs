//! Packets in JSONExt (protocol chapter 9.2): like JSON, but some strings have a special meaning.
//!
//! The JSON serializer reads and writes the envelope. Everything outside of bodies that may contain such a
//! string is converted to plain JSON when it is received, and back when it is sent. Usually there is none.
//! Ids and names in envelopes are taken literally: there, a string that begins with `[[` has no special
//! meaning.

use bytes::{Bytes, BytesMut};
use ligand_transporters::{Abandon, FrameBuf, NodeId, PacketKind};
use std::borrow::Cow;

use super::json::salvaged;
use super::{Codec, DecodeError, Json, PacketLimits, Problem, Serializer, WriteBody};
use crate::codec::{JsonExt, from_json, has_special, to_json};
use crate::protocol::{
    Incoming, OutEvent, OutRequest, OutResponse, OutResult, Outgoing, Packet, Part, ProtocolVersion, Raw,
    Services, WireError,
};

/// The JSONExt serializer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct JsonExtended;

impl Serializer for JsonExtended {
    fn codec(&self) -> Codec {
        Codec::JsonExt
    }

    fn encode(
        &self,
        ver: ProtocolVersion,
        sender: &NodeId,
        packet: &Outgoing<'_>,
        body: &mut WriteBody<'_>,
        out: &mut FrameBuf<'_>,
    ) -> Result<(), Abandon> {
        match packet {
            Outgoing::Request(packet) => {
                let (meta, headers) = (escaped(packet.meta), packet.headers.map(escaped));
                let packet = OutRequest { meta: &meta, headers: headers.as_deref(), ..*packet };
                Json.encode(ver, sender, &Outgoing::Request(packet), body, out)
            }
            Outgoing::Event(packet) => {
                let (meta, headers) = (escaped(packet.meta), packet.headers.map(escaped));
                let packet = OutEvent { meta: &meta, headers: headers.as_deref(), ..*packet };
                Json.encode(ver, sender, &Outgoing::Event(packet), body, out)
            }
            Outgoing::Response(packet) => {
                let (meta, headers) = (escaped(packet.meta), packet.headers.map(escaped));
                let error;
                let outcome = match packet.outcome {
                    OutResult::Error(plain) => {
                        error = escaped_error(plain);
                        OutResult::Error(&error)
                    }
                    other => other,
                };
                let packet = OutResponse { meta: &meta, headers: headers.as_deref(), outcome, ..*packet };
                Json.encode(ver, sender, &Outgoing::Response(packet), body, out)
            }
            _ => {
                let (mut json, mut spliced) = (BytesMut::with_capacity(512), Vec::new());
                Json.encode(ver, sender, packet, body, &mut FrameBuf::new(&mut json, &mut spliced))?;
                out.buf().extend_from_slice(&escaped(&json));
                Ok(())
            }
        }
    }

    fn decode(&self, kind: PacketKind, frame: Bytes, limits: &PacketLimits) -> Result<Incoming, DecodeError> {
        if !has_special(&frame) {
            return Json.decode(kind, frame, limits);
        }
        let refused = |problem| salvaged(problem, &frame);
        if !matches!(kind, PacketKind::Request | PacketKind::Response | PacketKind::Event) {
            // First read as JSON, for the limits and for the error messages.
            Json.decode(kind, frame.clone(), limits)?;
            let plain = self::plain(&frame, limits.max_depth()).map_err(refused)?;
            return Json.decode(kind, plain, limits);
        }
        let mut incoming = Json.decode(kind, frame.clone(), limits)?;
        // Each part is one level within the packet, and the meaning of a string may be nested, too.
        let depth = limits.max_depth().saturating_sub(1);
        let mut parts = Vec::new();
        match &mut incoming.packet {
            Packet::Request(packet) => {
                let context = &mut packet.context;
                parts.extend([(&context.frame, &mut context.meta), (&context.frame, &mut context.headers)]);
            }
            Packet::Event(packet) => {
                let context = &mut packet.context;
                parts.extend([(&context.frame, &mut context.meta), (&context.frame, &mut context.headers)]);
            }
            Packet::Response(packet) => {
                let packet = &mut **packet;
                let frame = &packet.frame;
                parts.extend([
                    (frame, &mut packet.meta),
                    (frame, &mut packet.headers),
                    (frame, &mut packet.error),
                ]);
            }
            _ => {}
        }
        for (frame, part) in parts {
            if let Some(raw) = part.raw(frame).filter(|raw| has_special(raw.bytes())) {
                *part = Part::from(Raw::new(plain(raw.bytes(), depth).map_err(refused)?));
            }
        }
        Ok(incoming)
    }

    fn services(&self, raw: &Raw, limits: &PacketLimits) -> Result<Services, Problem> {
        Json.services(raw, limits)
    }

    fn error(&self, raw: Option<&Raw>) -> WireError {
        Json.error(raw)
    }

    fn write_error(&self, error: &WireError, out: &mut FrameBuf<'_>) {
        Json.write_error(&escaped_error(error), out);
    }
}

/// Converts special strings to plain JSON: a date becomes its ISO string, and so on.
fn plain(json: &[u8], depth: usize) -> Result<Bytes, Problem> {
    // Four characters of base64 become three numbers with up to four characters each.
    let limit = json.len().saturating_mul(4);
    let plain = to_json(json, JsonExt, depth, limit);
    plain.map(Bytes::from).map_err(|_| Problem::Malformed {
        codec: Codec::JsonExt.as_str(),
        at: 0,
        what: "a text whose prefix promises something else",
    })
}

/// Converts plain JSON, in which strings have no special meaning, to JSONExt.
fn escaped(json: &[u8]) -> Cow<'_, [u8]> {
    if !has_special(json) {
        return Cow::Borrowed(json);
    }
    let mut out = BytesMut::with_capacity(json.len().saturating_add(64));
    from_json(json, JsonExt, &mut out);
    Cow::Owned(out.into())
}

fn escaped_error(error: &WireError) -> WireError {
    let text = |text: &String| if text.starts_with("[[") { format!("[[ES]]{text}") } else { text.clone() };
    let raw = |raw: &Raw| match escaped(raw.bytes()) {
        Cow::Borrowed(_) => raw.clone(),
        Cow::Owned(json) => Raw::new(json.into()),
    };
    WireError {
        name: text(&error.name),
        message: text(&error.message),
        node_id: error.node_id.clone(),
        code: error.code.clone(),
        kind: error.kind.as_ref().map(text),
        retryable: error.retryable,
        stack: error.stack.as_ref().map(text),
        data: error.data.as_ref().map(raw),
        extra: error.extra.iter().map(|(key, value)| (key.clone(), raw(value))).collect(),
    }
}
