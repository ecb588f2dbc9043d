//! A frame whose writer gave up leaves nothing behind.

use bytes::Bytes;

use super::{Case, CaseResult, Cluster, always, data, ensure};
use crate::{Abandon, FrameBuf, PacketKind, SendError};

pub(super) const CASE: Case = Case {
    name: "an abandoned frame leaves nothing behind",
    applies: always,
    run: |cluster| Box::pin(run(cluster)),
};

async fn run(cluster: &mut Cluster) -> CaseResult {
    let [a, b] = cluster.nodes(&data()).await?;
    let body = Bytes::from(vec![b'!'; FrameBuf::SPLICE_FROM]);
    let texts: Vec<String> = (0..20).map(|n| format!("frame {n}")).collect();
    for text in &texts {
        let given_up = a.live.send(&b.route(), PacketKind::Event, 7, &mut |frame| {
            frame.buf().extend_from_slice(b"half a fra");
            frame.splice(&body);
            frame.buf().extend_from_slice(b"me");
            Err(Abandon)
        });
        ensure!(given_up == Err(SendError::Abandoned), "an abandoned frame gave {given_up:?}");
        a.push(&b.route(), PacketKind::Event, text.as_bytes()).await?;
    }
    let expected: Vec<&str> = texts.iter().map(String::as_str).collect();
    b.receives_exactly(PacketKind::Event, &expected).await?;
    ensure!(a.recorder.log().unsent.is_empty(), "an abandoned frame was reported as unsent");
    Ok(())
}
