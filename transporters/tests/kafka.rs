//! The Kafka transporter against Apache Kafka.

mod support;

use ligand_transporters::kafka::Kafka;
use std::sync::Arc;

use support::{Proxy, conforms_behind, url};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_conforms() {
    conforms_behind(Proxy::posing, &url("KAFKA_URL"), |url| Arc::new(Kafka::from_url(url).unwrap())).await;
}
