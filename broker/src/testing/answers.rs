//! What a mock answers, and what it was asked.

use ligand_transporters::locks::Mutex;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::error::{Error, Result};

/// How an action is answered.
#[derive(Clone)]
pub(super) enum Answer {
    /// By a function of its parameters.
    By(Arc<dyn Fn(Value) -> Result<Value> + Send + Sync>),
    /// Never.
    Hangs,
}

impl Answer {
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

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::By(_) => "By",
            Self::Hangs => "Hangs",
        })
    }
}

/// Parameters of the calls so far, by action. Clones share it.
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
