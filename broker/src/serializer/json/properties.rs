//! What holds for all packets and for all bytes.

use bytes::Bytes;
use ligand_transporters::PacketKind;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde::de::IgnoredAny;
use serde_json::Value;
use std::sync::LazyLock;

use super::Json;
use super::golden::{decoded, echoed, encoded, single_packets};
use super::scan::{Bounds, Scanner};
use crate::protocol::{
    Id, OutEvent, OutRequest, OutResponse, OutResult, Outgoing, Packet, PacketId, ProtocolVersion, Raw,
};
use crate::serializer::{PacketLimits, Serializer};

type Vector = (String, PacketKind, Vec<u8>);

static VECTORS: LazyLock<Vec<Vector>> = LazyLock::new(single_packets);

/// Decodes, and looks at everything there is to look at.
fn exercise(kind: PacketKind, frame: &[u8]) {
    let limits = PacketLimits::default();
    let Ok(incoming) = Json.decode(kind, Bytes::copy_from_slice(frame), &limits) else { return };
    match incoming.packet {
        Packet::Request(request) => {
            let context = &request.context;
            let _ = (request.id(), request.action(), request.params(), context.meta(), context.headers());
            let _ = (context.parent_id(), context.request_id(), context.caller());
        }
        Packet::Response(response) => {
            let _ = (response.id(), response.data(), response.meta(), response.headers());
            let _ = Json.error(response.error().as_ref());
        }
        Packet::Event(event) => {
            let _ = (event.event(), event.data(), event.groups().map(Iterator::count));
        }
        Packet::Info(info) => {
            let _ = Json.services(&info.services_raw, &limits);
        }
        _ => {}
    }
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..8).prop_map(Value::from),
            btree_map(any::<String>(), inner, 0..8).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn object() -> impl Strategy<Value = Value> {
    btree_map(any::<String>(), json(), 0..4).prop_map(|map| Value::Object(map.into_iter().collect()))
}

/// Texts that are nearly JSON.
fn nearly_json() -> impl Strategy<Value = String> {
    let pieces = select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "\"a\"",
        "\"id\":",
        "null",
        "true",
        "false",
        "0",
        "-",
        "1",
        "9.5",
        "e",
        "E+",
        ".",
        "\\u",
        "d83d",
        "\\n",
        " ",
        "\n",
        "\u{1}",
        "é",
        "x",
        "\u{feff}",
        "\"\\ud800\"",
        "{}",
        "[]",
        "nul",
    ]);
    prop_oneof![
        vec(pieces, 0..24).prop_map(|pieces| pieces.concat()),
        json().prop_map(|value| value.to_string()),
        (json(), any::<Index>(), ".").prop_map(|(value, at, piece)| {
            let mut text: Vec<char> = value.to_string().chars().collect();
            let at = at.index(text.len());
            text.splice(at..=at, piece.chars());
            text.into_iter().collect()
        }),
    ]
}

/// Whether a text is one JSON value to the scanner.
fn scans(text: &str) -> bool {
    let mut scanner = Scanner::new(text, 0);
    scanner.blank();
    let value = scanner.value(Bounds::BODY, PacketLimits::MAX_DEPTH);
    scanner.blank();
    value.is_ok() && scanner.peek().is_none()
}

/// Packets that are written member by member; an INFO is written as one text.
fn unordered() -> impl Strategy<Value = Vector> {
    select(VECTORS.iter().filter(|(_, kind, _)| *kind != PacketKind::Info).cloned().collect::<Vec<_>>())
}

#[derive(Debug, Clone)]
enum Mutation {
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Cut(Index),
    Copy(Index, Index, usize),
}

impl Mutation {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        match self {
            Self::Set(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Self::Insert(at, inserted) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, inserted.iter().copied());
            }
            Self::Remove(at, count) => {
                let at = at.index(bytes.len());
                bytes.drain(at..(at + count).min(bytes.len()));
            }
            Self::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Self::Copy(from, to, count) => {
                let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
                let copied = bytes[from..(from + count).min(bytes.len())].to_vec();
                bytes.splice(to..to, copied);
            }
        }
    }
}

fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        (any::<Index>(), prop_oneof![any::<u8>(), select(b"{}[]\",:\\0-e".to_vec())])
            .prop_map(|(at, byte)| Mutation::Set(at, byte)),
        (any::<Index>(), vec(any::<u8>(), 0..8)).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        (any::<Index>(), 1..40_usize).prop_map(|(at, count)| Mutation::Remove(at, count)),
        any::<Index>().prop_map(Mutation::Cut),
        (any::<Index>(), any::<Index>(), 1..80_usize)
            .prop_map(|(from, to, count)| Mutation::Copy(from, to, count)),
    ]
}

proptest! {
    #[test]
    fn no_bytes_make_a_decoder_panic(kind in select(PacketKind::ALL.to_vec()), frame in vec(any::<u8>(), 0..300)) {
        exercise(kind, &frame);
    }

    #[test]
    fn no_nearly_json_makes_a_decoder_panic(kind in select(PacketKind::ALL.to_vec()), text in nearly_json()) {
        exercise(kind, text.as_bytes());
        exercise(kind, format!("{{\"sender\":\"x\",\"id\":{text}}}").as_bytes());
        let raw = Raw::new(Bytes::from(text.clone()));
        let _ = Json.error(Some(&raw));
        let _ = Json.services(&raw, &PacketLimits::default());
    }

    #[test]
    fn no_damaged_packet_makes_a_decoder_panic(
        at: Index, kind in proptest::option::of(select(PacketKind::ALL.to_vec())), mutations in vec(mutation(), 1..6)
    ) {
        let (_, own, frame) = at.get(&VECTORS);
        let mut frame = frame.clone();
        mutations.iter().for_each(|mutation| mutation.apply(&mut frame));
        exercise(kind.unwrap_or(*own), &frame);
    }

    #[test]
    fn the_scanner_agrees_with_serde_json(text in nearly_json()) {
        prop_assert_eq!(scans(&text), serde_json::from_str::<IgnoredAny>(&text).is_ok(), "{}", text);
    }

    #[test]
    fn bodies_and_meta_survive(bits: u128, body in json(), meta in object(), headers in object(), caller: String) {
        let [body_text, meta_text, headers_text] = [&body, &meta, &headers].map(Value::to_string);
        prop_assume!(caller.len() <= 255 && meta_text.len() <= 65_536 && headers_text.len() <= 65_536);
        let id = PacketId(bits);
        let request = OutRequest {
            id: Id::Ours(id), action: "a.b", meta: meta_text.as_bytes(), headers: Some(headers_text.as_bytes()),
            timeout: Some(0.5), level: u32::MAX, tracing: Some(true), parent_id: None,
            request_id: Some(Id::Text("r")), caller: Some(&caller), stream: Some(true), seq: Some(0),
        };
        let response = OutResponse {
            id: Id::Ours(id), meta: meta_text.as_bytes(), headers: None, outcome: OutResult::Data, stream: None,
        };
        let event = OutEvent {
            id: Id::Ours(id), event: "e", groups: None, broadcast: true, meta: meta_text.as_bytes(), headers: None,
            level: None, tracing: None, parent_id: None, request_id: None, caller: Some(&caller),
        };
        let read = |raw: &Raw| serde_json::from_slice::<Value>(raw.bytes()).unwrap();
        // serde_json reads floats a little wrong unless asked not to, so texts are compared where it matters.
        for packet in [Outgoing::Request(request), Outgoing::Response(response), Outgoing::Event(event)] {
            let frame = encoded(ProtocolVersion::V5, "node", &packet, Some(body_text.as_bytes()));
            let (found, found_meta) = match decoded(packet.kind(), &frame).packet {
                Packet::Request(request) => {
                    prop_assert_eq!(PacketId::parse(request.id()), Some(id));
                    prop_assert_eq!(request.context.caller(), Some(caller.as_str()));
                    let found = request.context.headers().unwrap();
                    prop_assert_eq!(found.as_str(), &headers_text);
                    (request.params(), request.context.meta())
                }
                Packet::Response(response) => (response.data(), response.meta()),
                Packet::Event(event) => (event.data(), event.context.meta()),
                other => panic!("{other:?}"),
            };
            prop_assert_eq!(found.as_ref().unwrap().as_str(), &body_text);
            prop_assert_eq!(found_meta.as_str(), &meta_text);
            prop_assert_eq!(read(&found_meta), serde_json::from_str::<Value>(&meta_text).unwrap());
        }
    }

    #[test]
    fn members_in_any_order_mean_the_same(vector in unordered(), keys in vec(any::<u32>(), 20), blanks: bool) {
        let (file, kind, frame) = &vector;
        let Value::Object(members) = serde_json::from_slice(frame).unwrap() else { panic!() };
        let mut members: Vec<_> = keys.into_iter().zip(members).collect();
        members.sort_by_key(|(key, _)| *key);
        let members: Vec<_> = members
            .into_iter()
            .map(|(_, (name, value))| if blanks { format!(" \"{name}\" : {value}\n") } else { format!("\"{name}\":{value}") })
            .collect();
        let again = echoed(&decoded(*kind, format!("{{{}}}", members.join(",")).as_bytes()));
        let [again, frame] = [&again, frame].map(|text| serde_json::from_slice::<Value>(text).unwrap());
        prop_assert_eq!(again, frame, "{}", file);
    }
}
