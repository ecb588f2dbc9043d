//! What the peers of a cluster send that is odd, in every format but JSON: kept, taken as Node takes it, or
//! refused with the field's name, so that whoever waits for an answer gets one.

use bytes::Bytes;
use ligand_transporters::{NodeId, PacketKind};

use super::tests::{ALL, decode, encode, translated};
use crate::codec::Codec;
use crate::protocol::{Id, OutResponse, OutResult, Outgoing, Packet, ProtocolVersion};
use crate::serializer::{PacketLimits, serializer};

#[test]
fn whom_to_answer_is_known_behind_values_that_are_too_deep() {
    let limits = PacketLimits::default();
    let arrays = |open: &[u8], end: &[u8], close: &[u8]| {
        [open.repeat(1000), end.to_vec(), close.repeat(1000)].concat()
    };
    for (codec, deep) in [
        (Codec::MsgPack, arrays(b"\x91", b"\xC0", b"")),
        (Codec::Notepack, arrays(b"\x81\xA1k", b"\x93\x01\x02\x03", b"")),
        (Codec::Cbor, arrays(b"\x82\x01", b"\xF6", b"")),
        // Without lengths, and both kinds in turn.
        (Codec::Cbor, arrays(b"\x9F", b"\xF6", b"\xFF")),
        (Codec::Cbor, arrays(b"\x82\x9F", b"\xF6", b"\xFF\x05")),
        (Codec::Cbor, arrays(b"\xBF\x61k", b"\xF6", b"\xFF")),
    ] {
        // As Node writes it: the sender comes last.
        let json = br#"{"id":"one","params":7,"ver":"5","sender":"n"}"#;
        let frame = translated(codec, json);
        let key = frame.windows(6).position(|window| window == b"params").unwrap() + 6;
        let frame = [&frame[..key], &deep, &frame[key + 1..]].concat();
        for kind in [PacketKind::Request, PacketKind::Response] {
            let error = serializer(codec).decode(kind, frame.clone().into(), &limits).unwrap_err();
            assert_eq!(error.problem.exceeded().unwrap().0, "depth", "{codec:?}");
            let sender = NodeId::foreign("n").unwrap();
            assert_eq!(error.answer_to(), Some(("one", &sender)), "{codec:?}");
            assert_eq!(error.ver, Some(ProtocolVersion::V5));
        }
    }
}

#[test]
fn whom_to_answer_is_known_of_jsonext_with_a_text_that_is_none() {
    let frame = br#"{"id":"one","action":"a","meta":{"n":"[[BI]]x"},"ver":"5","sender":"n"}"#;
    for kind in [PacketKind::Request, PacketKind::Response] {
        let error = serializer(Codec::JsonExt)
            .decode(kind, Bytes::from_static(frame), &PacketLimits::default())
            .unwrap_err();
        let sender = NodeId::foreign("n").unwrap();
        assert_eq!(error.answer_to(), Some(("one", &sender)), "{error}");
    }
}

#[test]
fn meta_keeps_what_can_be_kept_in_every_format() {
    let limits = PacketLimits::default();
    for codec in ALL {
        let meta = match codec {
            // JSON as Node writes half a pair, beside a text that has a meaning.
            Codec::JsonExt => br#"{"token":"t","who":"\ud83d","at":"[[DT]]0","n":1e400}"#.to_vec(),
            codec => {
                let mut meta = translated(codec, br#"{"token":"t","who":"~","at":null,"n":null}"#).to_vec();
                let at = meta.iter().position(|byte| *byte == b'~').unwrap();
                meta[at] = 0xFF;
                meta
            }
        };
        let json = br#"{"id":"one","action":"a","event":"e","meta":8,"headers":8,"ver":"5","sender":"n"}"#;
        let mut frame = translated(codec, json).to_vec();
        let mark = if codec == Codec::JsonExt { b'8' } else { 8 };
        for at in (0..frame.len()).rev().filter(|at| frame[*at] == mark).collect::<Vec<_>>() {
            frame.splice(at..=at, meta.iter().copied());
        }
        let expected = match codec {
            Codec::JsonExt => serde_json::json!({
                "token": "t", "who": "\u{fffd}", "at": "1970-01-01T00:00:00.000Z", "n": null
            }),
            _ => serde_json::json!({ "token": "t", "who": "\u{fffd}", "at": null, "n": null }),
        };
        let read = |kind| serializer(codec).decode(kind, frame.clone().into(), &limits).unwrap().packet;
        let found = match (read(PacketKind::Request), read(PacketKind::Response), read(PacketKind::Event)) {
            (Packet::Request(one), Packet::Response(two), Packet::Event(three)) => [
                (one.context.meta(), one.context.headers()),
                (two.meta(), two.headers()),
                (three.context.meta(), three.context.headers()),
            ],
            _ => unreachable!("each is of the kind that it was read as"),
        };
        for (meta, headers) in found {
            for raw in [meta, headers.unwrap()] {
                let read: serde_json::Value = crate::codec::read_json(raw.bytes()).unwrap();
                assert_eq!(read, expected, "{codec:?}");
            }
        }
    }
}

#[test]
fn meta_that_is_no_object_is_refused_and_names_its_field_in_every_format() {
    for codec in ALL {
        for field in ["meta", "headers"] {
            for wrong in ["[]", "[1]", "\"x\"", "5", "true", "\"[[MP]]{}\""] {
                for kind in [PacketKind::Request, PacketKind::Response, PacketKind::Event] {
                    let json = format!(
                        r#"{{"id":"one","action":"a","event":"e","{field}":{wrong},"ver":"5","sender":"n"}}"#
                    );
                    let frame = translated(codec, json.as_bytes());
                    let error = serializer(codec).decode(kind, frame, &PacketLimits::default()).unwrap_err();
                    assert_eq!(error.to_string(), format!("`{field}` must be an object"), "{codec:?}");
                    assert_eq!(error.answer_to().unwrap().0, "one");
                }
            }
            let json = format!(r#"{{"id":"one","action":"a","{field}":null,"ver":"5","sender":"n"}}"#);
            let frame = translated(codec, json.as_bytes());
            let Packet::Request(request) = decode(&serializer(codec), PacketKind::Request, &frame).packet
            else {
                panic!()
            };
            assert_eq!((request.context.meta().as_str(), request.context.headers()), ("{}", None));
        }
    }
}

/// A `uidGenerator` of Node may make numbers; `Map` tells them from texts.
#[test]
fn an_id_that_is_a_number_comes_back_as_one_in_every_format() {
    for codec in ALL {
        let serializer = serializer(codec);
        for number in ["5", "-5", "1.5", "4294967296"] {
            let json = format!(
                r#"{{"id":{number},"action":"a","requestID":{number},"parentID":{number},"timeout":"250","ver":"5","sender":"n"}}"#
            );
            let frame = translated(codec, json.as_bytes());
            let Packet::Request(request) = decode(&serializer, PacketKind::Request, &frame).packet else {
                panic!()
            };
            let id = request.context.wire_id();
            assert_eq!((id, request.context.request_id()), (Id::Number(number), Some(Id::Number(number))));
            assert_eq!(
                (request.context.parent_id(), request.timeout),
                (Some(Id::Number(number)), Some(250.0))
            );
            let packet =
                OutResponse { id, meta: b"{}", headers: None, outcome: OutResult::NoData, stream: None };
            let answer = encode(&*serializer, ProtocolVersion::V4, &Outgoing::Response(packet), b"");
            let same = format!(r#"{{"id":{number},"meta":{{}},"success":true,"ver":"4","sender":"node-1"}}"#);
            assert_eq!(answer, translated(codec, same.as_bytes()), "{codec:?}");
            let wrong = json.replace(r#""action":"a""#, r#""action":[]"#);
            let error = serializer
                .decode(PacketKind::Request, translated(codec, wrong.as_bytes()), &PacketLimits::default())
                .unwrap_err();
            assert_eq!(error.id.unwrap().as_wire(), id, "{codec:?}");
            let ping = format!(r#"{{"time":1,"id":{number},"ver":"5","sender":"n"}}"#);
            let Packet::Ping(ping) =
                decode(&serializer, PacketKind::Ping, &translated(codec, ping.as_bytes())).packet
            else {
                panic!()
            };
            let pong =
                Outgoing::Pong { time: None, id: ping.id.as_ref().map(|id| id.as_wire()), arrived: 1.0 };
            let pong = encode(&*serializer, ProtocolVersion::V5, &pong, b"");
            let same = format!(r#"{{"time":null,"id":{number},"arrived":1,"ver":"5","sender":"node-1"}}"#);
            assert_eq!(pong, translated(codec, same.as_bytes()), "{codec:?}");
        }
        for wrong in ["\"NaN\"", "\"-1\"", "\"5s\"", "-1", "true"] {
            let json = format!(r#"{{"id":"1","action":"a","timeout":{wrong},"ver":"5","sender":"n"}}"#);
            let frame = translated(codec, json.as_bytes());
            let error = serializer.decode(PacketKind::Request, frame, &PacketLimits::default()).unwrap_err();
            assert!(error.to_string().starts_with("`timeout` must be a number"), "{codec:?}: {error}");
        }
    }
}
