//! Peers on a real message server that send whatever they like, on every topic of a node, while honest
//! calls go on: none of those is lost or answered wrongly, and the node is as before afterwards.

mod binary;
mod calls;
mod flood;
mod layered;
mod liars;
mod memory;
mod plain;
mod stage;
mod streams;

/// One suite per kind of cluster, each a test of its own, for every server.
macro_rules! hostile {
    ($($(#[$condition:meta])? $server:ident: $variable:literal;)*) => {$(
        $(#[$condition])?
        mod $server {
            hostile! { in $variable:
                json: crate::hostile::plain::on;
                liars: crate::hostile::liars::on;
                mutations: crate::hostile::flood::on;
                msgpack: crate::hostile::binary::msgpack_on;
                cbor: crate::hostile::binary::cbor_on;
                compressed: crate::hostile::layered::compressed_on;
                encrypted: crate::hostile::layered::encrypted_on;
                streams: crate::hostile::streams::on;
                bombs: crate::hostile::memory::bombs_on;
                invented_nodes: crate::hostile::memory::invented_nodes_on;
            }
        }
    )*};
    (in $variable:literal: $($name:ident: $suite:path;)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            $suite(&tests_support::servers::url($variable)).await;
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
