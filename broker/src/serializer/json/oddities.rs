//! What comes of packets that no well-behaved node sends: each has one defined result.

use bytes::Bytes;
use ligand_transporters::PacketKind;
use std::time::{Duration, Instant};

use super::Json;
use super::golden::{decoded, encoded};
use crate::protocol::{
    ForeignId, Id, Incoming, OutResponse, OutResult, Outgoing, Packet, ProtocolVersion, Request, Ver,
};
use crate::serializer::{DecodeError, PacketLimits, Problem, Serializer};

fn decode(kind: PacketKind, frame: impl AsRef<[u8]>) -> Result<Incoming, DecodeError> {
    Json.decode(kind, Bytes::copy_from_slice(frame.as_ref()), &PacketLimits::default())
}

/// A request whose member `name` is `value`, beside everything that a request needs.
fn request_with(name: &str, value: &str) -> String {
    format!(r#"{{"id":"1","action":"a.b","{name}":{value},"ver":"5","sender":"node-1"}}"#)
}

fn request(frame: impl AsRef<[u8]>) -> Request {
    match decoded(PacketKind::Request, frame.as_ref()).packet {
        Packet::Request(request) => *request,
        other => panic!("{other:?}"),
    }
}

/// The problem of a request that has to be refused, and answered to node-1 as id 1.
fn answerable(frame: impl AsRef<[u8]>) -> String {
    let frame = frame.as_ref();
    let text = String::from_utf8_lossy(&frame[..frame.len().min(200)]).into_owned();
    let error = match decode(PacketKind::Request, frame) {
        Err(error) => error,
        Ok(packet) => panic!("{text} was read as {packet:?}"),
    };
    let (id, sender) = error.answer_to().unwrap_or_else(|| panic!("nobody to answer for {text}: {error}"));
    assert_eq!((id, sender.as_str(), &error.ver), ("1", "node-1", &Some(ProtocolVersion::V5)), "{text}");
    error.to_string()
}

#[test]
fn json_that_javascript_reads_is_read() {
    for (params, kept) in [
        ("-0", "-0"),
        ("9007199254740993", "9007199254740993"),
        ("1e400", "1e400"),
        (r#""\ud800""#, r#""\ud800""#),
        (r#"{"a":1,"a":2}"#, r#"{"a":1,"a":2}"#),
        (" \t\r\n[ 1 , 2 ] ", "[ 1 , 2 ]"),
        ("null", "null"),
    ] {
        assert_eq!(request(request_with("params", params)).params().unwrap().as_str(), kept);
    }
    let long = "1".repeat(1 << 20);
    assert_eq!(request(request_with("params", &long)).params().unwrap().as_str(), long);
    assert!(request(r#"{"ver":"5","sender":"x","id":"1","action":"a"}"#).params().is_none());
}

#[test]
fn of_two_members_with_one_key_the_last_wins_as_in_javascript() {
    let twice = request(
        r#"{"id":"0","action":5,"id":"1","action":"a.b","level":"x","level":2,"ver":"5","sender":"x"}"#,
    );
    assert_eq!((twice.id(), twice.action(), twice.context.level), ("1", "a.b", Some(2)));
}

#[test]
fn escapes_in_keys_and_texts_are_undone() {
    let escaped =
        request(r#"{"\u0069d":"a\u002d\n\ud83d\ude00","action":"\u00fc.b","ver":"\u0035","sender":"x"}"#);
    assert_eq!((escaped.id(), escaped.action()), ("a-\n😀", "ü.b"));
    let ver = decoded(PacketKind::Discover, br#"{"ver":"\u0035","sender":"n\u006fde"}"#);
    assert_eq!((ver.ver, ver.sender.as_str()), (Ver::V5, "node"));
}

#[test]
fn malformed_json_is_refused_and_answered() {
    for (params, problem) in [
        ("NaN", "expected a value"),
        ("01", "expected a comma"),
        ("1.", "expected a digit"),
        ("-", "expected a digit"),
        ("1e", "expected a digit"),
        ("+1", "expected a value"),
        (".5", "expected a value"),
        ("nul", "expected a value"),
        ("'x'", "expected a value"),
        ("\"a\u{1}b\"", "control character"),
        ("\"tab\there\"", "control character"),
        (r#""\ud8""#, "four hexadecimal digits"),
        (r#""\q""#, "unknown escape"),
        ("[1,]", "expected a value"),
        ("[1 2]", "expected a comma"),
        (r#"{"a":1,}"#, "expected a key"),
        (r#"{"a" 1}"#, "expected a colon"),
        ("{a:1}", "expected a key"),
        ("", "expected a value"),
    ] {
        let found = answerable(request_with("params", params));
        assert!(found.contains("malformed JSON at byte") && found.contains(problem), "{params}: {found}");
    }
}

#[test]
fn bytes_that_are_no_json_text_are_refused_and_answered_where_they_can_be() {
    let good = request_with("params", "1");
    assert!(answerable(format!("\u{feff}{good}")).contains("byte-order mark"));
    assert!(answerable(format!("{good}x")).contains("something follows"));
    assert!(answerable(format!("{good}{good}")).contains("something follows"));
    let mut invalid = request_with("params", "\"x\"").into_bytes();
    let at = invalid.windows(3).position(|window| window == b"\"x\"").unwrap() + 1;
    invalid[at] = 0xFF;
    assert!(answerable(&invalid).contains("not UTF-8"));
    // JSON has to be UTF-8; nothing can be read of UTF-16.
    let utf16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(decode(PacketKind::Request, &utf16).unwrap_err().answer_to(), None);
    // The sender comes last, so nothing can be read of a packet that was cut off.
    assert_eq!(decode(PacketKind::Request, &good[..good.len() - 20]).unwrap_err().answer_to(), None);
}

/// What a megabyte of brackets may take; ten times as long without optimization.
const A_MEGABYTE: Duration = Duration::from_millis(if cfg!(debug_assertions) { 100 } else { 10 });

#[test]
fn half_a_million_brackets_are_refused_quickly_and_answered() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{}1{}", open.repeat(500_000), close.repeat(500_000));
        let packet = request_with("params", &deep);
        // The best of five: the machine may have other things to do.
        let mut best = Duration::MAX;
        for _ in 0..5 {
            let from = Instant::now();
            assert_eq!(answerable(&packet), "depth of nesting exceeds the limit of 128");
            best = best.min(from.elapsed());
        }
        println!("{} bytes of `{open}` were refused after {best:.1?}", packet.len());
        let limit = A_MEGABYTE.mul_f64(packet.len() as f64 / 1e6);
        assert!(best <= limit, "it took {best:?} of {limit:?}");
    }
}

#[test]
fn lone_surrogates_are_refused_where_a_text_is_needed() {
    let found = answerable(request_with("caller", r#""\ud800""#));
    assert_eq!(found, "`caller` must be a text without lone surrogates");
}

#[test]
fn frames_that_are_no_object_are_refused_for_every_kind() {
    for kind in PacketKind::ALL {
        for frame in ["null", "[]", "\"x\"", "0", "true", " 1.5e3 ", "[{\"id\":\"1\",\"sender\":\"x\"}]"] {
            let error = decode(kind, frame).unwrap_err();
            assert_eq!(
                (error.problem, error.id, error.sender),
                (Problem::NotAnObject, None, None),
                "{frame}"
            );
        }
        for frame in ["", " \n"] {
            assert_eq!(decode(kind, frame).unwrap_err().problem, Problem::Empty);
        }
        for byte in 0..=u8::MAX {
            let error = decode(kind, [byte]).unwrap_err();
            assert_eq!((error.id, error.sender), (None, None), "{byte}");
        }
        assert_eq!(decode(kind, "{}").unwrap_err().id, None);
        assert_eq!(decode(kind, "{\"ver\":\"5\"}").unwrap_err().sender, None);
    }
}

#[test]
fn a_wrong_type_names_its_field_and_is_answered() {
    const TEXTS: &[&str] = &["5", "true", "{}", "[]"];
    const IDS: &[&str] = &["true", "{}", "[]"];
    const OBJECTS: &[&str] = &["[]", "5", "\"x\"", "true"];
    const FLAGS: &[&str] = &["\"yes\"", "0", "1", "{}", "[]"];
    const INTEGERS: &[&str] = &["\"1\"", "-1", "1.5", "1e400", "4294967296", "{}", "true"];
    for (field, values) in [
        ("action", TEXTS),
        ("parentID", IDS),
        ("requestID", IDS),
        ("caller", TEXTS),
        ("meta", OBJECTS),
        ("headers", OBJECTS),
        ("tracing", FLAGS),
        ("stream", &["\"yes\"", "1", "{}", "[]"]),
        ("level", INTEGERS),
        ("seq", INTEGERS),
        ("timeout", &["\"NaN\"", "\"5s\"", "\"\"", "-1", "\"-1\"", "1e308", "1e400", "{}", "true"]),
    ] {
        for value in values {
            let found = answerable(request_with(field, value));
            assert!(found.starts_with(&format!("`{field}` must be ")), "{field} {value}: {found}");
        }
    }
    assert_eq!(answerable(request_with("action", "null")), "`action` is missing");
}

#[test]
fn what_node_tolerates_is_tolerated() {
    let nulls = request(
        r#"{"ver":"5","sender":"x","id":"","action":"","params":null,"meta":null,"headers":null,"timeout":null,
        "level":null,"tracing":null,"parentID":null,"requestID":null,"caller":null,"stream":null,"seq":null,
        "needAck":null,"unknown":{"deep":[1,2,{"x":null}]}}"#,
    );
    assert_eq!((nulls.context.meta().as_str(), nulls.context.headers()), ("{}", None));
    assert_eq!((nulls.timeout, nulls.context.level, nulls.context.tracing), (None, None, None));
    assert_eq!((nulls.context.parent_id(), nulls.context.caller(), nulls.stream), (None, None, None));
    let flags = request(request_with("tracing", "false"));
    assert_eq!(flags.context.tracing, Some(false));
    for stream in ["0", "-0", "\"\"", "false"] {
        assert_eq!(request(request_with("stream", stream)).stream, Some(false), "{stream}");
    }
    assert_eq!(request(request_with("level", "1e9")).context.level, Some(1_000_000_000));
    assert_eq!(request(request_with("level", "2.0")).context.level, Some(2));
}

/// A `uidGenerator` of Node may make numbers; `Map` tells them from texts.
#[test]
fn an_id_that_is_a_number_comes_back_as_it_was_written() {
    for number in ["5", "-5", "0", "1.5", "1e21", "9007199254740993"] {
        let frame = format!(
            r#"{{"id":{number},"action":"a.b","parentID":{number},"requestID":{number},"ver":"5","sender":"n"}}"#
        );
        let request = request(&frame);
        let id = Id::Number(number);
        assert_eq!((request.context.wire_id(), request.id()), (id, number));
        assert_eq!((request.context.parent_id(), request.context.request_id()), (Some(id), Some(id)));
        let error = decode(PacketKind::Request, frame.replace(r#""a.b""#, "5")).unwrap_err();
        assert_eq!(error.problem, Problem::Wrong { field: "action", expected: "a text" });
        assert_eq!((error.id.unwrap().as_wire(), error.sender.unwrap().as_str()), (id, "n"));
        let Packet::Ping(ping) =
            decoded(PacketKind::Ping, format!(r#"{{"time":1,"id":{number},"sender":"n"}}"#).as_bytes())
                .packet
        else {
            panic!()
        };
        assert_eq!(ping.id.unwrap().as_wire(), id);
        let packet = OutResponse { id, meta: b"{}", headers: None, outcome: OutResult::NoData, stream: None };
        let answer = encoded(ProtocolVersion::V4, "us", &Outgoing::Response(packet), None);
        let written = format!(r#"{{"id":{number},"meta":{{}},"success":true,"ver":"4","sender":"us"}}"#);
        assert_eq!(String::from_utf8(answer).unwrap(), written);
    }
}

#[test]
fn of_a_refused_packet_the_last_id_counts_whatever_it_is() {
    for (ids, found) in [
        (r#""id":"1","id":2"#, Some(ForeignId::Number("2".into()))),
        (r#""id":1,"id":"2""#, Some(ForeignId::Text("2".into()))),
        (r#""\u0069d": -1.5e3 "#, Some(ForeignId::Number("-1.5e3".into()))),
        (r#""id":1.,"x":2"#, None),
        (r#""id":-"#, None),
        (r#""iddd":1"#, None),
    ] {
        let error = decode(PacketKind::Response, format!(r#"{{{ids},"success":x,"sender":"n"}}"#));
        assert_eq!(error.unwrap_err().id, found, "{ids}");
    }
}

#[test]
fn a_timeout_may_be_written_as_a_text() {
    for (timeout, milliseconds) in [("\"5000\"", 5000.0), ("\"0\"", 0.0), ("\"1.5\"", 1.5), ("5000", 5000.0)]
    {
        assert_eq!(request(request_with("timeout", timeout)).timeout, Some(milliseconds), "{timeout}");
    }
}

#[test]
fn the_id_and_sender_of_a_request_have_to_be_there() {
    let without_id = decode(PacketKind::Request, r#"{"action":"a","ver":"5","sender":"x"}"#).unwrap_err();
    assert_eq!(without_id.problem, Problem::Missing { field: "id" });
    assert_eq!(without_id.sender.unwrap().as_str(), "x");
    for (sender, problem) in [
        ("{}", "`sender` must be a text"),
        ("5", "`sender` must be a text"),
        ("\"\"", "`sender` is no node id: a node id must not be empty"),
        ("\"a\\u0000\"", "`sender` is no node id"),
        ("null", "`sender` is missing"),
    ] {
        let error = decode(PacketKind::Request, format!(r#"{{"id":"1","action":"a","sender":{sender}}}"#));
        let error = error.unwrap_err();
        assert!(error.to_string().starts_with(problem), "{error}");
        assert_eq!((error.id, error.sender), (Some(ForeignId::Text("1".into())), None));
    }
}

#[test]
fn a_version_that_is_not_ours_is_reported_as_it_is() {
    for (ver, expected, known) in [
        ("\"ver\":\"4\",", Ver::V4, Some(ProtocolVersion::V4)),
        ("\"ver\":\"5\",", Ver::V5, Some(ProtocolVersion::V5)),
        ("\"ver\":\"3\",", Ver::Other("3".into()), None),
        ("\"ver\":5,", Ver::Other("5".into()), None),
        ("\"ver\":null,", Ver::Other("null".into()), None),
        ("", Ver::Other("".into()), None),
    ] {
        let packet = decoded(PacketKind::Disconnect, format!("{{{ver}\"sender\":\"x\"}}").as_bytes());
        assert_eq!((packet.ver.known(), packet.ver), (known, expected));
    }
}

fn wrong(kind: PacketKind, members: &str) -> String {
    let error = decode(kind, format!(r#"{{{members},"ver":"5","sender":"x"}}"#)).unwrap_err();
    assert_eq!(error.sender.as_ref().unwrap().as_str(), "x");
    error.to_string()
}

#[test]
fn wrong_types_in_other_packets_name_their_field() {
    for (kind, members, problem) in [
        (PacketKind::Response, r#""id":true"#, "`id` must be a text"),
        (PacketKind::Response, r#""success":true"#, "`id` is missing"),
        (PacketKind::Response, r#""id":"1","success":1"#, "`success` must be true or false"),
        (PacketKind::Response, r#""id":"1","meta":[]"#, "`meta` must be an object"),
        (PacketKind::Response, r#""id":"1","seq":-1"#, "`seq` must be an integer"),
        (PacketKind::Event, r#""event":{}"#, "`event` must be a text"),
        (PacketKind::Event, r#""id":"1""#, "`event` is missing"),
        (PacketKind::Event, r#""event":"a","groups":"mail""#, "`groups` must be an array of texts"),
        (PacketKind::Event, r#""event":"a","groups":[1]"#, "`groups` must be a text"),
        (PacketKind::Event, r#""event":"a","groups":[null]"#, "`groups` is missing"),
        (PacketKind::Event, r#""event":"a","broadcast":"no""#, "`broadcast` must be true or false"),
        (PacketKind::Event, r#""event":"a","level":"x""#, "`level` must be an integer"),
        (PacketKind::Heartbeat, r#""seq":"x""#, "`seq` must be an integer"),
        (PacketKind::Heartbeat, r#""instanceID":5"#, "`instanceID` must be a text"),
        (PacketKind::Ping, r#""time":"now""#, "`time` must be a number"),
        (PacketKind::Ping, r#""id":{}"#, "`id` must be a text"),
        (PacketKind::Pong, r#""arrived":[]"#, "`arrived` must be a number"),
        (PacketKind::Info, r#""services":{}"#, "`services` must be an array"),
        (PacketKind::Info, r#""services":null"#, "`services` must be an array"),
        (PacketKind::Info, r#""ipList":"::1""#, "`ipList` must be an array of texts"),
        (PacketKind::Info, r#""client":[]"#, "`client` must be an object"),
        (PacketKind::Info, r#""seq":"seven""#, "`seq` must be an integer"),
        (PacketKind::Info, r#""seq":{}"#, "`seq` must be an integer"),
        (PacketKind::Info, r#""seq":-1"#, "`seq` must be an integer from 0 to 2^53"),
        (PacketKind::Info, r#""port":65536"#, "`port` must be a port number"),
        (PacketKind::Info, r#""instanceID":5"#, "`instanceID` must be a text"),
        (PacketKind::Info, r#""metadata":"x""#, "`metadata` must be an object"),
        (PacketKind::GossipHello, r#""port":1"#, "`host` is missing"),
        (PacketKind::GossipHello, r#""host":"a""#, "`port` is missing"),
        (PacketKind::GossipHello, r#""host":"a","port":0"#, "`port` is missing"),
        (PacketKind::GossipHello, r#""host":"a","port":"80""#, "`port` must be an integer"),
        (PacketKind::GossipRequest, r#""online":[]"#, "`online` must be an object"),
        (PacketKind::GossipResponse, r#""offline":5"#, "`offline` must be an object"),
    ] {
        let found = wrong(kind, members);
        assert!(found.starts_with(problem), "{members}: {found}");
    }
}

#[test]
fn an_answer_that_cannot_be_read_names_the_call_it_was_for() {
    let error =
        decode(PacketKind::Response, r#"{"id":"1","success":NaN,"ver":"5","sender":"x"}"#).unwrap_err();
    assert_eq!(error.answer_to().map(|(id, sender)| (id, sender.as_str())), Some(("1", "x")));
}

#[test]
fn an_answer_that_does_not_say_how_the_call_went_has_failed() {
    for success in ["", r#""success":null,"#, r#""success":false,"#] {
        let frame = format!(r#"{{"id":"1",{success}"data":1,"sender":"x"}}"#);
        let Packet::Response(response) = decoded(PacketKind::Response, frame.as_bytes()).packet else {
            panic!()
        };
        assert!(!response.success && response.error().is_none());
    }
}

#[test]
fn the_number_of_an_info_is_what_node_compares_and_can_always_be_exceeded() {
    const LAST: u64 = 1 << 53;
    for (written, read) in [
        ("7", 7),
        ("\"7\"", 7),
        ("\" 7 \"", 7),
        ("\"0x10\"", 16),
        ("\"1e3\"", 1_000),
        ("7.25", 8),
        ("0", 1),
        ("\"\"", 1),
        ("true", 1),
        ("9007199254740991", LAST - 1),
        ("9007199254740993", LAST),
        ("1e300", LAST),
        ("1e400", LAST),
        ("\"Infinity\"", LAST),
        ("\"0xffffffffffffffffff\"", LAST),
        ("[99]", LAST),
    ] {
        let packet = format!(r#"{{"seq":{written},"ver":"5","sender":"x"}}"#);
        let Packet::Info(info) = decoded(PacketKind::Info, packet.as_bytes()).packet else { panic!() };
        assert_eq!(info.seq, read, "{written}");
    }
}
