//! Peers on a real message server that send whatever they like, on every topic of a node, while honest
//! calls go on: none of those is lost or answered wrongly, and the node is as before afterwards.
#![allow(clippy::disallowed_methods, reason = "a test ends with all its tasks and threads")]

mod binary;
mod calls;
mod flood;
mod layered;
mod liars;
mod memory;
#[allow(dead_code, reason = "others send more of it")]
#[path = "../outsider/mod.rs"]
mod outsider;
mod plain;
mod stage;
mod streams;

/// One suite per kind of cluster, each a test of its own, for every server.
macro_rules! hostile {
    ($($(#[$condition:meta])? $server:ident: $variable:literal;)*) => {$(
        $(#[$condition])?
        mod $server {
            hostile! { in $variable:
                json: crate::plain::on;
                liars: crate::liars::on;
                mutations: crate::flood::on;
                msgpack: crate::binary::msgpack_on;
                cbor: crate::binary::cbor_on;
                compressed: crate::layered::compressed_on;
                encrypted: crate::layered::encrypted_on;
                streams: crate::streams::on;
                bombs: crate::memory::bombs_on;
                invented_nodes: crate::memory::invented_nodes_on;
            }
        }
    )*};
    (in $variable:literal: $($name:ident: $suite:path;)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            $suite(&crate::stage::url($variable)).await;
        }
    )*};
}

hostile! {
    nats: "NATS_URL";
    redis: "REDIS_URL";
    mosquitto: "MQTT_URL";
    rabbitmq: "AMQP_URL";
    #[cfg(feature = "kafka")]
    kafka: "KAFKA_URL";
}
