//! A caller that needs no broker.

use futures_util::future::BoxFuture;
use ligand_transporters::{Name, NodeId};
use serde_json::Value;
use std::collections::BTreeMap;

use super::answers::{Calls, MockAnswer};
use crate::broker::{Caller, OutgoingCall, Response};
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::payload::Payload;

/// Answers calls from a table. Pass it to a typed client to test the code that uses the client.
///
/// ```
/// # use ligand::testing::MockCaller;
/// # use serde_json::json;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> ligand::Result<()> {
/// #[ligand::client(name = "math")]
/// trait Math {
///     async fn add(a: i64, b: i64) -> i64;
/// }
///
/// let caller = MockCaller::new().on("math.add", |p| Ok(json!(p["a"].as_i64().unwrap() + 1)));
/// assert_eq!(MathClient::new(&caller).add(2, 3).await?, 3);
/// assert_eq!(caller.calls("math.add"), [json!({ "a": 2, "b": 3 })]);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "nothing happens until somebody calls through it"]
pub struct MockCaller {
    answers: BTreeMap<Name, MockAnswer>,
    calls: Calls,
}

impl MockCaller {
    /// A caller without any actions. Every call fails as an unknown action.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an action, by its full name. A function of the parameters answers it.
    pub fn on(
        mut self,
        action: impl Into<Name>,
        answer: impl Fn(Value) -> Result<Value> + Send + Sync + 'static,
    ) -> Self {
        self.answers.insert(action.into(), MockAnswer::by(answer));
        self
    }

    /// Adds an action that always fails.
    pub fn fails(mut self, action: impl Into<Name>, error: Error) -> Self {
        self.answers.insert(action.into(), MockAnswer::fails(error));
        self
    }

    /// Adds an action that never answers. The mock applies no deadline, so the test has to bound the call
    /// itself.
    pub fn hangs(mut self, action: impl Into<Name>) -> Self {
        self.answers.insert(action.into(), MockAnswer::Hangs);
        self
    }

    /// The parameters of all calls of an action so far, the oldest first. Calls of unknown actions are
    /// recorded, too.
    #[must_use]
    pub fn calls(&self, action: &str) -> Vec<Value> {
        self.calls.of(action)
    }
}

impl Caller for MockCaller {
    fn dispatch(&self, call: OutgoingCall) -> BoxFuture<'_, Result<Response>> {
        Box::pin(async move {
            let OutgoingCall { action, params, .. } = call;
            let params = params.take::<Value>().map_err(Error::internal)?;
            self.calls.record(&action, &params);
            let Some(answer) = self.answers.get(action.as_str()) else {
                let unknown = Error::of_action(ErrorKind::ServiceNotFound, &action, None);
                return Err(unknown.with_outcome(Outcome::NotRun));
            };
            let node = NodeId::new(Name::from_static("mock")).map_err(Error::internal)?;
            Ok(Response::new(Payload::from(answer.give(params).await?), node))
        })
    }
}
