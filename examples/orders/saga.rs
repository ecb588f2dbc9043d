//! A saga: steps on several services, and for each the call that takes it back.
//!
//! Which steps were taken is known from what the saga noted itself, never from the error. An undo is
//! noted *before* its step starts, because a step that is given up half-way (the caller left, the answer
//! was lost) may have happened all the same; it is struck out again when the step was certainly refused.
//! So undo actions have to accept that there is nothing to undo, and to be asked twice.

use ligand::{ErrorKind, Outcome, ServiceBroker};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::output::Output;

/// How often an undo is tried, and how long the pauses between are: this, then twice that, …
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(100);
/// How long one try may take.
const TRY: Duration = Duration::from_secs(1);

/// A call that takes a step back, as data: it can be logged, stored and made again.
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

/// What the sagas under way would have to undo, oldest first, by saga. Write it to a file or a database
/// to carry on after a crash.
#[derive(Debug, Clone, Default)]
pub(crate) struct Journal(Arc<Mutex<BTreeMap<String, Vec<Compensation>>>>);

impl Journal {
    /// Everything that is still noted.
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

/// One saga under way.
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

    /// Takes a step that `undo` would take back.
    ///
    /// # Cancel safety
    /// Dropped half-way, the step counts as taken.
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

    /// Everything went well: there is nothing to undo any more.
    pub(crate) fn complete(&self) {
        self.journal.close(&self.name);
    }

    /// Takes all steps back, newest first. What could not be taken back stays in the journal.
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

/// Whether a step that failed has certainly changed nothing: it never ran, or its service refused it.
fn had_no_effect(error: &ligand::Error) -> bool {
    error.outcome() == Outcome::NotRun
        || matches!(error.kind(), ErrorKind::Application | ErrorKind::Validation)
}

/// Through the broker, not through the context of the call: its deadline may have passed.
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
