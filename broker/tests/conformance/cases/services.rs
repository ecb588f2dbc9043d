//! Services come and go while nodes run.

use ligand::ErrorKind;
use serde_json::{Value, json};
use tests_support::try_until;

use super::{Case, Cluster, Outcome, ensure};
use crate::conformance::services::echo;

pub(super) const CASE: Case =
    Case { name: "services are added and removed while nodes run", run: |cluster| Box::pin(run(cluster)) };

async fn run(cluster: &mut Cluster) -> Outcome {
    let [a, b, c] = cluster.start_all([vec![], vec![echo("steady")], vec![]]).await?;
    a.wait_for(&["steady"]).await?;
    b.add(echo("guest")).await?;
    c.add(echo("guest")).await?;
    let served = async |want: &[&str]| {
        let mut places = Vec::new();
        for _ in 0..8 {
            places.push(a.call::<String>("guest.where", json!({})).await.unwrap_or_default());
        }
        places.sort();
        places.dedup();
        places == want
    };
    try_until("both nodes serve the new service", async || served(&["node-1", "node-2"]).await).await?;
    ensure!(b.remove("guest").await, "the service that was added is not there");
    try_until("only one node serves it", async || served(&["node-2"]).await).await?;
    ensure!(c.remove("guest").await, "the service that was added is not there");
    let gone = async || match a.call::<Value>("guest.echo", json!({})).await {
        Err(error) => matches!(error.kind(), ErrorKind::ServiceNotFound | ErrorKind::ServiceNotAvailable),
        Ok(_) => false,
    };
    try_until("nobody serves it", gone).await?;
    let answer: Value = a.call("steady.echo", json!(1)).await?;
    ensure!(answer == json!(1), "the other service of the node answered {answer}");
    Ok(())
}
