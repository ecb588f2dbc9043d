//! Clusters of brokers over AMQP.

#[allow(dead_code, unused_imports, reason = "shared by targets, of which each uses a part")]
mod conformance;

use conformance::Fixture;
use ligand::transport::amqp::Amqp;
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_over_amqp_conform() {
    let url = std::env::var("AMQP_URL")
        .expect("AMQP_URL is not set: run the tests by scripts/test, which starts the servers, or name one");
    conformance::run(|| {
        let url = url.clone();
        Fixture::new(move |_| Arc::new(Amqp::from_url(&url).unwrap()))
    })
    .await;
}
