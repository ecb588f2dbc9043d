//! Payloads in JSON that no node sends.

use ligand::transport::PacketKind;
use serde_json::{Value, json};
use tests_support::outsider::packets::forged;
use tests_support::outsider::payloads::{self, Expected, Odd};
use tests_support::{to, within};

use super::stage::{Manner, Stage};

pub(crate) async fn on(url: &str) {
    let stage = Stage::set(url, Manner::default()).await;
    no_packets(&stage).await;
    brackets(&stage).await;
    odd_requests(&stage).await;
    wrong_types(&stage).await;
    names_that_no_topic_has(&stage).await;
    stage.end().await;
}

/// Payloads that are no packets at all: null, a list, a text, a number, one byte, none.
async fn no_packets(stage: &Stage) {
    let mut expected = stage.malformed();
    for payload in payloads::no_packets() {
        expected += stage.everywhere(payload).await;
    }
    stage.counted("what is no packet", expected).await;
    for packet in payloads::hollow() {
        stage.everywhere(packet.to_string().as_bytes()).await;
        stage.everywhere(stage.attacker.signed(packet).to_string().as_bytes()).await;
    }
    stage.is_calm("what is no packet").await;
}

/// Half a million opening brackets.
async fn brackets(stage: &Stage) {
    for (id, packet) in payloads::brackets("attacker") {
        let answer = stage.ask(id, &packet).await;
        assert!(answer.contains("INVALID_PACKET_DATA"), "{id}: {answer:.300}");
    }
    let before = stage.malformed();
    for (route, kind) in &stage.topics {
        stage.attacker.push(route, *kind, &payloads::brackets_in(*kind, "attacker")).await.unwrap();
    }
    stage.counted("brackets", before + stage.topics.len() as u64).await;
    stage.is_calm("brackets").await;
}

/// Odd JSON as a request, and the same bytes on all other topics.
async fn odd_requests(stage: &Stage) {
    for Odd { what, id, packet, expected } in payloads::odd_requests("attacker") {
        let before = stage.malformed();
        match expected {
            Expected::Dropped => {
                stage.attacker.push(&to("victim"), PacketKind::Request, &packet).await.unwrap();
                stage.counted(what, before + 1).await;
            }
            Expected::Echo(text) => {
                let answer = stage.ask(&id, &packet).await;
                assert!(answer.contains(&format!(r#""data":{text}"#)), "{what}: {answer:.300}");
            }
            Expected::Error => {
                let answer = stage.ask(&id, &packet).await;
                assert!(answer.contains("INVALID_PACKET_DATA"), "{what}: {answer:.300}");
            }
        }
        for (route, kind) in stage.topics.iter().filter(|(_, kind)| *kind != PacketKind::Request) {
            stage.attacker.push(route, *kind, &packet).await.unwrap();
        }
    }
    stage.is_calm("odd JSON").await;
}

/// Fields of the wrong type.
async fn wrong_types(stage: &Stage) {
    let request = |id: &str| {
        stage.attacker.signed(json!({ "id": id, "action": "echo.echo", "params": 1, "meta": {}, "level": 1 }))
    };
    for (n, (field, value)) in payloads::wrong_fields().into_iter().enumerate() {
        let id = format!("wrong-{n}");
        let mut packet = request(&id);
        packet[field] = value;
        let answer: Value =
            serde_json::from_str(&stage.ask(&id, packet.to_string().as_bytes()).await).unwrap();
        assert_eq!(answer["error"]["type"], "INVALID_PACKET_DATA", "{packet}: {answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(field), "{packet}: {answer}");
    }
    let mut high = request("high");
    high["level"] = json!(1_000_000_000);
    let answer = stage.ask("high", high.to_string().as_bytes()).await;
    assert!(answer.contains(r#""data":1"#), "{answer}");
    for packet in payloads::wrong_events("attacker") {
        stage.attacker.push(&to("victim"), PacketKind::Event, packet.to_string().as_bytes()).await.unwrap();
    }
    for (route, kind) in &stage.topics {
        for packet in payloads::wrong_packets(*kind) {
            let packet = stage.attacker.signed(packet).to_string();
            stage.attacker.push(route, *kind, packet.as_bytes()).await.unwrap();
        }
    }
    stage.is_calm("wrong types").await;
}

/// Whoever asks is answered on a topic with its name in it. Here that is a wildcard, a command, or too long.
async fn names_that_no_topic_has(stage: &Stage) {
    let (long, longer) = ("n".repeat(255), "n".repeat(70_000));
    let names = [
        "*",
        ">",
        "#",
        "+",
        "/",
        "a/#",
        "a b",
        "a\r\nPING\r\n",
        "\u{0}",
        "ü",
        "\u{202e}",
        ".",
        "..",
        "$SYS",
        &long,
        &longer,
        "victim",
        "caller",
        "",
    ];
    let node = json!({ "services": [], "instanceID": "i", "seq": 1, "ipList": [], "client": {} });
    for name in names {
        for kind in [PacketKind::Request, PacketKind::Ping, PacketKind::Discover, PacketKind::Heartbeat] {
            let packet = json!({ "ver": "5", "id": "asked", "time": 1, "action": "echo.echo", "params": 1, "meta": {} });
            let packet = forged(name, packet).to_string();
            let topics = stage.topics.iter().filter(|(_, own)| *own == kind);
            for (route, kind) in topics {
                stage.attacker.push(route, *kind, packet.as_bytes()).await.unwrap();
            }
        }
        if !["victim", "caller"].contains(&name) {
            let info = stage.attacker.signed(forged(name, node.clone())).to_string();
            stage.attacker.push(&to("victim"), PacketKind::Info, info.as_bytes()).await.unwrap();
        }
    }
    let last = stage.attacker.signed(json!({ "id": "last", "action": "echo.echo", "params": 7, "meta": {} }));
    let answer = within("the last is answered", stage.ask("last", last.to_string().as_bytes())).await;
    assert!(answer.contains(r#""data":7"#), "{answer}");
    stage.is_calm("names that no topic has").await;
}
