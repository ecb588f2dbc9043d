//! Whether a writer should hold back for a moment before it takes what is waiting.
//!
//! A task that sends a frame wakes the writer, which on a multi-threaded runtime runs right after that
//! task, before others that are about to send too. If it yields first, their frames leave in the same
//! system call; that makes a busy connection several times faster. A lone request only waits longer for
//! it, about half as long again. So the writer watches whether yielding has brought it any frames.

/// Fruitless yields in a row after which it is given up.
const PATIENCE: u8 = 4;

/// While it is given up, one batch in this many tries it again.
const PROBE: u8 = 16;

/// What yielding has brought lately.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    fruitless: u8,
    since_probe: u8,
}

impl Pace {
    /// Whether to yield before the next batch.
    pub(crate) fn should_yield(&mut self) -> bool {
        if self.fruitless < PATIENCE {
            return true;
        }
        self.since_probe = (self.since_probe + 1) % PROBE;
        self.since_probe == 0
    }

    /// After a yield: so many frames were waiting before, so many after it.
    pub(crate) fn yielded(&mut self, before: usize, after: usize) {
        self.fruitless = if after > before { 0 } else { self.fruitless.saturating_add(1) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Yields within so many batches, where each yield brings `gain` frames.
    fn yields(pace: &mut Pace, batches: usize, gain: usize) -> usize {
        let mut count = 0;
        for _ in 0..batches {
            if pace.should_yield() {
                pace.yielded(1, 1 + gain);
                count += 1;
            }
        }
        count
    }

    #[test]
    fn a_lone_sender_is_soon_served_at_once_and_company_is_noticed_again() {
        let mut pace = Pace::default();
        assert_eq!(yields(&mut pace, 4, 0), 4);
        assert_eq!(yields(&mut pace, 160, 0), 10);
        let busy = yields(&mut pace, 116, 3);
        assert!(busy >= 100, "{busy} of 116");
        assert_eq!(
            yields(&mut pace, 3, 0) + yields(&mut pace, 10, 3),
            13,
            "one quiet moment changes nothing"
        );
    }
}
