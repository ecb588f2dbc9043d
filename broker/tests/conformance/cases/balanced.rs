//! An emitted event reaches each group exactly once, and takes turns within it.

use ligand::ServiceDef;
use serde_json::json;
use std::collections::BTreeMap;
use tests_support::try_until;

use super::{Case, Cluster, Outcome, ensure};
use crate::conformance::services::Log;

pub(super) const CASE: Case =
    Case { name: "an emitted event reaches every group exactly once", run: |cluster| Box::pin(run(cluster)) };

const EVENTS: usize = 60;

async fn run(cluster: &mut Cluster) -> Outcome {
    let log = Log::default();
    let [mail, stock] =
        if cluster.matches_patterns() { ["order.*", "order.**"] } else { ["order.created"; 2] };
    let services = |with_audit: bool| -> Vec<ServiceDef> {
        let mut services = vec![log.listener("mail", mail, None), log.listener("stock", stock, None)];
        if with_audit {
            services.push(log.listener("audit", "order.created", Some("log")));
        }
        services
    };
    let [a, b, _c] = cluster.start_all([services(false), services(true), services(true)]).await?;
    a.wait_for(&["audit"]).await?;
    for (n, from) in [&a, &b].into_iter().cycle().take(EVENTS).enumerate() {
        from.emit("order.created", json!(n)).await?;
    }
    a.emit("order.created", json!("only log")).group("log").await?;
    a.emit("user.created", json!("nobody")).await?;

    try_until("all groups have got all events", async || log.lines().len() > 3 * EVENTS).await?;
    let mut by_event = BTreeMap::<String, Vec<String>>::new();
    let mut by_place = BTreeMap::<String, usize>::new();
    for line in log.lines() {
        let mut words = line.splitn(3, ' ');
        let mut word = || words.next().unwrap_or_default().to_owned();
        let (node, service, data) = (word(), word(), word());
        by_event.entry(data).or_default().push(service.clone());
        *by_place.entry(format!("{service} at {node}")).or_default() += 1;
    }
    for n in 0..EVENTS {
        let mut services = by_event.remove(&n.to_string()).unwrap_or_default();
        services.sort();
        ensure!(services == ["audit", "mail", "stock"], "event {n} was handled by {services:?}");
    }
    let only = by_event.remove("\"only log\"").unwrap_or_default();
    ensure!(only == ["audit"], "an event for one group was handled by {only:?}");
    ensure!(by_event.is_empty(), "these came from nowhere: {by_event:?}");
    ensure!(by_place.len() == 8, "not every member of every group had a turn: {by_place:?}");
    Ok(())
}
