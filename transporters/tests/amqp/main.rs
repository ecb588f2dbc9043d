//! The AMQP transporter against a real RabbitMQ.
#![allow(clippy::disallowed_methods, reason = "a test ends with all its tasks and threads")]

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

use support::slow::{Excess, a_handler_that_blocks_holds_nothing_up, a_slow_node_gives_up_events_first};
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

fn slow(query: &str) -> Arc<dyn Transporter> {
    // So that the server hands over more requests than may wait.
    Arc::new(Amqp::from_url(&format!("{}?prefetch=0&{query}", url("AMQP_URL"))).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_slow_node_cannot_take_is_counted_events_first_and_heartbeats_pass() {
    a_slow_node_gives_up_events_first(slow, &node::namespace(), Excess::AtOnce).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_handler_that_blocks_holds_up_no_heartbeats() {
    a_handler_that_blocks_holds_nothing_up(slow, &node::namespace()).await;
}
