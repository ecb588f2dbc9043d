//! A frame that is too large fails at its sender, who learns the limit.

use bytes::Bytes;

use super::{Case, CaseResult, Cluster, data, ensure};
use crate::{PacketKind, SendError};

pub(super) const CASE: Case = Case {
    name: "the largest frame arrives, one byte more is refused with the limit",
    applies: |_, capabilities| capabilities.max_frame.is_some(),
    run: |cluster| Box::pin(run(cluster)),
};

async fn run(cluster: &mut Cluster) -> CaseResult {
    let Some(limit) = cluster.capabilities.max_frame else { return Ok(()) };
    let [a, b] = cluster.nodes(&data()).await?;
    let largest = vec![b'x'; limit];
    let larger = Bytes::from(vec![b'x'; limit + 1]);
    let refused = Err(SendError::TooLarge { size: limit + 1, limit });

    let written = a.send(&b.route(), PacketKind::Event, &larger);
    ensure!(written == refused, "a frame that is too large gave {written:?}, not {refused:?}");
    a.push(&b.route(), PacketKind::Event, &largest).await?;
    b.receives(PacketKind::Event, 1).await?;
    let spliced = a.splice(&b.route(), PacketKind::Event, &larger);
    ensure!(spliced == refused, "a spliced frame that is too large gave {spliced:?}, not {refused:?}");
    a.push(&b.route(), PacketKind::Event, b"end").await?;
    b.receives(PacketKind::Event, 2).await?;

    let log = b.recorder.log();
    let arrived: Vec<_> = log.of(PacketKind::Event).collect();
    ensure!(arrived[0] == &largest[..], "the largest frame arrived with {} bytes", arrived[0].len());
    ensure!(arrived[1] == &b"end"[..], "after a refused frame arrived one of {} bytes", arrived[1].len());
    Ok(())
}
