//! The packets captured from Node, in each of the binary formats, and what nobody sends.

use bytes::{Bytes, BytesMut};
use ligand_transporters::{FrameBuf, NodeId, PacketKind};
use proptest::prelude::*;
use std::sync::{Arc, LazyLock};

use crate::codec::{Cbor, Codec, MsgPack, from_json};
use crate::protocol::{
    Id, Incoming, OutEvent, OutRequest, OutResponse, OutResult, OutStream, Outgoing, Packet, ProtocolVersion,
};
use crate::serializer::json::{decoded, echoed, single_packets};
use crate::serializer::{PacketLimits, Serializer, serializer};

pub(super) const ALL: [Codec; 4] = [Codec::JsonExt, Codec::MsgPack, Codec::Notepack, Codec::Cbor];

type Vector = (String, PacketKind, Vec<u8>);
static PACKETS: LazyLock<Vec<Vector>> = LazyLock::new(single_packets);

/// JSON in another format.
pub(super) fn translated(codec: Codec, json: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    match codec {
        Codec::MsgPack => from_json(json, MsgPack::Msgpack5, &mut out),
        Codec::Notepack => from_json(json, MsgPack::Notepack, &mut out),
        Codec::Cbor => from_json(json, Cbor, &mut out),
        _ => out.extend_from_slice(json),
    }
    out.freeze()
}

pub(super) fn encode(
    serializer: &dyn Serializer,
    ver: ProtocolVersion,
    packet: &Outgoing<'_>,
    body: &[u8],
) -> Bytes {
    let (mut buf, mut spliced) = (BytesMut::new(), Vec::new());
    let mut write = |frame: &mut FrameBuf<'_>| {
        frame.buf().extend_from_slice(body);
        Ok(())
    };
    let sender = NodeId::foreign("node-1").unwrap();
    serializer.encode(ver, &sender, packet, &mut write, &mut FrameBuf::new(&mut buf, &mut spliced)).unwrap();
    buf.freeze()
}

pub(super) fn decode(serializer: &Arc<dyn Serializer>, kind: PacketKind, frame: &[u8]) -> Incoming {
    serializer
        .decode(kind, Bytes::copy_from_slice(frame), &PacketLimits::default())
        .unwrap_or_else(|error| panic!("{error} in {frame:02x?}"))
}

#[test]
fn each_captured_packet_says_the_same_in_every_format() {
    for (name, kind, json) in PACKETS.iter() {
        let plain = decoded(*kind, json);
        for codec in ALL {
            let serializer = serializer(codec);
            let incoming = decode(&serializer, *kind, &translated(codec, json));
            assert_eq!((&incoming.ver, &incoming.sender), (&plain.ver, &plain.sender), "{name} in {codec:?}");
            // Everything but the bodies is the same to whom the packet is handed.
            match (&incoming.packet, &plain.packet) {
                (Packet::Request(one), Packet::Request(other)) => {
                    assert_eq!(
                        (one.id(), one.action(), one.timeout, one.stream, one.seq),
                        (other.id(), other.action(), other.timeout, other.stream, other.seq),
                        "{name} in {codec:?}"
                    );
                    assert_eq!(one.context.meta(), other.context.meta(), "{name} in {codec:?}");
                    assert_eq!(one.context.headers(), other.context.headers(), "{name} in {codec:?}");
                    let body = |codec: Codec, raw: Option<crate::protocol::Raw>| {
                        raw.map(|raw| codec.decode::<serde_json::Value>(raw.bytes()).unwrap())
                    };
                    assert_eq!(
                        body(codec, one.params()),
                        body(Codec::Json, other.params()),
                        "{name} in {codec:?}"
                    );
                }
                (Packet::Response(one), Packet::Response(other)) => {
                    assert_eq!(
                        (one.id(), one.success, one.stream, one.seq),
                        (other.id(), other.success, other.stream, other.seq)
                    );
                    assert_eq!(
                        (one.meta(), one.headers(), one.error()),
                        (other.meta(), other.headers(), other.error())
                    );
                    assert_eq!(one.data().is_some(), other.data().is_some(), "{name} in {codec:?}");
                }
                (Packet::Event(one), Packet::Event(other)) => {
                    assert_eq!((one.event(), one.broadcast), (other.event(), other.broadcast));
                    let groups = |event: &crate::protocol::Event| {
                        event.groups().map(|groups| groups.map(str::to_owned).collect::<Vec<_>>())
                    };
                    assert_eq!(groups(one), groups(other), "{name} in {codec:?}");
                }
                _ => assert_eq!(echoed(&incoming), echoed(&plain), "{name} in {codec:?}"),
            }
        }
    }
}

#[test]
fn a_packet_of_ours_is_read_back_in_every_format() {
    for codec in ALL {
        let serializer = serializer(codec);
        let meta = br#"{"user":{"id":5},"odd":"[[x"}"#;
        let packet = OutRequest {
            id: Id::Text("one"),
            action: "math.add",
            meta,
            headers: Some(b"{}"),
            timeout: Some(1.25),
            level: 3,
            tracing: Some(true),
            parent_id: None,
            request_id: Some(Id::Text("root")),
            caller: Some("v2.posts"),
            stream: Some(false),
            seq: None,
        };
        let body = codec.encode(&serde_json::json!({ "a": 5 })).unwrap();
        for ver in [ProtocolVersion::V4, ProtocolVersion::V5] {
            let frame = encode(&*serializer, ver, &Outgoing::Request(packet), &body);
            let incoming = decode(&serializer, PacketKind::Request, &frame);
            assert_eq!(incoming.ver.known(), Some(ver));
            let Packet::Request(request) = incoming.packet else { panic!("a request") };
            assert_eq!((request.id(), request.action(), request.timeout), ("one", "math.add", Some(1.25)));
            assert_eq!(request.context.meta().bytes().as_ref(), meta, "{codec:?}");
            assert_eq!(request.context.headers().is_some(), ver == ProtocolVersion::V5);
            assert_eq!(
                (request.context.request_id(), request.context.caller()),
                (Some(Id::Text("root")), Some("v2.posts"))
            );
            assert_eq!((request.context.level, request.context.tracing), (Some(3), Some(true)));
            assert_eq!(request.params().unwrap().bytes(), &body);
        }
        let groups = ["mail".into(), "audit".into()];
        for groups in [None, Some(&groups[..])] {
            let packet = OutEvent {
                id: Id::Text("one"),
                event: "user.created",
                groups,
                broadcast: true,
                meta,
                headers: None,
                level: None,
                tracing: None,
                parent_id: Some(Id::Text("parent")),
                request_id: None,
                caller: None,
            };
            for ver in [ProtocolVersion::V4, ProtocolVersion::V5] {
                let frame = encode(&*serializer, ver, &Outgoing::Event(packet), &body);
                let Packet::Event(event) = decode(&serializer, PacketKind::Event, &frame).packet else {
                    panic!("an event")
                };
                assert_eq!((event.event(), event.broadcast), ("user.created", true));
                assert_eq!(event.groups().map(Iterator::count), groups.map(<[_]>::len));
                assert_eq!(
                    (event.context.parent_id(), event.context.level),
                    (Some(Id::Text("parent")), None)
                );
                assert_eq!(event.data().unwrap().bytes(), &body);
            }
        }
        for outcome in [OutResult::Data, OutResult::NoData] {
            let stream = Some(OutStream { goes_on: false, seq: 3 });
            for (ver, stream) in [(ProtocolVersion::V4, None), (ProtocolVersion::V5, stream)] {
                let packet = OutResponse { id: Id::Text("one"), meta, headers: None, outcome, stream };
                let frame = encode(&*serializer, ver, &Outgoing::Response(packet), &body);
                let Packet::Response(response) = decode(&serializer, PacketKind::Response, &frame).packet
                else {
                    panic!("a response")
                };
                assert!(response.success);
                assert_eq!(response.data().is_some(), matches!(outcome, OutResult::Data));
                assert_eq!((response.stream, response.seq), (stream.map(|_| false), stream.map(|_| 3)));
            }
        }
        let mut error = crate::protocol::WireError::new("TeapotError", "[[short]] and stout");
        error.data = Some(crate::protocol::Raw::from_static(r#"{"lid":null}"#));
        let packet = OutResponse {
            id: Id::Text("one"),
            meta,
            headers: None,
            outcome: OutResult::Error(&error),
            stream: None,
        };
        let frame = encode(&*serializer, ProtocolVersion::V5, &Outgoing::Response(packet), b"");
        let Packet::Response(response) = decode(&serializer, PacketKind::Response, &frame).packet else {
            panic!()
        };
        assert_eq!(serializer.error(response.error().as_ref()), error, "{codec:?}");
        assert!(!response.success && response.headers().is_none());
    }
}

/// One request, written by each of Node's serializers.
#[test]
fn the_request_that_node_wrote_is_read_and_written_again() {
    for (codec, file) in [
        (Codec::Json, "json-request.json"),
        (Codec::JsonExt, "jsonext-request.json"),
        (Codec::MsgPack, "msgpack-request.bin"),
        (Codec::Notepack, "notepack-request.bin"),
        (Codec::Cbor, "cbor-request.bin"),
    ] {
        let path = format!("{}/tests/vectors/serializers/{file}", env!("CARGO_MANIFEST_DIR"));
        let mut bytes = std::fs::read(path).unwrap();
        if file.ends_with(".json") && bytes.ends_with(b"\n") {
            bytes.pop();
        }
        let serializer = serializer(codec);
        let incoming = decode(&serializer, PacketKind::Request, &bytes);
        let Packet::Request(request) = incoming.packet else { panic!("a request") };
        let params: serde_json::Value = codec.decode(request.params().unwrap().bytes()).unwrap();
        assert_eq!(
            (&params["big"], &params["long"]),
            (&4_294_967_296_u64.into(), &1_700_000_000_123_u64.into())
        );
        assert_eq!(params["date"], "2023-11-14T22:13:20.123Z", "{codec:?}");
        assert_eq!(params["buf"], serde_json::json!({ "type": "Buffer", "data": [0, 1, 254, 255] }));
        let (context, params) = (&request.context, request.params().unwrap());
        let (meta, headers) = (context.meta(), context.headers());
        let packet = OutRequest {
            id: Id::Text(request.id()),
            action: request.action(),
            meta: meta.bytes(),
            headers: headers.as_ref().map(|headers| headers.bytes().as_ref()),
            timeout: request.timeout,
            level: context.level.unwrap(),
            tracing: context.tracing,
            parent_id: context.parent_id(),
            request_id: context.request_id(),
            caller: context.caller(),
            stream: request.stream,
            seq: request.seq,
        };
        let again = encode(&*serializer, ProtocolVersion::V5, &Outgoing::Request(packet), params.bytes());
        assert_eq!(again, bytes, "{codec:?}");
    }
}

#[test]
fn whom_to_answer_is_known_whatever_is_wrong_with_a_request() {
    let limits = PacketLimits { name: 8, ..PacketLimits::default() };
    for codec in [Codec::MsgPack, Codec::Notepack, Codec::Cbor] {
        let json = br#"{"id":"one","sender":"n","ver":"5","action":"an.action.too.long"}"#;
        let frame = translated(codec, json);
        let error = serializer(codec).decode(PacketKind::Request, frame.clone(), &limits).unwrap_err();
        let action = ("action", Some("transit.limits.name"), 8, 18);
        assert_eq!(error.problem.exceeded(), Some(action));
        let sender = NodeId::foreign("n").unwrap();
        assert_eq!(error.answer_to(), Some(("one", &sender)), "{codec:?}");
        // Cut off behind the sender.
        let cut = frame.slice(..frame.len() - 3);
        let error = serializer(codec).decode(PacketKind::Request, cut, &limits).unwrap_err();
        assert_eq!(error.answer_to(), Some(("one", &sender)), "{codec:?}");
    }
}

#[test]
fn what_is_too_deep_is_refused() {
    for (codec, open, close) in [
        (Codec::MsgPack, &b"\x91"[..], &b"\xC0"[..]),
        (Codec::Cbor, b"\x81", b"\xF6"),
        (Codec::Cbor, b"\x9F", b"\xFF"),
    ] {
        let mut frame = translated(codec, br#"{"id":"one","sender":"n","params":7}"#).to_vec();
        assert_eq!(frame.pop(), Some(7));
        frame.extend(open.repeat(100_000));
        frame.extend_from_slice(close);
        let error = serializer(codec)
            .decode(PacketKind::Request, frame.into(), &PacketLimits::default())
            .unwrap_err();
        let depth = ("depth", Some("transit.limits.depth"), 128, 129);
        assert_eq!(error.problem.exceeded(), Some(depth), "{codec:?}");
        let sender = NodeId::foreign("n").unwrap();
        assert_eq!(error.answer_to(), Some(("one", &sender)), "{codec:?}");
    }
}

#[test]
fn everything_outside_of_bodies_is_limited_as_in_json() {
    let limits = PacketLimits {
        string: 20,
        entries: 16,
        name: 10,
        id: 8,
        meta: 30,
        groups: 2,
        depth: 6,
        ..PacketLimits::default()
    };
    let packet = |kind, change: fn(&mut serde_json::Value, usize), by: usize| {
        let mut packet =
            serde_json::json!({ "id": "1", "action": "a", "event": "e", "sender": "n", "ver": "5" });
        change(&mut packet, by);
        (kind, packet)
    };
    let (request, event) = (PacketKind::Request, PacketKind::Event);
    // What is allowed of each, and by how much the second packet exceeds it.
    type Change = fn(&mut serde_json::Value, usize);
    let rows: [(PacketKind, &str, &str, usize, Change); 8] = [
        (request, "id", "id", 8, |packet, n| packet["id"] = "x".repeat(n).into()),
        (request, "action", "name", 10, |packet, n| packet["action"] = "x".repeat(n).into()),
        (request, "caller", "name", 10, |packet, n| packet["caller"] = "x".repeat(n).into()),
        (request, "requestID", "id", 8, |packet, n| packet["requestID"] = "x".repeat(n).into()),
        (event, "groups", "groups", 2, |packet, n| packet["groups"] = vec!["g"; n].into()),
        (request, "bytes of a string", "string", 20, |packet, n| packet["more"] = "x".repeat(n).into()),
        (request, "members of an object or array", "entries", 16, |packet, n| {
            packet["more"] = vec![1; n].into()
        }),
        (request, "depth", "depth", 6, |packet, n| {
            packet["params"] = (1..n).fold(serde_json::json!(1), |inner, _| serde_json::json!([inner]));
        }),
    ];
    for codec in [Codec::MsgPack, Codec::Notepack, Codec::Cbor] {
        let read = |(kind, packet): (PacketKind, serde_json::Value)| {
            let frame = translated(codec, packet.to_string().as_bytes());
            serializer(codec).decode(kind, frame, &limits).map_err(|error| error.problem)
        };
        for (kind, what, option, limit, change) in rows {
            assert!(read(packet(kind, change, limit)).is_ok(), "{codec:?} {what}");
            let problem = read(packet(kind, change, limit + 1)).unwrap_err();
            let option = format!("transit.limits.{option}");
            assert_eq!(problem.exceeded(), Some((what, Some(&*option), limit, limit + 1)), "{codec:?}");
        }
        // Sixteen letters, their quotes, two keys and a number: 30 bytes as JSON.
        let meta: Change = |packet, n| packet["meta"] = serde_json::json!({ "k": "x".repeat(n), "l": 1 });
        assert!(read(packet(request, meta, 16)).is_ok(), "{codec:?}");
        let problem = read(packet(request, meta, 17)).unwrap_err();
        let exceeded = ("meta", Some("transit.limits.meta"), 30, 31);
        assert_eq!(problem.exceeded(), Some(exceeded), "{codec:?}");
        // Bodies are limited by the frame alone.
        let body: Change = |packet, n| packet["params"] = serde_json::json!(["x".repeat(n), vec![1; n]]);
        assert!(read(packet(request, body, 1000)).is_ok(), "{codec:?}");
    }
}

#[test]
fn a_packet_whose_json_would_be_many_times_as_long_is_refused() {
    let mut frame = translated(Codec::MsgPack, br#"{"sender":"n","ver":"5","services":7}"#).to_vec();
    assert_eq!(frame.pop(), Some(7));
    frame.extend_from_slice(b"\xDC\xFF\xFF");
    frame.extend([0xC2; 0xFFFF]);
    let limit = frame.len() * 2 + 16 * 1024;
    let error = serializer(Codec::MsgPack)
        .decode(PacketKind::Info, frame.into(), &PacketLimits::default())
        .unwrap_err();
    let length = ("length of a packet as JSON", None, limit, limit + 1);
    assert_eq!(error.problem.exceeded(), Some(length));
}

#[test]
fn undefined_params_and_data_are_none_at_all() {
    // {id: "1", sender: "n", ver: "5", success: true, data: undefined}
    let frame = b"\xB9\0\x05\x62id\x611\x66sender\x61n\x63ver\x615\x67success\xF5\x64data\xF7";
    let Packet::Response(response) = decode(&serializer(Codec::Cbor), PacketKind::Response, frame).packet
    else {
        panic!()
    };
    assert_eq!((response.success, response.data()), (true, None));
}

/// Reads bytes as every kind of packet, and looks at all there is.
fn exercise(codec: Codec, bytes: &[u8]) {
    const KINDS: [PacketKind; 12] = [
        PacketKind::Request,
        PacketKind::Response,
        PacketKind::Event,
        PacketKind::Discover,
        PacketKind::Info,
        PacketKind::Disconnect,
        PacketKind::Heartbeat,
        PacketKind::Ping,
        PacketKind::Pong,
        PacketKind::GossipHello,
        PacketKind::GossipRequest,
        PacketKind::GossipResponse,
    ];
    let serializer = serializer(codec);
    for kind in KINDS {
        let Ok(incoming) = serializer.decode(kind, Bytes::copy_from_slice(bytes), &PacketLimits::default())
        else {
            continue;
        };
        if let Packet::Request(request) = &incoming.packet {
            let _ = (
                request.id(),
                request.context.meta(),
                request.params().map(|raw| codec.decode::<serde_json::Value>(raw.bytes())),
            );
        }
        if let Packet::Response(response) = &incoming.packet {
            let _ = serializer.error(response.error().as_ref());
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_make_a_serializer_panic(bytes: Vec<u8>) {
        for codec in ALL {
            exercise(codec, &bytes);
        }
    }

    #[test]
    fn no_damaged_packet_makes_a_serializer_panic(at: prop::sample::Index, place: prop::sample::Index, byte: u8) {
        let (_, _, json) = at.get(&PACKETS);
        for codec in ALL {
            let mut frame = translated(codec, json).to_vec();
            let place = place.index(frame.len());
            frame[place] = byte;
            exercise(codec, &frame);
            exercise(codec, &frame[..place]);
        }
    }
}
