//! Clusters whose packets are compressed or encrypted.

use ligand::layer::{Cipher, Compression, Encryption};
use serde_json::json;
use tests_support::outsider::{compressed, payloads};

use super::stage::{Manner, Stage};

pub(crate) async fn compressed_on(url: &str) {
    let manner = Manner { layers: |builder| builder.layer(Compression::default()), ..Manner::default() };
    let stage = Stage::set(url, manner).await;
    no_packets(&stage, &[]).await;
    no_packets(&stage, &[0]).await;

    // Compressed data within compressed data, data that do not end, and the two formats taken for each other.
    let request = json!({ "id": "x", "action": "echo.echo", "params": "x".repeat(2000), "meta": {} });
    let request = stage.attacker.signed(request).to_string();
    for (what, packet) in compressed::unreadable(request.as_bytes()) {
        let expected = stage.malformed() + stage.everywhere(&packet).await;
        stage.counted(what, expected).await;
    }
    stage.is_calm("packets that are not compressed as they say").await;

    // Megabytes in a small packet; `memory.rs` looks at what they cost.
    let bomb = compressed::bomb(compressed::MEGABYTES);
    let before = stage.victim.stats().refused_by_layer;
    let expected = stage.malformed() + stage.everywhere(&bomb).await;
    stage.counted("bombs", expected).await;
    assert_eq!(stage.victim.stats().refused_by_layer - before, stage.topics.len() as u64);
    stage.is_calm("bombs").await;
    stage.end().await;
}

pub(crate) async fn encrypted_on(url: &str) {
    let manner = Manner {
        layers: |builder| {
            let key = "0123456789abcdef0123456789abcdef";
            builder
                .layer(Encryption::with_iv(Cipher::Aes256Cbc, key, "fedcba9876543210").unwrap())
                .layer(Compression::default())
        },
        balanced: true,
        ..Manner::default()
    };
    let stage = Stage::set(url, manner).await;
    no_packets(&stage, &[]).await;
    for length in [15, 16, 17, 32, 4096, 65_536] {
        let expected = stage.malformed() + stage.everywhere(&vec![0xA5; length]).await;
        stage.counted("bytes that nobody encrypted", expected).await;
    }
    stage.is_calm("bytes that nobody encrypted").await;
    stage.end().await;
}

/// Payloads that are no packets at all, behind these bytes.
async fn no_packets(stage: &Stage, before: &[u8]) {
    let mut expected = stage.malformed();
    for payload in payloads::no_packets() {
        expected += stage.everywhere(&[before, payload].concat()).await;
    }
    stage.counted("what is no packet", expected).await;
    stage.is_calm("what is no packet").await;
}
