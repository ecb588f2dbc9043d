//! Deadlines of what has to wait.
//!
//! Most calls end before they wait and never come here. Of the others, deadlines of a second and more
//! are looked at every 25 ms by one sweep, which is cheaper than a timer each; shorter ones get a timer.

use std::fmt;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context as Task, Poll, Waker};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// How often deadlines are looked at.
const SWEEP_EVERY: Duration = Duration::from_millis(25);
/// Deadlines shorter than this get a timer of their own.
const SWEEP_FROM: Duration = Duration::from_secs(1);
/// The sweep ends after this many rounds without any deadline, and starts again with the next one.
const IDLE_ROUNDS: u32 = 40;

/// All deadlines of a broker that the sweep looks at.
#[derive(Clone, Default)]
pub(crate) struct Deadlines(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    entries: Vec<Arc<Entry>>,
    sweeping: bool,
}

struct Entry {
    at: Instant,
    /// Set by the sweep when the deadline passed, or by the timer when nobody waits any more.
    done: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Deadlines {
    /// A timer for a point in time, with about how long it is until then; `None` never passes. Must be called
    /// inside a tokio runtime.
    pub(crate) fn timer(&self, deadline: Option<(Instant, Duration)>) -> Timer {
        let Some((at, remaining)) = deadline else { return Timer(State::Never) };
        if remaining < SWEEP_FROM {
            return Timer(State::Sleep(Box::pin(tokio::time::sleep_until(at))));
        }
        let entry = Arc::new(Entry { at, done: AtomicBool::new(false), waker: Mutex::default() });
        let start = {
            let mut waiting = lock(&self.0);
            waiting.entries.push(Arc::clone(&entry));
            !std::mem::replace(&mut waiting.sweeping, true)
        };
        if start {
            // Ends by itself: it holds nothing but this list, and stops when the list stays empty.
            tokio::spawn(sweep(Arc::clone(&self.0)));
        }
        Timer(State::Swept(entry))
    }
}

impl fmt::Debug for Deadlines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deadlines").finish_non_exhaustive()
    }
}

async fn sweep(waiting: Arc<Mutex<Waiting>>) {
    let mut idle = 0;
    let mut guard = Sweeping { waiting, ended: false };
    while idle < IDLE_ROUNDS {
        tokio::time::sleep(SWEEP_EVERY).await;
        let now = Instant::now();
        let mut waiting = lock(&guard.waiting);
        idle = if waiting.entries.is_empty() { idle + 1 } else { 0 };
        waiting.entries.retain(|entry| {
            if entry.done.load(Ordering::Acquire) {
                return false;
            }
            if entry.at > now {
                return true;
            }
            entry.done.store(true, Ordering::Release);
            if let Some(waker) = lock(&entry.waker).take() {
                waker.wake();
            }
            false
        });
        if idle == IDLE_ROUNDS {
            // Said under the lock, so that no timer can come in between.
            waiting.sweeping = false;
            drop(waiting);
            guard.ended = true;
        }
    }
}

/// Where the runtime goes away in mid-sweep, the next timer must start another one.
struct Sweeping {
    waiting: Arc<Mutex<Waiting>>,
    ended: bool,
}

impl Drop for Sweeping {
    fn drop(&mut self) {
        if !self.ended {
            lock(&self.waiting).sweeping = false;
        }
    }
}

/// One deadline being waited for. Dropping it forgets the deadline.
pub(crate) struct Timer(State);

enum State {
    Never,
    Sleep(Pin<Box<Sleep>>),
    Swept(Arc<Entry>),
}

impl Timer {
    /// Ready when the deadline has passed; wakes the task then.
    pub(crate) fn poll_passed(&mut self, task: &mut Task<'_>) -> Poll<()> {
        match &mut self.0 {
            State::Never => Poll::Pending,
            State::Sleep(sleep) => sleep.as_mut().poll(task),
            State::Swept(entry) => {
                let mut waker = lock(&entry.waker);
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
        assert!(lock(&deadlines.0).entries.is_empty());
        assert!(!lock(&deadlines.0).sweeping);
        assert!(wait(&deadlines, Duration::from_secs(2)).await < Duration::from_secs(3));
    }
}
