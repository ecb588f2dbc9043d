//! What a node does when the message server does not let it: a start that cannot hear everything fails, and
//! what may not be published is told by `$transporter.error`. Both name the topic. One that may not hear any more
//! what it heard leaves until it may.

mod taken_away;

use ligand::transport::TransportError;
use ligand::{BrokerBuilder, ServiceBroker, StartError};
use std::time::{Duration, Instant};
use tests_support::servers::url;
use tests_support::within;

/// A node in a namespace, on the server that a variable names, as the user who may not do everything.
fn node(variable: &str, options: &str, namespace: &str) -> BrokerBuilder {
    let url = url(variable);
    ServiceBroker::builder().namespace(namespace).transporter(format!("{url}{options}"))
}

/// What the restricted user may listen to is told in the table of `docs/contributing.md`.
async fn the_start_fails(variable: &str, options: &str) {
    let broker = node(variable, options, "denied").build().unwrap();
    let from = Instant::now();
    let error = broker.start().await.expect_err("a node that may not listen");
    let StartError::Transporter { source: TransportError::Subscribe { topic, .. }, .. } = &error else {
        panic!("{error:?}");
    };
    assert!(topic.starts_with("MOL-denied."), "{error}");
    let text = error.to_string();
    assert!(text.contains(topic) && !text.contains("secret"), "{text}");
    // Nothing is gained by trying again until `transit.connectTimeout` has passed.
    assert!(from.elapsed() < Duration::from_secs(15), "it took {:?}", from.elapsed());
    broker.stop().await.unwrap();
}

async fn a_refused_publish_is_an_event(variable: &str, options: &str) {
    let broker = node(variable, options, "mute").build().unwrap();
    let mut errors = broker.local_events("$transporter.error");
    broker.start().await.expect("a node that may listen");
    // Every node says who it is when it starts.
    let told = async {
        loop {
            let data = errors.recv().await.expect("the broker is there").data;
            if data["topic"] == "MOL-mute.INFO" {
                return data;
            }
        }
    };
    let told = within("it is told", told).await;
    assert!(told["error"]["message"].as_str().unwrap().contains("MOL-mute.INFO"), "{told}");
    assert_eq!((&told["module"], &told["type"]), (&"transporter".into(), &"clientError".into()));
    broker.stop().await.unwrap();
}

macro_rules! refusals {
    ($($(#[$condition:meta])? $name:ident: $what:ident on $variable:literal, $options:literal;)*) => {$(
        $(#[$condition])?
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            $what($variable, $options).await;
        }
    )*};
}

refusals! {
    nats_refuses_a_subscription: the_start_fails on "NATS_RESTRICTED_URL", "";
    nats_refuses_a_publish: a_refused_publish_is_an_event on "NATS_RESTRICTED_URL", "";
    redis_refuses_a_channel: the_start_fails on "REDIS_RESTRICTED_URL", "";
    mosquitto_refuses_a_subscription: the_start_fails on "MQTT_RESTRICTED_URL", "";
    mosquitto_refuses_a_subscription_of_version_5: the_start_fails on "MQTT_RESTRICTED_URL", "?protocolVersion=5";
    // Version 3.1.1 knows no refusal of a publish, and without QoS nothing is answered.
    mosquitto_refuses_a_publish: a_refused_publish_is_an_event on "MQTT_RESTRICTED_URL", "?protocolVersion=5&qos=1";
    rabbitmq_refuses_a_queue: the_start_fails on "AMQP_RESTRICTED_URL", "";
    #[cfg(feature = "kafka")]
    kafka_refuses_a_topic: the_start_fails on "KAFKA_RESTRICTED_URL", "";
}
