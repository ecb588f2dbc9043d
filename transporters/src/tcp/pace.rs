//! Decides whether a writer yields before it takes the waiting frames.
//!
//! A task that sends a frame wakes the writer. On a multi-threaded runtime, the writer runs directly after
//! that task, before other tasks that also want to send. If the writer yields first, their frames are sent in
//! the same system call, which makes a busy connection several times faster. A single request gains nothing
//! and takes about half as long again. So the writer observes whether yielding has brought more frames.

/// After this number of useless yields in a row, the writer stops yielding.
const PATIENCE: u8 = 4;

/// After that, it tries again with one batch in this number.
const PROBE: u8 = 16;

/// What yielding has brought recently.
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

    /// Records a yield: how many frames were waiting before it, and how many after it.
    pub(crate) fn yielded(&mut self, before: usize, after: usize) {
        self.fruitless = if after > before { 0 } else { self.fruitless.saturating_add(1) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts the yields within this number of batches, if each yield brings `gain` frames.
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
