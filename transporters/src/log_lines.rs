//! Limits repeated log messages: one line a second for each cause.
//!
//!
//! Messages that repeat while a server is away would fill the log without saying anything new. The first line
//! of a cause is logged at once. Those of the following second are counted, and the next line contains their
//! number (field `left_out`). This module is pure: the caller passes `now`.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// The time between two lines of one cause.
const EVERY: Duration = Duration::from_secs(1);

/// The log lines of one cause.
#[derive(Debug, Clone, Default)]
pub struct LogLine {
    last: Option<Instant>,
    left_out: u64,
}

impl LogLine {
    /// Whether a line may be logged now. `Some` contains the number of lines left out since the last one.
    /// `None` means that this line is left out, and is counted.
    pub fn take(&mut self, now: Instant) -> Option<u64> {
        if !self.is_due(now) {
            self.leave_out();
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.left_out))
    }

    /// Counts a line that is not logged for another reason.
    pub fn leave_out(&mut self) {
        self.left_out = self.left_out.saturating_add(1);
    }

    /// Whether [`LogLine::take`] would let a line through.
    #[must_use]
    pub fn is_due(&self, now: Instant) -> bool {
        self.last.is_none_or(|last| now.saturating_duration_since(last) >= EVERY)
    }
}

/// The log lines of one node, by cause. Causes are literals in the code, so their number is bounded.
#[derive(Debug, Default)]
pub(crate) struct LogLines(HashMap<&'static str, LogLine>);

impl LogLines {
    /// Like [`LogLine::take`], for this cause.
    pub(crate) fn take(&mut self, cause: &'static str, now: Instant) -> Option<u64> {
        self.0.entry(cause).or_default().take(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_passes_and_the_next_one_a_second_later_counts_those_in_between() {
        let (mut line, start) = (LogLine::default(), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(line.take(at(0)), Some(0));
        assert!((1..=12).all(|n| line.take(at(n * 80)).is_none()));
        assert!(!line.is_due(at(999)) && line.is_due(at(1000)));
        assert_eq!(line.take(at(1000)), Some(12));
        line.leave_out();
        assert_eq!(line.take(at(60_000)), Some(1), "told once");
        assert_eq!(line.take(at(61_000)), Some(0));
    }

    #[test]
    fn time_that_goes_backwards_lets_nothing_through() {
        let start = Instant::now() + Duration::from_secs(10);
        let mut line = LogLine::default();
        assert_eq!(line.take(start), Some(0));
        assert_eq!(line.take(start - Duration::from_secs(5)), None);
    }

    #[test]
    fn each_cause_has_lines_of_its_own() {
        let (mut lines, now) = (LogLines::default(), Instant::now());
        assert_eq!(lines.take("one", now), Some(0));
        assert_eq!(lines.take("two", now), Some(0));
        assert_eq!(lines.take("one", now), None);
        assert_eq!(lines.take("one", now + EVERY), Some(1));
    }
}
