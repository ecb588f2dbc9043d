//! A `connect` that is dropped half-way leaves nothing behind.

use futures_util::FutureExt as _;
use std::sync::Arc;
use tokio::time::timeout;

use super::super::cluster::released;
use super::{Case, CaseResult, Cluster, always, ensure};

pub(super) const CASE: Case = Case {
    name: "dropping a connection attempt at any point leaves nothing behind",
    applies: always,
    run: |cluster| Box::pin(run(cluster)),
};

/// More polls than connecting on one machine usually takes.
const POLLS: usize = 12;

async fn run(cluster: &mut Cluster) -> CaseResult {
    for polls in 0..POLLS {
        let (link, recorder) = cluster.link("", 0)?;
        let transporter = cluster.fixture.transporter(0);
        let mut attempt = transporter.connect(link.clone());
        for _ in 0..polls {
            if (&mut attempt).now_or_never().is_some() {
                // A future that is done must not be polled again; its connection is dropped here.
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(attempt);
        let shut = timeout(cluster.patience, link.shut()).await;
        ensure!(shut.is_ok(), "tasks go on after an attempt was dropped at poll {polls}");
        let (id, recorder) = (link.node().clone(), {
            let weak = Arc::downgrade(&recorder);
            drop(recorder);
            weak
        });
        drop(link);
        released(cluster.patience, &recorder, &id).await?;
    }
    // The same node connects as if nothing had happened.
    cluster.nodes::<2>(&[]).await.map(drop)
}
