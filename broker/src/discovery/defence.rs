//! When this node announces itself again, because somebody else spoke in its name.
//!
//! On a bus, anybody can say farewell for us, or publish an INFO under our own instance id. The others
//! believe it until they hear better. So this node announces itself again, with a higher number than the
//! forged one, but not as often as somebody forges. What is heard meanwhile is answered at the next due time,
//! and never forgotten.

use std::time::{Duration, Instant};

/// The shortest time before answering an INFO that we did not send.
const AFTER_INFO: Duration = Duration::from_secs(1);
/// The shortest time before answering a farewell, which may be our own that comes back.
const AFTER_FAREWELL: Duration = Duration::from_secs(5);

/// What others said in this node's name, and when to answer it.
#[derive(Debug, Default)]
pub(crate) struct Defence {
    last: Option<Instant>,
    due: Option<Instant>,
    forged: Option<u64>,
}

/// What must be said now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refutation {
    /// The highest number in a forged INFO that is not answered yet. `None` if there was none.
    pub(crate) forged: Option<u64>,
}

impl Defence {
    /// A DISCONNECT arrived in our name.
    pub(crate) fn farewell(&mut self, now: Instant) {
        self.answer_after(AFTER_FAREWELL, now);
    }

    /// An INFO that we did not send arrived under our instance id, with this number.
    pub(crate) fn forged(&mut self, seq: u64, now: Instant) {
        self.forged = self.forged.max(Some(seq));
        self.answer_after(AFTER_INFO, now);
    }

    /// An INFO arrived under our instance id. It is so old that we cannot tell whether we sent it.
    pub(crate) fn unsure(&mut self, now: Instant) {
        self.answer_after(AFTER_INFO, now);
    }

    fn answer_after(&mut self, gap: Duration, now: Instant) {
        let at = self.last.and_then(|last| last.checked_add(gap)).map_or(now, |at| at.max(now));
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// When [`Defence::take`] returns something.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.due
    }

    /// Takes what must be said now.
    pub(crate) fn take(&mut self, now: Instant) -> Option<Refutation> {
        self.due.take_if(|due| now >= *due)?;
        self.last = Some(now);
        Some(Refutation { forged: self.forged.take() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_first_is_answered_at_once_and_the_last_one_is_not_forgotten() {
        let (mut defence, now) = (Defence::default(), Instant::now());
        let mut answers = Vec::new();
        for ms in 0..5_000 {
            let at = now + MS * ms;
            // Ten a second, until 2.5 s.
            if ms % 100 == 0 && ms <= 2_500 {
                defence.forged((ms / 100 + 1).into(), at);
            }
            answers.extend(defence.take(at).map(|answer| (ms, answer.forged)));
        }
        assert_eq!(answers, [(0, Some(1)), (1_000, Some(11)), (2_000, Some(21)), (3_000, Some(26))]);
        assert_eq!(defence.next(), None);
    }

    #[test]
    fn the_highest_number_counts_and_what_is_answered_is_not_answered_again() {
        let (mut defence, now) = (Defence::default(), Instant::now());
        for seq in [7, 9, 8] {
            defence.forged(seq, now);
        }
        assert_eq!(defence.take(now), Some(Refutation { forged: Some(9) }));
        defence.unsure(now);
        assert_eq!((defence.next(), defence.take(now)), (Some(now + AFTER_INFO), None));
        assert_eq!(defence.take(now + AFTER_INFO), Some(Refutation { forged: None }));
    }

    #[test]
    fn a_farewell_is_answered_every_five_seconds_and_does_not_hold_up_what_is_more_urgent() {
        let (mut defence, now) = (Defence::default(), Instant::now());
        defence.farewell(now);
        assert_eq!(defence.take(now), Some(Refutation { forged: None }));
        defence.farewell(now + MS);
        assert_eq!(defence.next(), Some(now + AFTER_FAREWELL));
        defence.forged(3, now + MS);
        assert_eq!(defence.next(), Some(now + AFTER_INFO));
        defence.farewell(now + MS);
        assert_eq!(defence.next(), Some(now + AFTER_INFO));
    }
}
