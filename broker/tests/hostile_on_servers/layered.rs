//! Clusters whose packets are compressed or encrypted.

use ligand::middleware::{Cipher, Compression, Encryption};
use serde_json::json;

use crate::outsider::{compressed, payloads};
use crate::stage::{Manner, Stage};

/// So many megabytes come out of less than one.
const MEGABYTES: usize = 900;

pub(crate) async fn compressed_on(url: &str) {
    let manner = Manner { layers: |builder| builder.layer(Compression::default()), ..Manner::default() };
    let stage = Stage::set(url, manner).await;
    no_packets(&stage, &[]).await;
    no_packets(&stage, &[0]).await;

    // H9.
    let request = json!({ "id": "x", "action": "echo.echo", "params": "x".repeat(2000), "meta": {} });
    let request = stage.attacker.signed(request).to_string();
    for (what, packet) in compressed::unreadable(request.as_bytes()) {
        let expected = stage.malformed() + stage.everywhere(&packet).await;
        stage.counted(what, expected).await;
    }
    stage.is_calm("packets that are not compressed as they say").await;

    // H8.
    let bomb = compressed::bomb(MEGABYTES);
    let peak_before = peak_mebibytes();
    let before = stage.victim.stats().refused_by_layer;
    let expected = stage.malformed() + stage.everywhere(&bomb).await;
    stage.counted("bombs", expected).await;
    assert_eq!(stage.victim.stats().refused_by_layer - before, stage.topics.len() as u64);
    stage.is_calm("bombs").await;
    if let Some((before, after)) = peak_before.zip(peak_mebibytes()) {
        assert!(after - before < MEGABYTES / 3, "up to {after} MiB were occupied, before {before}");
    }
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

/// The most memory that this process ever occupied, where the system says so. Other tests may run in it.
fn peak_mebibytes() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().split(' ').next()?.parse::<usize>().ok().map(|kib| kib >> 10)
}

/// H14, behind these bytes.
async fn no_packets(stage: &Stage, before: &[u8]) {
    let mut expected = stage.malformed();
    for payload in payloads::no_packets() {
        expected += stage.everywhere(&[before, payload].concat()).await;
    }
    stage.counted("what is no packet", expected).await;
    stage.is_calm("what is no packet").await;
}
