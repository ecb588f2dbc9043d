//! Closing sends what was accepted, and can be done twice.

use super::{Case, CaseResult, Cluster, always, data, ensure};
use crate::{PacketKind, SendError};

pub(super) const CASE: Case = Case {
    name: "closing flushes what was accepted; a second time does nothing",
    applies: always,
    run: |cluster| Box::pin(run(cluster)),
};

const FRAMES: usize = 1_000;

async fn run(cluster: &mut Cluster) -> CaseResult {
    let [a, b] = cluster.nodes(&data()).await?;
    let texts: Vec<String> = (0..FRAMES).map(|n| format!("frame {n}")).collect();
    for text in &texts {
        a.push(&b.route(), PacketKind::Event, text.as_bytes()).await?;
    }
    a.close().await?;
    let expected: Vec<&str> = texts.iter().map(String::as_str).collect();
    b.receives_exactly(PacketKind::Event, &expected).await?;
    let unsent = a.recorder.log().unsent.len();
    ensure!(unsent == 0, "{unsent} frames were reported as unsent");

    a.close().await?;
    for kind in [PacketKind::Event, PacketKind::Ping] {
        let sent = a.send(&b.route(), kind, b"too late");
        ensure!(sent == Err(SendError::Disconnected), "after closing, sending gave {sent:?}");
    }
    let log = a.recorder.log();
    ensure!(log.downs == 0, "closing was reported as a broken connection");
    Ok(())
}
