//! Redis against real servers.

mod support;

use std::sync::Arc;

use ligand_transporters::Transporter;
use ligand_transporters::redis::Redis;

use support::{conforms, url};

fn redis(url: &str) -> Arc<dyn Transporter> {
    Arc::new(Redis::from_url(url).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_single_server_conforms() {
    conforms(&url("REDIS_URL"), redis).await;
}
