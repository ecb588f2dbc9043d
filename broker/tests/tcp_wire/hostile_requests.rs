//! Requests that no well-behaved node sends: each one that says who asks is answered.

use ligand::config::Limits;
use ligand::{ActionDef, Error, ServiceBroker, ServiceDef};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tests_support::log::Log;
use tests_support::outsider::payloads::{self, Expected, Odd};

use crate::peer::{EVENT, GOSSIP_RES, HELLO, Peer, REQUEST, RESPONSE, info, request};
use crate::support::{
    builder, echo, loopback, on_this_thread, port_of, row, sees, started, stop, until_counted, until_it_sees,
};

async fn node_and_peer() -> (ServiceBroker, Peer) {
    let node = started("node", loopback()).await;
    let peer = Peer::join("p", &node, json!([])).await;
    (node, peer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_million_brackets_are_answered_with_an_error_at_once() {
    let (node, mut peer) = node_and_peer().await;
    for (id, packet) in payloads::brackets("p") {
        // The best of three: the machine may have other things to do.
        let mut best = Duration::MAX;
        for _ in 0..3 {
            let from = Instant::now();
            peer.line.send(REQUEST, &packet).await;
            let answer = peer.response(id).await;
            best = best.min(from.elapsed());
            assert_eq!(answer["error"]["type"], "INVALID_PACKET_DATA", "{answer}");
            let message = "Invalid packet data: depth of nesting exceeds the limit of 128.";
            assert_eq!(answer["error"]["message"], message, "{id}");
        }
        println!("{id} brackets were answered after {best:.1?}");
        assert!(best < Duration::from_secs(1), "it took {best:?}");
    }
    stop([&node]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_json_has_one_defined_result_per_row() {
    let (node, mut peer) = node_and_peer().await;
    let mut dropped = 0;
    for Odd { what, id, packet, expected } in payloads::odd_requests("p") {
        let before = node.stats().malformed;
        peer.line.send(REQUEST, &packet).await;
        if matches!(expected, Expected::Dropped) {
            dropped += 1;
            until_counted(&node, |stats| stats.malformed > before).await;
            continue;
        }
        let answer = loop {
            let answer = peer.door.next(RESPONSE).await;
            if String::from_utf8_lossy(&answer.payload).contains(&id) {
                break String::from_utf8(answer.payload).unwrap();
            }
        };
        match expected {
            Expected::Echo(text) => {
                assert!(answer.contains(r#""success":true"#), "{what}: {answer:.300}");
                assert!(answer.contains(&format!(r#""data":{text}"#)), "{what}: {answer:.300}");
            }
            _ => assert!(answer.contains(r#""type":"INVALID_PACKET_DATA""#), "{what}: {answer:.300}"),
        }
    }
    assert_eq!(dropped, 1);
    stop([&node]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn payloads_that_are_no_packets_are_dropped_and_counted_for_every_type() {
    let (node, mut peer) = node_and_peer().await;
    let before = node.stats().malformed;
    let payloads = payloads::no_packets();
    for code in EVENT..=HELLO {
        for payload in payloads {
            peer.line.send(code, payload).await;
        }
    }
    peer.caught_up().await;
    until_counted(&node, |stats| stats.malformed - before == 8 * payloads.len() as u64).await;
    peer.request("after", "echo.echo", json!("alive")).await;
    assert_eq!(peer.response("after").await["data"], "alive");
    stop([&node]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fields_of_wrong_types_are_errors_that_name_the_field() {
    let (node, mut peer) = node_and_peer().await;
    for (n, (field, value)) in payloads::wrong_fields().into_iter().enumerate() {
        let id = format!("wrong-{n}");
        let mut packet = request(&id, "echo.echo", json!(1));
        packet[field] = value.clone();
        peer.send(REQUEST, packet).await;
        let error = peer.response(&id).await["error"].take();
        assert_eq!(error["type"], "INVALID_PACKET_DATA", "{field} = {value} gave {error}");
        assert!(error["message"].as_str().unwrap().contains(field), "{field} = {value} gave {error}");
    }
    // A level that is only large is a request.
    let mut packet = request("deep", "echo.echo", json!(1));
    packet["level"] = json!(1_000_000_000);
    peer.send(REQUEST, packet).await;
    assert_eq!(peer.response("deep").await["data"], 1);

    // These cannot be answered.
    let before = node.stats().malformed;
    for event in payloads::wrong_events("p") {
        peer.line.send_json(EVENT, &event).await;
    }
    until_counted(&node, |stats| stats.malformed + stats.wrong_version >= before + 4).await;
    stop([&node]).await;
}

#[tokio::test]
async fn the_log_has_one_line_a_minute_for_each_sender_of_what_cannot_be_read() {
    let log = Log::of_this_thread(tracing::Level::DEBUG);
    let node = on_this_thread("node", loopback()).service(echo()).build().unwrap();
    node.start().await.unwrap();
    let mut peers = Vec::new();
    for id in ["first", "second"] {
        peers.push(Peer::join(id, &node, json!([])).await);
    }
    for n in 0..50 {
        for peer in &mut peers {
            for (field, value) in payloads::wrong_fields() {
                let mut packet = request(&format!("r{n}"), "echo.echo", json!(1));
                packet[field] = value;
                peer.send(REQUEST, packet).await;
            }
            // Control packets are read elsewhere.
            peer.send(crate::peer::PING, json!({ "time": {}, "id": [] })).await;
            peer.line.send(EVENT, b"nobody knows whose").await;
        }
    }
    for peer in &mut peers {
        peer.caught_up().await;
    }
    assert!(node.stats().malformed > 500, "{:?}", node.stats());
    for sender in ["\"first\"", "\"second\"", "\"\""] {
        let lines = log.with(&format!("sender={sender}"));
        assert_eq!(lines.len(), 1, "{sender}: {lines:#?}");
        assert!(lines[0].contains("packet dropped") && lines[0].contains("so_far="), "{lines:?}");
    }
    stop([&node]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn protected_and_private_actions_look_like_unknown_ones_to_remote_callers() {
    let hidden = |name: &'static str, visibility| {
        ServiceDef::builder(name)
            .action(ActionDef::new("run").visibility(visibility), |_cx, _: Value| async { Ok::<_, Error>(1) })
            .build()
    };
    let node = builder("node", loopback())
        .service(hidden("protected", ligand::Visibility::Protected))
        .service(hidden("private", ligand::Visibility::Private))
        .build()
        .unwrap();
    node.start().await.unwrap();
    let mut peer = Peer::join("p", &node, json!([])).await;
    let mut errors = Vec::new();
    for name in ["protected.run", "private.run", "unknown.run", "$node.options"] {
        peer.request(name, name, json!({})).await;
        let answer = peer.response(name).await.to_string();
        errors.push(answer.replace(name, "NAME"));
    }
    assert!(errors.iter().all(|error| *error == errors[2]), "{errors:#?}");
    assert!(errors[2].contains("SERVICE_NOT_FOUND"), "{}", errors[2]);
    stop([&node]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_opens_a_stream_is_refused_and_the_rest_of_the_stream_ignored() {
    let (node, mut peer) = node_and_peer().await;
    let mut open = request("s1", "echo.echo", json!({}));
    (open["stream"], open["seq"]) = (json!(true), json!(0));
    peer.send(REQUEST, open).await;
    let answer = peer.response("s1").await;
    assert_eq!(
        (&answer["success"], &answer["error"]["type"]),
        (&json!(false), &json!("STREAM_NOT_SUPPORTED"))
    );
    for seq in 1..=5 {
        let mut chunk = request("s1", "echo.echo", json!("chunk"));
        (chunk["stream"], chunk["seq"]) = (json!(seq < 5), json!(seq));
        peer.send(REQUEST, chunk).await;
    }
    peer.request("after", "echo.echo", json!(1)).await;
    // Nothing was answered in between.
    assert_eq!(peer.door.next(RESPONSE).await.json()["id"], "after");
    until_counted(&node, |stats| stats.streams_ignored == 5).await;
    stop([&node]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_more_than_a_limit_is_refused_and_the_limit_itself_is_not() {
    let (node, mut peer) = node_and_peer().await;
    let limits = Limits::default();
    let sized = |bytes: usize| json!({ "k": "x".repeat(bytes - r#"{"k":""}"#.len()) });
    let rows: [(&str, &str, Value, Value); 2] = [
        ("meta of bytes", "meta", sized(limits.meta), sized(limits.meta + 1)),
        ("caller of bytes", "caller", json!("c".repeat(limits.name)), json!("c".repeat(limits.name + 1))),
    ];
    for (n, (what, field, fits, over)) in rows.into_iter().enumerate() {
        let mut packet = request(&format!("fits-{n}"), "echo.echo", json!(n));
        packet[field] = fits;
        peer.send(REQUEST, packet).await;
        let answer = peer.response(&format!("fits-{n}")).await;
        assert_eq!(answer["data"], json!(n), "{what} at the limit: {:.300}", answer.to_string());
        let mut packet = request(&format!("over-{n}"), "echo.echo", json!(n));
        packet[field] = over;
        peer.send(REQUEST, packet).await;
        let answer = peer.response(&format!("over-{n}")).await;
        assert_eq!(
            answer["error"]["type"],
            "INVALID_PACKET_DATA",
            "{what} above: {:.300}",
            answer.to_string()
        );
    }
    let before = node.stats().malformed;
    peer.request(&"i".repeat(limits.id + 1), "echo.echo", json!(1)).await;
    let event = |groups: usize| {
        let groups: Vec<_> = (0..groups).map(|n| format!("g{n}")).collect();
        json!({ "id": "e", "event": "x", "groups": groups, "broadcast": false, "meta": {} })
    };
    peer.send(EVENT, event(limits.groups)).await;
    peer.send(EVENT, event(limits.groups + 1)).await;
    until_counted(&node, |stats| stats.malformed == before + 2).await;

    // A node may announce so many services, and one with more is not taken in.
    for (name, services) in [("full", limits.services), ("over", limits.services + 1)] {
        let services: Vec<_> = (0..services)
            .map(|n| json!({ "name": format!("s{n}"), "fullName": format!("s{n}"), "actions": {}, "events": {} }))
            .collect();
        let row = info(name, peer.door.port, 1, json!(services));
        peer.send(GOSSIP_RES, json!({ "online": { name: [row, 0, 0] } })).await;
    }
    until_it_sees(&node, "full").await;
    peer.caught_up().await;
    assert!(!sees(&node, "over").await, "{:?}", row(&node, "over").await);
    stop([&node]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_right_behind_the_hello_is_answered_however_many_peers_come_at_once() {
    let node = builder("node", loopback()).service(echo()).build().unwrap();
    node.start().await.unwrap();
    let port = port_of(&node).await;
    let peers = (0..20).map(|n| async move {
        let mut peer = Peer::greet(&format!("p{n}"), port).await;
        peer.request("at-once", "echo.echo", json!(n)).await;
        assert_eq!(peer.response("at-once").await["data"], n);
    });
    futures_util::future::join_all(peers).await;
    stop([&node]).await;
}
