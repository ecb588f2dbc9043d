//! The services of the node.

use ligand::{ActionError, Context, Params, Result, Value, service};

use super::output::say;

pub(crate) struct Echo;

#[service(name = "echo")]
impl Echo {
    /// Returns its parameters.
    #[action]
    async fn say(&self, params: Params<Value>) -> Result<Value> {
        Ok(params.0)
    }

    /// Returns what it knows about the call.
    #[action]
    async fn context(&self, cx: Context) -> Result<Value> {
        Ok(serde_json::json!({
            "node": cx.node().as_str(),
            "caller": cx.caller().map(|caller| caller.as_str()),
            "level": cx.level(),
            "requestID": cx.request_id().to_string(),
            "meta": cx.meta().to_map(),
        }))
    }
}

pub(crate) struct Math;

#[derive(Debug, thiserror::Error, ActionError)]
pub(crate) enum MathError {
    #[error("nothing can be divided by zero")]
    #[action_error(code = 422, type = "DIVISION_BY_ZERO")]
    DivisionByZero,
}

#[service(name = "math")]
impl Math {
    #[action(rest = "GET /add")]
    async fn add(&self, a: f64, b: f64) -> Result<f64> {
        Ok(a + b)
    }

    #[action(rest = "GET /mul")]
    async fn mul(&self, a: f64, b: f64) -> Result<f64> {
        Ok(a * b)
    }

    #[action(rest = "GET /div")]
    async fn div(&self, a: f64, b: f64) -> Result<f64, MathError> {
        if b == 0.0 { Err(MathError::DivisionByZero) } else { Ok(a / b) }
    }
}

pub(crate) struct Events;

#[service(name = "events")]
impl Events {
    /// Prints every event of the cluster.
    #[event("**")]
    async fn log(&self, cx: Context, data: Params<Value>) -> Result<()> {
        // The broker's own events are printed elsewhere, with their own texts.
        if !cx.name().starts_with('$') {
            let kind = if cx.is_broadcast() { "broadcast" } else { "event" };
            say(cx.broker(), format_args!("{kind} {} {} from {}", cx.name(), data.0, cx.node()));
        }
        Ok(())
    }
}
