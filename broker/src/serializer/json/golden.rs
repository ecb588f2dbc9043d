//! Packets captured from Node's Moleculer 0.14.36 and 0.15.2 are the referee: each decodes, and encoded
//! again it is the same value, and the same text.

use bytes::{Bytes, BytesMut};
use ligand_transporters::{FrameBuf, Name, PacketKind};
use serde_json::Value;
use std::path::PathBuf;

use super::Json;
use crate::protocol::{
    ContextFields, Cpu, ForeignId, Id, Incoming, OnlineRow, OutEvent, OutGossipResponse, OutGossipRow,
    OutRequest, OutResponse, OutResult, OutStream, Outgoing, Packet, ProtocolVersion, Ver, Visibility,
};
use crate::serializer::{PacketLimits, Serializer};

/// Encodes a packet into bytes of its own, with a body that exists already.
pub(super) fn encoded(
    ver: ProtocolVersion,
    sender: &str,
    packet: &Outgoing<'_>,
    body: Option<&[u8]>,
) -> Vec<u8> {
    let (mut buf, mut spliced) = (BytesMut::new(), Vec::new());
    let mut write = |frame: &mut FrameBuf<'_>| {
        frame.buf().extend_from_slice(body.unwrap());
        Ok(())
    };
    let sender = ligand_transporters::NodeId::foreign(sender).unwrap();
    Json.encode(ver, &sender, packet, &mut write, &mut FrameBuf::new(&mut buf, &mut spliced)).unwrap();
    buf.to_vec()
}

pub(in crate::serializer) fn decoded(kind: PacketKind, frame: &[u8]) -> Incoming {
    Json.decode(kind, Bytes::copy_from_slice(frame), &PacketLimits::default())
        .unwrap_or_else(|error| panic!("{error} in {}", String::from_utf8_lossy(frame)))
}

/// Sends a packet again as it came.
pub(in crate::serializer) fn echoed(incoming: &Incoming) -> Vec<u8> {
    let ver = incoming.ver.known().unwrap_or_default();
    let encoded = |packet: &Outgoing<'_>, body| encoded(ver, incoming.sender.as_str(), packet, body);
    match &incoming.packet {
        Packet::Request(request) => {
            let ContextFields { level, tracing, .. } = request.context;
            let (meta, headers) = (request.context.meta(), request.context.headers());
            let packet = OutRequest {
                id: request.context.wire_id(),
                action: request.action(),
                meta: meta.bytes(),
                headers: headers.as_ref().map(|headers| headers.bytes().as_ref()),
                timeout: request.timeout,
                level: level.unwrap(),
                tracing,
                parent_id: request.context.parent_id(),
                request_id: request.context.request_id(),
                caller: request.context.caller(),
                stream: request.stream,
                seq: request.seq,
            };
            encoded(&Outgoing::Request(packet), request.params().as_ref().map(|raw| raw.bytes().as_ref()))
        }
        Packet::Response(response) => {
            let error = response.error().map(|error| Json.error(Some(&error)));
            let (meta, headers, data) = (response.meta(), response.headers(), response.data());
            let packet = OutResponse {
                id: Id::Text(response.id()),
                meta: meta.bytes(),
                headers: headers.as_ref().map(|headers| headers.bytes().as_ref()),
                outcome: match (&error, &data) {
                    (Some(error), _) if !response.success => OutResult::Error(error),
                    (_, Some(_)) => OutResult::Data,
                    _ => OutResult::NoData,
                },
                stream: response.seq.map(|seq| OutStream { goes_on: response.stream.unwrap(), seq }),
            };
            encoded(&Outgoing::Response(packet), data.as_ref().map(|raw| raw.bytes().as_ref()))
        }
        Packet::Event(event) => {
            let ContextFields { level, tracing, .. } = event.context;
            let (meta, headers) = (event.context.meta(), event.context.headers());
            let groups: Option<Vec<Name>> = event.groups().map(|groups| groups.map(Name::from).collect());
            let packet = OutEvent {
                id: event.context.wire_id(),
                event: event.event(),
                groups: groups.as_deref(),
                broadcast: event.broadcast,
                meta: meta.bytes(),
                headers: headers.as_ref().map(|headers| headers.bytes().as_ref()),
                level,
                tracing,
                parent_id: event.context.parent_id(),
                request_id: event.context.request_id(),
                caller: event.context.caller(),
            };
            encoded(&Outgoing::Event(packet), event.data().as_ref().map(|raw| raw.bytes().as_ref()))
        }
        Packet::Discover => encoded(&Outgoing::Discover, None),
        Packet::Info(info) => {
            // What the INFO says of its sender is written anew.
            let text = info.raw.as_str();
            let own = format!("{}}}", &text[..text.rfind(",\"ver\"").unwrap()]);
            encoded(&Outgoing::Info(own.as_bytes()), None)
        }
        Packet::Disconnect => encoded(&Outgoing::Disconnect, None),
        Packet::Heartbeat(heartbeat) => encoded(&Outgoing::Heartbeat { cpu: heartbeat.cpu }, None),
        Packet::Ping(ping) => {
            let id = ping.id.as_ref().unwrap().as_wire();
            encoded(&Outgoing::Ping { time: ping.time.unwrap(), id }, None)
        }
        Packet::Pong(pong) => {
            let id = pong.id.as_ref().map(ForeignId::as_wire);
            encoded(&Outgoing::Pong { time: pong.time, id, arrived: pong.arrived.unwrap() }, None)
        }
        Packet::GossipHello(hello) => {
            encoded(&Outgoing::GossipHello { host: &hello.host, port: hello.port }, None)
        }
        Packet::GossipRequest(digest) => encoded(&Outgoing::GossipRequest(digest), None),
        Packet::GossipResponse(response) => {
            let online = response.online.iter().map(|(node, row)| {
                let row = match row {
                    OnlineRow::Info(info, cpu) => OutGossipRow::Info(info.raw.bytes().clone(), cpu.unwrap()),
                    OnlineRow::Cpu(cpu) => OutGossipRow::Cpu(*cpu),
                };
                (node.clone(), row)
            });
            let answer = OutGossipResponse { online: online.collect(), offline: response.offline.clone() };
            encoded(&Outgoing::GossipResponse(&answer), None)
        }
    }
}

pub(super) fn vectors() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

fn files(extension: &str) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(vectors())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

fn kind_of(file: &str) -> PacketKind {
    let (name, _) = file.split_once('-').unwrap();
    let name = match name {
        "request" => "REQ".to_owned(),
        "response" => "RES".to_owned(),
        other => other.to_uppercase(),
    };
    PacketKind::named(&name).unwrap()
}

/// Types of TCP frames (protocol chapter 4.2).
fn tcp_kind(byte: u8) -> PacketKind {
    [
        PacketKind::Event,
        PacketKind::Request,
        PacketKind::Response,
        PacketKind::Ping,
        PacketKind::Pong,
        PacketKind::GossipRequest,
        PacketKind::GossipResponse,
        PacketKind::GossipHello,
    ][usize::from(byte) - 1]
}

fn check(file: &str, kind: PacketKind, frame: &[u8]) -> Incoming {
    let incoming = decoded(kind, frame);
    let expected = if file.contains("0.14") { Ver::V4 } else { Ver::V5 };
    assert_eq!(incoming.ver, expected, "{file}");
    assert_eq!(incoming.packet.kind(), kind, "{file}");
    let again = echoed(&incoming);
    let [ours, theirs] = [again.as_slice(), frame].map(|text| serde_json::from_slice::<Value>(text).unwrap());
    assert_eq!(ours, theirs, "{file}");
    assert_eq!(String::from_utf8_lossy(&again), String::from_utf8_lossy(frame), "{file}");
    incoming
}

pub(in crate::serializer) fn single_packets() -> Vec<(String, PacketKind, Vec<u8>)> {
    let packets = files("json").into_iter().filter(|(file, _)| file != "event-match.json");
    packets
        .map(|(file, bytes)| {
            let kind = kind_of(&file);
            (file, kind, bytes.trim_ascii_end().to_vec())
        })
        .collect()
}

#[test]
fn every_captured_packet_is_the_same_after_decoding_and_encoding() {
    let packets = single_packets();
    assert!(packets.len() > 60, "{} vectors", packets.len());
    for (file, kind, frame) in packets {
        check(&file, kind, &frame);
    }
}

/// `serde_json` sorts members, so that the text of a packet within a line is cut out of it.
fn payload(line: &str) -> &str {
    let start = line.find("\"payload\":").unwrap() + "\"payload\":".len();
    &line[start..line.len() - 1]
}

#[test]
fn every_packet_of_a_captured_stream_is_the_same_after_decoding_and_encoding() {
    for (file, bytes) in files("jsonl").into_iter().filter(|(file, _)| file.contains("stream")) {
        for line in std::str::from_utf8(&bytes).unwrap().lines() {
            let kind = if line.contains("MOL.REQ.") { PacketKind::Request } else { PacketKind::Response };
            check(&file, kind, payload(line).as_bytes());
        }
    }
}

#[test]
fn every_captured_tcp_frame_is_the_same_after_decoding_and_encoding() {
    for (file, bytes) in files("bin") {
        check(&file, tcp_kind(bytes[5]), &bytes[6..]);
    }
    for (file, bytes) in files("jsonl").into_iter().filter(|(file, _)| file.starts_with("tcp")) {
        for line in std::str::from_utf8(&bytes).unwrap().lines() {
            let entry: Value = serde_json::from_str(line).unwrap();
            let header = entry["header"].as_str().unwrap();
            let kind = tcp_kind(u8::from_str_radix(&header[10..], 16).unwrap());
            check(&file, kind, payload(line).as_bytes());
        }
    }
}

fn vector(file: &str) -> Incoming {
    decoded(kind_of(file), std::fs::read(vectors().join(file)).unwrap().trim_ascii_end())
}

#[test]
fn a_request_says_what_was_captured() {
    let Packet::Request(request) = vector("request-nested-0.15.json").packet else { unreachable!() };
    assert_eq!(request.id(), "6c930d98-544c-4019-b677-501a49daa527");
    assert_eq!(request.action(), "v2.math.nested");
    assert_eq!(request.params().unwrap().as_str(), "{}");
    assert_eq!(request.context.meta().as_str(), "{}");
    assert_eq!(request.context.headers().unwrap().as_str(), "{}");
    assert_eq!((request.timeout, request.context.level), (Some(4999.71824), Some(2)));
    assert_eq!((request.context.tracing, request.stream, request.seq), (None, Some(false), None));
    assert_eq!(request.context.parent_id(), Some(Id::Text("93197bea-85ed-4691-bc47-d3857ef916ab")));
    assert_eq!(request.context.caller(), Some("caller"));
}

#[test]
fn an_info_says_what_was_captured() {
    let Packet::Info(info) = vector("info-0.15.json").packet else { unreachable!() };
    assert_eq!((info.seq, info.port, info.instance_id.len()), (2, None, 36));
    assert_eq!((info.ip_list.as_slice(), info.hostname.as_deref()), (&["192.0.2.2".into()][..], Some("vm")));
    assert_eq!((info.client.kind.as_str(), info.client.version.as_str()), ("nodejs", "0.15.2"));
    assert_eq!(info.metadata.as_str(), r#"{"zone":"z1"}"#);
    let services = Json.services(&info.services_raw, &PacketLimits::default()).unwrap();
    let [node, math] = services.list.as_slice() else { panic!("{services:?}") };
    assert_eq!((node.full_name.as_str(), node.actions.len()), ("$node", 7));
    assert_eq!((math.name.as_str(), math.full_name.as_str()), ("math", "v2.math"));
    assert_eq!(math.settings.as_str(), r#"{"a":5,"nested":{"q":2}}"#);
    let action = |name: &str| math.actions.iter().find(|action| action.name == name).unwrap();
    assert_eq!(action("v2.math.add").timeout, Some(std::time::Duration::from_secs(2)));
    assert_eq!(action("v2.math.up").timeout, Some(std::time::Duration::ZERO));
    assert_eq!(action("v2.math.echo").definition.as_str(), r#"{"rawName":"echo","name":"v2.math.echo"}"#);
    assert_eq!(action("v2.math.prot").visibility, Visibility::Protected);
    assert_eq!(action("v2.math.echo").visibility, Visibility::Published);
    let groups: Vec<_> =
        math.events.iter().map(|event| (event.name.as_str(), event.group.as_deref())).collect();
    assert!(
        groups.contains(&("user.created", Some("mail"))) && groups.contains(&("user.*", None)),
        "{groups:?}"
    );
}

#[test]
fn a_gossip_row_says_what_was_captured() {
    let bytes = std::fs::read(vectors().join("tcp-gossip-res-0.15.bin")).unwrap();
    let Packet::GossipResponse(response) = decoded(PacketKind::GossipResponse, &bytes[6..]).packet else {
        unreachable!()
    };
    let [(node, OnlineRow::Info(info, Some(cpu)))] = response.online.as_slice() else {
        panic!("{response:?}")
    };
    assert_eq!((node.as_str(), info.seq, info.port), ("node-2", 3, Some(34111)));
    assert_eq!(*cpu, Cpu::default());
}
