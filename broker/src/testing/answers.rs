//! The answers of a mock, and the calls that it received.

use ligand_transporters::locks::Mutex;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::error::{Error, Result};

/// The answer to the calls of an action.
#[derive(Clone)]
pub(super) enum MockAnswer {
    /// The result of a function of the parameters.
    By(Arc<dyn Fn(Value) -> Result<Value> + Send + Sync>),
    /// No answer at all.
    Hangs,
}

impl MockAnswer {
    pub(super) fn by(answer: impl Fn(Value) -> Result<Value> + Send + Sync + 'static) -> Self {
        Self::By(Arc::new(answer))
    }

    pub(super) fn fails(error: Error) -> Self {
        Self::by(move |_| Err(error.clone()))
    }

    pub(super) async fn give(&self, params: Value) -> Result<Value> {
        match self {
            Self::By(answer) => answer(params),
            Self::Hangs => std::future::pending().await,
        }
    }
}

impl fmt::Debug for MockAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::By(_) => "By",
            Self::Hangs => "Hangs",
        })
    }
}

/// The parameters of all calls so far, by action. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Calls(Arc<Mutex<BTreeMap<String, Vec<Value>>>>);

impl Calls {
    pub(super) fn record(&self, action: &str, params: &Value) {
        self.0.lock().entry(action.to_owned()).or_default().push(params.clone());
    }

    pub(super) fn of(&self, action: &str) -> Vec<Value> {
        self.0.lock().get(action).cloned().unwrap_or_default()
    }
}
