//! Tells a lone frame from one of many.

use std::time::Duration;
use tokio::time::Instant;

/// If frames are further apart than this, the sender hands them over itself, which saves a switch to the task
/// that publishes. Frames that are closer together wait for that task, which hands many over at once. A
/// client library that is woken for each frame writes each one separately.
const APART: Duration = Duration::from_micros(50);
/// The longest pause that counts. A burst after a long pause is thus soon recognized.
const PAUSE: Duration = Duration::from_micros(200);

/// The average time between frames.
#[derive(Debug)]
pub(super) struct Pace {
    last: Option<Instant>,
    gap: Duration,
}

impl Pace {
    pub(super) const fn new() -> Self {
        Self { last: None, gap: PAUSE }
    }

    /// Notes that a frame is sent. Returns whether it is a lone one.
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
