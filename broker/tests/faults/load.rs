//! Calls at a fixed rate, whatever becomes of those before.

use ligand::{Error, ServiceBroker};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, sleep, timeout};

use crate::PATIENCE;
use crate::handled::Handled;
use crate::tally::{End, Made, Tally};

/// What has not settled so long after its deadline never will.
const GRACE: Duration = Duration::from_secs(3);

/// Calls go well when 99 of 100 are answered this fast, and all of them are.
const WELL: Duration = Duration::from_millis(200);

/// A running load.
#[derive(Debug)]
pub(crate) struct Load {
    from: Instant,
    deadline: Duration,
    /// Calls sent before do not count.
    begun: Duration,
    calls: Calls,
    task: JoinHandle<()>,
}

#[derive(Debug, Clone, Default)]
struct Calls(Arc<Mutex<Vec<Made>>>);

impl Load {
    /// So many calls a second, each with this deadline.
    pub(crate) fn start(broker: &ServiceBroker, per_second: u32, deadline: Duration) -> Self {
        let (from, calls) = (Instant::now(), Calls::default());
        let (broker, records) = (broker.clone(), calls.clone());
        let task = tokio::spawn(async move {
            let mut turns = tokio::time::interval(Duration::from_secs(1) / per_second);
            // Calls that this program could not send in time are sent late, not left out.
            turns.set_missed_tick_behavior(MissedTickBehavior::Burst);
            loop {
                turns.tick().await;
                tokio::spawn(call(broker.clone(), records.clone(), from, deadline));
            }
        });
        Self { from, deadline, begun: Duration::ZERO, calls, task }
    }

    /// Waits until calls have gone well for a second, which is the first that counts: before that servers and
    /// clients are warming up.
    pub(crate) async fn steady(&mut self) -> Result<(), String> {
        let steady = async {
            loop {
                sleep(Duration::from_millis(50)).await;
                let until = self.now().saturating_sub(WELL);
                let from = until.saturating_sub(Duration::from_secs(1));
                if !from.is_zero() && self.so_far().all_well(&(from..until), WELL) {
                    return from;
                }
            }
        };
        let late = |_| format!("calls do not go well within {PATIENCE:?}");
        self.begun = timeout(PATIENCE, steady).await.map_err(late)?;
        Ok(())
    }

    /// Time since the start.
    pub(crate) fn now(&self) -> Duration {
        self.from.elapsed()
    }

    /// Time of a moment since the start.
    pub(crate) fn at(&self, moment: Instant) -> Duration {
        moment.saturating_duration_since(self.from)
    }

    /// What came of the calls so far, without what was handled.
    pub(crate) fn so_far(&self) -> Tally {
        Tally { calls: self.calls.all(), handled: Vec::new() }
    }

    /// Ends it, once every call has settled or never will.
    pub(crate) async fn end(self, handled: &Handled) -> Tally {
        self.task.abort();
        let until = Instant::now() + self.deadline + GRACE;
        while self.calls.all().iter().any(|call| call.settled.is_none()) && Instant::now() < until {
            sleep(Duration::from_millis(20)).await;
        }
        // What a worker said is on its way through a pipe.
        sleep(Duration::from_millis(300)).await;
        let mut calls = self.calls.all();
        calls.retain(|call| call.sent >= self.begun);
        Tally { calls, handled: handled.take_calls() }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Calls {
    fn all(&self) -> Vec<Made> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn sent(&self, id: u64, sent: Duration) -> usize {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        calls.push(Made { id, sent, settled: None });
        calls.len() - 1
    }

    fn settled(&self, index: usize, at: Duration, end: End) {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(call) = calls.get_mut(index) {
            call.settled = Some((at, end));
        }
    }
}

async fn call(broker: ServiceBroker, calls: Calls, from: Instant, deadline: Duration) {
    static IDS: AtomicU64 = AtomicU64::new(0);
    let id = IDS.fetch_add(1, Ordering::Relaxed);
    let index = calls.sent(id, from.elapsed());
    let end = match broker.call::<String>("work.do", id).timeout(deadline).await {
        Ok(node) => End::Ok(node),
        Err(error) => failed(&error),
    };
    calls.settled(index, from.elapsed(), end);
}

fn failed(error: &Error) -> End {
    // The node that was asked is in the data; the error's own node is the one that raised it.
    let node = error.data().and_then(|data| data["nodeID"].as_str()).map(ToOwned::to_owned);
    End::Failed { name: error.name().to_owned(), outcome: error.outcome(), node }
}
