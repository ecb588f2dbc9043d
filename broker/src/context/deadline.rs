//! Until when a call may take, without reading the clock before anybody has to wait.

use std::sync::OnceLock;
use std::time::Duration;
use tokio::time::Instant;

/// A deadline that becomes a point in time when somebody asks.
#[derive(Debug)]
pub(crate) struct Deadline {
    timeout: Option<Duration>,
    at: OnceLock<Instant>,
}

impl Deadline {
    pub(crate) fn after(timeout: Option<Duration>) -> Self {
        Self { timeout, at: OnceLock::new() }
    }

    /// The point in time; counts from the first time somebody asks, which is when the call begins or
    /// has just begun.
    pub(crate) fn at(&self) -> Option<Instant> {
        let timeout = self.timeout?;
        Some(*self.at.get_or_init(|| far(Instant::now(), timeout)))
    }

    /// How long it was to begin with.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// What is left of it; zero when it has passed. Reads the clock once.
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

/// `now + timeout`, or a point far away where that cannot be expressed.
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
