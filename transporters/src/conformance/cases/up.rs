//! A node learns once that it is connected.

use super::{Case, CaseResult, Cluster, always, ensure};
use crate::Up;

pub(super) const CASE: Case = Case {
    name: "a first connection is reported once, as the first",
    applies: always,
    run: |cluster| Box::pin(run(cluster)),
};

async fn run(cluster: &mut Cluster) -> CaseResult {
    let nodes: [_; 2] = cluster.nodes(&[]).await?;
    for node in nodes {
        node.until("the connection is reported", |log| !log.ups.is_empty()).await?;
        let log = node.recorder.log();
        ensure!(log.ups == [Up::First], "reported {:?}", log.ups);
        ensure!(log.downs == 0, "reported a broken connection");
    }
    Ok(())
}
