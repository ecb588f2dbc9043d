//! Decides which deliveries may be acknowledged, and with how few frames.
//!
//! A delivery may be acknowledged once it has been handled, and once what its handler sent has left this
//! process. A response counts as sent when the transporter has accepted it, which is earlier. So every
//! delivery that is done waits for the frames that had been accepted by then (its *mark*).
//!
//! On a channel whose consumers all acknowledge, delivery tags are 1, 2, 3, … without gaps. The finished run
//! at the head takes one `multiple` acknowledgement. Behind a delivery that is still being handled, each
//! delivery takes an acknowledgement of its own. Acknowledged deliveries beyond the head are kept as ranges.
//! There are never more ranges than deliveries that are being handled.

use std::collections::{BTreeMap, VecDeque};

/// One `basic.ack`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AckUpTo {
    pub(super) tag: u64,
    /// Whether everything before `tag` is acknowledged too.
    pub(super) multiple: bool,
}

/// The deliveries of one channel.
#[derive(Debug)]
pub(super) struct Acks {
    /// The first delivery that is not acknowledged.
    head: u64,
    /// The ranges beyond the head that are acknowledged, first to last tag. They do not touch each other or
    /// `head`.
    beyond: BTreeMap<u64, u64>,
    /// The deliveries that are done, with their marks, which never decrease.
    waiting: VecDeque<(u64, u64)>,
    /// Frames up to this number have left.
    sent: u64,
}

impl Acks {
    /// Creates an empty record. Frames up to `sent` do not concern this channel.
    pub(super) fn new(sent: u64) -> Self {
        Self { head: 1, beyond: BTreeMap::new(), waiting: VecDeque::new(), sent }
    }

    /// Notes that a delivery has been handled. Everything that it had to send is among the frames up to
    /// `mark`. Returns whether it can be acknowledged at once.
    pub(super) fn done(&mut self, tag: u64, mark: u64) -> bool {
        let mark = self.waiting.back().map_or(mark, |(_, before)| mark.max(*before));
        self.waiting.push_back((tag, mark));
        mark <= self.sent
    }

    /// Notes that frames up to this number have left. Returns whether anything can be acknowledged.
    pub(super) fn sent(&mut self, mark: u64) -> bool {
        self.sent = self.sent.max(mark);
        self.waiting.front().is_some_and(|(_, mark)| *mark <= self.sent)
    }

    /// The acknowledgements to send now, in this order.
    pub(super) fn take(&mut self) -> Vec<AckUpTo> {
        let ready = self.waiting.partition_point(|(_, mark)| *mark <= self.sent);
        let mut tags: Vec<u64> = self.waiting.drain(..ready).map(|(tag, _)| tag).collect();
        tags.sort_unstable();
        let mut run: Option<AckUpTo> = None;
        let mut acks = Vec::new();
        for tag in tags {
            if tag == self.head {
                run = Some(AckUpTo { tag, multiple: run.is_some() });
                self.head = self.beyond.remove(&tag.saturating_add(1)).unwrap_or(tag).saturating_add(1);
            } else {
                acks.push(AckUpTo { tag, multiple: false });
                self.insert(tag);
            }
        }
        if let Some(run) = run {
            acks.insert(0, run);
        }
        acks
    }

    /// Notes that a delivery beyond the head is acknowledged.
    fn insert(&mut self, tag: u64) {
        let last = self.beyond.remove(&tag.saturating_add(1)).unwrap_or(tag);
        match self.beyond.range_mut(..tag).next_back() {
            Some((_, before)) if before.saturating_add(1) == tag => *before = last,
            _ => _ = self.beyond.insert(tag, last),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn done(acks: &mut Acks, tags: impl IntoIterator<Item = u64>) -> Vec<(u64, bool)> {
        for tag in tags {
            acks.done(tag, 0);
        }
        acks.take().into_iter().map(|ack| (ack.tag, ack.multiple)).collect()
    }

    #[test]
    fn the_finished_run_at_the_head_takes_one_frame() {
        let mut acks = Acks::new(0);
        assert_eq!(done(&mut acks, [2, 1, 3]), [(3, true)]);
        assert_eq!(done(&mut acks, [4]), [(4, false)]);
        assert_eq!(done(&mut acks, []), []);
    }

    #[test]
    fn behind_a_slow_one_each_takes_its_own() {
        let mut acks = Acks::new(0);
        assert_eq!(done(&mut acks, [1, 4, 3]), [(1, false), (3, false), (4, false)]);
        assert_eq!(done(&mut acks, [6]), [(6, false)]);
        assert_eq!(acks.beyond.len(), 2);
        assert_eq!(done(&mut acks, [2, 5]), [(5, true)]);
        assert!(acks.beyond.is_empty());
        assert_eq!(done(&mut acks, [7]), [(7, false)]);
    }

    #[test]
    fn nothing_is_acknowledged_before_its_response_has_left() {
        let mut acks = Acks::new(10);
        assert!(acks.done(1, 10));
        assert!(!acks.done(2, 12));
        assert!(!acks.done(3, 11), "marks never decrease");
        assert_eq!(acks.take(), [AckUpTo { tag: 1, multiple: false }]);
        assert!(!acks.sent(11));
        assert!(acks.sent(12));
        assert_eq!(acks.take(), [AckUpTo { tag: 3, multiple: true }]);
    }

    proptest! {
        /// What a server does with acknowledgements, in every order of finishing and sending.
        #[test]
        fn exactly_what_is_done_and_sent_is_acknowledged_once(
            order in Just((1u64..=60).collect::<Vec<_>>()).prop_shuffle(),
            sent in proptest::collection::vec(0u64..70, 60),
            turns in proptest::collection::vec(any::<bool>(), 60),
        ) {
            let mut acks = Acks::new(0);
            let mut unacked: BTreeSet<u64> = (1..=60).collect();
            let mut expected: BTreeSet<u64> = BTreeSet::new();
            let mut waiting: Vec<(u64, u64)> = Vec::new();
            let mut flushed = 0;
            for (number, tag) in order.iter().enumerate() {
                // The n-th that is done had sent n frames.
                let mark = number as u64;
                acks.done(*tag, mark);
                waiting.push((*tag, mark));
                flushed = flushed.max(sent[number].min(mark));
                acks.sent(flushed);
                if !turns[number] {
                    continue;
                }
                waiting.retain(|(tag, mark)| *mark > flushed || !expected.insert(*tag));
                for ack in acks.take() {
                    prop_assert!(unacked.remove(&ack.tag), "{} was not outstanding", ack.tag);
                    if ack.multiple {
                        unacked = unacked.split_off(&ack.tag);
                    }
                }
                let acked: BTreeSet<u64> = (1..=60).filter(|tag| !unacked.contains(tag)).collect();
                prop_assert_eq!(&acked, &expected);
                prop_assert!(acks.beyond.len() <= unacked.len());
            }
            acks.sent(u64::MAX);
            for ack in acks.take() {
                prop_assert!(unacked.remove(&ack.tag));
                if ack.multiple {
                    unacked = unacked.split_off(&ack.tag);
                }
            }
            prop_assert!(unacked.is_empty() && acks.beyond.is_empty());
        }
    }
}
