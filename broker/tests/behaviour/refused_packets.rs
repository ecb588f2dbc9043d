//! Packets that a node does not take: whoever waits for something is told at once, and with what to do.

use ligand::config::SerializerKind;
use ligand::testing::{Cluster, TestBroker};
use ligand::transport::PacketKind;
use ligand::transport::memory::Network;
use ligand::{BrokerBuilder, Context, Error, ErrorKind, Outcome, ServiceDef};
use serde_json::{Value, json};
use std::future::IntoFuture as _;
use tests_support::outsider::packets::service as published;
use tests_support::outsider::peer::Peer;
use tests_support::to;

use crate::ways::{ms, ok, secs};

const CODECS: [SerializerKind; 5] = [
    SerializerKind::Json,
    SerializerKind::JsonExt,
    SerializerKind::MsgPack,
    SerializerKind::Notepack,
    SerializerKind::Cbor,
];

fn nested(levels: usize) -> Value {
    (0..levels).fold(json!(1), |inner, _| json!([inner]))
}

fn service() -> ServiceDef {
    ServiceDef::builder("svc")
        .action("echo", |_: Context, body: Value| async move { ok(body) })
        .action("meta", |cx: Context, bytes: usize| async move {
            cx.meta().set("big", "m".repeat(bytes))?;
            ok(1)
        })
        .action("headers", |cx: Context, bytes: usize| async move {
            cx.headers().set_response("big", "h".repeat(bytes))?;
            ok(1)
        })
        .action("failing", |cx: Context, bytes: usize| async move {
            cx.meta().set("big", "m".repeat(bytes))?;
            Err::<(), _>(Error::client(400, "NO", "no"))
        })
        .action("deep", |_, levels: usize| async move { ok(nested(levels)) })
        .action("wordy", |_, bytes: usize| async move {
            Err::<(), _>(Error::client(400, "NO", "x".repeat(bytes)))
        })
        .event("svc.event", |_: Context, _: Value| async { ok(()) })
        .build()
}

/// Takes the answer of `a`'s call, which has to come long before its deadline.
async fn at_once(cluster: &Cluster, action: &str, params: Value) -> Error {
    let call = cluster.at("a").call::<Value>(action, params).into_future();
    tokio::time::timeout(secs(1), call).await.expect("the caller is told at once").unwrap_err()
}

#[track_caller]
fn is_refused_answer(error: &Error, limit: &str, max: usize, size: usize) {
    assert_eq!((error.error_type(), error.outcome()), (Some("PACKET_REFUSED"), Outcome::Ran), "{error}");
    assert_eq!(error.data().unwrap(), &json!({ "limit": limit, "max": max, "size": size }));
    assert!(!error.is_retryable());
    assert!(error.message().contains(limit), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_with_too_much_beside_its_body_is_compared_with_the_limits_before_it_is_sent() {
    let cluster = Cluster::seeded(1).node("a", []).node("b", [service()]).start().await;
    for action in ["svc.meta", "svc.headers", "svc.failing"] {
        let error = at_once(&cluster, action, json!(70_000)).await;
        is_refused_answer(&error, "transit.limits.meta", 65_536, 70_010);
        assert_eq!(error.node().unwrap().as_str(), "b", "its sender has looked");
    }
    assert_eq!(cluster.at("a").stats().malformed, 0);
    assert_eq!(cluster.at("a").call::<u8>("svc.meta", 65_526).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_above_a_limit_that_only_the_caller_has_ends_the_call_at_once_as_ran() {
    for serializer in CODECS {
        let small = |builder: BrokerBuilder| builder.configure(|config| config.transit.limits.meta = 1000);
        let cluster = Cluster::seeded(1)
            .configure(move |config| config.serializer = serializer)
            .node_with("a", [], small)
            .node("b", [service()])
            .start()
            .await;
        for action in ["svc.meta", "svc.headers", "svc.failing"] {
            let error = at_once(&cluster, action, json!(2000)).await;
            is_refused_answer(&error, "transit.limits.meta", 1000, 2010);
            assert_eq!(error.node().unwrap().as_str(), "a", "{serializer:?}: it did not take it");
        }
        // One level for the packet.
        let error = at_once(&cluster, "svc.deep", json!(128)).await;
        is_refused_answer(&error, "transit.limits.depth", 128, 129);
        cluster.at("a").call::<()>("svc.deep", 120).await.unwrap();
        assert_eq!((cluster.at("a").stats().malformed, cluster.at("a").stats().pending), (4, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_request_was_not_run_in_every_serializer() {
    for serializer in CODECS {
        let large = |builder: BrokerBuilder| builder.configure(|config| config.transit.limits.meta = 200_000);
        let cluster = Cluster::seeded(1)
            .configure(move |config| config.serializer = serializer)
            .node_with("a", [], large)
            .node("b", [service()])
            .start()
            .await;
        let error = at_once(&cluster, "svc.echo", nested(128)).await;
        assert_eq!(
            (error.kind(), error.outcome()),
            (ErrorKind::InvalidPacketData, Outcome::NotRun),
            "{error}"
        );
        let call = cluster.at("a").call::<Value>("svc.echo", 1).meta("big", "m".repeat(70_000));
        let error = tokio::time::timeout(secs(1), call.into_future()).await.unwrap().unwrap_err();
        assert_eq!(
            (error.kind(), error.outcome()),
            (ErrorKind::InvalidPacketData, Outcome::NotRun),
            "{error}"
        );
        let data = json!({ "limit": "transit.limits.meta", "max": 65_536, "size": 70_010, "nodeID": "b" });
        assert_eq!(error.data().unwrap(), &data, "{serializer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_a_handler_met_itself_says_that_the_handler_ran() {
    let relay = ServiceDef::builder("relay")
        .action(
            "deep",
            |cx: Context, _: Value| async move { cx.call::<Value>("svc.echo", nested(128)).await },
        )
        .build();
    let cluster = Cluster::seeded(1).node("a", []).node("b", [relay]).node("c", [service()]).start().await;
    let error = at_once(&cluster, "relay.deep", json!(1)).await;
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::InvalidPacketData, Outcome::Ran));
}

#[tokio::test(start_paused = true)]
async fn a_handler_of_node_js_that_raises_such_an_error_itself_ran() {
    let network = Network::new();
    let broker = TestBroker::new().node_id("a").transporter(network.transporter()).start().await;
    let peer = Peer::join(&network, "peer").await;
    peer.info("i", 1, &json!([published("other", &["it"], &[])]));
    broker.wait_for(&["other"]).await.unwrap();
    for (name, kind) in [
        ("ProtocolVersionMismatchError", "PROTOCOL_VERSION_MISMATCH"),
        ("InvalidPacketDataError", "INVALID_PACKET_DATA"),
    ] {
        for data in [json!({}), json!({ "action": "other.it", "nodeID": "peer" })] {
            let call = broker.call::<Value>("other.it", ()).into_future();
            let (answer, ()) = tokio::join!(call, async {
                let request = peer.hears(PacketKind::Request).await;
                let error =
                    json!({ "name": name, "message": "no", "type": kind, "nodeID": "peer", "data": data });
                let answer = json!({ "id": request["id"], "success": false, "error": error, "meta": {} });
                peer.to("a", PacketKind::Response, answer);
            });
            assert_eq!(answer.unwrap_err().outcome(), Outcome::Ran, "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn requests_and_events_that_a_node_of_ours_would_refuse_are_not_sent() {
    let cluster = Cluster::seeded(1).node("a", []).node("b", [service()]).start().await;
    let a = cluster.at("a");
    let big = "m".repeat(70_000);
    let error = a.call::<Value>("svc.echo", 1).meta("big", &big).await.unwrap_err();
    assert_eq!((error.error_type(), error.outcome()), (Some("PACKET_REFUSED"), Outcome::NotRun));
    let error = a.call::<Value>("svc.echo", 1).header("big", &big).await.unwrap_err();
    assert_eq!(error.data().unwrap()["limit"], "transit.limits.meta");
    let error = a.emit("svc.event", 1).meta("big", &big).await.unwrap_err();
    assert_eq!((error.error_type(), error.outcome()), (Some("PACKET_REFUSED"), Outcome::NotRun));
    assert_eq!(cluster.at("b").stats().malformed, 0);
    assert_eq!(a.stats().pending, 0);
}

#[tokio::test(start_paused = true)]
async fn a_node_js_node_has_no_limits_and_is_sent_everything() {
    let network = Network::new();
    let broker = TestBroker::new().node_id("a").service(service()).transporter(network.transporter());
    let broker = broker.start().await;
    let peer = Peer::join(&network, "peer").await;
    peer.info("i", 1, &json!([published("other", &["it"], &[("other.event", "other")])]));
    broker.wait_for(&["other"]).await.unwrap();
    peer.to(
        "a",
        PacketKind::Request,
        json!({ "id": "1", "action": "svc.meta", "params": 70_000, "meta": {} }),
    );
    let answer = peer.hears(PacketKind::Response).await;
    assert_eq!((&answer["success"], answer["meta"]["big"].as_str().unwrap().len()), (&json!(true), 70_000));
    let big = "m".repeat(70_000);
    broker.emit("other.event", 1).meta("big", &big).await.unwrap();
    assert_eq!(peer.hears(PacketKind::Event).await["meta"]["big"], big);
    let call = broker.call::<u8>("other.it", 1).meta("big", &big).into_future();
    let (answer, ()) = tokio::join!(call, async {
        let request = peer.hears(PacketKind::Request).await;
        assert_eq!(request["meta"]["big"], big);
        peer.answer(&request, &json!(5));
    });
    assert_eq!(answer.unwrap(), 5);
}

/// An answer with these members, to be completed with id and sender.
fn answers() -> Vec<(&'static str, String, Value)> {
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    let depth = json!({ "limit": "transit.limits.depth", "max": 128, "size": 129 });
    let meta = format!(r#""success":true,"data":1,"meta":{{"m":"{}"}}"#, "m".repeat(69_992));
    let text = format!(r#""success":true,"more":"{}""#, "x".repeat((1 << 20) - 1000));
    let problem = |problem: &str| json!({ "problem": problem });
    vec![
        ("meta", meta, json!({ "limit": "transit.limits.meta", "max": 65_536, "size": 70_000 })),
        ("deep data", format!(r#""success":true,"data":{deep}"#), depth.clone()),
        ("a deep error", format!(r#""success":false,"error":{{"name":"E","data":{deep}}}"#), depth),
        ("a long text", text, json!({ "limit": "transit.limits.string", "max": 100_000, "size": 100_001 })),
        ("meta of another type", r#""success":true,"meta":[1]"#.into(), problem("`meta` must be an object")),
        ("headers", r#""success":true,"headers":"x""#.into(), problem("`headers` must be an object")),
        ("success", r#""success":"yes""#.into(), problem("`success` must be true or false")),
        ("a place", r#""success":true,"seq":"1""#.into(), problem("`seq` must be an integer")),
        (
            "a malformed rest",
            r#""success":true,"data":NaN"#.into(),
            problem("malformed JSON at byte 67: expected a value"),
        ),
    ]
}

#[tokio::test(start_paused = true)]
async fn whatever_is_refused_of_an_answer_ends_its_call_at_once_and_only_whom_was_asked_can_do_that() {
    let network = Network::new();
    let broker = TestBroker::new().node_id("a").transporter(network.transporter());
    let broker = broker.configure(|config| config.transit.limits.string = 100_000).start().await;
    let (peer, liar) = (Peer::join(&network, "peer").await, Peer::join(&network, "liar").await);
    peer.info("i", 1, &json!([published("other", &["it"], &[])]));
    broker.wait_for(&["other"]).await.unwrap();
    let mut forged = 0;
    for (what, members, data) in answers() {
        let call = broker.call::<Value>("other.it", ()).into_future();
        let (answer, ()) = tokio::join!(tokio::time::timeout(secs(2), call), async {
            let request = peer.hears(PacketKind::Request).await;
            let id = &request["id"];
            let packet = |sender: &str| format!(r#"{{"id":{id},{members},"ver":"5","sender":"{sender}"}}"#);
            // Neither somebody else nor somebody who does not say who he is.
            liar.raw(&to("a"), PacketKind::Response, packet("liar").as_bytes()).unwrap();
            let nameless = packet("liar").replace(r#","sender":"liar""#, "");
            liar.raw(&to("a"), PacketKind::Response, nameless.as_bytes()).unwrap();
            tokio::time::sleep(ms(5)).await;
            assert_eq!(broker.stats().pending, 1, "{what}");
            peer.raw(&to("a"), PacketKind::Response, packet("peer").as_bytes()).unwrap();
        });
        forged += 1;
        let error = answer.unwrap_or_else(|_| panic!("{what}: the caller still waits")).unwrap_err();
        assert_eq!((error.error_type(), error.outcome()), (Some("PACKET_REFUSED"), Outcome::Ran), "{what}");
        let found = error.data().unwrap();
        match found["problem"].as_str() {
            Some(problem) => assert!(problem.starts_with(data["problem"].as_str().unwrap()), "{found}"),
            None => assert_eq!(found, &data, "{what}"),
        }
        assert!(!error.is_retryable() && error.message().contains("'other.it' from 'peer'"), "{error}");
        assert_eq!((broker.stats().forged, broker.stats().pending), (forged, 0), "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_a_version_that_is_not_accepted_ends_its_call_at_once() {
    for (strict, ver, problem) in [
        (true, "4", "`ver` must be \"5\", since `transit.strictVersion` is set"),
        (false, "3", "`ver` must be \"4\" or \"5\""),
    ] {
        let network = Network::new();
        let broker = TestBroker::new().node_id("a").transporter(network.transporter());
        let broker = broker.configure(move |config| config.transit.strict_version = strict).start().await;
        let peer = Peer::join(&network, "peer").await;
        peer.info("i", 1, &json!([published("other", &["it"], &[])]));
        broker.wait_for(&["other"]).await.unwrap();
        let call = broker.call::<Value>("other.it", ()).into_future();
        let (answer, ()) = tokio::join!(tokio::time::timeout(secs(2), call), async {
            let request = peer.hears(PacketKind::Request).await;
            let answer = json!({ "id": request["id"], "success": true, "data": 1, "meta": {}, "ver": ver });
            peer.to("a", PacketKind::Response, answer);
        });
        let error = answer.expect("the caller is told at once").unwrap_err();
        assert_eq!((error.error_type(), error.outcome()), (Some("PACKET_REFUSED"), Outcome::Ran));
        assert_eq!(error.data().unwrap(), &json!({ "problem": problem }));
    }
}

#[tokio::test(start_paused = true)]
async fn where_the_bus_chose_a_refused_answer_of_whoever_knows_the_id_ends_the_call() {
    let network = Network::new();
    let broker = TestBroker::new().node_id("a").transporter(network.transporter());
    let broker = broker.configure(|config| config.disable_balancer = true).start().await;
    let peer = Peer::join(&network, "peer").await;
    peer.balances("other.it").await;
    peer.info("i", 1, &json!([published("other", &["it"], &[])]));
    broker.wait_for(&["other"]).await.unwrap();
    let call = broker.call::<Value>("other.it", ()).into_future();
    let (answer, ()) = tokio::join!(tokio::time::timeout(secs(2), call), async {
        let request = peer.hears(PacketKind::Request).await;
        peer.to("a", PacketKind::Response, json!({ "id": request["id"], "success": 1 }));
    });
    let error = answer.expect("the caller is told at once").unwrap_err();
    assert_eq!((error.error_type(), error.outcome()), (Some("PACKET_REFUSED"), Outcome::Ran));
    assert!(error.message().contains("from 'peer'"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_error_or_a_meta_too_large_for_the_transporter_is_answered_too() {
    let large = |builder: BrokerBuilder| builder.configure(|config| config.transit.limits.meta = 4 << 20);
    let cluster = Cluster::seeded(1).node("a", []).node_with("b", [service()], large).start().await;
    for action in ["svc.wordy", "svc.meta", "svc.failing"] {
        let error = at_once(&cluster, action, json!(2 << 20)).await;
        assert_eq!(error.outcome(), Outcome::Ran, "{action}");
        // An error without its meta still says what went wrong.
        let expected = if action == "svc.failing" { "NO" } else { "PACKET_TOO_LARGE" };
        assert_eq!((error.error_type(), error.is_retryable()), (Some(expected), false), "{action}");
    }
    assert_eq!(cluster.at("b").stats().responses_lost, 0);
}

#[tokio::test(start_paused = true)]
async fn ids_that_are_numbers_and_timeouts_that_are_texts_are_taken_as_node_takes_them() {
    let network = Network::new();
    let slow = ServiceDef::builder("slow")
        .action("nap", |cx: Context, _: Value| async move {
            tokio::time::sleep(secs(1)).await;
            ok((cx.id().to_string(), cx.request_id().to_string()))
        })
        .action("relay", |cx: Context, _: Value| async move { cx.call::<Value>("other.it", ()).await })
        .build();
    let broker =
        TestBroker::new().node_id("a").service(slow).transporter(network.transporter()).start().await;
    let peer = Peer::join(&network, "peer").await;
    peer.info("i", 1, &json!([published("other", &["it"], &[])]));
    broker.wait_for(&["other"]).await.unwrap();
    let request = |id: u64, action: &str, timeout: &str| {
        json!({ "id": id, "action": action, "params": {}, "meta": {}, "timeout": timeout, "requestID": 77,
            "parentID": 76, "level": 1 })
    };
    peer.to("a", PacketKind::Request, request(5, "slow.nap", "5000"));
    let answer = peer.hears(PacketKind::Response).await;
    assert_eq!((&answer["id"], &answer["data"]), (&json!(5), &json!(["5", "77"])));
    peer.to("a", PacketKind::Request, request(6, "slow.nap", "50"));
    let answer = peer.hears(PacketKind::Response).await;
    assert_eq!((&answer["id"], &answer["error"]["type"]), (&json!(6), &json!("REQUEST_TIMEOUT")));
    // What is refused goes back under the number, too.
    peer.to("a", PacketKind::Request, request(7, "slow.nap", "soon"));
    let answer = peer.hears(PacketKind::Response).await;
    assert_eq!((&answer["id"], &answer["error"]["type"]), (&json!(7), &json!("INVALID_PACKET_DATA")));
    assert!(answer["error"]["message"].as_str().unwrap().contains("`timeout`"), "{answer}");
    // A call in its course is part of the same tree, under the same ids.
    peer.to("a", PacketKind::Request, request(8, "slow.relay", "5000"));
    let nested = peer.hears(PacketKind::Request).await;
    assert_eq!((&nested["requestID"], &nested["parentID"]), (&json!(77), &json!(8)));
    peer.to("a", PacketKind::Ping, json!({ "time": 1, "id": 9 }));
    let pong = peer.hears(PacketKind::Pong).await;
    assert_eq!(pong["id"], json!(9));
}
