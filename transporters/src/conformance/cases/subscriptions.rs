//! A node receives what it subscribed to, and no longer when it unsubscribed.

use super::{Case, CaseResult, Cluster, ensure, has_subscriptions};
use crate::{PacketKind, Subscription};

pub(super) const CASE: Case = Case {
    name: "subscriptions take effect when made and end when undone",
    applies: has_subscriptions,
    run: |cluster| Box::pin(run(cluster)),
};

async fn run(cluster: &mut Cluster) -> CaseResult {
    let (event, request) = (PacketKind::Event, PacketKind::Request);
    let [a, b] = cluster.nodes(&[Subscription::Own(request)]).await?;
    let to_b = b.route();

    // Closing sends it, so that it was there before anybody asked.
    let early = cluster.join(2, &[]).await?;
    early.push(&to_b, event, b"nobody asked for it").await?;
    early.close().await?;
    a.push(&to_b, request, b"1").await?;
    b.receives_exactly(request, &["1"]).await?;

    let events = [Subscription::Own(event)];
    b.subscribe(&events).await?;
    b.subscribe(&events).await?;
    a.reach(&b, event).await?;
    a.push(&to_b, event, b"once").await?;
    a.push(&to_b, event, b"end").await?;
    b.receives_exactly(event, &["once", "end"]).await?;

    b.unsubscribe(&[Subscription::Own(event), Subscription::Own(PacketKind::Response)]).await?;
    a.push(&to_b, event, b"too late").await?;
    a.push(&to_b, request, b"2").await?;
    b.receives_exactly(request, &["1", "2"]).await?;
    let texts = b.recorder.texts(event);
    ensure!(texts == ["once", "end"], "after unsubscribing {texts:?} have arrived");
    Ok(())
}
