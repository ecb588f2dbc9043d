//! Token buckets, as plain data.

use ligand_transporters::NodeId;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Lets `capacity` things happen at once, and after that one in each `every`.
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

    /// Takes a token, if there is one.
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

    /// When [`Bucket::take`] will succeed.
    pub(crate) fn ready_at(&mut self, now: Instant) -> Instant {
        if self.has(now) {
            now
        } else {
            self.refilled.and_then(|at| at.checked_add(self.every)).unwrap_or(now)
        }
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

/// How many senders have a log line of their own.
const MAX_SENDERS: usize = 1024;

/// Limits the log to one line a minute for each sender, however many packets it sends. Senders beyond the
/// first 1,024 share one line, and so do packets that do not name their sender.
#[derive(Debug)]
pub(crate) struct LinePerSender {
    senders: HashMap<NodeId, Bucket>,
    others: Bucket,
}

impl Default for LinePerSender {
    fn default() -> Self {
        Self { senders: HashMap::new(), others: Self::bucket() }
    }
}

impl LinePerSender {
    fn bucket() -> Bucket {
        Bucket::new(1, Duration::from_secs(60))
    }

    /// Whether a line may be logged now about a packet of this sender.
    pub(crate) fn take(&mut self, sender: Option<&NodeId>, now: Instant) -> bool {
        let Some(sender) = sender else { return self.others.take(now) };
        if self.senders.len() >= MAX_SENDERS && !self.senders.contains_key(sender) {
            return self.others.take(now);
        }
        self.senders.entry(sender.clone()).or_insert_with(Self::bucket).take(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sender_gets_a_line_a_minute_and_the_many_share_one() {
        let start = Instant::now();
        let mut lines = LinePerSender::default();
        let node = |n: usize| NodeId::foreign(format!("n{n}")).unwrap();
        let written = |lines: &mut LinePerSender, at| {
            (0..10 * MAX_SENDERS).filter(|n| lines.take(Some(&node(n % 2 * (n / 2))), at)).count()
        };
        assert_eq!(written(&mut lines, start), MAX_SENDERS + 1);
        assert!(!lines.take(None, start), "that one is used up");
        assert!(!lines.take(Some(&node(0)), start + Duration::from_secs(59)));
        assert_eq!(written(&mut lines, start + Duration::from_secs(60)), MAX_SENDERS + 1);
        assert_eq!(lines.senders.len(), MAX_SENDERS);
    }

    #[test]
    fn a_burst_passes_and_then_one_per_interval() {
        let start = Instant::now();
        let mut bucket = Bucket::new(3, Duration::from_millis(100));
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!((0..5).filter(|_| bucket.take(at(0))).count(), 3);
        assert!(!bucket.take(at(99)));
        assert_eq!(bucket.ready_at(at(99)), at(100));
        assert_eq!(bucket.ready_at(at(100)), at(100));
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
