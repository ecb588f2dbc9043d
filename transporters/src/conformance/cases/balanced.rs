//! Where the bus balances, each request and each event of a group reaches one node.

use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

use super::{Case, CaseResult, Cluster, Node, ensure};
use crate::{PacketKind, Route, Subscription};

pub(super) const CASE: Case = Case {
    name: "a balanced frame reaches one subscriber, and all of them take part",
    applies: |_, capabilities| capabilities.balanced,
    run: |cluster| Box::pin(run(cluster)),
};

/// So many that a node which a fair choice leaves out has been left out on purpose.
const FRAMES: usize = 90;

async fn run(cluster: &mut Cluster) -> CaseResult {
    let add = Subscription::BalancedRequest { action: "math.add".into() };
    let created =
        |group: &str| Subscription::BalancedEvent { event: "order.created".into(), group: group.into() };
    let a = cluster.join(0, &[]).await?;
    let b = cluster.join(1, &[add.clone(), created("mail")]).await?;
    let c = cluster.join(2, &[add.clone(), created("mail")]).await?;
    let d = cluster.join(3, &[add.clone(), created("stock")]).await?;
    cluster.meet(&[a.clone(), b.clone(), c.clone(), d.clone()]).await?;

    let call = Route::BalancedRequest { action: "math.add".into() };
    share(&a, &call, PacketKind::Request, &[&b, &c, &d], 0, cluster.patience).await?;
    let emit = |group: &str| Route::BalancedEvent { event: "order.created".into(), group: group.into() };
    share(&a, &emit("stock"), PacketKind::Event, &[&d], 0, cluster.patience).await?;
    share(&a, &emit("mail"), PacketKind::Event, &[&b, &c], 0, cluster.patience).await?;
    let stock = d.recorder.log().of(PacketKind::Event).count();
    ensure!(stock == FRAMES, "a group received {stock} instead of {FRAMES} events");

    b.unsubscribe(&[add]).await?;
    let before = b.recorder.log().of(PacketKind::Request).count();
    share(&a, &call, PacketKind::Request, &[&c, &d], FRAMES - before, cluster.patience).await?;
    let after = b.recorder.log().of(PacketKind::Request).count();
    ensure!(after == before, "{} frames arrived after unsubscribing", after - before);
    Ok(())
}

/// Sends frames and waits until the nodes together have got them, besides those they had before.
async fn share(
    from: &Node,
    to: &Route,
    kind: PacketKind,
    nodes: &[&Arc<Node>],
    before: usize,
    patience: Duration,
) -> CaseResult {
    let counts = || nodes.iter().map(|node| node.recorder.log().of(kind).count()).collect::<Vec<_>>();
    let had = counts();
    for _ in 0..FRAMES {
        from.push(to, kind, b"{}").await?;
    }
    // What arrives at one node wakes nobody who waits for all of them.
    let end = Instant::now() + patience;
    while counts().iter().sum::<usize>() < before + FRAMES && Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let have = counts();
    let sum: usize = have.iter().sum();
    ensure!(sum == before + FRAMES, "{have:?} frames arrived of {FRAMES} besides {had:?}, to {to:?}");
    let all = have.iter().zip(&had).all(|(have, had)| have > had);
    ensure!(all, "somebody was left out: {have:?} after {had:?}, to {to:?}");
    Ok(())
}
