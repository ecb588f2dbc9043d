//! Where the bus balances events for patterns, a pattern gets what it matches, once per group.

use super::{Case, CaseResult, Cluster};
use crate::{PacketKind, Route, Subscription};

pub(super) const CASE: Case = Case {
    name: "a balanced subscription to a pattern gets the events that match it",
    applies: |_, capabilities| capabilities.balanced && capabilities.balanced_wildcards,
    run: |cluster| Box::pin(run(cluster)),
};

async fn run(cluster: &mut Cluster) -> CaseResult {
    let event = |event: &str| Subscription::BalancedEvent { event: event.into(), group: "mail".into() };
    let a = cluster.join(0, &[]).await?;
    let one = cluster.join(1, &[event("order.*")]).await?;
    cluster.meet(&[a.clone(), one.clone()]).await?;
    for name in ["user.created", "order.created", "order", "order.item.added", "order.paid"] {
        let to = Route::BalancedEvent { event: name.into(), group: "mail".into() };
        a.push(&to, PacketKind::Event, name.as_bytes()).await?;
    }
    one.receives_exactly(PacketKind::Event, &["order.created", "order.paid"]).await
}
