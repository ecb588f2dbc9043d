//! What the workers say that they did, the dead ones included.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{BufReader, Lines};
use tokio::process::ChildStdout;

/// Gathers the lines of all workers of a cluster.
#[derive(Debug, Clone, Default)]
pub(crate) struct Handled(Arc<Mutex<Said>>);

#[derive(Debug, Default)]
struct Said {
    calls: Vec<u64>,
    events: HashMap<(String, String), usize>,
}

impl Handled {
    /// Reads what a worker says until it ends.
    pub(crate) fn read(&self, worker: &str, mut lines: Lines<BufReader<ChildStdout>>) {
        let (said, worker) = (self.clone(), worker.to_owned());
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                said.line(&worker, &line);
            }
        });
    }

    fn line(&self, worker: &str, line: &str) {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = line.strip_prefix("did ").and_then(|id| id.parse().ok()) {
            said.calls.push(id);
        } else if let Some(event) = line.strip_prefix("heard ") {
            *said.events.entry((worker.to_owned(), event.to_owned())).or_default() += 1;
        }
    }

    /// The calls since the last question.
    pub(crate) fn take_calls(&self) -> Vec<u64> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).calls)
    }

    /// How often a worker heard an event.
    pub(crate) fn heard(&self, worker: &str, event: u64) -> usize {
        let said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        said.events.get(&(worker.to_owned(), event.to_string())).copied().unwrap_or_default()
    }
}
