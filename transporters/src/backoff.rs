//! Waiting times between attempts.

use rand::RngExt as _;
use std::time::Duration;

/// Full-jitter exponential backoff: attempt *n* waits a uniformly random time between [`Backoff::MIN`]
/// and `min(cap, base · 1.05ⁿ)`.
///
/// So nodes that lost the same server do not come back in waves (the *full jitter* of the AWS architecture
/// blog, "Exponential Backoff And Jitter"). The growth is slow, because two nodes that lost the same server
/// are separated until both are back. No wait is much longer than a tenth of the time that has passed, so
/// after 10 s they meet again within one more second. It reads no clock.
#[derive(Debug, Clone)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
    attempt: u32,
}

/// The factor by which the longest wait grows with each attempt.
const GROWTH: f64 = 1.05;

impl Backoff {
    /// The shortest wait.
    pub const MIN: Duration = Duration::from_millis(50);

    /// A backoff that starts around `base` and never waits longer than `cap`.
    #[must_use]
    pub fn new(base: Duration, cap: Duration) -> Self {
        Self { base, cap, attempt: 0 }
    }

    /// The next wait.
    pub fn next_wait(&mut self) -> Duration {
        let ceiling = self.ceiling();
        self.attempt = self.attempt.saturating_add(1);
        if ceiling <= Self::MIN {
            return Self::MIN;
        }
        rand::rng().random_range(Self::MIN..=ceiling)
    }

    /// Starts again. Call it when an attempt has succeeded.
    pub fn reset(&mut self) {
        self.attempt = 0;
    }

    fn ceiling(&self) -> Duration {
        let factor = GROWTH.powi(i32::try_from(self.attempt).unwrap_or(i32::MAX));
        Duration::try_from_secs_f64(self.base.as_secs_f64() * factor)
            .map_or(self.cap, |wait| wait.min(self.cap))
    }
}

impl Default for Backoff {
    /// Between 50 ms and 5 s.
    fn default() -> Self {
        Self::new(Duration::from_millis(100), Duration::from_secs(5))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_stay_between_the_minimum_and_the_cap_for_ever() {
        let mut backoff = Backoff::default();
        for _ in 0..200 {
            let wait = backoff.next_wait();
            assert!((Backoff::MIN..=Duration::from_secs(5)).contains(&wait), "{wait:?}");
        }
    }

    #[test]
    fn the_ceiling_grows_until_the_cap_and_starts_anew_after_a_reset() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(120));
        let ceilings: Vec<_> = (0..6)
            .map(|_| {
                let ceiling = backoff.ceiling().as_millis();
                backoff.next_wait();
                ceiling
            })
            .collect();
        assert_eq!(ceilings, [100, 105, 110, 115, 120, 120]);
        backoff.reset();
        assert_eq!(backoff.ceiling(), Duration::from_millis(100));
    }

    #[test]
    fn after_ten_seconds_hardly_anybody_waits_for_longer_than_one() {
        let mut ceilings = Vec::new();
        for _ in 0..200 {
            let (mut backoff, mut spent) = (Backoff::default(), Duration::ZERO);
            while spent < Duration::from_secs(10) {
                spent += backoff.next_wait();
            }
            ceilings.push(backoff.ceiling());
        }
        ceilings.sort_unstable();
        assert!(ceilings[100] < Duration::from_millis(1_200), "half of them: {:?}", ceilings[100]);
        assert!(ceilings[199] < Duration::from_secs(2), "all of them: {:?}", ceilings[199]);
    }
}
