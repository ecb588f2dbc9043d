//! The ways a call can go: moved within the process, through the codec, to another node. What a test
//! finds must be the same in all of them.

use ligand::testing::{Cluster, TestBroker};
use ligand::{Code, Error, ServiceBroker, ServiceDef};
use serde_json::{Value, json};
use std::fmt::Debug;
use std::time::Duration;

/// Runs `body` three times and compares what it gives: against a service in the same process with and
/// without the codec, and against one on another node. The node with the services is called `server`.
pub(crate) async fn every_way<T: PartialEq + Debug>(
    services: impl Fn() -> Vec<ServiceDef>,
    body: impl AsyncFn(&ServiceBroker) -> T,
) -> T {
    let local =
        |broker: TestBroker| services().into_iter().fold(broker.node_id("server"), TestBroker::service);
    let typed = {
        let broker = local(TestBroker::new()).start().await;
        body(&broker).await
    };
    let encoded = {
        let broker = local(TestBroker::new().through_codec()).start().await;
        body(&broker).await
    };
    assert_eq!(typed, encoded, "moved within the process, and through the codec");
    let remote = {
        let cluster = Cluster::seeded(1).node("caller", []).node("server", services()).start().await;
        body(cluster.at("caller")).await
    };
    assert_eq!(typed, remote, "within the process, and on another node");
    typed
}

/// Everything that callers can see of an error, apart from what it says about the handler.
pub(crate) fn face(error: &Error) -> Value {
    json!({
        "name": error.name(),
        "message": error.message(),
        "code": match error.code() {
            Some(Code::Number(number)) => json!(number),
            Some(Code::Text(text)) => json!(text),
            None => Value::Null,
        },
        "type": error.error_type(),
        "retryable": error.is_retryable(),
        "data": error.data().cloned(),
        "node": error.node().map(|node| node.as_str()),
    })
}

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// An action's result, spelled out for inference.
pub(crate) fn ok<T>(value: T) -> Result<T, Error> {
    Ok(value)
}
