//! The services that our nodes host, shaped like those of the stock nodes (`js/services.js`).

use ligand::{ActionDef, Context, Error, ErrorParts, EventDef, Payload, Reply, ServiceDef, Value};
use serde_json::json;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Events that our services received.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<Vec<Value>>>);

impl Heard {
    fn push(&self, event: Value) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }

    /// What came since the last question.
    pub(crate) fn take(&self) -> Vec<Value> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

fn told(cx: &Context) -> Value {
    json!({
        "id": cx.id().to_string(),
        "requestID": cx.request_id().to_string(),
        "parentID": cx.parent_id().map(|id| id.to_string()),
        "level": cx.level(),
        "caller": cx.caller().map(ToString::to_string),
        "nodeID": cx.node().as_str(),
        "meta": cx.meta().to_map(),
        "headers": cx.headers().to_map(),
        "timeout": cx.remaining().map(|left| left.as_secs_f64() * 1000.0),
    })
}

/// Everything a caller may want of one service.
pub(crate) fn rs() -> ServiceDef {
    let add = ActionDef::new("add")
        .extra("rest", "GET /add")
        .extra("description", "Adds two numbers")
        .extra("x-nested", json!({ "deep": [1, { "null": null }] }))
        .params(json!({ "a": "number", "b": { "type": "number", "optional": true } }));
    ServiceDef::builder("rs")
        .version(3)
        .settings(json!({ "secret": "s", "open": 1, "$secureSettings": ["secret"] }))
        .metadata(json!({ "region": "eu" }))
        .action(add, |_cx: Context, params: Add| async move { Ok::<_, Error>(params.a + params.b) })
        .action(
            ActionDef::new("echo").extra("rest", "GET /echo/:word"),
            |_cx: Context, params: Value| async move { Ok::<_, Error>(params) },
        )
        .action_raw("nothing", |_cx: Context, _params: Payload| async move { Ok::<_, Error>(Reply::empty()) })
        .action("context", |cx: Context, _params: Value| async move {
            cx.meta().set("fromRust", "rust was here")?;
            Ok::<_, Error>(told(&cx))
        })
        // Calls on, and tells of both ends.
        .action("relay", |cx: Context, params: Value| async move {
            cx.meta().set("relay", cx.broker().node_id().as_str())?;
            let mut call = cx.call::<Value>(params["action"].as_str().unwrap_or_default(), &params["params"]);
            if let Some(timeout) = params["opts"]["timeout"].as_u64() {
                call = call.timeout(Duration::from_millis(timeout));
            }
            let inner = call.await?;
            Ok::<_, Error>(json!({ "own": told(&cx), "inner": inner, "meta": cx.meta().to_map() }))
        })
        .action("slow", |cx: Context, params: Value| async move {
            tokio::time::sleep(Duration::from_millis(params["ms"].as_u64().unwrap_or_default())).await;
            Ok::<_, Error>(cx.broker().node_id().to_string())
        })
        // Sleeps past its own deadline, then calls: there is no time left for that.
        .action("deeper", |cx: Context, params: Value| async move {
            let level = cx.call::<Value>("v3.rs.deeper", &params).await?;
            Ok::<_, Error>(level)
        })
        .action("panics", |_cx: Context, _params: Value| async move {
            if true {
                panic!("a handler that panics");
            }
            Ok::<_, Error>(())
        })
        .action("fail", |cx: Context, params: Value| async move {
            let name = params["name"].as_str().unwrap_or_default();
            Err::<(), _>(made(name, cx.broker().node_id().as_str()))
        })
        .build()
}

#[derive(serde::Deserialize)]
struct Add {
    a: f64,
    b: f64,
}

/// An action that several nodes offer.
pub(crate) fn shared() -> ServiceDef {
    ServiceDef::builder("shared")
        .action("where", |cx: Context, params: Value| async move {
            if let Some(ms) = params["ms"].as_u64() {
                tokio::time::sleep(Duration::from_millis(ms)).await;
            }
            Ok::<_, Error>(cx.broker().node_id().to_string())
        })
        .action("work", |cx: Context, _params: Value| async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            Ok::<_, Error>(cx.broker().node_id().to_string())
        })
        .build()
}

/// Subscriptions in three groups, one of them the service's own.
pub(crate) fn mail(heard: &Heard) -> ServiceDef {
    ServiceDef::builder("mail")
        .event("user.created", note(heard, "mail"))
        .event(EventDef::new("user.*").group("audit"), note(heard, "audit"))
        .event(EventDef::new("order.**").group("deep"), note(heard, "deep"))
        .build()
}

type Noted = std::future::Ready<Result<(), Error>>;

/// A handler that writes down what it hears.
pub(crate) fn note(
    heard: &Heard,
    handler: &'static str,
) -> impl Fn(Context, Value) -> Noted + Send + Sync + 'static {
    let heard = heard.clone();
    move |cx: Context, data: Value| {
        heard.push(json!({
            "handler": handler,
            "event": cx.name().as_str(),
            "data": data,
            "type": if cx.is_broadcast() { "broadcast" } else { "emit" },
            "groups": cx.event_groups().iter().map(|group| group.as_str()).collect::<Vec<_>>(),
            "meta": cx.meta().to_map(),
            "from": cx.node().as_str(),
            "level": cx.level(),
        }));
        std::future::ready(Ok(()))
    }
}

/// Errors by name, with the data that each of them has.
fn made(name: &str, node: &str) -> Error {
    let data = json!({ "action": "some.action", "nodeID": node });
    let rows: [(&'static str, i64, &'static str, bool, Value); 18] = [
        ("TeapotError", 418, "TEAPOT", false, json!({ "volume": 1.5, "lid": null })),
        ("MoleculerError", 455, "TOLD", false, json!({ "a": [1, { "b": null }] })),
        ("MoleculerRetryableError", 455, "TOLD", true, json!({ "a": [1, { "b": null }] })),
        ("MoleculerServerError", 455, "TOLD", true, json!({ "a": [1, { "b": null }] })),
        ("MoleculerClientError", 455, "TOLD", false, json!({ "a": [1, { "b": null }] })),
        ("ValidationError", 422, "CUSTOM_TYPE", false, json!([{ "field": "a" }])),
        ("ServiceNotFoundError", 404, "SERVICE_NOT_FOUND", true, data.clone()),
        ("ServiceNotAvailableError", 404, "SERVICE_NOT_AVAILABLE", true, data.clone()),
        ("RequestTimeoutError", 504, "REQUEST_TIMEOUT", true, data.clone()),
        ("RequestSkippedError", 514, "REQUEST_SKIPPED", false, data.clone()),
        ("RequestRejectedError", 503, "REQUEST_REJECTED", true, data.clone()),
        ("QueueIsFullError", 429, "QUEUE_FULL", true, data.clone()),
        ("MaxCallLevelError", 500, "MAX_CALL_LEVEL", false, json!({ "nodeID": node, "level": 7 })),
        ("ServiceSchemaError", 500, "SERVICE_SCHEMA_ERROR", false, json!({ "a": 1 })),
        ("BrokerOptionsError", 500, "BROKER_OPTIONS_ERROR", false, json!({ "a": 1 })),
        ("GracefulStopTimeoutError", 500, "GRACEFUL_STOP_TIMEOUT", false, json!({})),
        ("ProtocolVersionMismatchError", 500, "PROTOCOL_VERSION_MISMATCH", false, data.clone()),
        ("InvalidPacketDataError", 500, "INVALID_PACKET_DATA", false, data),
    ];
    match rows.into_iter().find(|row| row.0 == name) {
        Some((name, code, error_type, retryable, data)) => Error::application(ErrorParts {
            name,
            code,
            error_type,
            message: "told so".to_owned(),
            retryable,
            data: Some(data),
        }),
        None => Error::internal(format!("no error is named `{name}`")),
    }
}
