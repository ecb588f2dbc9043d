//! A broadcast reaches whoever subscribed to its kind.

use super::{Case, CaseResult, Cluster};
use crate::{PacketKind, Route, Subscription};

pub(super) const CASE: Case = Case {
    name: "a broadcast reaches every subscriber once, and nobody else",
    applies: |_, capabilities| capabilities.broadcast,
    run: |cluster| Box::pin(run(cluster)),
};

async fn run(cluster: &mut Cluster) -> CaseResult {
    let (info, beat) = (PacketKind::Info, PacketKind::Heartbeat);
    let both = [info, beat].map(Subscription::Broadcast);
    let a = cluster.join(0, &both).await?;
    let b = cluster.join(1, &both).await?;
    let c = cluster.join(2, &both[..1]).await?;
    cluster.meet(&[a.clone(), b.clone(), c.clone()]).await?;
    for (kind, text) in [(info, "1"), (beat, "2"), (info, "3"), (beat, "end"), (info, "end")] {
        a.push(&Route::Broadcast, kind, text.as_bytes()).await?;
    }
    b.receives_exactly(info, &["1", "3", "end"]).await?;
    b.receives_exactly(beat, &["2", "end"]).await?;
    c.receives_exactly(info, &["1", "3", "end"]).await?;
    c.receives_exactly(beat, &[]).await
}
