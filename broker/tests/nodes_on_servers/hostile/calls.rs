//! Honest calls that go on while others misbehave.

use ligand::{Outcome, ServiceBroker};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

/// Between the starts of two calls.
const EVERY: Duration = Duration::from_millis(10);

/// A hundred calls a second, each begun in time whatever becomes of those before.
pub(crate) struct Calls {
    stop: CancellationToken,
    task: JoinHandle<()>,
    tally: Arc<Tally>,
}

/// What became of them.
#[derive(Debug, Default)]
struct Tally {
    answered: AtomicUsize,
    /// Those that failed without having been run, which only a farewell may cause.
    not_run: AtomicUsize,
    wrong: Mutex<Vec<String>>,
}

impl Calls {
    pub(crate) fn start(caller: &ServiceBroker) -> Self {
        let (stop, tally) = (CancellationToken::new(), Arc::new(Tally::default()));
        let task = tokio::spawn(go_on(caller.clone(), stop.clone(), Arc::clone(&tally)));
        Self { stop, task, tally }
    }

    /// How many were answered so far.
    pub(crate) fn answered(&self) -> usize {
        self.tally.answered.load(Ordering::Relaxed)
    }

    /// How many were not even made.
    pub(crate) fn not_run(&self) -> usize {
        self.tally.not_run.load(Ordering::Relaxed)
    }

    /// What went wrong so far.
    pub(crate) fn wrong(&self) -> Vec<String> {
        self.tally.wrong.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes no more of them, and waits for those under way.
    pub(crate) async fn end(&mut self) {
        self.stop.cancel();
        (&mut self.task).await.unwrap();
    }
}

async fn go_on(caller: ServiceBroker, stop: CancellationToken, tally: Arc<Tally>) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut calls, mut number) = (JoinSet::new(), 0_u64);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => break,
        }
        calls.spawn(one(caller.clone(), number, Arc::clone(&tally)));
        number += 1;
        while calls.try_join_next().is_some() {}
    }
    calls.join_all().await;
}

async fn one(caller: ServiceBroker, number: u64, tally: Arc<Tally>) {
    let params = json!({ "number": number, "text": "honest" });
    let wrong = match caller.call::<Value>("echo.echo", &params).await {
        Ok(answer) if answer == params => {
            tally.answered.fetch_add(1, Ordering::Relaxed);
            return;
        }
        Err(error) if error.outcome() == Outcome::NotRun => {
            tally.not_run.fetch_add(1, Ordering::Relaxed);
            return;
        }
        Ok(answer) => format!("call {number} was answered with {answer}"),
        Err(error) => format!("call {number} failed: {error}"),
    };
    tally.wrong.lock().unwrap_or_else(PoisonError::into_inner).push(wrong);
}
