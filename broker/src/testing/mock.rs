//! A service with prepared answers.

use ligand_transporters::Name;
use serde_json::Value;

use super::answers::{Calls, MockAnswer};
use super::{CapturedEvent, EventLog};
use crate::error::{Error, Result};
use crate::payload::Payload;
use crate::service::{IntoServiceDef, Reply, ServiceDef, ServiceVersion};

/// A mock of a service. It gives prepared answers, and records the calls and events that it receives.
///
/// Clones share the record: give one clone to the broker, and keep another.
///
/// ```
/// # use ligand::testing::{Mock, TestBroker};
/// # use serde_json::json;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> ligand::Result<()> {
/// let mail = Mock::service("mail").on("send", |_| Ok(json!("queued"))).listens("user.*");
/// let broker = TestBroker::new().service(mail.clone()).start().await;
///
/// let receipt: String = broker.call("mail.send", json!({ "to": "ada" })).await?;
/// broker.emit("user.created", json!({ "id": 7 })).await?;
///
/// assert_eq!(receipt, "queued");
/// assert_eq!(mail.calls("send"), [json!({ "to": "ada" })]);
/// assert_eq!(mail.events("user.*")[0].data, json!({ "id": 7 }));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Mock {
    name: Name,
    version: Option<ServiceVersion>,
    answers: Vec<(Name, MockAnswer)>,
    calls: Calls,
    heard: EventLog,
}

impl Mock {
    /// A service with this name, without actions.
    pub fn service(name: impl Into<Name>) -> Self {
        Self {
            name: name.into(),
            version: None,
            answers: Vec::new(),
            calls: Calls::default(),
            heard: EventLog::nothing(),
        }
    }

    /// Sets the version.
    #[must_use]
    pub fn version(mut self, version: impl Into<ServiceVersion>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Adds an action. A function of the parameters answers it. Absent parameters are `{}`.
    #[must_use]
    pub fn on(
        self,
        action: impl Into<Name>,
        answer: impl Fn(Value) -> Result<Value> + Send + Sync + 'static,
    ) -> Self {
        self.answered(action, MockAnswer::by(answer))
    }

    /// Adds an action that always fails.
    #[must_use]
    pub fn fails(self, action: impl Into<Name>, error: Error) -> Self {
        self.answered(action, MockAnswer::fails(error))
    }

    /// Adds an action that never answers.
    #[must_use]
    pub fn hangs(self, action: impl Into<Name>) -> Self {
        self.answered(action, MockAnswer::Hangs)
    }

    /// Subscribes to events of this name or pattern.
    #[must_use]
    pub fn listens(mut self, pattern: impl Into<Name>) -> Self {
        self.heard.add(pattern.into());
        self
    }

    /// The parameters of all calls of an action so far, the oldest first.
    #[must_use]
    pub fn calls(&self, action: &str) -> Vec<Value> {
        self.calls.of(action)
    }

    /// The events so far whose name matches `pattern`, the oldest first.
    #[must_use]
    pub fn events(&self, pattern: &str) -> Vec<CapturedEvent> {
        self.heard.matching(pattern)
    }

    fn answered(mut self, action: impl Into<Name>, answer: MockAnswer) -> Self {
        let action = action.into();
        // The last answer replaces earlier ones, so that a test can override what a helper has prepared.
        self.answers.retain(|(known, _)| *known != action);
        self.answers.push((action, answer));
        self
    }
}

impl IntoServiceDef for Mock {
    fn into_service_def(self) -> ServiceDef {
        let mut builder = self.heard.subscribe(ServiceDef::builder(self.name));
        if let Some(version) = self.version {
            builder = builder.version(version);
        }
        for (action, answer) in self.answers {
            let calls = self.calls.clone();
            let name = action.clone();
            let run = move |_cx, params: Payload| {
                let (answer, calls, name) = (answer.clone(), calls.clone(), name.clone());
                async move {
                    let params = params.take::<Value>().map_err(Error::internal)?;
                    calls.record(&name, &params);
                    answer.give(params).await.map(Reply::typed)
                }
            };
            builder = builder.action_raw(crate::service::ActionDef::new(action), run);
        }
        builder.build()
    }
}
