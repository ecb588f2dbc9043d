//! Compression and encryption with stock nodes: each method, each kind of cipher, both orders.

use ligand::layer::{Cipher, Compression, CompressionMethod, Encryption};
use ligand::{BrokerBuilder, Value};
use serde_json::json;

use crate::harness::{Heard, Pair, Version, derives_keys, mail, node_version, rs, until, with_both_versions};

with_both_versions! {
    packets_compressed_by_each_method_pass_both_ways
    encrypted_packets_pass_both_ways
    both_layers_pass_both_ways_in_either_order
    a_node_with_another_key_is_not_heard_and_counted
}

const KEY: &str = "0123456789abcdef0123456789abcdef";
const IV: &str = "fedcba9876543210";

fn cbc() -> Encryption {
    Encryption::with_iv(Cipher::Aes256Cbc, KEY, IV).unwrap()
}

/// Calls both ways with small and large bodies, errors, pings, events.
async fn talk(version: Version, theirs: Value, ours: impl FnOnce(BrokerBuilder) -> BrokerBuilder) {
    let heard = Heard::default();
    let services = vec![rs(), mail(&heard)];
    let pair = Pair::layered(version, &["js", "mail"], services, theirs.clone(), ours).await;
    // On both sides of the threshold, of what goes through in one piece, and hardly compressible.
    let noise: String = (0..30_000_u32).map(|n| format!("{:x}", n.wrapping_mul(2_654_435_761))).collect();
    let values = [
        json!(null),
        json!({ "a": 1 }),
        json!("x".repeat(900)),
        json!("ü".repeat(1100)),
        json!("x".repeat(200_000)),
        json!(noise),
    ];
    for value in values {
        let back: Value = pair.rust.call("v2.js.echo", &value).await.unwrap();
        assert_eq!(back, value, "{theirs}: through a stock node");
        assert_eq!(pair.js.call("v3.rs.echo", value.clone()).await, Ok(value), "{theirs}: through ours");
    }
    let error = pair.rust.call::<Value>("v2.js.fail", json!({ "name": "TeapotError" })).await.unwrap_err();
    assert_eq!(error.error_type(), Some("TEAPOT"));
    let error = pair.js.call("v3.rs.fail", json!({ "name": "TeapotError" })).await.unwrap_err();
    assert_eq!(error["type"], "TEAPOT");
    assert!(pair.rust.ping(&pair.js_id()).await.unwrap().is_some());
    assert_eq!(pair.js.ask(json!({ "do": "ping", "node": "rust" })).await["nodeID"], "rust");

    let data = json!({ "text": "y".repeat(5000) });
    pair.rust.broadcast("order.made", &data).await.unwrap();
    pair.js.ask(json!({ "do": "broadcast", "event": "order.made", "data": data })).await;
    let mut theirs_heard = Vec::new();
    until("both have both events", async || {
        theirs_heard.extend(pair.js.heard().await.into_iter().filter(|heard| heard["what"] == "event"));
        (theirs_heard.len() == 2 && heard.len() == 2).then_some(())
    })
    .await;
    assert!(heard.take().iter().chain(&theirs_heard).all(|event| event["data"] == data));
    assert_eq!(pair.rust.stats().refused_by_layer, 0);
    pair.end().await;
}

async fn packets_compressed_by_each_method_pass_both_ways(version: Version) {
    for (name, method) in [
        ("deflate", CompressionMethod::Deflate),
        ("deflateRaw", CompressionMethod::DeflateRaw),
        ("gzip", CompressionMethod::Gzip),
    ] {
        let theirs = json!([["Compression", { "method": name }]]);
        talk(version, theirs, |builder| builder.layer(Compression::new(method))).await;
    }
    // Thresholds need not agree, and none at all compresses gossip too.
    let theirs = json!([["Compression", { "threshold": null }]]);
    talk(version, theirs, |builder| builder.layer(Compression::default())).await;
    let theirs = json!([["Compression", { "threshold": "100kb" }]]);
    talk(version, theirs, |builder| builder.layer(Compression::default().threshold(0))).await;
}

async fn encrypted_packets_pass_both_ways(version: Version) {
    for (cipher, bits) in [(Cipher::Aes128Cbc, 128), (Cipher::Aes192Cbc, 192), (Cipher::Aes256Cbc, 256)] {
        let key = &KEY[..bits / 8];
        let theirs = json!([["Encryption", key, cipher.to_string(), IV]]);
        let ours = Encryption::with_iv(cipher, key, IV).unwrap();
        talk(version, theirs, |builder| builder.layer(ours)).await;
    }
    for (cipher, bits) in [(Cipher::Aes128Ecb, 128), (Cipher::Aes192Ecb, 192), (Cipher::Aes256Ecb, 256)] {
        let key = &KEY[..bits / 8];
        let theirs = json!([["Encryption", key, cipher.to_string()]]);
        let ours = match version {
            Version::V015 => Encryption::without_iv(cipher, key),
            // Without an IV, 0.14 takes every key for a password.
            Version::V014 if !derives() => continue,
            Version::V014 => Encryption::password(cipher, key),
        };
        talk(version, theirs, |builder| builder.layer(ours.unwrap())).await;
    }
    if version == Version::V014 && derives() {
        for cipher in [Cipher::Aes128Cbc, Cipher::Aes192Cbc, Cipher::Aes256Cbc] {
            let theirs = json!([["Encryption", "a password", cipher.to_string()]]);
            let ours = Encryption::password(cipher, "a password").unwrap();
            talk(version, theirs, |builder| builder.layer(ours)).await;
        }
    }
}

/// Whether this Node.js can do what is tried here; says so where it cannot.
fn derives() -> bool {
    let derives = derives_keys();
    if !derives {
        println!("NOT RUN: keys from passwords, which Node.js {} cannot make any more", node_version());
    }
    derives
}

async fn both_layers_pass_both_ways_in_either_order(version: Version) {
    let encryption = json!(["Encryption", KEY, "aes-256-cbc", IV]);
    let compression = json!(["Compression", {}]);
    let theirs = json!([encryption, compression]);
    talk(version, theirs, |builder| builder.layer(cbc()).layer(Compression::default())).await;
    let theirs = json!([compression, encryption]);
    talk(version, theirs, |builder| builder.layer(Compression::default()).layer(cbc())).await;
}

async fn a_node_with_another_key_is_not_heard_and_counted(version: Version) {
    let cluster = crate::harness::Cluster::new(&["rust", "js"]);
    let theirs = json!([["Encryption", KEY.replace('0', "x"), "aes-256-cbc", IV]]);
    let js = crate::harness::Js::layered(version, cluster.js_options("js"), &["js"], theirs);
    let rust = crate::harness::built(&cluster, "rust", vec![rs()], |builder| builder.layer(cbc()));
    let (js, rust) = tokio::join!(js, rust);
    until("its packets are refused", async || (rust.stats().refused_by_layer > 2).then_some(())).await;
    let error = rust.call::<Value>("v2.js.echo", 1).await.unwrap_err();
    assert_eq!(error.kind(), ligand::ErrorKind::ServiceNotFound);
    assert!(js.call("v3.rs.echo", json!(1)).await.is_err());
    rust.stop().await.unwrap();
    js.ask(json!({ "do": "stop" })).await;
}
