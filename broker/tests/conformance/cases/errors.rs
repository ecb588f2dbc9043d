//! What a handler fails with is what its caller gets, in both directions.

use ligand::{ActionError, Code, Error, ErrorKind, NodeId, Outcome as Ran, ServiceBroker, ServiceDef};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Case, Cluster, Outcome, ensure};

pub(super) const CASE: Case =
    Case { name: "errors arrive as they were raised, both ways", run: |cluster| Box::pin(run(cluster)) };

/// An error type of a user.
#[derive(Debug, PartialEq, Serialize, Deserialize, ActionError, thiserror::Error)]
enum StockError {
    #[error("only {left} left")]
    #[action_error(code = 409, type = "OUT_OF_STOCK")]
    OutOfStock { left: u32 },
}

fn failing(name: &str) -> ServiceDef {
    ServiceDef::builder(name)
        .action("custom", |_cx, _: Value| async move { Err::<(), _>(StockError::OutOfStock { left: 3 }) })
        .action("client", |_cx, _: Value| async move {
            Err::<(), _>(Error::client(418, "TEAPOT", "short and stout").with_data(json!({ "a": [1, null] })))
        })
        .action("server", |_cx, _: Value| async move { Err::<(), _>(Error::server(503, "BUSY", "later")) })
        .action("validation", |_cx, _: Value| async move {
            Err::<(), _>(Error::validation(json!([{ "field": "x", "type": "required" }])))
        })
        .action("number", |_cx, n: u8| async move { Ok::<_, Error>(n) })
        .action("panic", |_cx, fuse: Value| async move {
            assert!(fuse.is_number(), "boom");
            Ok::<_, Error>(())
        })
        .build()
}

async fn run(cluster: &mut Cluster) -> Outcome {
    let [a, b] = cluster.start_all([vec![failing("at-a")], vec![failing("at-b")]]).await?;
    a.wait_for(&["at-b"]).await?;
    b.wait_for(&["at-a"]).await?;
    check(&a, "at-b", b.node_id()).await?;
    check(&b, "at-a", a.node_id()).await
}

async fn check(from: &ServiceBroker, service: &str, at: &NodeId) -> Outcome {
    let error = failure(from, service, "custom", json!({})).await?;
    ensure!(
        error.downcast::<StockError>() == Some(StockError::OutOfStock { left: 3 }),
        "a custom error came back as {error:?}"
    );
    ensure!(error.message() == "only 3 left", "its message is {:?}", error.message());

    let error = failure(from, service, "client", json!({})).await?;
    ensure!(error.code() == Some(&Code::Number(418)), "{error:?}");
    ensure!(error.error_type() == Some("TEAPOT") && error.message() == "short and stout", "{error:?}");
    ensure!(error.data() == Some(&json!({ "a": [1, null] })), "{error:?}");
    ensure!(!error.is_retryable() && error.name() == "MoleculerClientError", "{error:?}");
    ensure!(error.node() == Some(at), "{error:?} names {:?}", error.node());
    ensure!(error.outcome() == Ran::Ran, "a handler that failed has run: {:?}", error.outcome());

    let error = failure(from, service, "server", json!({})).await?;
    ensure!(error.is_retryable() && error.name() == "MoleculerServerError", "{error:?}");

    let error = failure(from, service, "validation", json!({})).await?;
    ensure!(error.kind() == ErrorKind::Validation && error.code() == Some(&Code::Number(422)), "{error:?}");
    ensure!(error.data().is_some_and(|data| data[0]["field"] == "x"), "{error:?}");

    let error = failure(from, service, "number", json!("no number")).await?;
    ensure!(error.kind() == ErrorKind::Validation, "wrong parameters gave {error:?}");

    let error = failure(from, service, "panic", json!("lit")).await?;
    ensure!(error.kind() == ErrorKind::HandlerPanic, "a panic gave {error:?}");

    let unknown = from.call::<Value>(format!("{service}.missing"), json!({})).await;
    let error = unknown.err().ok_or("an unknown action was found")?;
    ensure!(error.kind() == ErrorKind::ServiceNotFound, "{error:?}");
    ensure!(error.outcome() == Ran::NotRun, "{error:?}");
    Ok(())
}

async fn failure(from: &ServiceBroker, service: &str, action: &str, params: Value) -> Outcome<Error> {
    let result = from.call::<Value>(format!("{service}.{action}"), params).await;
    Ok(result.err().ok_or_else(|| format!("{service}.{action} succeeded"))?)
}
