//! A saga: steps on several services, each with the call that undoes it.
//!
//! The saga records which steps it has taken. It never concludes that from an error. It records an undo
//! *before* the step starts, because a step that is given up (the caller left, the answer was lost) may still
//! have happened. If the step was certainly refused, the saga removes the undo again. So undo actions have to
//! accept that there is nothing to undo, and that they are called twice.

use ligand::{ErrorKind, Outcome, ServiceBroker};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::output::Output;

/// How often an undo is tried. The first pause has this length, and each further pause is twice as long.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(100);
/// How long one try may take.
const TRY: Duration = Duration::from_secs(1);

/// The call that undoes a step, as data: it can be logged, stored and made again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Compensation {
    pub(crate) action: String,
    pub(crate) params: Value,
}

impl Compensation {
    pub(crate) fn new(action: impl Into<String>, params: Value) -> Self {
        Self { action: action.into(), params }
    }
}

impl fmt::Display for Compensation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.action, self.params)
    }
}

/// What the running sagas would have to undo, by saga, the oldest first. If it is written to a file or a
/// database, sagas can continue after a crash.
#[derive(Debug, Clone, Default)]
pub(crate) struct Journal(Arc<Mutex<BTreeMap<String, Vec<Compensation>>>>);

impl Journal {
    /// Everything that is recorded.
    pub(crate) fn noted(&self) -> BTreeMap<String, Vec<Compensation>> {
        self.lock().clone()
    }

    fn of(&self, saga: &str) -> Vec<Compensation> {
        self.lock().get(saga).cloned().unwrap_or_default()
    }

    fn note(&self, saga: &str, undo: Compensation) {
        self.lock().entry(saga.to_owned()).or_default().push(undo);
    }

    fn strike(&self, saga: &str, undo: &Compensation) {
        let mut sagas = self.lock();
        let Some(noted) = sagas.get_mut(saga) else { return };
        noted.retain(|other| other != undo);
        if noted.is_empty() {
            sagas.remove(saga);
        }
    }

    fn close(&self, saga: &str) {
        self.lock().remove(saga);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Vec<Compensation>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running saga.
#[derive(Debug, Clone)]
pub(crate) struct Saga {
    name: String,
    journal: Journal,
    output: Output,
}

impl Saga {
    pub(crate) fn new(name: String, journal: Journal, output: Output) -> Self {
        Self { name, journal, output }
    }

    /// Takes a step that `undo` would undo.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is done, the step counts as taken.
    pub(crate) async fn step<T, E: Into<ligand::Error>>(
        &self,
        undo: Compensation,
        step: impl IntoFuture<Output = Result<T, E>>,
    ) -> ligand::Result<T> {
        self.journal.note(&self.name, undo.clone());
        let result = step.await.map_err(E::into);
        if result.as_ref().is_err_and(had_no_effect) {
            self.journal.strike(&self.name, &undo);
        }
        result
    }

    /// The saga has succeeded. There is nothing to undo any more.
    pub(crate) fn complete(&self) {
        self.journal.close(&self.name);
    }

    /// Undoes all steps, the newest first. Steps that could not be undone stay in the journal.
    pub(crate) async fn undo(&self, broker: &ServiceBroker) {
        for undo in self.journal.of(&self.name).iter().rev() {
            self.output.line("orders", format_args!("undo {undo}"));
            match call(broker, undo).await {
                Ok(()) => self.journal.strike(&self.name, undo),
                Err(error) => {
                    tracing::error!(saga = self.name, undo = %undo, error = %error, "a step could not be undone");
                    self.output.line("orders", format_args!("could not {}: {error}", undo.action));
                }
            }
        }
    }
}

/// Whether a failed step has certainly changed nothing: it did not run, or its service refused it.
fn had_no_effect(error: &ligand::Error) -> bool {
    error.outcome() == Outcome::NotRun
        || matches!(error.kind(), ErrorKind::Application | ErrorKind::Validation)
}

/// Called through the broker instead of the context, whose deadline may have passed.
async fn call(broker: &ServiceBroker, undo: &Compensation) -> ligand::Result<()> {
    let mut pause = PAUSE;
    for _ in 1..TRIES {
        match broker.call::<()>(undo.action.as_str(), &undo.params).timeout(TRY).await {
            Err(error) if error.is_retryable() => tokio::time::sleep(pause).await,
            done => return done,
        }
        pause *= 2;
    }
    broker.call::<()>(undo.action.as_str(), &undo.params).timeout(TRY).await
}
