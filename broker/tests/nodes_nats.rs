//! Clusters of brokers over NATS, on the server named by `NATS_URL`.

mod conformance;

use conformance::Fixture;
use ligand::transport::nats::Nats;
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_conform() {
    let url = std::env::var("NATS_URL")
        .expect("NATS_URL names a server: run the tests by scripts/test, which starts one, or name one");
    conformance::run(|| {
        let url = url.clone();
        Fixture::new(move |_| Arc::new(Nats::from_url(&url).unwrap()))
    })
    .await;
}
