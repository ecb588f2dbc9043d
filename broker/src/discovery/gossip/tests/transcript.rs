//! Two Node processes, recorded; one of them is replaced by our table.

use ligand_transporters::{Name, NodeId};
use serde_json::Value;
use std::collections::BTreeMap;

use super::{Card, Digest, ResponseRows, id, ms, requests, responses, start};
use crate::discovery::gossip::{Gossip, Options, Row, Seen, What};

const V15: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/tcp-transcript-0.15.jsonl"));
const V14: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/tcp-transcript-0.14.jsonl"));

struct Line {
    at: u64,
    from: NodeId,
    kind: String,
    payload: Value,
}

fn lines(transcript: &str) -> Vec<Line> {
    let parse = |line: &str| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        let header = line["header"].as_str().unwrap();
        Line {
            at: line["t_ms"].as_u64().unwrap(),
            from: id(line["from"].as_str().unwrap()),
            kind: header[header.len() - 2..].to_owned(),
            payload: line["payload"].take(),
        }
    };
    transcript.lines().map(parse).collect()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

fn load(value: &Value) -> u32 {
    u32::try_from(number(value)).unwrap()
}

fn table<T>(value: &Value, read: impl Fn(&Value) -> T) -> BTreeMap<NodeId, T> {
    value.as_object().into_iter().flatten().map(|(node, row)| (id(node), read(row))).collect()
}

fn digest(payload: &Value) -> Digest {
    let seen = |row: &Value| Seen { seq: number(&row[0]), cpu_seq: number(&row[1]), cpu: load(&row[2]) };
    Digest { online: table(&payload["online"], seen), offline: table(&payload["offline"], number) }
}

fn card(info: &Value) -> Card {
    Card {
        seq: number(&info["seq"]),
        instance: info["instanceID"].as_str().unwrap().into(),
        hostname: info["hostname"].as_str().map(Name::from),
        ip: info["ipList"][0].as_str().map(Name::from),
        port: u16::try_from(number(&info["port"])).unwrap(),
        services: u32::try_from(info["services"].as_array().unwrap().len()).unwrap(),
    }
}

fn rows(payload: &Value) -> ResponseRows<Card> {
    let row = |row: &Value| match row.as_array().map(Vec::as_slice) {
        Some([info, cpu_seq, cpu]) => {
            Row::Info { info: card(info), cpu_seq: number(cpu_seq), cpu: load(cpu) }
        }
        other => panic!("unexpected row {other:?}"),
    };
    ResponseRows { online: table(&payload["online"], row), offline: table(&payload["offline"], number) }
}

/// Feeds what `me` received and compares what it sent: the requests of its rounds and its answers. The
/// questions that we ask outside the rounds are extra; they are returned.
fn replay(transcript: &str, me: &str) -> usize {
    let lines = lines(transcript);
    let (me, base) = (id(me), start());
    let own = lines.iter().find(|line| line.from == me && line.kind == "07").unwrap();
    let own = card(&own.payload["online"][me.as_str()][0]);
    let mut gossip = Gossip::new(me.clone(), &own, Options::default());
    let peer = id(if me == "node-1" { "node-2" } else { "node-1" });
    let hello = lines.iter().find(|line| line.from == peer && line.kind == "08").unwrap();
    let datagram = format!("192.0.2.2:{}", hello.payload["port"]);
    let mut extra = gossip
        .sighted(&peer, &datagram, Some("192.0.2.2:4445".parse().unwrap()), base + ms(1_500))
        .sends
        .len();

    let mut answers = Vec::new();
    for line in &lines {
        let now = base + ms(line.at);
        let step = match (line.from == me, line.kind.as_str()) {
            (true, "06") => {
                let expected = digest(&line.payload);
                gossip.measured(expected.online[&me].cpu);
                let step = gossip.tick(now, &mut |_| 0);
                assert_eq!(requests(&step.sends), [(peer.as_str(), &expected)], "at {} ms", line.at);
                continue;
            }
            (true, "07") => {
                assert_eq!(answers.remove(0), (peer.to_string(), rows(&line.payload)), "at {} ms", line.at);
                continue;
            }
            (true, "08") => {
                let (host, port) = gossip.greeting().unwrap();
                assert_eq!(
                    (line.payload["host"].as_str(), number(&line.payload["port"])),
                    (Some(host), port.into())
                );
                continue;
            }
            (false, "08") => {
                let port = u16::try_from(number(&line.payload["port"])).unwrap();
                gossip.hello(&peer, line.payload["host"].as_str().unwrap(), port, None, now)
            }
            (false, "06") => gossip.request(&peer, &digest(&line.payload), now),
            (false, "07") => gossip.response(&peer, &rows(&line.payload), now),
            (false, _) => gossip.heard(&peer, now),
            (true, _) => continue,
        };
        extra += step.sends.iter().filter(|send| matches!(send.what, What::Request(_))).count();
        answers.extend(responses(&step.sends).into_iter().map(|(to, rows)| (to.to_owned(), (*rows).clone())));
    }
    assert_eq!(answers, []);
    assert!(gossip.is_online(&peer));
    extra
}

#[test]
fn in_either_seat_of_the_recorded_runs_we_send_what_node_sent() {
    for transcript in [V15, V14] {
        assert_eq!(replay(transcript, "node-1"), 1, "asked when sighted; its round came before the HELLO");
        let extra = replay(transcript, "node-2");
        assert!((2..=4).contains(&extra), "asked when sighted, at the HELLO, and when offline: {extra}");
    }
}
