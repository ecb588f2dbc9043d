//! Clusters of brokers over each message server, one of them with each serializer, and with the server
//! balancing where it can.

use crate::conformance::{self, Fixture};
use ligand::config::SerializerKind;
use ligand::transport::transporter_for;
use tests_support::servers::url;

/// Runs the suite on the server that a variable names.
async fn conform(variable: &str, serializer: SerializerKind, kind: fn(Fixture) -> Fixture) {
    let url = url(variable);
    conformance::run(|| {
        let url = url.clone();
        kind(Fixture::new(move |_| transporter_for(&url).unwrap()).speaking(serializer))
    })
    .await;
}

macro_rules! nodes_conform {
    ($($(#[$condition:meta])? $name:ident on $variable:literal, $serializer:ident $(, $kind:ident)?;)*) => {$(
        $(#[$condition])?
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let kind: fn(Fixture) -> Fixture = |fixture| fixture$(.$kind())?;
            conform($variable, SerializerKind::$serializer, kind).await;
        }
    )*};
}

nodes_conform! {
    nats_with_json on "NATS_URL", Json;
    nats_with_json_ext on "NATS_URL", JsonExt;
    nats_with_msgpack on "NATS_URL", MsgPack;
    nats_with_notepack on "NATS_URL", Notepack;
    nats_with_cbor on "NATS_URL", Cbor;
    nats_that_balances on "NATS_URL", Json, balanced;
    redis_single on "REDIS_URL", Json;
    redis_behind_sentinel on "REDIS_SENTINEL_URL", Json;
    redis_cluster on "REDIS_CLUSTER_URL", Json;
    mosquitto on "MQTT_URL", Json;
    rabbitmq on "AMQP_URL", Json;
    rabbitmq_that_balances on "AMQP_URL", Json, balanced;
    #[cfg(feature = "kafka")]
    kafka on "KAFKA_URL", Json;
}
