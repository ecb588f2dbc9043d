//! Clusters of brokers over Kafka.

#[allow(dead_code, unused_imports, reason = "not every target uses all of it")]
mod conformance;

use conformance::Fixture;
use ligand::transport::kafka::Kafka;
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_over_kafka_conform() {
    let url = std::env::var("KAFKA_URL")
        .expect("KAFKA_URL is not set: run the tests by scripts/test, which starts the servers, or name one");
    conformance::run(|| {
        let url = url.clone();
        Fixture::new(move |_| Arc::new(Kafka::from_url(&url).unwrap()))
    })
    .await;
}
