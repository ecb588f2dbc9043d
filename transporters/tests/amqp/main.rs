//! The AMQP transporter against a real RabbitMQ.

mod loss;
mod node;
mod prefetch;
mod queues;
mod server;
#[path = "../support/mod.rs"]
mod support;
#[cfg(feature = "amqp-tls")]
mod tls;

use ligand_transporters::Transporter;
use ligand_transporters::amqp::Amqp;
use std::sync::Arc;

use support::{conforms, url};

fn amqp(query: &'static str) -> impl Fn(&str) -> Arc<dyn Transporter> + Send + Sync + Clone + 'static {
    move |url| Arc::new(Amqp::from_url(&format!("{url}{query}")).unwrap())
}

#[tokio::test]
async fn it_conforms_on_one_thread() {
    conforms(&url("AMQP_URL"), amqp("")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_conforms_on_several_threads() {
    conforms(&url("AMQP_URL"), amqp("")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_conforms_with_one_request_at_a_time_and_small_frames() {
    conforms(&url("AMQP_URL"), amqp("?prefetch=1&frameMax=4096")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_conforms_with_confirmed_and_persistent_messages_and_no_limit_of_requests() {
    let query = "?publisherConfirms=true&messageOptions.persistent=true&prefetch=0";
    conforms(&url("AMQP_URL"), amqp(query)).await;
}
