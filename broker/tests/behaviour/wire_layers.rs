//! Compression and encryption: against what Node put on the wire (protocol chapter 10), and between nodes of
//! ours.

use bytes::Bytes;
use ligand::layer::{Cipher, Compression, CompressionMethod, Encryption, Layer, WireFn};
use ligand::testing::{Cluster, TestBroker};
use ligand::transport::PacketKind;
use ligand::{BrokerBuilder, Error, ErrorKind, Outcome, ServiceDef};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

const KEY: &str = "0123456789abcdef0123456789abcdef";
const IV: &str = "fedcba9876543210";

fn captured(name: &str) -> Bytes {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/vectors/layers/{name}-0.15.bin"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).into()
}

fn cbc() -> Encryption {
    Encryption::with_iv(Cipher::Aes256Cbc, KEY, IV).unwrap()
}

fn ecb() -> Encryption {
    Encryption::without_iv(Cipher::Aes256Ecb, KEY).unwrap()
}

/// What one layer reads.
fn incoming(layer: &dyn Layer, packet: Bytes) -> ligand::Result<Bytes> {
    layer.incoming(as_it_is())(PacketKind::Request, packet)
}

/// What one layer sends.
fn outgoing(layer: &dyn Layer, packet: Bytes) -> ligand::Result<Bytes> {
    layer.outgoing(as_it_is())(PacketKind::Request, packet)
}

fn as_it_is() -> WireFn {
    Arc::new(|_, packet| Ok(packet))
}

/// What a node with these layers, given in this order, reads.
fn read(layers: &[&dyn Layer], packet: Bytes) -> Bytes {
    layers.iter().fold(packet, |packet, layer| incoming(*layer, packet).unwrap())
}

/// What it sends.
fn sent(layers: &[&dyn Layer], packet: Bytes) -> Bytes {
    layers.iter().rev().fold(packet, |packet, layer| outgoing(*layer, packet).unwrap())
}

/// The two calls that were captured.
fn is_the_request(packet: &[u8], size: &str) {
    let packet: Value = serde_json::from_slice(packet).unwrap();
    let (action, params) = match size {
        "small" => ("math.add", json!({ "a": 5, "b": 3 })),
        _ => ("math.len", json!({ "s": "moleculer ".repeat(200) })),
    };
    assert_eq!(packet["ver"], "5");
    assert!(packet["action"].as_str().unwrap().ends_with(action), "{packet}");
    assert_eq!(packet["params"], params);
}

#[test]
fn what_node_compressed_is_read() {
    for (name, method) in [
        ("deflate", CompressionMethod::Deflate),
        ("deflateraw", CompressionMethod::DeflateRaw),
        ("gzip", CompressionMethod::Gzip),
    ] {
        let layer = Compression::new(method);
        for (size, flag) in [("small", 0), ("large", 1)] {
            let packet = captured(&format!("compression-{name}-request-{size}"));
            assert_eq!(packet[0], flag);
            let plain = incoming(&layer, packet.clone()).unwrap();
            is_the_request(&plain, size);
            let ours = outgoing(&layer, plain.clone()).unwrap();
            assert_eq!(ours[0], flag);
            assert_eq!(incoming(&layer, ours.clone()).unwrap(), plain);
            if size == "small" {
                assert_eq!(ours, packet);
            }
        }
    }
}

#[test]
fn what_node_encrypted_is_read_and_written_byte_for_byte() {
    for (name, layer) in [("aes256cbc-iv", cbc()), ("aes256ecb", ecb())] {
        for size in ["small", "large"] {
            let packet = captured(&format!("encryption-{name}-request-{size}"));
            let plain = incoming(&layer, packet.clone()).unwrap();
            is_the_request(&plain, size);
            assert_eq!(outgoing(&layer, plain).unwrap(), packet);
        }
    }
}

#[test]
fn both_layers_are_undone_in_the_order_in_which_they_stand() {
    let (compression, encryption) = (Compression::default(), cbc());
    for size in ["small", "large"] {
        let packet = captured(&format!("compress-then-encrypt-request-{size}"));
        let layers: [&dyn Layer; 2] = [&encryption, &compression];
        let plain = read(&layers, packet.clone());
        is_the_request(&plain, size);
        if size == "small" {
            assert_eq!(sent(&layers, plain), packet);
        }

        let compression = Compression::default().threshold(100);
        let packet = captured(&format!("encrypt-then-compress-request-{size}"));
        let layers: [&dyn Layer; 2] = [&compression, &encryption];
        let plain = read(&layers, packet);
        is_the_request(&plain, size);
        assert_eq!(read(&layers, sent(&layers, plain.clone())), plain);
    }
}

#[test]
fn every_truncation_and_every_altered_byte_is_read_or_refused() {
    let compression = Compression::default().threshold(0);
    let encryption = cbc();
    let layers: [(&str, &dyn Layer); 5] = [
        ("compression-deflate-request-large", &compression),
        ("compression-deflateraw-request-large", &Compression::new(CompressionMethod::DeflateRaw)),
        ("compression-gzip-request-large", &Compression::new(CompressionMethod::Gzip)),
        ("encryption-aes256cbc-iv-request-large", &encryption),
        ("encryption-aes256ecb-request-small", &ecb()),
    ];
    for (name, layer) in layers {
        let packet = captured(name);
        for at in 0..packet.len() {
            let _ = incoming(layer, packet.slice(..at));
            for bits in [0x01, 0x80, 0xff] {
                let mut altered = packet.to_vec();
                altered[at] ^= bits;
                if let Ok(read) = incoming(layer, altered.into()) {
                    assert!(read.len() <= 1 << 20);
                }
            }
        }
    }
}

fn echo() -> ServiceDef {
    ServiceDef::builder("echo")
        .action("it", |_, body: Value| async move { Ok::<_, Error>(body) })
        .action("long", |_, length: usize| async move { Ok::<_, Error>("x".repeat(length)) })
        .build()
}

fn sealed(builder: BrokerBuilder) -> BrokerBuilder {
    builder.layer(Encryption::authenticated(KEY).unwrap()).layer(Compression::default())
}

#[tokio::test(start_paused = true)]
async fn nodes_with_authenticated_encryption_work_together() {
    let cluster =
        Cluster::seeded(1).node_with("a", [], sealed).node_with("b", [echo()], sealed).start().await;
    for body in [json!(null), json!("x".repeat(100)), json!("x".repeat(200_000))] {
        assert_eq!(cluster.at("a").call::<Value>("echo.it", &body).await.unwrap(), body);
    }
    assert_eq!(cluster.at("a").stats().refused_by_layer, 0);
}

#[tokio::test(start_paused = true)]
async fn what_a_layer_refuses_is_counted_and_hurts_nobody_else() {
    let cluster =
        Cluster::seeded(1).node_with("a", [], sealed).node_with("b", [echo()], sealed).start().await;
    let other = KEY.replace('0', "1");
    let stranger = TestBroker::new()
        .node_id("stranger")
        .transporter(cluster.network().transporter())
        .layer(Encryption::authenticated(other).unwrap())
        .layer(Compression::default())
        .start()
        .await;
    assert_eq!(stranger.ping_all().await.len(), 0);
    let stats = cluster.at("a").stats();
    assert!(stats.refused_by_layer > 0 && stats.malformed == stats.refused_by_layer, "{stats:?}");
    assert_eq!(cluster.at("a").call::<Value>("echo.it", 1).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn bodies_above_the_limit_of_compression_fail_at_their_sender_and_name_it() {
    let small = |builder: BrokerBuilder| builder.layer(Compression::default().max_size(10_000));
    let cluster = Cluster::seeded(1).node_with("a", [], small).node_with("b", [echo()], small).start().await;
    let error = cluster.at("a").call::<Value>("echo.it", "x".repeat(10_000)).await.unwrap_err();
    assert_eq!((error.error_type(), error.outcome()), (Some("PACKET_TOO_LARGE"), Outcome::NotRun));
    assert!(error.message().contains("10000") && !error.is_retryable(), "{error}");
    let error = cluster.at("a").call::<Value>("echo.long", 10_000).await.unwrap_err();
    assert_eq!(error.error_type(), Some("PACKET_TOO_LARGE"), "{error}");
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Application, false));
    assert_eq!(cluster.at("a").call::<String>("echo.long", 9000).await.unwrap().len(), 9000);
}

#[tokio::test(start_paused = true)]
async fn a_bomb_is_dropped_and_counted_and_the_node_goes_on() {
    let large = |builder: BrokerBuilder| builder.layer(Compression::default().max_size(usize::MAX));
    let usual = |builder: BrokerBuilder| builder.layer(Compression::default());
    let cluster = Cluster::seeded(1).node_with("a", [], large).node_with("b", [echo()], usual).start().await;
    let call = cluster.at("a").call::<Value>("echo.it", "x".repeat(2 << 20));
    let error = call.timeout(std::time::Duration::from_secs(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RequestTimeout);
    assert_eq!(cluster.at("b").stats().refused_by_layer, 1);
    assert_eq!(cluster.at("a").call::<Value>("echo.it", 1).await.unwrap(), 1);
}
