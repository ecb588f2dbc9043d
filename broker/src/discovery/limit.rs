//! A token bucket as plain data.

use std::time::{Duration, Instant};

/// Lets `capacity` things happen at once and then one per `every`.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    capacity: u32,
    every: Duration,
    left: u32,
    refilled: Option<Instant>,
}

impl Bucket {
    pub(crate) fn new(capacity: u32, every: Duration) -> Self {
        Self { capacity, every, left: capacity, refilled: None }
    }

    /// Takes one token if there is one.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        self.refill(now);
        let taken = self.left > 0;
        self.left = self.left.saturating_sub(1);
        taken
    }

    /// Whether [`Bucket::take`] would succeed.
    pub(crate) fn has(&mut self, now: Instant) -> bool {
        self.refill(now);
        self.left > 0
    }

    fn refill(&mut self, now: Instant) {
        let since = *self.refilled.get_or_insert(now);
        if self.left >= self.capacity {
            self.refilled = Some(now.max(since));
            return;
        }
        let every = self.every.max(Duration::from_nanos(1));
        let earned = now.saturating_duration_since(since).as_nanos() / every.as_nanos();
        if earned >= u128::from(self.capacity - self.left) {
            self.left = self.capacity;
            self.refilled = Some(now);
        } else if let Ok(earned) = u32::try_from(earned) {
            self.left += earned;
            self.refilled = since.checked_add(every * earned);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_one_per_interval() {
        let start = Instant::now();
        let mut bucket = Bucket::new(3, Duration::from_millis(100));
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!((0..5).filter(|_| bucket.take(at(0))).count(), 3);
        assert!(!bucket.take(at(99)));
        assert!(bucket.take(at(100)));
        assert!(!bucket.take(at(199)));
        assert!(bucket.take(at(250)));
        assert!(bucket.take(at(300)), "the odd 50 ms were not lost");
        assert_eq!((0..9).filter(|_| bucket.take(at(60_000))).count(), 3, "it does not save up");
    }

    #[test]
    fn time_that_goes_backwards_earns_nothing() {
        let start = Instant::now() + Duration::from_secs(10);
        let mut bucket = Bucket::new(1, Duration::from_secs(1));
        assert!(bucket.take(start));
        assert!(!bucket.take(start - Duration::from_secs(5)));
        assert!(!bucket.take(start));
    }
}
