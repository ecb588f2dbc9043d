//! Writes packets to frames, with the fields in the same order as Node (protocol chapter 2).

use bytes::BytesMut;
use ligand_transporters::{Abandon, FrameBuf, NodeId};

use super::number::{put_integer, put_number};
use super::text::put_text;
use super::wire_error;
use crate::protocol::{
    Cpu, Digest, Id, Offline, OutEvent, OutGossipResponse, OutGossipRow, OutRequest, OutResponse, OutResult,
    Outgoing, ProtocolVersion,
};
use crate::serializer::WriteBody;

/// Appends a packet.
pub(super) fn packet(
    ver: ProtocolVersion,
    sender: &NodeId,
    packet: &Outgoing<'_>,
    body: &mut WriteBody<'_>,
    frame: &mut FrameBuf<'_>,
) -> Result<(), Abandon> {
    match packet {
        Outgoing::Request(packet) => return request(ver, sender, packet, body, frame),
        Outgoing::Response(packet) => return response(ver, sender, packet, body, frame),
        Outgoing::Event(packet) => return event(ver, sender, packet, body, frame),
        _ => {}
    }
    let out = frame.buf();
    let start = out.len();
    out.extend_from_slice(b"{");
    match packet {
        Outgoing::Request(_) | Outgoing::Response(_) | Outgoing::Event(_) => {}
        Outgoing::Discover | Outgoing::Disconnect => {}
        Outgoing::Info(info) => {
            let members = info.trim_ascii().strip_prefix(b"{").and_then(|rest| rest.strip_suffix(b"}"));
            put(out, members.unwrap_or_default());
        }
        Outgoing::Heartbeat { cpu } => {
            put(out, b"\"cpu\":");
            put_optional_number(out, *cpu);
        }
        Outgoing::Ping { time, id } => {
            put(out, b"\"time\":");
            put_number(out, *time);
            put(out, b",\"id\":");
            put_id(out, id);
        }
        Outgoing::Pong { time, id, arrived } => {
            put(out, b"\"time\":");
            put_optional_number(out, *time);
            if let Some(id) = id {
                put(out, b",\"id\":");
                put_id(out, id);
            }
            put(out, b",\"arrived\":");
            put_number(out, *arrived);
        }
        Outgoing::GossipHello { host, port } => {
            put(out, b"\"host\":");
            put_text(out, host);
            put(out, b",\"port\":");
            put_integer(out, (*port).into());
        }
        Outgoing::GossipRequest(digest) => gossip_request(out, digest),
        Outgoing::GossipResponse(answer) => gossip_response(out, answer),
    }
    if out.len() > start.saturating_add(1) {
        put(out, b",");
    }
    put_origin(out, ver, sender);
    put(out, b"}");
    Ok(())
}

fn request(
    ver: ProtocolVersion,
    sender: &NodeId,
    packet: &OutRequest<'_>,
    body: &mut WriteBody<'_>,
    frame: &mut FrameBuf<'_>,
) -> Result<(), Abandon> {
    let out = frame.buf();
    out.reserve(512);
    put(out, b"{\"id\":");
    put_id(out, &packet.id);
    put(out, b",\"action\":");
    put_text(out, packet.action);
    put(out, b",\"params\":");
    body(frame)?;
    let out = frame.buf();
    put(out, b",\"meta\":");
    put(out, packet.meta);
    put_headers(out, ver, packet.headers, b"{}");
    if let Some(timeout) = packet.timeout {
        put(out, b",\"timeout\":");
        put_number(out, timeout);
    }
    put(out, b",\"level\":");
    put_integer(out, packet.level.into());
    put_trail(out, packet.tracing, packet.parent_id, packet.request_id, packet.caller);
    put(out, b",\"stream\":");
    put_flag(out, packet.stream);
    if let Some(seq) = packet.seq {
        put(out, b",\"seq\":");
        put_integer(out, seq.into());
    }
    put(out, b",");
    put_origin(out, ver, sender);
    put(out, b"}");
    Ok(())
}

fn response(
    ver: ProtocolVersion,
    sender: &NodeId,
    packet: &OutResponse<'_>,
    body: &mut WriteBody<'_>,
    frame: &mut FrameBuf<'_>,
) -> Result<(), Abandon> {
    let out = frame.buf();
    out.reserve(512);
    put(out, b"{\"id\":");
    put_id(out, &packet.id);
    put(out, b",\"meta\":");
    put(out, packet.meta);
    put_headers(out, ver, packet.headers, b"null");
    let error = match packet.outcome {
        OutResult::Data => {
            put(out, b",\"success\":true,\"data\":");
            body(frame)?;
            None
        }
        OutResult::NoData => {
            put(out, b",\"success\":true");
            None
        }
        OutResult::Error(error) => {
            put(out, b",\"success\":false,\"data\":null");
            Some(error)
        }
    };
    let out = frame.buf();
    if let Some(stream) = packet.stream {
        put(out, if stream.goes_on { b",\"stream\":true,\"seq\":" } else { b",\"stream\":false,\"seq\":" });
        put_integer(out, stream.seq.into());
    } else if let Some(error) = error {
        put(out, b",\"error\":");
        wire_error::write(error, out);
    }
    put(out, b",");
    put_origin(out, ver, sender);
    // Node adds the error that ends a stream after all other fields.
    if let (Some(error), Some(_)) = (error, packet.stream) {
        put(out, b",\"error\":");
        wire_error::write(error, out);
    }
    put(out, b"}");
    Ok(())
}

fn event(
    ver: ProtocolVersion,
    sender: &NodeId,
    packet: &OutEvent<'_>,
    body: &mut WriteBody<'_>,
    frame: &mut FrameBuf<'_>,
) -> Result<(), Abandon> {
    let out = frame.buf();
    out.reserve(512);
    put(out, b"{\"id\":");
    put_id(out, &packet.id);
    put(out, b",\"event\":");
    put_text(out, packet.event);
    put(out, b",\"data\":");
    body(frame)?;
    let out = frame.buf();
    if let Some(groups) = packet.groups {
        put(out, b",\"groups\":[");
        for (at, group) in groups.iter().enumerate() {
            if at > 0 {
                put(out, b",");
            }
            put_text(out, group);
        }
        put(out, b"]");
    }
    put(out, if packet.broadcast { b",\"broadcast\":true" } else { b",\"broadcast\":false" });
    put(out, b",\"meta\":");
    put(out, packet.meta);
    put_headers(out, ver, packet.headers, b"{}");
    put(out, b",\"level\":");
    match packet.level {
        Some(level) => put_integer(out, level.into()),
        None => put(out, b"null"),
    }
    put_trail(out, packet.tracing, packet.parent_id, packet.request_id, packet.caller);
    put(out, b",\"needAck\":null,");
    put_origin(out, ver, sender);
    put(out, b"}");
    Ok(())
}

/// The context of a packet: the same four fields in requests and events.
fn put_trail(
    out: &mut BytesMut,
    tracing: Option<bool>,
    parent_id: Option<Id<'_>>,
    request_id: Option<Id<'_>>,
    caller: Option<&str>,
) {
    put(out, b",\"tracing\":");
    put_flag(out, tracing);
    put(out, b",\"parentID\":");
    put_optional_id(out, parent_id);
    put(out, b",\"requestID\":");
    put_optional_id(out, request_id);
    match caller {
        None => put(out, b",\"caller\":null"),
        Some(caller) => {
            put(out, b",\"caller\":");
            put_text(out, caller);
        }
    }
}

fn gossip_request(out: &mut BytesMut, digest: &Digest) {
    if !digest.online.is_empty() {
        put(out, b"\"online\":{");
        for (at, row) in digest.online.iter().enumerate() {
            put_node(out, at, &row.node);
            put(out, b"[");
            put_integer(out, row.seq);
            put(out, b",");
            put_cpu(out, row.cpu);
            put(out, b"]");
        }
        put(out, b"}");
    }
    put_offline(out, !digest.online.is_empty(), &digest.offline);
}

fn gossip_response(out: &mut BytesMut, answer: &OutGossipResponse) {
    if !answer.online.is_empty() {
        put(out, b"\"online\":{");
        for (at, (node, row)) in answer.online.iter().enumerate() {
            put_node(out, at, node);
            put(out, b"[");
            let cpu = match row {
                OutGossipRow::Info(info, cpu) => {
                    put(out, info);
                    put(out, b",");
                    cpu
                }
                OutGossipRow::Cpu(cpu) => cpu,
            };
            put_cpu(out, *cpu);
            put(out, b"]");
        }
        put(out, b"}");
    }
    put_offline(out, !answer.online.is_empty(), &answer.offline);
}

fn put_offline(out: &mut BytesMut, follows: bool, offline: &[Offline]) {
    if offline.is_empty() {
        return;
    }
    put(out, if follows { b",\"offline\":{" } else { b"\"offline\":{" });
    for (at, row) in offline.iter().enumerate() {
        put_node(out, at, &row.node);
        put_integer(out, row.seq);
    }
    put(out, b"}");
}

fn put_node(out: &mut BytesMut, at: usize, node: &NodeId) {
    if at > 0 {
        put(out, b",");
    }
    put_text(out, node.as_str());
    put(out, b":");
}

fn put_cpu(out: &mut BytesMut, cpu: Cpu) {
    put_integer(out, cpu.seq);
    put(out, b",");
    put_number(out, cpu.load);
}

/// `ver` and `sender`, the last fields of every packet (protocol chapter 2.2).
fn put_origin(out: &mut BytesMut, ver: ProtocolVersion, sender: &NodeId) {
    put(
        out,
        match ver {
            ProtocolVersion::V4 => b"\"ver\":\"4\",\"sender\":",
            ProtocolVersion::V5 => b"\"ver\":\"5\",\"sender\":",
        },
    );
    put_text(out, sender.as_str());
}

fn put_headers(out: &mut BytesMut, ver: ProtocolVersion, headers: Option<&[u8]>, none: &[u8]) {
    if ver != ProtocolVersion::V4 {
        put(out, b",\"headers\":");
        put(out, headers.unwrap_or(none));
    }
}

fn put_flag(out: &mut BytesMut, flag: Option<bool>) {
    put(
        out,
        match flag {
            None => b"null",
            Some(true) => b"true",
            Some(false) => b"false",
        },
    );
}

fn put_optional_number(out: &mut BytesMut, number: Option<f64>) {
    match number {
        Some(number) => put_number(out, number),
        None => put(out, b"null"),
    }
}

fn put_optional_id(out: &mut BytesMut, id: Option<Id<'_>>) {
    match id {
        Some(id) => put_id(out, &id),
        None => put(out, b"null"),
    }
}

#[inline]
fn put_id(out: &mut BytesMut, id: &Id<'_>) {
    match id {
        Id::Ours(id) => {
            put(out, b"\"");
            put(out, &id.text());
            put(out, b"\"");
        }
        Id::Text(id) => put_text(out, id),
        Id::Number(id) => put(out, id.as_bytes()),
    }
}

#[inline]
fn put(out: &mut BytesMut, bytes: &[u8]) {
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{OutStream, PacketId, WireError};
    use crate::serializer::json::golden::encoded;
    use bytes::Bytes;

    const V4: ProtocolVersion = ProtocolVersion::V4;
    const V5: ProtocolVersion = ProtocolVersion::V5;

    fn text(ver: ProtocolVersion, packet: &Outgoing<'_>) -> String {
        String::from_utf8(encoded(ver, "n", packet, Some(b"1"))).unwrap()
    }

    const REQUEST: OutRequest<'_> = OutRequest {
        id: Id::Ours(PacketId(1)),
        action: "a\"b",
        meta: b"{}",
        headers: None,
        timeout: None,
        level: 1,
        tracing: Some(true),
        parent_id: None,
        request_id: None,
        caller: Some("c"),
        stream: None,
        seq: Some(0),
    };

    #[test]
    fn a_request_has_the_fields_of_its_version() {
        assert_eq!(
            text(V5, &Outgoing::Request(REQUEST)),
            r#"{"id":"00000000-0000-0000-0000-000000000001","action":"a\"b","params":1,"meta":{},"headers":{},"level":1,"tracing":true,"parentID":null,"requestID":null,"caller":"c","stream":null,"seq":0,"ver":"5","sender":"n"}"#
        );
        let old = text(V4, &Outgoing::Request(OutRequest { headers: Some(b"{\"a\":1}"), ..REQUEST }));
        assert!(!old.contains("headers") && old.ends_with(r#""ver":"4","sender":"n"}"#), "{old}");
    }

    #[test]
    fn a_failure_before_there_was_a_context_has_null_headers() {
        let error = WireError::new("E", "m");
        let response = OutResponse {
            id: Id::Text("1"),
            meta: b"{}",
            headers: None,
            outcome: OutResult::Error(&error),
            stream: None,
        };
        let failed = r#"{"id":"1","meta":{},"headers":null,"success":false,"data":null,"error":{"name":"E","message":"m"},"ver":"5","sender":"n"}"#;
        assert_eq!(text(V5, &Outgoing::Response(response)), failed);
        let stream = Some(OutStream { goes_on: false, seq: 2 });
        let ended = r#"{"id":"1","meta":{},"success":false,"data":null,"stream":false,"seq":2,"ver":"4","sender":"n","error":{"name":"E","message":"m"}}"#;
        assert_eq!(text(V4, &Outgoing::Response(OutResponse { stream, ..response })), ended);
    }

    #[test]
    fn parts_that_are_empty_are_left_out() {
        let none = r#"{"ver":"5","sender":"n"}"#;
        assert_eq!(text(V5, &Outgoing::GossipRequest(&Digest::default())), none);
        assert_eq!(text(V5, &Outgoing::GossipResponse(&OutGossipResponse::default())), none);
        assert_eq!(text(V5, &Outgoing::Info(b"{}")), none);
        let pong = Outgoing::Pong { time: Some(1.0), id: None, arrived: 2.0 };
        assert_eq!(text(V5, &pong), r#"{"time":1,"arrived":2,"ver":"5","sender":"n"}"#);
        assert_eq!(text(V5, &Outgoing::Heartbeat { cpu: None }), r#"{"cpu":null,"ver":"5","sender":"n"}"#);
    }

    #[test]
    fn a_large_body_is_spliced_between_the_halves_of_the_envelope() {
        let body = Bytes::from(vec![b'1'; FrameBuf::SPLICE_FROM]);
        let sender = NodeId::new("n").unwrap();
        let whole = ligand_transporters::collect(
            &mut |frame| {
                packet(
                    V5,
                    &sender,
                    &Outgoing::Request(REQUEST),
                    &mut |frame| {
                        frame.splice(&body);
                        Ok(())
                    },
                    frame,
                )
            },
            usize::MAX,
        )
        .unwrap();
        let small = text(V5, &Outgoing::Request(REQUEST));
        let large = small.replace("\"params\":1", &format!("\"params\":{}", "1".repeat(body.len())));
        assert_eq!(std::str::from_utf8(&whole).unwrap(), large);
    }

    #[test]
    fn a_body_that_gives_up_abandons_the_frame() {
        let (mut buf, mut spliced) = (BytesMut::new(), Vec::new());
        let sender = NodeId::new("n").unwrap();
        let frame = &mut FrameBuf::new(&mut buf, &mut spliced);
        let packet = packet(V5, &sender, &Outgoing::Request(REQUEST), &mut |_| Err(Abandon), frame);
        assert_eq!(packet, Err(Abandon));
    }
}
