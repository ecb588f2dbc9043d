//! Nodes answer pings; unknown ones do not.

use ligand::NodeId;

use super::{Case, Cluster, Outcome, ensure};

pub(super) const CASE: Case = Case { name: "nodes answer pings", run: |cluster| Box::pin(run(cluster)) };

async fn run(cluster: &mut Cluster) -> Outcome {
    let [a, b, c] = cluster.start_all([vec![], vec![], vec![]]).await?;
    for (from, to) in [(&a, &b), (&b, &a), (&c, &a)] {
        let answer = from.ping(to.node_id()).await?;
        let answer = answer.ok_or_else(|| format!("{} does not answer", to.node_id()))?;
        // One host has one clock, so no more apart than the way took.
        let skewed = answer.time_diff_ms.abs() > answer.elapsed.as_secs_f64() * 1e3 + 2.0;
        ensure!(!skewed, "one host has two clocks: {answer:?}");
    }
    let all = a.ping_all().await;
    let nodes: Vec<_> = all.keys().map(String::as_str).collect();
    ensure!(nodes == ["node-1", "node-2"], "ping_all asked {nodes:?}");
    ensure!(all.values().all(Option::is_some), "not everybody answered: {all:?}");
    let nobody = a.ping(&NodeId::new("nobody")?).await;
    ensure!(!matches!(nobody, Ok(Some(_))), "nobody answered a ping: {nobody:?}");
    Ok(())
}
