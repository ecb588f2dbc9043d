//! Tells a lone frame from one of many.

use std::time::Duration;
use tokio::time::Instant;

/// Frames that come further apart than this are handed over by whoever sends them, which saves a switch to
/// the task that publishes. Closer ones wait for that task: it hands many over at once, and a client library
/// that is woken for each of them writes each by itself.
const APART: Duration = Duration::from_micros(50);
/// No pause counts for more than this, so that a burst after a long one is soon seen to be one.
const PAUSE: Duration = Duration::from_micros(200);

/// How far apart frames come, on average.
#[derive(Debug)]
pub(super) struct Pace {
    last: Option<Instant>,
    gap: Duration,
}

impl Pace {
    pub(super) const fn new() -> Self {
        Self { last: None, gap: PAUSE }
    }

    /// A frame is sent; whether it is a lone one.
    pub(super) fn is_lone(&mut self, now: Instant) -> bool {
        let gap = self.last.map_or(PAUSE, |last| now.duration_since(last).min(PAUSE));
        self.last = Some(now);
        self.gap = (self.gap * 7 + gap) / 8;
        self.gap >= APART
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of 100 frames were lone ones, so many microseconds apart.
    fn lone(pace: &mut Pace, from: Instant, apart: u64) -> usize {
        let at = |n| from + Duration::from_micros(apart * n);
        (1..=100).filter(|n| pace.is_lone(at(*n))).count()
    }

    #[test]
    fn a_caller_that_waits_for_its_answers_sends_lone_frames_and_many_callers_do_not() {
        let start = Instant::now();
        assert_eq!(lone(&mut Pace::new(), start, 100), 100);
        let mut pace = Pace::new();
        let first = lone(&mut pace, start, 10);
        assert!(first < 15, "{first} of 100 before it was noticed");
        let later = start + Duration::from_secs(60);
        let after_a_pause = lone(&mut pace, later, 1);
        assert!(after_a_pause < 5, "{after_a_pause} of 100 in a burst");
    }
}
