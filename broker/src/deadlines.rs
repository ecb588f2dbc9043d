//! The deadlines of calls that have to wait.
//!
//!
//! Most calls end without waiting, and need none. Deadlines of a second or more are checked every 25 ms by
//! one sweep, which is cheaper than a timer for each. Shorter ones get a timer.

use ligand_transporters::locks::Mutex;
use std::fmt;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context as Task, Poll, Waker};
use std::time::Duration;
use tokio::time::{Instant, Sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How often the sweep checks deadlines.
const SWEEP_EVERY: Duration = Duration::from_millis(25);
/// Deadlines shorter than this get a timer of their own.
const SWEEP_FROM: Duration = Duration::from_secs(1);
/// The sweep ends after this many rounds without any deadline. The next deadline starts it again.
const IDLE_ROUNDS: u32 = 40;

/// A sweep without deadlines ends as soon as it is told to. This limit is for a runtime that is blocked.
const RETIRE_WAIT: Duration = Duration::from_secs(1);

/// All deadlines of a broker that the sweep checks, and the sweep itself.
#[derive(Default)]
pub(crate) struct Deadlines {
    waiting: Arc<Mutex<Waiting>>,
    sweeps: TaskTracker,
    /// Cancelled when the sweep does not have to wait for new deadlines any more.
    retired: CancellationToken,
}

#[derive(Default)]
struct Waiting {
    entries: Vec<Arc<Entry>>,
    sweeping: bool,
}

struct Entry {
    at: Instant,
    /// Set by the sweep when the deadline has passed, or by the timer when nobody waits any more.
    done: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Deadlines {
    /// A timer for a point in time, with the approximate time until then. With `None` it never fires. It must
    /// be called within a tokio runtime.
    pub(crate) fn timer(&self, deadline: Option<(Instant, Duration)>) -> Timer {
        let Some((at, remaining)) = deadline else { return Timer(State::Never) };
        if remaining < SWEEP_FROM {
            return Timer(State::Sleep(Box::pin(tokio::time::sleep_until(at))));
        }
        let entry = Arc::new(Entry { at, done: AtomicBool::new(false), waker: Mutex::default() });
        let start = {
            let mut waiting = self.waiting.lock();
            waiting.entries.push(Arc::clone(&entry));
            !std::mem::replace(&mut waiting.sweeping, true)
        };
        if start {
            self.sweeps.spawn(sweep(Arc::clone(&self.waiting), self.retired.clone()));
        }
        Timer(State::Swept(entry))
    }

    /// Ends the sweep. If a running handler still has a deadline, the sweep ends after that deadline.
    pub(crate) async fn retire(&self) {
        self.retired.cancel();
        self.sweeps.close();
        if self.waiting.lock().all_done() {
            let _ = timeout(RETIRE_WAIT, self.sweeps.wait()).await;
        }
    }
}

impl Drop for Deadlines {
    fn drop(&mut self) {
        // New waits are impossible: they need a handle of the broker.
        self.retired.cancel();
    }
}

impl Waiting {
    fn all_done(&self) -> bool {
        self.entries.iter().all(|entry| entry.done.load(Ordering::Acquire))
    }
}

impl fmt::Debug for Deadlines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deadlines").finish_non_exhaustive()
    }
}

async fn sweep(waiting: Arc<Mutex<Waiting>>, retired: CancellationToken) {
    let (mut idle, mut told) = (0, false);
    let mut guard = Sweeping { waiting, ended: false };
    while idle < IDLE_ROUNDS {
        tokio::select! {
            () = tokio::time::sleep(SWEEP_EVERY) => {}
            () = retired.cancelled(), if !told => told = true,
        }
        let now = Instant::now();
        let mut waiting = guard.waiting.lock();
        waiting.entries.retain(|entry| {
            if entry.done.load(Ordering::Acquire) {
                return false;
            }
            if entry.at > now {
                return true;
            }
            entry.done.store(true, Ordering::Release);
            if let Some(waker) = entry.waker.lock().take() {
                waker.wake();
            }
            false
        });
        idle = if waiting.entries.is_empty() { idle + 1 } else { 0 };
        if told && idle > 0 {
            idle = IDLE_ROUNDS;
        }
        if idle == IDLE_ROUNDS {
            // Set under the lock, so that no timer can be added in between.
            waiting.sweeping = false;
            drop(waiting);
            guard.ended = true;
        }
    }
}

/// If the runtime ends during a sweep, the next timer must start another one.
struct Sweeping {
    waiting: Arc<Mutex<Waiting>>,
    ended: bool,
}

impl Drop for Sweeping {
    fn drop(&mut self) {
        if !self.ended {
            self.waiting.lock().sweeping = false;
        }
    }
}

/// A deadline that somebody waits for. Dropping it removes the deadline.
pub(crate) struct Timer(State);

enum State {
    Never,
    Sleep(Pin<Box<Sleep>>),
    Swept(Arc<Entry>),
}

impl Timer {
    /// Ready when the deadline has passed. It wakes the task at that time.
    pub(crate) fn poll_passed(&mut self, task: &mut Task<'_>) -> Poll<()> {
        match &mut self.0 {
            State::Never => Poll::Pending,
            State::Sleep(sleep) => sleep.as_mut().poll(task),
            State::Swept(entry) => {
                let mut waker = entry.waker.lock();
                if entry.done.load(Ordering::Acquire) {
                    return Poll::Ready(());
                }
                match &mut *waker {
                    Some(waker) => waker.clone_from(task.waker()),
                    none => *none = Some(task.waker().clone()),
                }
                Poll::Pending
            }
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let State::Swept(entry) = &self.0 {
            entry.done.store(true, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    async fn wait(deadlines: &Deadlines, timeout: Duration) -> Duration {
        let from = Instant::now();
        let mut timer = deadlines.timer(Some((from + timeout, timeout)));
        poll_fn(|task| timer.poll_passed(task)).await;
        from.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_passes_at_its_time_or_at_the_next_sweep() {
        let deadlines = Deadlines::default();
        assert!(wait(&deadlines, Duration::from_millis(300)).await < Duration::from_millis(302));
        for seconds in [1, 7] {
            let took = wait(&deadlines, Duration::from_secs(seconds)).await;
            assert!(
                took >= Duration::from_secs(seconds) && took < Duration::from_secs(seconds) + 2 * SWEEP_EVERY
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_timer_leaves_the_list_and_the_sweep_ends_and_starts_again() {
        let deadlines = Deadlines::default();
        let minute = Duration::from_secs(60);
        drop(deadlines.timer(Some((Instant::now() + minute, minute))));
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert!(deadlines.waiting.lock().entries.is_empty());
        assert!(!deadlines.waiting.lock().sweeping);
        assert!(wait(&deadlines, Duration::from_secs(2)).await < Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_sweep_is_joined_when_it_retires_and_goes_on_for_those_who_still_wait() {
        let deadlines = Deadlines::default();
        let minute = Duration::from_secs(60);
        let from = Instant::now();
        drop(deadlines.timer(Some((from + minute, minute))));
        deadlines.retire().await;
        assert_eq!((deadlines.sweeps.len(), from.elapsed()), (0, Duration::ZERO));

        let deadlines = Deadlines::default();
        let mut late = deadlines.timer(Some((from + minute, minute)));
        deadlines.retire().await;
        assert_eq!(from.elapsed(), Duration::ZERO);
        poll_fn(|task| late.poll_passed(task)).await;
        assert!(from.elapsed() < minute + 2 * SWEEP_EVERY);
        deadlines.sweeps.wait().await;
        assert!(from.elapsed() < minute + 2 * SWEEP_EVERY, "it does not wait for more");
    }
}
