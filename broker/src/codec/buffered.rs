//! One value is the same whatever the form of the type around it: plain, tagged inside or beside, flattened,
//! untagged. In all but the first serde buffers the value. What Node's own serializers wrote is read in each.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use super::golden::{ALL, Buffer, bytes_of, vectors};
use super::{Codec, Date};

#[derive(Debug, Deserialize)]
struct Plain<T> {
    v: T,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
enum Inside<T> {
    Put { v: T },
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", content = "content")]
enum Beside<T> {
    Put { v: T },
}

#[derive(Debug, Deserialize)]
struct Flat<T> {
    #[serde(flatten)]
    rest: Plain<T>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Untagged<T> {
    Put { v: T },
}

/// What Node's Buffer is in JSON.
#[derive(Debug, Deserialize)]
struct Shape {
    #[serde(rename = "type")]
    _kind: String,
    #[serde(rename = "data")]
    _data: Vec<u8>,
}

/// An object whose members are written already; the values in `codec`.
fn object(codec: Codec, members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut written = codec.encode(&members.iter().map(|(key, _)| (*key, "@")).collect::<BTreeMap<_, _>>());
    let mut whole = Vec::new();
    let mark = codec.encode("@").unwrap();
    let written = written.as_mut().unwrap();
    // A map orders its keys, and so do the tests.
    assert!(members.is_sorted_by_key(|(key, _)| *key));
    for (_, value) in members {
        let at = written.windows(mark.len()).position(|window| *window == mark[..]).unwrap();
        whole.extend_from_slice(&written.split_to(at));
        whole.extend_from_slice(value);
        let _ = written.split_to(mark.len());
    }
    whole.extend_from_slice(written);
    whole
}

/// What becomes of a value in each form of type, printed.
fn read<T: Debug + DeserializeOwned>(codec: Codec, value: &[u8]) -> Vec<(&'static str, Option<String>)> {
    fn shown<T: DeserializeOwned, V: Debug>(
        codec: Codec,
        bytes: &[u8],
        value: impl FnOnce(T) -> V,
    ) -> Option<String> {
        codec.decode(bytes).ok().map(|whole| format!("{:?}", value(whole)))
    }
    let put = codec.encode("Put").unwrap();
    let plain = object(codec, &[("v", value)]);
    let inside = |Inside::Put { v }: Inside<T>| v;
    let tag = "type";
    vec![
        ("plain", shown(codec, &plain, |of: Plain<T>| of.v)),
        ("inside", shown(codec, &object(codec, &[(tag, &put), ("v", value)]), inside)),
        (
            "beside",
            shown(
                codec,
                &object(codec, &[("content", &plain), (tag, &put)]),
                |Beside::Put { v }: Beside<T>| v,
            ),
        ),
        ("flat", shown(codec, &plain, |of: Flat<T>| of.rest.v)),
        ("untagged", shown(codec, &plain, |Untagged::Put { v }: Untagged<T>| v)),
    ]
}

fn same<T: Debug + DeserializeOwned>(codec: Codec, name: &str, value: &[u8], wrong: &mut Vec<String>) {
    let found = read::<T>(codec, value);
    let plain = found[0].1.clone();
    for (form, value) in found {
        if value != plain {
            wrong.push(format!(
                "{codec:?} {name} as {} {form}: {value:?}, plain: {plain:?}",
                std::any::type_name::<T>()
            ));
        }
    }
}

/// The value in `{ v: … }`, as Node wrote that.
fn inner(codec: Codec, whole: &[u8]) -> &[u8] {
    let [before, after]: [&[u8]; 2] = match codec {
        Codec::Json | Codec::JsonExt => [br#"{"v":"#, b"}"],
        Codec::MsgPack | Codec::Notepack => [b"\x81\xA1v", b""],
        Codec::Cbor => [b"\xB9\0\x01\x61v", b""],
    };
    whole.strip_prefix(before).and_then(|rest| rest.strip_suffix(after)).expect("an object of one member")
}

#[test]
fn every_value_that_node_wrote_is_the_same_in_every_form_of_type() {
    let values = vectors("values.json");
    let (mut wrong, mut met) = (Vec::new(), BTreeSet::new());
    for codec in ALL {
        for (name, written) in values[codec.as_str()].as_object().unwrap() {
            let Some(bytes) = bytes_of(codec, written) else { continue };
            if matches!(&bytes[..], b"{}" | b"\x80") {
                continue;
            }
            let value = inner(codec, &bytes);
            macro_rules! each {
                ($($kind:ty),*) => { $(same::<$kind>(codec, name, value, &mut wrong);)* };
            }
            each!(Value, Option<Value>, String, Option<String>, bool, u8, u64, i64, f64, Option<f64>);
            each!(Vec<u8>, Option<Vec<u8>>, [u8; 3], (u8, u8, u8), Vec<Value>, Vec<f64>, Shape);
            each!(BTreeMap<String, Value>, BTreeMap<String, u64>, Date, Option<Date>);
            // serde_json itself takes texts for bytes, and refuses large numbers, only where nothing is buffered.
            if codec != Codec::Json {
                each!(Buffer, f32);
            }
            met.insert(name.clone());
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for name in ["buf", "date_ms", "nan", "inf", "bigint", "bigint_large", "map", "set", "undef"] {
        assert!(met.contains(name), "{name}: {met:?}");
    }
}

#[test]
fn values_that_node_writes_in_its_own_ways_are_the_same_in_every_form_of_type() {
    let mut wrong = Vec::new();
    let whole = b"5.0";
    for (codec, name, value) in [
        (Codec::Json, "whole", &whole[..]),
        (Codec::Json, "whole", b"1e3"),
        (Codec::Json, "large", b"1e300"),
        (Codec::Notepack, "large", b"\xCB\x7E\x37\xE4\x3C\x88\0\x75\x9C"),
        (Codec::JsonExt, "whole", whole),
        (Codec::MsgPack, "whole", b"\xCA\x40\xA0\0\0"),
        (Codec::Notepack, "whole", b"\xCB\x40\x14\0\0\0\0\0\0"),
        (Codec::Cbor, "whole", b"\xFB\x40\x14\0\0\0\0\0\0"),
        (Codec::JsonExt, "invalid date", br#""[[DT]]NaN""#),
        (Codec::JsonExt, "a Map of dates", br#""[[MP]]{\"v\":\"[[DT]]5\"}""#),
        (Codec::Cbor, "invalid date", b"\xC1\xFB\x7F\xF8\0\0\0\0\0\0"),
        (Codec::Cbor, "undefined", b"\xF7"),
    ] {
        macro_rules! each {
            ($($kind:ty),*) => { $(same::<$kind>(codec, name, value, &mut wrong);)* };
        }
        each!(
            String,
            u8,
            i64,
            u64,
            f64,
            Option<u64>,
            Option<f64>,
            Vec<u8>,
            Date,
            Option<Date>,
            Option<Value>
        );
        each!(BTreeMap<String, i64>, BTreeMap<String, Date>, BTreeMap<String, Value>);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Two Buffers and a date, each asked for in several ways at once, more often than values are told apart by their order.
#[test]
fn values_of_one_body_are_each_what_they_are_asked_for() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(tag = "type")]
    enum Cmd {
        Put { data: Vec<u8>, hash: Buffer, at: i64 },
        Note { data: Value, at: String },
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct Whole {
        first: Value,
        #[serde(flatten)]
        rest: BTreeMap<String, Value>,
        list: Vec<Cmd>,
    }
    for codec in [Codec::JsonExt, Codec::MsgPack, Codec::Notepack, Codec::Cbor] {
        let (buffer, date) = (Buffer(vec![0, 200, 7]), Date::from_millis(1_700_000_000_123));
        let (encoded, at) = (codec.encode(&buffer).unwrap(), codec.encode(&date).unwrap());
        let text = |text: &str| codec.encode(text).unwrap();
        let put =
            object(codec, &[("at", &at), ("data", &encoded), ("hash", &encoded), ("type", &text("Put"))]);
        let note = object(codec, &[("at", &at), ("data", &encoded), ("type", &text("Note"))]);
        let list = |items: &[&[u8]]| match codec {
            Codec::JsonExt => [&b"["[..], &items.join(&b','), b"]"].concat(),
            Codec::Cbor => [&[0x80 | items.len() as u8], &items.concat()[..]].concat(),
            _ => [&[0x90 | items.len() as u8], &items.concat()[..]].concat(),
        };
        let shown = json!({ "type": "Buffer", "data": [0, 200, 7] });
        let is_put = || Cmd::Put { data: buffer.0.clone(), hash: buffer.clone(), at: date.millis() };
        let is_note = || Cmd::Note { data: shown.clone(), at: date.to_string() };

        let written = object(
            codec,
            &[("first", &encoded), ("list", &list(&[&put, &note])), ("more", &encoded), ("time", &at)],
        );
        let rest = [("more".to_owned(), shown.clone()), ("time".to_owned(), json!(date.to_string()))];
        let expected = Whole { first: shown.clone(), rest: rest.into(), list: vec![is_put(), is_note()] };
        assert_eq!(codec.decode::<Whole>(&written), Ok(expected), "{codec:?}");

        let many = [&put[..]; 12];
        let read = codec.decode::<Vec<Cmd>>(&list(&many)).unwrap();
        assert_eq!(read, (0..12).map(|_| is_put()).collect::<Vec<_>>(), "{codec:?}");
        let many = [&note[..]; 12];
        let read = codec.decode::<Vec<Cmd>>(&list(&many)).unwrap();
        assert_eq!(read, (0..12).map(|_| is_note()).collect::<Vec<_>>(), "{codec:?}");
    }
}

#[test]
fn an_untagged_type_gives_a_buffer_to_the_first_variant_that_takes_it() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(untagged)]
    enum Data {
        Text(String),
        Bytes(Vec<u8>),
        Other(Value),
    }
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(untagged)]
    enum Either {
        Object(BTreeMap<String, Value>),
        Bytes(Vec<u8>),
    }
    for codec in [Codec::JsonExt, Codec::MsgPack, Codec::Notepack, Codec::Cbor] {
        // As text this would be "hey".
        for bytes in [&b"hey"[..], b"", b"\xFF", b"\0\x80"] {
            let written = codec.encode(&Buffer(bytes.to_vec())).unwrap();
            assert_eq!(codec.decode::<Data>(&written), Ok(Data::Bytes(bytes.to_vec())), "{codec:?}");
            let object = codec.decode::<Either>(&written);
            assert!(matches!(object, Ok(Either::Object(_))), "{codec:?} {object:?}");
        }
        let written = codec.encode(&json!({ "a": 1 })).unwrap();
        assert_eq!(codec.decode::<Data>(&written), Ok(Data::Other(json!({ "a": 1 }))), "{codec:?}");
        let written = codec.encode("hey").unwrap();
        assert_eq!(codec.decode::<Data>(&written), Ok(Data::Text("hey".into())), "{codec:?}");
    }
}

#[test]
fn what_does_not_fit_in_a_buffer_says_what_it_is() {
    for codec in [Codec::JsonExt, Codec::MsgPack, Codec::Notepack, Codec::Cbor] {
        let (put, data) = (codec.encode("Put").unwrap(), codec.encode(&Buffer(vec![1; 3])).unwrap());
        let written = object(codec, &[("type", &put), ("v", &data)]);
        let error = codec.decode::<Inside<u64>>(&written).unwrap_err();
        assert_eq!(error.message, "invalid type: map, expected u64", "{codec:?}");
    }
}

/// serde's buffers are known by what they say that they expect: if another version of serde says something
/// else, this is where it shows.
#[test]
fn buffers_of_serde_are_recognized_and_nothing_else_is() {
    use super::shown::is_buffer;
    use serde::de::{Deserializer, Error as _, Visitor, value::Error};
    struct Ask<'a>(&'a mut Option<bool>);
    impl<'de> Deserializer<'de> for Ask<'_> {
        type Error = Error;
        fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            *self.0 = Some(is_buffer(&visitor));
            Err(Error::custom("asked"))
        }
        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
            unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
        }
    }
    fn asks<T: DeserializeOwned>() -> Option<bool> {
        let mut asked = None;
        let _ = T::deserialize(Ask(&mut asked));
        asked
    }
    assert_eq!(asks::<Untagged<u8>>(), Some(true));
    for other in [asks::<Value>(), asks::<serde::de::IgnoredAny>(), asks::<Date>(), asks::<Vec<u8>>()] {
        assert_eq!(other, Some(false));
    }
}
