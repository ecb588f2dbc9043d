//! Writes packets to frames, with the fields in the same order as Node (protocol chapter 2).

use bytes::BytesMut;
use ligand_transporters::{Abandon, FrameBuf, NodeId};

use super::translated;
use crate::codec::from_json;
use crate::codec::token::Format;
use crate::protocol::{
    Id, OutEvent, OutRequest, OutResponse, OutResult, Outgoing, ProtocolVersion, WireError,
};
use crate::serializer::{Json, Serializer as _, WriteBody};

/// The largest integer that a JavaScript number holds exactly.
const MAX_INTEGER: f64 = (1_u64 << 53) as f64;

/// Appends a packet.
pub(super) fn packet<F: Format>(
    format: F,
    ver: ProtocolVersion,
    sender: &NodeId,
    packet: &Outgoing<'_>,
    body: &mut WriteBody<'_>,
    frame: &mut FrameBuf<'_>,
) -> Result<(), Abandon> {
    let put = Put { format, ver, sender };
    match packet {
        Outgoing::Request(packet) => put.request(packet, body, frame),
        Outgoing::Response(packet) => put.response(packet, body, frame),
        Outgoing::Event(packet) => put.event(packet, body, frame),
        _ => {
            let (mut json, mut spliced) = (BytesMut::with_capacity(512), Vec::new());
            Json.encode(ver, sender, packet, body, &mut FrameBuf::new(&mut json, &mut spliced))?;
            from_json(&json, format, frame.buf());
            Ok(())
        }
    }
}

/// Appends an error object.
pub(super) fn error<F: Format>(format: F, error: &WireError, out: &mut BytesMut) {
    let (mut json, mut spliced) = (BytesMut::with_capacity(512), Vec::new());
    Json.write_error(error, &mut FrameBuf::new(&mut json, &mut spliced));
    from_json(&json, format, out);
}

/// Writes the fields of one packet.
struct Put<'a, F> {
    format: F,
    ver: ProtocolVersion,
    sender: &'a NodeId,
}

impl<F: Format> Put<'_, F> {
    fn request(
        &self,
        packet: &OutRequest<'_>,
        body: &mut WriteBody<'_>,
        frame: &mut FrameBuf<'_>,
    ) -> Result<(), Abandon> {
        let fields = [true; 12].into_iter().chain([
            self.has_headers(),
            packet.timeout.is_some(),
            packet.seq.is_some(),
        ]);
        let out = frame.buf();
        out.reserve(512);
        self.format.map_header(out, fields.filter(|there| *there).count());
        self.id(out, "id", packet.id);
        self.text(out, "action", packet.action);
        self.key(out, "params");
        body(frame)?;
        let out = frame.buf();
        self.json(out, "meta", packet.meta);
        self.headers(out, packet.headers, b"{}");
        if let Some(timeout) = packet.timeout {
            self.number(out, "timeout", timeout);
        }
        self.integer(out, "level", packet.level);
        self.trail(out, packet.tracing, packet.parent_id, packet.request_id, packet.caller);
        self.flag(out, "stream", packet.stream);
        if let Some(seq) = packet.seq {
            self.integer(out, "seq", seq);
        }
        self.origin(out);
        Ok(())
    }

    fn response(
        &self,
        packet: &OutResponse<'_>,
        body: &mut WriteBody<'_>,
        frame: &mut FrameBuf<'_>,
    ) -> Result<(), Abandon> {
        let outcome = match packet.outcome {
            OutResult::Data => 1,
            OutResult::NoData => 0,
            OutResult::Error(_) => 2,
        };
        let stream = if packet.stream.is_some() { 2 } else { 0 };
        let fields = [5, usize::from(self.has_headers()), outcome, stream].into_iter().sum();
        let out = frame.buf();
        out.reserve(512);
        self.format.map_header(out, fields);
        self.id(out, "id", packet.id);
        self.json(out, "meta", packet.meta);
        self.headers(out, packet.headers, b"null");
        self.flag(out, "success", Some(!matches!(packet.outcome, OutResult::Error(_))));
        let failure = match packet.outcome {
            OutResult::Data => {
                self.key(out, "data");
                body(frame)?;
                None
            }
            OutResult::NoData => None,
            OutResult::Error(failure) => {
                self.key(out, "data");
                self.format.null(out);
                Some(failure)
            }
        };
        let out = frame.buf();
        if let Some(failure) = failure {
            self.key(out, "error");
            error(self.format, failure, out);
        }
        if let Some(stream) = packet.stream {
            self.flag(out, "stream", Some(stream.goes_on));
            self.integer(out, "seq", stream.seq);
        }
        self.origin(out);
        Ok(())
    }

    fn event(
        &self,
        packet: &OutEvent<'_>,
        body: &mut WriteBody<'_>,
        frame: &mut FrameBuf<'_>,
    ) -> Result<(), Abandon> {
        let fields = [13, usize::from(self.has_headers()), usize::from(packet.groups.is_some())];
        let out = frame.buf();
        out.reserve(512);
        self.format.map_header(out, fields.into_iter().sum());
        self.id(out, "id", packet.id);
        self.text(out, "event", packet.event);
        self.key(out, "data");
        body(frame)?;
        let out = frame.buf();
        if let Some(groups) = packet.groups {
            self.key(out, "groups");
            self.format.array_header(out, groups.len());
            for group in groups {
                self.format.text(out, group);
            }
        }
        self.flag(out, "broadcast", Some(packet.broadcast));
        self.json(out, "meta", packet.meta);
        self.headers(out, packet.headers, b"{}");
        match packet.level {
            Some(level) => self.integer(out, "level", level),
            None => self.flag(out, "level", None),
        }
        self.trail(out, packet.tracing, packet.parent_id, packet.request_id, packet.caller);
        self.flag(out, "needAck", None);
        self.origin(out);
        Ok(())
    }

    /// The context of a packet: the same four fields in requests and events.
    fn trail(
        &self,
        out: &mut BytesMut,
        tracing: Option<bool>,
        parent: Option<Id<'_>>,
        request: Option<Id<'_>>,
        caller: Option<&str>,
    ) {
        self.flag(out, "tracing", tracing);
        for (key, id) in [("parentID", parent), ("requestID", request)] {
            match id {
                Some(id) => self.id(out, key, id),
                None => self.flag(out, key, None),
            }
        }
        match caller {
            Some(caller) => self.text(out, "caller", caller),
            None => self.flag(out, "caller", None),
        }
    }

    /// `ver` and `sender`, the last fields of every packet (protocol chapter 2.2).
    fn origin(&self, out: &mut BytesMut) {
        self.text(out, "ver", if self.has_headers() { "5" } else { "4" });
        self.text(out, "sender", self.sender.as_str());
    }

    /// Packets of version 4 have no headers.
    const fn has_headers(&self) -> bool {
        matches!(self.ver, ProtocolVersion::V5)
    }

    fn headers(&self, out: &mut BytesMut, headers: Option<&[u8]>, otherwise: &[u8]) {
        if self.has_headers() {
            self.json(out, "headers", headers.unwrap_or(otherwise));
        }
    }

    fn key(&self, out: &mut BytesMut, key: &str) {
        self.format.text(out, key);
    }

    fn text(&self, out: &mut BytesMut, key: &str, text: &str) {
        self.key(out, key);
        self.format.text(out, text);
    }

    fn id(&self, out: &mut BytesMut, key: &str, id: Id<'_>) {
        match id {
            Id::Ours(id) => self.text(out, key, std::str::from_utf8(&id.text()).unwrap_or_default()),
            Id::Text(id) => self.text(out, key, id),
            Id::Number(id) => self.json(out, key, id.as_bytes()),
        }
    }

    fn integer(&self, out: &mut BytesMut, key: &str, value: u32) {
        self.key(out, key);
        self.format.unsigned(out, value.into());
    }

    /// A number that is not negative. Like in Node, an integer if it is whole.
    fn number(&self, out: &mut BytesMut, key: &str, value: f64) {
        self.key(out, key);
        if value.fract() == 0.0 && (0.0..=MAX_INTEGER).contains(&value) {
            self.format.unsigned(out, value as u64)
        } else {
            self.format.float(out, value)
        }
    }

    fn flag(&self, out: &mut BytesMut, key: &str, value: Option<bool>) {
        self.key(out, key);
        match value {
            Some(value) => self.format.bool(out, value),
            None => self.format.null(out),
        }
    }

    /// A value that is JSON within the process.
    fn json(&self, out: &mut BytesMut, key: &str, json: &[u8]) {
        self.key(out, key);
        translated(json, self.format, out);
    }
}
