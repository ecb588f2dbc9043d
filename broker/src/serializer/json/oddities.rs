//! What comes of packets that no well-behaved node sends: each has one defined result.

use bytes::Bytes;
use ligand_transporters::PacketKind;

use super::Json;
use super::golden::decoded;
use crate::protocol::{
    Code, Incoming, OnlineRow, Packet, ProtocolVersion, Raw, Request, ServiceVersion, Services, Ver,
    Visibility, WireError,
};
use crate::serializer::{DecodeError, Limits, Problem, Serializer};

fn decode(kind: PacketKind, frame: impl AsRef<[u8]>) -> Result<Incoming, DecodeError> {
    Json.decode(kind, Bytes::copy_from_slice(frame.as_ref()), &Limits::default())
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
    assert_eq!((id, sender.as_str(), &error.ver), ("1", "node-1", &Some(Ver::V5)), "{text}");
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

#[test]
fn half_a_million_brackets_are_refused_quickly_and_answered() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{}1{}", open.repeat(500_000), close.repeat(500_000));
        assert_eq!(answerable(request_with("params", &deep)), "depth of nesting exceeds the limit of 128");
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
    const OBJECTS: &[&str] = &["[]", "5", "\"x\"", "true"];
    const FLAGS: &[&str] = &["\"yes\"", "0", "1", "{}", "[]"];
    const INTEGERS: &[&str] = &["\"1\"", "-1", "1.5", "1e400", "4294967296", "{}", "true"];
    for (field, values) in [
        ("action", TEXTS),
        ("parentID", TEXTS),
        ("requestID", TEXTS),
        ("caller", TEXTS),
        ("meta", OBJECTS),
        ("headers", OBJECTS),
        ("tracing", FLAGS),
        ("stream", FLAGS),
        ("level", INTEGERS),
        ("seq", INTEGERS),
        ("timeout", &["\"NaN\"", "-1", "1e308", "1e400", "{}", "true"]),
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
    assert_eq!(request(request_with("level", "1e9")).context.level, Some(1_000_000_000));
    assert_eq!(request(request_with("level", "2.0")).context.level, Some(2));
}

#[test]
fn the_id_and_sender_of_a_request_have_to_be_texts() {
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
        assert_eq!((error.id.as_deref(), error.sender), (Some("1"), None));
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
        (PacketKind::Response, r#""id":5"#, "`id` must be a text"),
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
        (PacketKind::Info, r#""seq":"7""#, "`seq` must be an integer"),
        (PacketKind::Info, r#""seq":-1"#, "`seq` must be an integer from 0 to 2^53"),
        (PacketKind::Info, r#""seq":9007199254740993"#, "`seq` must be an integer from 0 to 2^53"),
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
fn a_heartbeat_is_a_sign_of_life_whatever_its_load() {
    for (cpu, read) in [("17", Some(17.0)), ("null", None), ("\"high\"", None), ("1e400", None), ("{}", None)]
    {
        let frame = format!(r#"{{"cpu":{cpu},"instanceID":"i","seq":3,"sender":"x"}}"#);
        let Packet::Heartbeat(beat) = decoded(PacketKind::Heartbeat, frame.as_bytes()).packet else {
            panic!()
        };
        assert_eq!((beat.cpu, beat.seq, beat.instance_id.as_deref()), (read, Some(3), Some("i")));
    }
}

#[test]
fn an_info_may_leave_out_everything_but_its_sender() {
    let frame =
        br#"{"ver":"5","sender":"x","seq":0,"port":null,"hostname":null,"client":null,"ipList":null}"#;
    let Packet::Info(info) = decoded(PacketKind::Info, frame).packet else { panic!() };
    assert_eq!((info.seq, info.port, info.instance_id.as_str()), (1, None, ""));
    assert_eq!(
        (info.services_raw.as_str(), info.config.as_str(), info.metadata.as_str()),
        ("[]", "{}", "{}")
    );
    let info = info.into_node_info(std::sync::Arc::new(services("[]").unwrap()));
    assert_eq!(info.raw.as_ref(), frame);
}

fn services(json: &str) -> Result<Services, Problem> {
    Json.services(&Raw::new(Bytes::copy_from_slice(json.as_bytes())), &Limits::default())
}

#[test]
fn full_names_are_computed_where_the_sender_left_them_out() {
    for (service, full_name) in [
        (r#"{"name":"a"}"#, "a"),
        (r#"{"name":"a","version":2}"#, "v2.a"),
        (r#"{"name":"a","version":2.0}"#, "v2.a"),
        (r#"{"name":"a","version":1.5}"#, "v1.5.a"),
        (r#"{"name":"a","version":"staging"}"#, "staging.a"),
        (r#"{"name":"a","version":null}"#, "a"),
        (r#"{"name":"a","version":2,"settings":{"$noVersionPrefix":true}}"#, "a"),
        (r#"{"name":"a","version":2,"settings":{"$noVersionPrefix":false}}"#, "v2.a"),
        (r#"{"name":"a","version":2,"fullName":"other"}"#, "other"),
    ] {
        assert_eq!(services(&format!("[{service}]")).unwrap().list[0].full_name, full_name, "{service}");
    }
    let version = &services(r#"[{"name":"a","version":2.0}]"#).unwrap().list[0].version;
    assert_eq!(version, &Some(ServiceVersion::Number("2".into())));
}

#[test]
fn definitions_are_read_as_node_reads_them() {
    let list = services(
        r#"[{"name":"s","actions":{
            "s.none":{},
            "s.null":{"visibility":null,"timeout":null},
            "s.public":{"visibility":"public","timeout":1500.5},
            "s.protected":{"visibility":"protected","timeout":"soon"},
            "s.legacy":{"protected":true,"timeout":-1},
            "s.word":{"visibility":"secret","timeout":1e300},
            "s.key":{"name":"s.named"},
            "s.odd":true
        },"events":{"a.*":{"group":"g"},"b":{"name":"c"},"d":null}}]"#,
    );
    let service = &list.unwrap().list[0];
    let actions: Vec<_> = service
        .actions
        .iter()
        .map(|action| {
            (&action.name[2..], action.visibility, action.timeout.map(|timeout| timeout.as_micros()))
        })
        .collect();
    assert_eq!(
        actions,
        [
            ("none", Visibility::Published, None),
            ("null", Visibility::Published, None),
            ("public", Visibility::Public, Some(1_500_500)),
            ("protected", Visibility::Protected, None),
            ("legacy", Visibility::Protected, None),
            ("word", Visibility::Private, None),
            ("named", Visibility::Published, None),
            ("odd", Visibility::Published, None),
        ]
    );
    let events: Vec<_> =
        service.events.iter().map(|event| (event.name.as_str(), event.group.as_deref())).collect();
    assert_eq!(events, [("a.*", Some("g")), ("c", None), ("d", None)]);
    assert_eq!(service.events[2].definition.as_str(), "null");
}

#[test]
fn services_that_are_none_are_refused_with_what_is_wrong() {
    for (json, problem) in [
        ("{}", "`services` must be an array"),
        ("[5]", "`services` must be an array of objects"),
        ("[{}]", "`service.name` is missing"),
        (r#"[{"name":5}]"#, "`service.name` must be a text"),
        (r#"[{"name":"a","version":{}}]"#, "`service.version` must be a text"),
        (r#"[{"name":"a","settings":[]}]"#, "`service.settings` must be an object"),
        (r#"[{"name":"a","actions":{"b":{"name":5}}}]"#, "`action.name` must be a text"),
        (r#"[{"name":"a","events":{"b":{"group":5}}}]"#, "`event.group` must be a text"),
        ("[] x", "malformed JSON at byte 3: something follows"),
    ] {
        let found = services(json).unwrap_err().to_string();
        assert!(found.starts_with(problem), "{json}: {found}");
    }
    // The published protocol text has an array here.
    assert!(services(r#"[{"name":"a","actions":[],"events":null}]"#).unwrap().list[0].actions.is_empty());
}

#[test]
fn gossip_rows_that_make_no_sense_are_passed_over_one_by_one() {
    let frame = br#"{"online":{
        "good":[3,1,50.5],"short":[4],"nulls":[5,null,null],"more":[6,1,2,3],
        "":[1,1,1],"ctrl\u0000":[1,1,1],"text":["7",1,1],"minus":[-1,1,1],"huge":[9007199254740993,1,1],
        "part":[1.5,1,1],"cpu":[1,1,"x"],"cpuseq":[1,-1,1],"empty":[],"object":{},"number":5,"infinite":[1,1,1e400],
        "last":[9007199254740992,0,0]
        },"offline":{"good":0,"text":"1","null":null,"minus":-1,"list":[1],"last":7},"sender":"x"}"#;
    let Packet::GossipRequest(digest) = decoded(PacketKind::GossipRequest, frame).packet else { panic!() };
    let online: Vec<_> =
        digest.online.iter().map(|row| (row.node.as_str(), row.seq, row.cpu.seq, row.cpu.load)).collect();
    assert_eq!(
        online,
        [
            ("good", 3, 1, 50.5),
            ("short", 4, 0, 0.0),
            ("nulls", 5, 0, 0.0),
            ("more", 6, 1, 2.0),
            ("last", 1 << 53, 0, 0.0)
        ]
    );
    let offline: Vec<_> = digest.offline.iter().map(|row| (row.node.as_str(), row.seq)).collect();
    assert_eq!(offline, [("good", 0), ("last", 7)]);
}

#[test]
fn gossip_answers_keep_the_rows_that_can_be_read() {
    let frame = br#"{"online":{
        "info":[{"seq":2,"services":[]},4,20],"bare":[{"seq":3,"services":[]}],"cpu":[5,30],"half":[6],
        "broken":[{"seq":-1},1,1],"odd":[{"services":5},1,1],"text":["x"],"none":[],"oddcpu":[{"services":[]},"x",1]
        },"sender":"x"}"#;
    let Packet::GossipResponse(response) = decoded(PacketKind::GossipResponse, frame).packet else {
        panic!()
    };
    let rows: Vec<_> = response
        .online
        .iter()
        .map(|(node, row)| match row {
            OnlineRow::Info(info, cpu) => (node.as_str(), Some(info.seq), cpu.map(|cpu| cpu.seq)),
            OnlineRow::Cpu(cpu) => (node.as_str(), None, Some(cpu.seq)),
        })
        .collect();
    assert_eq!(
        rows,
        [
            ("info", Some(2), Some(4)),
            ("bare", Some(3), None),
            ("cpu", None, Some(5)),
            ("half", None, Some(6)),
            ("oddcpu", Some(1), None),
        ]
    );
}

fn error(json: &str) -> WireError {
    Json.error(Some(&Raw::new(Bytes::copy_from_slice(json.as_bytes()))))
}

#[test]
fn an_error_object_is_read_whatever_it_is() {
    let missing = Json.error(None);
    assert_eq!((missing.name.as_str(), &missing.code), ("MoleculerError", &Some(Code::Integer(500))));
    assert_eq!(error("null"), missing);
    assert_eq!(error("\"just text\"").message, "just text");
    assert_eq!(error("42").message, "42");
    assert_eq!(error("{}"), WireError::new("Error", ""));
    let odd = error(
        r#"{"name":5,"message":"cut \ud83d","code":"ERR_X","type":null,"retryable":"yes","stack":[],"data":null,
        "extra":{"a":1},"nodeID":{}}"#,
    );
    assert_eq!((odd.name.as_str(), odd.message.as_str()), ("5", "cut \u{fffd}"));
    assert_eq!((odd.code, odd.kind, odd.retryable), (Some(Code::Text("ERR_X".into())), None, None));
    assert_eq!((odd.data, odd.extra.len()), (Some(Raw::null()), 1));
    for (code, read) in
        [("-7", Some(Code::Integer(-7))), ("1.5", Some(Code::Float(1.5))), ("1e400", None), ("[]", None)]
    {
        assert_eq!(error(&format!(r#"{{"code":{code}}}"#)).code, read);
    }
    assert_eq!(error("{broken").name, "MoleculerError");
}

#[test]
fn an_error_object_keeps_a_bounded_number_of_unknown_keys() {
    let members: Vec<_> = (0..1000).map(|at| format!("\"k{at}\":{at}")).collect();
    assert_eq!(error(&format!("{{{}}}", members.join(","))).extra.len(), 64);
}
