//! Clusters of brokers over Redis: a single server, the master behind Sentinel, a Cluster.

#[allow(dead_code, unused_imports, reason = "the suite has more than one transporter needs")]
mod conformance;

use conformance::Fixture;
use ligand::transport::redis::Redis;
use std::sync::Arc;

async fn conform(variable: &str) {
    let url = std::env::var(variable)
        .unwrap_or_else(|_| panic!("{variable} is not set: run the tests by scripts/test, or name a server"));
    conformance::run(|| {
        let url = url.clone();
        Fixture::new(move |_| Arc::new(Redis::from_url(&url).unwrap()))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_on_a_single_server_conform() {
    conform("REDIS_URL").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_behind_sentinel_conform() {
    conform("REDIS_SENTINEL_URL").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_on_a_cluster_conform() {
    conform("REDIS_CLUSTER_URL").await;
}
