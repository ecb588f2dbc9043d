//! Values as Node's own serializers wrote them are the referee: each is read as what it should be, and
//! written again as it came, but for the reviewed list `spelt-otherwise.json`.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};

use super::{Codec, Date};

pub(super) const ALL: [Codec; 5] =
    [Codec::Json, Codec::JsonExt, Codec::MsgPack, Codec::Notepack, Codec::Cbor];

pub(super) fn vectors(name: &str) -> Map<String, Value> {
    let path = format!("{}/tests/vectors/serializers/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The bytes of a vector; `None` where Node could not write the value.
pub(super) fn bytes_of(codec: Codec, written: &Value) -> Option<Vec<u8>> {
    let text = written.as_str()?;
    Some(match codec {
        Codec::Json | Codec::JsonExt => text.as_bytes().to_vec(),
        _ => {
            (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
        }
    })
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Of<T> {
    v: T,
}

/// A type that is bytes to serde, as those of `serde_bytes` are.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Buffer(pub(super) Vec<u8>);

impl Serialize for Buffer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Buffer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Buffer;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Buffer, E> {
                Ok(Buffer(bytes.to_vec()))
            }
        }
        deserializer.deserialize_byte_buf(Bytes)
    }
}

/// An object whose members keep their order, unlike those of a [`Value`].
struct Ordered(Vec<(String, Value)>);

impl Serialize for Ordered {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

impl<'de> Deserialize<'de> for Ordered {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Ordered;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Ordered(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

fn buffer(bytes: &[u8]) -> Value {
    json!({ "type": "Buffer", "data": bytes })
}

/// What a handler that asks for no type sees; `None` where there is no member.
fn untyped(codec: Codec, name: &str, json: &Value) -> Option<Value> {
    use Codec::{Cbor, Json, JsonExt, MsgPack, Notepack};
    Some(match (name, codec) {
        ("undef", Cbor) => Value::Null,
        ("undef", _) => return None,
        ("bigint", JsonExt | Cbor) => json!(5),
        ("bigint_large", JsonExt | Cbor) => json!("123456789012345678901234567890"),
        ("map", JsonExt | MsgPack | Cbor) => json!({ "a": 1 }),
        ("set", JsonExt | Cbor) => json!([1, 2]),
        ("regexp", JsonExt | Cbor) => json!("/a|b/gi"),
        ("uint8array", MsgPack | Notepack | Cbor) => buffer(&[1, 2]),
        ("f1e300", Notepack) => json!(0),
        // Everything else is what plain JSON says of it.
        (_, Json | JsonExt | MsgPack | Notepack | Cbor) => json["v"].clone(),
    })
}

/// A value as a handler that knows its type would send it.
fn written_again(codec: Codec, name: &str, bytes: &[u8]) -> Vec<u8> {
    fn again<T: Serialize + serde::de::DeserializeOwned>(codec: Codec, bytes: &[u8]) -> Vec<u8> {
        let value: Of<T> = codec.decode(bytes).unwrap_or_else(|error| panic!("{error} in {codec:?}"));
        codec.encode(&value).unwrap().to_vec()
    }
    match name {
        "obj20" => again::<Ordered>(codec, bytes),
        "buf" | "buf300" if codec == Codec::Json => again::<Ordered>(codec, bytes),
        _ if codec == Codec::Json => again::<Value>(codec, bytes),
        "buf" | "buf300" => again::<Buffer>(codec, bytes),
        "uint8array" if codec != Codec::JsonExt => again::<Buffer>(codec, bytes),
        "date_ms" | "date_s" | "date_neg" => again::<Date>(codec, bytes),
        "nan" | "inf" if codec != Codec::JsonExt => again::<f64>(codec, bytes),
        "bigint_large" => again::<u128>(codec, bytes),
        _ => again::<Value>(codec, bytes),
    }
}

#[test]
fn every_value_that_node_wrote_is_read_and_written_again() {
    let (values, otherwise) = (vectors("values.json"), vectors("spelt-otherwise.json"));
    let mut met = Vec::new();
    for codec in ALL {
        for (name, written) in values[codec.as_str()].as_object().unwrap() {
            let Some(bytes) = bytes_of(codec, written) else { continue };
            let json: Value = match values["JSON"][name].as_str() {
                Some(text) => serde_json::from_str(text).unwrap(),
                None => Value::Null,
            };
            let read: Value =
                codec.decode(&bytes).unwrap_or_else(|error| panic!("{codec:?} {name}: {error}"));
            let expected = match untyped(codec, name, &json) {
                Some(value) => json!({ "v": value }),
                None => json!({}),
            };
            assert_eq!(read, expected, "{codec:?} {name}");
            if name == "undef" && codec != Codec::Cbor {
                continue;
            }
            let again = written_again(codec, name, &bytes);
            let key = format!("{}/{name}", codec.as_str());
            if otherwise.contains_key(&key) {
                assert_ne!(again, bytes, "{key} is written as Node does, so say no more about it");
            } else {
                assert_eq!(again, bytes, "{key} is written otherwise, without a word about it");
            }
            met.push(key);
        }
    }
    for key in otherwise.keys() {
        assert!(met.contains(key), "{key} is in the list, and nowhere else");
    }
}

#[test]
fn objects_keep_their_order_where_the_type_does() {
    #[derive(Serialize)]
    struct Wide {
        z: u8,
        a: Option<&'static str>,
    }
    let wide = Wide { z: 1, a: None };
    assert_eq!(Codec::MsgPack.encode(&wide).unwrap(), &b"\x82\xA1z\x01\xA1a\xC0"[..]);
    assert_eq!(Codec::Cbor.encode(&wide).unwrap(), &b"\xB9\0\x02\x61z\x01\x61a\xF6"[..]);
    assert_eq!(Codec::JsonExt.encode(&wide).unwrap(), &br#"{"z":1,"a":null}"#[..]);
}

#[test]
fn a_buffer_is_what_it_is_asked_for() {
    let bytes = vec![0_u8, 1, 254, 255];
    for codec in [Codec::JsonExt, Codec::MsgPack, Codec::Notepack, Codec::Cbor] {
        let written = codec.encode(&Buffer(bytes.clone())).unwrap();
        assert_eq!(codec.decode::<Buffer>(&written).unwrap(), Buffer(bytes.clone()), "{codec:?}");
        assert_eq!(codec.decode::<Vec<u8>>(&written).unwrap(), bytes, "{codec:?}");
        assert_eq!(codec.decode::<Value>(&written).unwrap(), buffer(&bytes), "{codec:?}");
        assert_eq!(codec.decode::<Option<Vec<u8>>>(&written).unwrap(), Some(bytes.clone()), "{codec:?}");
    }
}

#[test]
fn a_date_is_what_it_is_asked_for() {
    let date = Date::from_millis(1_700_000_000_123);
    for codec in ALL {
        let written = codec.encode(&[date]).unwrap();
        assert_eq!(codec.decode::<[Date; 1]>(&written).unwrap(), [date], "{codec:?}");
        assert_eq!(codec.decode::<[String; 1]>(&written).unwrap(), ["2023-11-14T22:13:20.123Z"], "{codec:?}");
        if codec != Codec::Json {
            assert_eq!(codec.decode::<[i64; 1]>(&written).unwrap(), [date.millis()], "{codec:?}");
            assert_eq!(codec.decode::<[f64; 1]>(&written).unwrap(), [1_700_000_000_123.0], "{codec:?}");
        }
        let text = codec.encode(&["2023-11-14T22:13:20.123Z"]).unwrap();
        assert_eq!(codec.decode::<[Date; 1]>(&text).unwrap(), [date], "{codec:?}");
    }
}

#[test]
fn enums_tuples_and_keys_of_other_types_survive() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Kind {
        Unit,
        New(u8),
        Pair(u8, String),
        Fields { a: Option<bool> },
    }
    type Whole = (Vec<Kind>, HashMap<u64, (i128, char)>, Option<()>, BTreeMap<bool, f32>);
    let kinds = vec![Kind::Unit, Kind::New(7), Kind::Pair(1, "x".into()), Kind::Fields { a: Some(true) }];
    let whole: Whole = (kinds, [(u64::MAX, (-5, 'é'))].into(), None, [(true, 0.1)].into());
    for codec in ALL {
        let written = codec.encode(&whole).unwrap();
        assert_eq!(codec.decode::<Whole>(&written).unwrap(), whole, "{codec:?}");
    }
}

#[test]
fn a_flattened_type_survives_though_its_length_is_not_known() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Outer {
        first: u8,
        #[serde(flatten)]
        rest: BTreeMap<String, Value>,
    }
    let rest = (0..40).map(|at| (format!("k{at:02}"), json!([at]))).collect();
    let outer = Outer { first: 1, rest };
    for codec in ALL {
        let written = codec.encode(&outer).unwrap();
        assert_eq!(codec.decode::<Outer>(&written).unwrap(), outer, "{codec:?}");
    }
}

#[test]
fn what_does_not_fit_is_named_by_its_path_in_every_codec() {
    for codec in ALL {
        let written = codec.encode(&json!({ "v": { "a": [1, "x"] } })).unwrap();
        let error = codec.decode::<Of<HashMap<String, Vec<u8>>>>(&written).unwrap_err();
        assert_eq!(error.path, "v.a[1]", "{codec:?}");
    }
}

#[test]
fn integers_of_64_bits_are_not_rounded_between_nodes_of_ours() {
    for codec in ALL {
        for value in [u64::MAX, (1 << 53) + 1, 1 << 53, 1 << 32, u32::MAX.into()] {
            assert_eq!(
                codec.decode::<[u64; 1]>(&codec.encode(&[value]).unwrap()).unwrap(),
                [value],
                "{codec:?}"
            );
        }
        for value in [i64::MIN, -(1 << 53) - 1, -(1 << 53), -(1 << 32) - 1, -(1 << 32), -1] {
            assert_eq!(
                codec.decode::<[i64; 1]>(&codec.encode(&[value]).unwrap()).unwrap(),
                [value],
                "{codec:?}"
            );
        }
    }
    for codec in [Codec::JsonExt, Codec::Cbor] {
        for value in [i128::MIN, i128::MAX, -(1 << 64), i128::from(i64::MIN) - 1] {
            assert_eq!(
                codec.decode::<[i128; 1]>(&codec.encode(&[value]).unwrap()).unwrap(),
                [value],
                "{codec:?}"
            );
        }
        assert_eq!(codec.decode::<[u128; 1]>(&codec.encode(&[u128::MAX]).unwrap()).unwrap(), [u128::MAX]);
    }
    Codec::MsgPack.encode(&u128::MAX).unwrap_err();
}

#[test]
fn a_whole_number_that_is_written_as_a_float_is_an_integer_where_it_is_exact() {
    fn read<T: serde::de::DeserializeOwned>(value: f64) -> Vec<Option<T>> {
        let written = |codec: Codec| match codec {
            // As `JSON.stringify` never writes it, but others do.
            Codec::Json | Codec::JsonExt => format!("{value:e}").into_bytes(),
            Codec::MsgPack | Codec::Notepack => [&[0xCB][..], &value.to_be_bytes()].concat(),
            Codec::Cbor => [&[0xFB][..], &value.to_be_bytes()].concat(),
        };
        let mut found: Vec<_> = ALL.map(|codec| codec.decode(&written(codec)).ok()).into();
        found.push(super::from_value(&json!(value)).ok());
        found
    }
    let all = |value| vec![Some(value); ALL.len() + 1];
    let none = vec![None; ALL.len() + 1];
    for value in [0.0, -0.0, 5.0, 1e3, 9_007_199_254_740_991.0, 9_007_199_254_740_992.0, (1_u64 << 63) as f64]
    {
        assert_eq!(read::<u64>(value), all(value as u64), "{value}");
        assert_eq!(read::<f64>(value), vec![Some(value); ALL.len() + 1], "{value}");
    }
    for value in [-1.0, -9_007_199_254_740_991.0, i64::MIN as f64] {
        assert_eq!(read::<i64>(value), vec![Some(value as i64); ALL.len() + 1], "{value}");
        assert_eq!(read::<u64>(value), none, "{value}");
    }
    assert_eq!(read::<u8>(255.0), vec![Some(255); ALL.len() + 1]);
    assert_eq!(read::<u8>(256.0), vec![None; ALL.len() + 1]);
    assert_eq!(read::<u128>(1e20), vec![Some(100_000_000_000_000_000_000); ALL.len() + 1]);
    assert_eq!(read::<i128>(-1e20), vec![Some(-100_000_000_000_000_000_000); ALL.len() + 1]);
    for value in [5.5, -0.5, 1e300, 18_446_744_073_709_551_616.0] {
        assert_eq!(read::<u64>(value), none, "{value}");
        let error = Codec::Json.decode::<Of<u64>>(format!("{{\"v\":{value:e}}}").as_bytes()).unwrap_err();
        assert!(error.path == "v" && error.message.ends_with("expected u64"), "{error}");
        let written = Codec::Notepack.encode(&Of { v: value }).unwrap();
        let error = Codec::Notepack.decode::<Of<u64>>(&written).unwrap_err();
        assert!(error.path == "v" && error.message.ends_with("expected u64"), "{error}");
    }
    // The mistake is named, not the float before it.
    let error = Codec::Json.decode::<(u64, u64)>(b"[5.0, \"x\"]").unwrap_err();
    assert_eq!((error.path.as_str(), &*error.message), ("[1]", "invalid type: string \"x\", expected u64"));
}

#[test]
fn large_bigints_of_cbor_become_digits() {
    // 2^128, -1 - 2^128, and more than anybody computes with.
    let mut bytes = b"\xC2\x51\x01".to_vec();
    bytes.extend([0; 16]);
    assert_eq!(Codec::Cbor.decode::<String>(&bytes).unwrap(), "340282366920938463463374607431768211456");
    bytes[0] = 0xC3;
    assert_eq!(Codec::Cbor.decode::<String>(&bytes).unwrap(), "-340282366920938463463374607431768211457");
    let mut bytes = b"\xC2\x59\xFF\xFF".to_vec();
    bytes.extend([7; 0xFFFF]);
    Codec::Cbor.decode::<Value>(&bytes).unwrap_err();
}

#[test]
fn what_node_accepts_beyond_what_it_writes_is_read() {
    for (bytes, value) in [
        // Indefinite lengths: a map, an array, a text and bytes in pieces.
        (&b"\xBF\x61a\x9F\x01\xFF\xFF"[..], json!({ "a": [1] })),
        (b"\x7F\x61a\x62bc\xFF", json!("abc")),
        (b"\x5F\x41\x01\x41\x02\xFF", buffer(&[1, 2])),
        // Half and single floats, an integer of 64 bits that is small.
        (b"\x82\xF9\x3E\x00\xFA\x3F\xC0\x00\x00", json!([1.5, 1.5])),
        (b"\x1B\0\0\0\0\0\0\0\x05", json!(5)),
        // An ISO text with its tag, a Map with its tag, an unknown tag, an Error.
        (b"\xC0\x74\x32\x30\x32\x33-11-14T22:13:20Z", json!("2023-11-14T22:13:20.000Z")),
        (b"\xD9\x01\x03\xA1\x01\x02", json!({ "1": 2 })),
        (b"\xD9\x30\x39\x07", json!(7)),
        (b"\xD8\x1B\x82\x65Error\x61x", json!(["Error", "x"])),
    ] {
        assert_eq!(Codec::Cbor.decode::<Value>(bytes).unwrap(), value, "{bytes:02x?}");
    }
    // Notepack alone: undefined, a date in milliseconds, an unknown extension.
    let notepack = |bytes: &[u8]| Codec::Notepack.decode::<Value>(bytes).unwrap();
    assert_eq!(notepack(b"\xD4\0\0"), Value::Null);
    assert_eq!(notepack(b"\xD7\0\0\0\0\0\0\0\x03\xE8"), json!("1970-01-01T00:00:01.000Z"));
    assert_eq!(notepack(b"\xD5\x05\x01\x02"), json!([5, buffer(&[1, 2])]));
    Codec::MsgPack.decode::<Value>(b"\xD5\x05\x01\x02").unwrap_err();
    // Texts that are not UTF-8: a lone surrogate of cbor-x.
    assert_eq!(
        Codec::Cbor.decode::<Value>(b"\x64\xED\xA0\xBDx").unwrap(),
        json!("\u{fffd}\u{fffd}\u{fffd}x")
    );
    assert_eq!(Codec::MsgPack.decode::<Value>(b"\xA2\xFFx").unwrap(), json!("\u{fffd}x"));
    // Keys that are no texts.
    assert_eq!(
        Codec::MsgPack.decode::<Value>(b"\x82\x01\x02\xFF\xC0").unwrap(),
        json!({ "1": 2, "-1": null })
    );
    // A Map within a Set, an unknown prefix, texts that mean themselves.
    let ext = |text: &str| Codec::JsonExt.decode::<Value>(text.as_bytes()).unwrap();
    assert_eq!(ext(r#""[[ST]][\"[[MP]]{\\\"x\\\":\\\"[[BI]]7\\\"}\"]""#), json!([{ "x": 7 }]));
    assert_eq!(ext(r#"["[[XX]]y","[[","[[ES]][[ES]]"]"#), json!(["[[XX]]y", "[[", "[[ES]]"]));
    assert_eq!(ext(r#"{"[[BI]]5":"[[DT]]NaN"}"#), json!({ "[[BI]]5": null }));
}

#[test]
fn bytes_that_are_no_value_are_refused() {
    for (codec, bytes) in [
        (Codec::MsgPack, &b""[..]),
        (Codec::MsgPack, b"\xC1"),
        (Codec::MsgPack, b"\x01\x01"),
        (Codec::MsgPack, b"\xDF\xFF\xFF\xFF\xFF"),
        (Codec::MsgPack, b"\xDB\xFF\xFF\xFF\xFFx"),
        (Codec::Cbor, b""),
        (Codec::Cbor, b"\xFF"),
        (Codec::Cbor, b"\x9F\x01"),
        (Codec::Cbor, b"\xBF\x61a\xFF"),
        (Codec::Cbor, b"\x7F\x41\x01\xFF"),
        (Codec::Cbor, b"\x9B\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"),
        (Codec::Cbor, b"\x1F"),
        (Codec::Cbor, b"\xC1\x61x"),
        (Codec::Json, b"5 5"),
        (Codec::JsonExt, b"{\"a\" 1}"),
        (Codec::JsonExt, br#""[[BI]]x""#),
        (Codec::JsonExt, br#""[[MP]]{""#),
    ] {
        assert!(codec.decode::<Value>(bytes).is_err(), "{codec:?} {bytes:02x?}");
    }
    let deep = format!("\"[[ST]]{}\"", "[".repeat(200) + &"]".repeat(200));
    assert!(Codec::JsonExt.decode::<Value>(deep.as_bytes()).is_err());
    let tags = [&[0xC0; 100][..], &[0x01]].concat();
    assert!(Codec::Cbor.decode::<Value>(&tags).is_err());
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i16>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<f32>().prop_map(|number| Value::from(f64::from(number))),
        any::<String>().prop_map(Value::from),
        "(\\[\\[[A-Z]{2}\\]\\])?.{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 20, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..20).prop_map(Value::from),
            btree_map(any::<String>(), inner, 0..20).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// CBOR writes integers beyond 32 bits as floats, and reads such floats as integers.
fn as_cbor_reads(value: Value) -> Value {
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(float)
                if number.is_f64()
                    && float.fract() == 0.0
                    && (4_294_967_296.0..=9_007_199_254_740_992.0).contains(&float.abs()) =>
            {
                json!(float as i64)
            }
            _ => Value::Number(number),
        },
        Value::Array(items) => items.into_iter().map(as_cbor_reads).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(key, value)| (key, as_cbor_reads(value))).collect()
        }
        other => other,
    }
}

proptest! {
    #[test]
    fn a_value_survives_every_codec(value in value()) {
        for codec in ALL {
            let written = codec.encode(&value).unwrap();
            let expected = if codec == Codec::Cbor { as_cbor_reads(value.clone()) } else { value.clone() };
            prop_assert_eq!(codec.decode::<Value>(&written).unwrap(), expected, "{:?}", codec);
        }
    }

    #[test]
    fn no_bytes_make_a_codec_panic(bytes: Vec<u8>) {
        for codec in ALL {
            let _ = codec.decode::<Value>(&bytes);
            let _ = codec.decode::<Of<(Buffer, Date, Option<i128>)>>(&bytes);
        }
    }

    #[test]
    fn no_damaged_value_makes_a_codec_panic(value in value(), at: prop::sample::Index, byte: u8) {
        for codec in ALL {
            let mut written = codec.encode(&value).unwrap().to_vec();
            let at = at.index(written.len());
            written[at] = byte;
            let _ = codec.decode::<Value>(&written);
            let _ = codec.decode::<Value>(&written[..at]);
        }
    }
}
