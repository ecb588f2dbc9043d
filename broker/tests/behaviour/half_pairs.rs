//! One text that is none in Rust, or one number that is none, costs nothing of what stands beside it.

use ligand::testing::{RunningBroker, TestBroker};
use ligand::transport::PacketKind;
use ligand::transport::memory::Network;
use ligand::{Context, Error, ServiceDef};
use serde_json::{Value, json};
use std::future::IntoFuture as _;
use std::sync::mpsc;
use tests_support::outsider::packets::{info, service as published};
use tests_support::outsider::peer::Peer;
use tests_support::to;

use crate::ways::ok;

/// As `JSON.stringify` writes half a pair; `1e400` is `Infinity` to JavaScript.
const CUT: &str = r#"{"token":"t","who":"Ada \ud83d","\ude00":1,"most":1e400}"#;

fn kept() -> Value {
    json!({ "token": "t", "who": "Ada \u{fffd}", "\u{fffd}": 1, "most": null })
}

async fn alone(service: ServiceDef) -> (RunningBroker, Peer) {
    let network = Network::new();
    let broker = TestBroker::new().node_id("a").service(service).transporter(network.transporter());
    let broker = broker.start().await;
    (broker, Peer::join(&network, "peer").await)
}

fn send(peer: &Peer, kind: PacketKind, members: &str) {
    let packet = format!(r#"{{{members},"ver":"5","sender":"{}"}}"#, peer.id);
    peer.raw(&to("a"), kind, packet.as_bytes()).unwrap();
}

#[tokio::test(start_paused = true)]
async fn meta_and_headers_of_a_request_keep_everything_else() {
    let looks = ServiceDef::builder("svc")
        .action("look", |cx: Context, _: Value| async move {
            ok(json!([cx.meta().to_map(), cx.headers().to_map(), cx.meta().get::<String>("token")]))
        })
        .build();
    let (_broker, peer) = alone(looks).await;
    send(
        &peer,
        PacketKind::Request,
        &format!(r#""id":"1","action":"svc.look","params":{{}},"meta":{CUT},"headers":{CUT}"#),
    );
    let answer = peer.hears(PacketKind::Response).await;
    assert_eq!(answer["data"], json!([kept(), kept(), "t"]));
}

#[tokio::test(start_paused = true)]
async fn so_do_those_of_an_event() {
    let (sender, heard) = mpsc::channel();
    let listens = ServiceDef::builder("svc")
        .event("it.happened", move |cx: Context, _: Value| {
            let sent = sender.send(json!([cx.meta().to_map(), cx.headers().to_map()]));
            async move { sent.map_err(Error::internal) }
        })
        .build();
    let (_broker, peer) = alone(listens).await;
    send(
        &peer,
        PacketKind::Event,
        &format!(r#""id":"1","event":"it.happened","data":1,"broadcast":true,"meta":{CUT},"headers":{CUT}"#),
    );
    while heard.try_recv().map(|found| assert_eq!(found, json!([kept(), kept()]))).is_err() {
        tokio::time::sleep(crate::ways::ms(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn so_do_the_meta_and_the_error_of_an_answer() {
    let (broker, peer) = alone(ServiceDef::builder("idle").build()).await;
    peer.info("i", 1, &json!([published("other", &["it"], &[])]));
    broker.wait_for(&["other"]).await.unwrap();
    let answer = async |members: &str| {
        let request = peer.hears(PacketKind::Request).await;
        send(&peer, PacketKind::Response, &format!(r#""id":{},{members}"#, request["id"]));
    };
    let call = broker.call::<()>("other.it", ()).meta("mine", 1).raw().into_future();
    let members = format!(r#""success":true,"data":{CUT},"meta":{CUT},"headers":{CUT}"#);
    let (found, ()) = tokio::join!(call, answer(&members));
    let found = found.unwrap();
    let mut merged = kept();
    merged["mine"] = json!(1);
    assert_eq!((Value::Object(found.meta.clone()), Value::Object(found.headers.clone())), (merged, kept()));
    assert_eq!(found.decode::<Value>().unwrap(), kept());

    let error = format!(
        r#"{{"name":"ShopError","message":"cut \ud83d","code":400,"type":"SHOP","data":{CUT},"more":{CUT}}}"#
    );
    let call = broker.call::<Value>("other.it", ()).into_future();
    let members = format!(r#""success":false,"error":{error},"meta":{{}}"#);
    let (found, ()) = tokio::join!(call, answer(&members));
    let found = found.unwrap_err();
    assert_eq!((found.message(), found.data()), ("cut \u{fffd}", Some(&kept())));
}

#[tokio::test(start_paused = true)]
async fn so_do_params_and_a_type_gets_what_fits_it() {
    #[derive(serde::Deserialize, serde::Serialize)]
    struct Who {
        token: String,
        who: String,
        most: Option<f64>,
    }
    let reads = ServiceDef::builder("svc").action("read", |_, who: Who| async move { ok(who) }).build();
    let (_broker, peer) = alone(reads).await;
    send(&peer, PacketKind::Request, &format!(r#""id":"1","action":"svc.read","params":{CUT},"meta":{{}}"#));
    let answer = peer.hears(PacketKind::Response).await;
    assert_eq!(answer["data"], json!({ "token": "t", "who": "Ada \u{fffd}", "most": null }), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn so_do_the_settings_metadata_and_definitions_of_a_node() {
    let (broker, peer) = alone(ServiceDef::builder("idle").build()).await;
    let mut service = published("other", &["it"], &[("it.happened", "other")]);
    service["settings"] = json!("CUT");
    service["metadata"] = json!("CUT");
    service["actions"]["other.it"]["more"] = json!("CUT");
    service["events"]["it.happened"]["more"] = json!("CUT");
    let mut packet = info("i", 1, &json!([service]));
    packet["metadata"] = json!("CUT");
    let packet = peer.signed(packet).to_string().replace(r#""CUT""#, CUT);
    peer.raw(&to("a"), PacketKind::Info, packet.as_bytes()).unwrap();
    broker.wait_for(&["other"]).await.unwrap();
    let ask = json!({ "withActions": true, "withEvents": true });
    let services: Vec<Value> = broker.call("$node.services", ask).await.unwrap();
    let other = services.iter().find(|service| service["name"] == "other").unwrap();
    assert_eq!((&other["settings"], &other["metadata"]), (&kept(), &kept()));
    assert_eq!(other["actions"]["other.it"]["more"], kept());
    assert_eq!(other["events"]["it.happened"]["more"], kept());
    let nodes: Vec<Value> = broker.call("$node.list", ()).await.unwrap();
    assert_eq!(nodes.iter().find(|node| node["id"] == "peer").unwrap()["metadata"], kept());
}
