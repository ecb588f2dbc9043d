//! The suite for all transporters.

use ligand_transporters::nats::Nats;
use std::sync::Arc;

use super::support;

async fn conforms() {
    support::conforms(&support::url("NATS_URL"), |url| Arc::new(Nats::from_url(url).unwrap())).await;
}

#[tokio::test]
async fn it_conforms_on_one_thread() {
    conforms().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_conforms_on_several_threads() {
    conforms().await;
}
