//! What is read of peers that describe themselves, the cluster or a failure oddly: as much as makes sense.

use bytes::Bytes;
use ligand_transporters::PacketKind;

use super::Json;
use super::golden::decoded;
use crate::protocol::{Code, OnlineRow, Packet, Raw, ServiceVersion, Services, Visibility, WireError};
use crate::serializer::{PacketLimits, Problem, Serializer};

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
    assert_eq!(info.raw.bytes().as_ref(), frame);
}

fn services(json: &str) -> Result<Services, Problem> {
    Json.services(&Raw::new(Bytes::copy_from_slice(json.as_bytes())), &PacketLimits::default())
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
