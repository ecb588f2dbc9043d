//! Each limit lets its last value through and refuses the next one, by name.

use bytes::Bytes;
use ligand_transporters::PacketKind;

use super::Json;
use crate::protocol::Raw;
use crate::serializer::{PacketLimits, Problem, Serializer};

fn refusal(kind: PacketKind, members: &str) -> Option<Problem> {
    let frame = format!(r#"{{{members},"ver":"5","sender":"node-1"}}"#);
    let error = Json.decode(kind, frame.into(), &PacketLimits::default()).err()?;
    assert_eq!(error.sender.as_ref().map(|sender| sender.as_str()), Some("node-1"));
    if kind == PacketKind::Request {
        assert!(error.answer_to().is_some());
    }
    Some(error.problem)
}

/// Checks a limit on packets made by `members` for a size.
fn check(
    kind: PacketKind,
    what: &'static str,
    option: impl Into<Option<&'static str>>,
    limit: usize,
    members: impl Fn(usize) -> String,
) {
    assert_eq!(refusal(kind, &members(limit)), None, "{what}");
    let problem = refusal(kind, &members(limit + 1)).unwrap_or_else(|| panic!("{what} is not limited"));
    assert_eq!(problem.exceeded(), Some((what, option.into(), limit, limit + 1)));
}

fn request(member: &str) -> String {
    format!(r#""id":"1","action":"a",{member}"#)
}

fn list(entries: usize) -> String {
    format!("[{}]", vec!["1"; entries].join(","))
}

fn nested(levels: usize) -> String {
    format!("{}{}", "[".repeat(levels), "]".repeat(levels))
}

#[test]
fn depth_counts_the_packet_itself() {
    for member in ["params", "unknown"] {
        check(PacketKind::Request, "depth of nesting", "transit.limits.depth", 128, |depth| {
            request(&format!("\"{member}\":{}", nested(depth - 1)))
        });
    }
    check(PacketKind::Request, "depth of nesting", "transit.limits.depth", 128, |depth| {
        request(&format!("\"meta\":{{\"a\":{}}}", nested(depth - 2)))
    });
    check(PacketKind::Response, "depth of nesting", "transit.limits.depth", 128, |depth| {
        format!("\"id\":\"1\",\"data\":{}", nested(depth - 1))
    });
    check(PacketKind::Event, "depth of nesting", "transit.limits.depth", 128, |depth| {
        format!("\"event\":\"1\",\"data\":{}", nested(depth - 1))
    });
    check(PacketKind::Info, "depth of nesting", "transit.limits.depth", 128, |depth| {
        format!("\"services\":{}", nested(depth - 1))
    });
}

#[test]
fn a_body_that_passes_can_be_deserialized() {
    assert!(serde_json::from_str::<serde_json::Value>(&nested(127)).is_ok());
}

#[test]
fn texts_and_entries_are_limited_outside_of_bodies_only() {
    let text = |length| format!("\"{}\"", "x".repeat(length));
    check(PacketKind::Request, "length of a string", "transit.limits.string", 1 << 20, |length| {
        request(&format!("\"x\":{}", text(length)))
    });
    check(PacketKind::Request, "number of entries", "transit.limits.entries", 65_536, |entries| {
        request(&format!("\"x\":{}", list(entries)))
    });
    check(PacketKind::Info, "number of entries", "transit.limits.entries", 65_536, |entries| {
        format!("\"ipList\":{}", list(entries))
    });
    for body in [text(1 << 21), list(100_000)] {
        assert_eq!(refusal(PacketKind::Request, &request(&format!("\"params\":{body}"))), None);
        assert_eq!(refusal(PacketKind::Response, &format!("\"id\":\"1\",\"data\":{body}")), None);
        assert_eq!(refusal(PacketKind::Event, &format!("\"event\":\"1\",\"data\":{body}")), None);
    }
}

#[test]
fn meta_and_headers_are_limited() {
    for field in ["meta", "headers"] {
        check(PacketKind::Request, field, "transit.limits.meta", 65_536, |length| {
            request(&format!("\"{field}\":{{\"a\":\"{}\"}}", "x".repeat(length - 8)))
        });
    }
}

#[test]
fn ids_and_names_are_limited() {
    let request = |field: &str, length: usize| {
        let others = ["id", "action"].into_iter().filter(|other| *other != field);
        let others: String = others.map(|other| format!("\"{other}\":\"1\",")).collect();
        format!("{others}\"{field}\":\"{}\"", "x".repeat(length))
    };
    const ID: &str = "transit.limits.id";
    const NAME: &str = "transit.limits.name";
    for (field, option, limit) in [
        ("id", ID, 128),
        ("parentID", ID, 128),
        ("requestID", ID, 128),
        ("action", NAME, 255),
        ("caller", NAME, 255),
    ] {
        check(PacketKind::Request, field, option, limit, |length| request(field, length));
    }
    // Numbers count as they are written.
    check(PacketKind::Event, "parentID", ID, 128, |length| {
        format!("\"event\":\"a\",\"parentID\":{}", "1".repeat(length))
    });
    check(PacketKind::Response, "id", ID, 128, |length| format!("\"id\":\"{}\"", "x".repeat(length)));
    check(PacketKind::Event, "event", NAME, 255, |length| format!("\"event\":\"{}\"", "x".repeat(length)));
    check(PacketKind::Event, "groups", NAME, 255, |length| {
        format!("\"event\":\"a\",\"groups\":[\"{}\"]", "x".repeat(length))
    });
    check(PacketKind::Ping, "id", ID, 128, |length| format!("\"id\":\"{}\"", "x".repeat(length)));
    check(PacketKind::Heartbeat, "instanceID", ID, 128, |length| {
        format!("\"instanceID\":\"{}\"", "x".repeat(length))
    });
    check(PacketKind::Info, "hostname", NAME, 255, |length| {
        format!("\"hostname\":\"{}\"", "x".repeat(length))
    });
    check(PacketKind::GossipHello, "host", NAME, 255, |length| {
        format!("\"port\":1,\"host\":\"{}\"", "x".repeat(length))
    });
    // Escapes count as what they stand for.
    check(PacketKind::Event, "event", NAME, 255, |length| {
        format!("\"event\":\"{}\"", "\\u0061".repeat(length))
    });
}

#[test]
fn a_sender_is_limited() {
    let discover = |length: usize| {
        let frame = format!("{{\"ver\":\"5\",\"sender\":\"{}\"}}", "x".repeat(length));
        Json.decode(PacketKind::Discover, frame.into(), &PacketLimits::default())
    };
    assert!(discover(255).is_ok());
    assert_eq!(discover(256).unwrap_err().problem.exceeded(), Some(("sender", None, 255, 256)));
}

#[test]
fn groups_are_limited() {
    check(PacketKind::Event, "groups", "transit.limits.groups", 64, |count| {
        format!("\"event\":\"a\",\"groups\":[{}]", vec!["\"g\""; count].join(","))
    });
}

#[test]
fn gossip_is_limited() {
    for part in ["online", "offline"] {
        check(PacketKind::GossipRequest, "nodes in a gossip packet", None, 10_000, |count| {
            let rows: Vec<_> = (0..count).map(|at| format!("\"n{at}\":1")).collect();
            format!("\"{part}\":{{{}}}", rows.join(","))
        });
    }
}

fn services_refusal(json: String) -> Option<Problem> {
    Json.services(&Raw::new(Bytes::from(json)), &PacketLimits::default()).err()
}

/// What of a list of services is over its limit by one.
#[track_caller]
fn is_over(json: String, what: &str, option: &str, limit: usize) {
    let problem = services_refusal(json).unwrap_or_else(|| panic!("{what} is not limited"));
    assert_eq!(problem.exceeded(), Some((what, Some(option), limit, limit + 1)));
}

#[test]
fn services_and_their_definitions_are_limited() {
    let services = |count: usize| {
        format!(
            "[{}]",
            vec![r#"{"name":"a-service-name","settings":{},"metadata":{},"actions":{}}"#; count].join(",")
        )
    };
    assert_eq!(services_refusal(services(1000)), None);
    is_over(services(1001), "services", "transit.limits.services", 1000);
    for (field, what) in [("actions", "actions of a service"), ("events", "events of a service")] {
        let service = |count: usize| {
            let members: Vec<_> = (0..count)
                .map(|at| format!("\"service.action{at}\":{{\"rawName\":\"action{at}\"}}"))
                .collect();
            format!("[{{\"name\":\"a\",\"{field}\":{{{}}}}}]", members.join(","))
        };
        assert_eq!(services_refusal(service(1000)), None);
        is_over(service(1001), what, "transit.limits.actions", 1000);
    }
    for (json, what) in [
        (r#"[{"name":"@"}]"#, "service.name"),
        (r#"[{"name":"a","fullName":"@"}]"#, "service.fullName"),
        (r#"[{"name":"a","version":"@"}]"#, "service.version"),
        (r#"[{"name":"a","actions":{"@":{}}}]"#, "action.name"),
        (r#"[{"name":"a","events":{"@":{}}}]"#, "event.name"),
        (r#"[{"name":"a","events":{"b":{"group":"@"}}}]"#, "event.group"),
    ] {
        let with = |length: usize| json.replace('@', &"x".repeat(length));
        assert_eq!(services_refusal(with(255)), None);
        is_over(with(256), what, "transit.limits.name", 255);
    }
}

#[test]
fn definitions_too_short_to_be_real_are_limited_by_the_length_of_the_info() {
    let service = |count: usize| {
        let members: Vec<_> = (0..count).map(|at| format!("\"{at}\":{{}}")).collect();
        format!("[{{\"name\":\"a\",\"actions\":{{{}}}}}]", members.join(","))
    };
    assert_eq!(services_refusal(service(400)), None);
    let problem = services_refusal(service(999)).unwrap().to_string();
    assert!(problem.starts_with("definitions for an INFO this short exceeds the limit of"), "{problem}");
}
