//! MQTT against a real server.

mod support;

use std::sync::Arc;

use ligand_transporters::Transporter;
use ligand_transporters::mqtt::Mqtt;

use support::{conforms, url};

fn mqtt(query: &'static str) -> impl Fn(&str) -> Arc<dyn Transporter> + Send + Sync + Clone + 'static {
    move |url| Arc::new(Mqtt::from_url(&format!("{url}?{query}")).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mqtt_3_conforms() {
    conforms(&url("MQTT_URL"), mqtt("")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mqtt_5_conforms() {
    conforms(&url("MQTT_URL"), mqtt("protocolVersion=5&topicSeparator=/")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quality_1_conforms() {
    conforms(&url("MQTT_URL"), mqtt("qos=1")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quality_2_of_version_5_conforms() {
    conforms(&url("MQTT_URL"), mqtt("qos=2&protocolVersion=5")).await;
}
