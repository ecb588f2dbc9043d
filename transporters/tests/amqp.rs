//! The AMQP transporter against a real RabbitMQ.

mod support;

use ligand_transporters::amqp::Amqp;
use std::sync::Arc;

#[tokio::test]
async fn it_conforms_on_one_thread() {
    support::conforms(&support::url("AMQP_URL"), |url| Arc::new(Amqp::from_url(url).unwrap())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_conforms_on_several_threads() {
    support::conforms(&support::url("AMQP_URL"), |url| Arc::new(Amqp::from_url(url).unwrap())).await;
}
