//! The deadline of a call. It reads no clock before something has to wait.

use std::sync::OnceLock;
use std::time::Duration;
use tokio::time::Instant;

/// A deadline that becomes a point in time when it is first read.
#[derive(Debug)]
pub(crate) struct Deadline {
    timeout: Option<Duration>,
    at: OnceLock<Instant>,
}

impl Deadline {
    pub(crate) fn after(timeout: Option<Duration>) -> Self {
        Self { timeout, at: OnceLock::new() }
    }

    /// The point in time. It counts from the first time that somebody reads it, which is when the call begins
    /// or has just begun.
    pub(crate) fn at(&self) -> Option<Instant> {
        let timeout = self.timeout?;
        Some(*self.at.get_or_init(|| far(Instant::now(), timeout)))
    }

    /// How long the call may take in total.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// The time that is left, or zero when the deadline has passed. Reads the clock once.
    pub(crate) fn remaining(&self) -> Option<Duration> {
        let timeout = self.timeout?;
        match self.at.get() {
            Some(at) => Some(at.saturating_duration_since(Instant::now())),
            None => {
                self.at();
                Some(timeout)
            }
        }
    }
}

/// `now + timeout`, or a point far in the future if the sum does not fit.
fn far(now: Instant, timeout: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    now + timeout.min(CENTURY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_time_begins_with_the_first_look_and_runs_from_then_on() {
        let seconds = Duration::from_secs;
        let deadline = Deadline::after(Some(seconds(5)));
        tokio::time::advance(seconds(1)).await;
        assert_eq!(deadline.remaining(), Some(seconds(5)));
        tokio::time::advance(seconds(2)).await;
        assert_eq!(deadline.remaining(), Some(seconds(3)));
        tokio::time::advance(seconds(9)).await;
        assert_eq!(deadline.remaining(), Some(Duration::ZERO));
        assert_eq!(Deadline::after(None).remaining(), None);
    }
}
