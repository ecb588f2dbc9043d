//! Which unknown senders are told that their packets cannot be read.
//!
//! Over a message server, whoever may publish can invent senders. Each answer to another sender has a topic
//! of its own, which some servers have to create first. So few new senders are told. Those that were told
//! once are told again.

use ligand_transporters::NodeId;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::discovery::Bucket;

/// How many new senders are told at once. After that, one more is told in each [`EVERY`].
const AT_ONCE: u32 = 10;
const EVERY: Duration = Duration::from_secs(1);
/// How many senders are remembered. The one that was told first is forgotten first.
const REMEMBERED: usize = 64;

/// The unknown senders that were told.
#[derive(Debug)]
pub(super) struct Strangers {
    new: Bucket,
    told: VecDeque<NodeId>,
}

impl Default for Strangers {
    fn default() -> Self {
        Self { new: Bucket::new(AT_ONCE, EVERY), told: VecDeque::new() }
    }
}

impl Strangers {
    /// Whether to tell this unknown sender.
    pub(super) fn admit(&mut self, sender: &NodeId, now: Instant) -> bool {
        if self.told.contains(sender) {
            return true;
        }
        if !self.new.take(now) {
            return false;
        }
        if self.told.len() >= REMEMBERED {
            self.told.pop_front();
        }
        self.told.push_back(sender.clone());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(n: usize) -> NodeId {
        NodeId::foreign(format!("stranger-{n}")).unwrap()
    }

    #[test]
    fn few_new_ones_are_told_and_those_that_were_go_on_being_told() {
        let (mut strangers, from) = (Strangers::default(), Instant::now());
        let told =
            |strangers: &mut Strangers, now| (0..1000).filter(|n| strangers.admit(&node(*n), now)).count();
        for _ in 0..3 {
            assert_eq!(told(&mut strangers, from), 10);
        }
        assert_eq!(told(&mut strangers, from + Duration::from_secs(5)), 15);
    }

    #[test]
    fn so_many_are_remembered() {
        let (mut strangers, from) = (Strangers::default(), Instant::now());
        for n in 0..1000_u32 {
            assert!(strangers.admit(&node(n as usize), from + EVERY * n));
        }
        assert_eq!(strangers.told.len(), REMEMBERED);
        assert!(strangers.admit(&node(999), from + EVERY * 999));
        assert!(strangers.admit(&node(1000 - REMEMBERED), from + EVERY * 999));
    }
}
