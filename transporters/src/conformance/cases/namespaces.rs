//! Nodes of different namespaces share a server without hearing each other.

use super::{Case, CaseResult, Cluster, data, has_subscriptions};
use crate::{PacketKind, Route, Subscription};

pub(super) const CASE: Case = Case {
    name: "a frame stays in its namespace",
    applies: has_subscriptions,
    run: |cluster| Box::pin(run(cluster)),
};

async fn run(cluster: &mut Cluster) -> CaseResult {
    let mut subscriptions = data().to_vec();
    subscriptions.push(Subscription::Broadcast(PacketKind::Info));
    let [a, b] = cluster.nodes(&subscriptions).await?;
    let other_a = cluster.join_namespace("-other", 0, &subscriptions).await?;
    let other_b = cluster.join_namespace("-other", 1, &subscriptions).await?;
    cluster.meet(&[other_a.clone(), other_b.clone()]).await?;
    for (from, text) in [(&other_a, "theirs"), (&a, "ours")] {
        from.push(&b.route(), PacketKind::Event, text.as_bytes()).await?;
        if cluster.capabilities.broadcast {
            from.push(&Route::Broadcast, PacketKind::Info, text.as_bytes()).await?;
        }
    }
    b.receives_exactly(PacketKind::Event, &["ours"]).await?;
    other_b.receives_exactly(PacketKind::Event, &["theirs"]).await?;
    if cluster.capabilities.broadcast {
        b.receives_exactly(PacketKind::Info, &["ours"]).await?;
        other_b.receives_exactly(PacketKind::Info, &["theirs"]).await?;
    }
    Ok(())
}
