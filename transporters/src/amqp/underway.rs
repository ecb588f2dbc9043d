//! Remembers what is being handled and what was handled last, so that a redelivery does not start it again.
//!
//! When a server loses a connection, it delivers again what was not acknowledged on it, mostly to the node
//! that had it. There the handlers still run, or they are done and the server does not know it. Such a twin
//! is not run. If its first delivery still runs, both are acknowledged together. If the first is done, the
//! twin is acknowledged at once. Only another process runs it again.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};

/// The number of finished deliveries that are remembered. It is more than can be delivered or acknowledged on
/// a connection that breaks without the server's knowledge.
const REMEMBERED: usize = 4096;

/// Deliveries by their content, with their twins.
#[derive(Debug)]
pub(super) struct Underway<T> {
    running: HashMap<u64, Run<T>>,
    done: Done,
}

/// What to do with a delivery.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Handle it.
    Run,
    /// The same packet is being handled.
    Twin,
    /// The same packet has been handled.
    Done,
}

#[derive(Debug)]
struct Run<T> {
    /// The number of runs. Two packets may be equal if they do not come from Moleculer.
    count: usize,
    twins: Vec<T>,
}

/// The last deliveries that are done, the oldest first, and how often each is among them.
#[derive(Debug, Default)]
struct Done {
    order: VecDeque<u64>,
    known: HashMap<u64, usize>,
}

impl Done {
    fn remember(&mut self, content: u64) {
        if self.order.len() >= REMEMBERED
            && let Some(oldest) = self.order.pop_front()
            && let Entry::Occupied(mut known) = self.known.entry(oldest)
        {
            match known.get() {
                0 | 1 => drop(known.remove()),
                _ => *known.get_mut() -= 1,
            }
        }
        self.order.push_back(content);
        *self.known.entry(content).or_default() += 1;
    }
}

impl<T> Default for Underway<T> {
    fn default() -> Self {
        Self { running: HashMap::new(), done: Done::default() }
    }
}

impl<T> Underway<T> {
    /// Decides what to do with a delivery. If the same packet is being handled, `end` returns `twin` later.
    pub(super) fn begin(&mut self, content: u64, redelivered: bool, twin: T) -> Verdict {
        match self.running.entry(content) {
            Entry::Occupied(mut known) if redelivered => {
                let run = known.get_mut();
                // One session delivers no more twins than there are runs. So the oldest is from a session
                // that is over.
                if run.twins.len() >= run.count {
                    run.twins.remove(0);
                }
                run.twins.push(twin);
                Verdict::Twin
            }
            Entry::Occupied(mut known) => {
                known.get_mut().count += 1;
                Verdict::Run
            }
            Entry::Vacant(_) if redelivered && self.done.known.contains_key(&content) => Verdict::Done,
            Entry::Vacant(free) => {
                free.insert(Run { count: 1, twins: Vec::new() });
                Verdict::Run
            }
        }
    }

    /// Notes that a run has ended. Returns the twins that are done with it.
    pub(super) fn end(&mut self, content: u64) -> Vec<T> {
        let Entry::Occupied(mut known) = self.running.entry(content) else { return Vec::new() };
        self.done.remember(content);
        known.get_mut().count -= 1;
        if known.get().count > 0 {
            return Vec::new();
        }
        known.remove().twins
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_twin_of_what_is_being_handled_is_not_and_is_done_with_it() {
        let mut underway = Underway::default();
        assert_eq!(underway.begin(7, false, 1), Verdict::Run);
        assert_eq!(underway.begin(7, true, 2), Verdict::Twin);
        assert_eq!(underway.begin(7, true, 3), Verdict::Twin);
        assert_eq!(underway.end(7), [3], "the one before is of a session that is over");
        assert!(underway.running.is_empty());
    }

    #[test]
    fn what_has_been_handled_is_not_handled_again_however_often_it_comes_back() {
        let mut underway = Underway::default();
        assert_eq!(underway.begin(7, true, 1), Verdict::Run, "another process may have had it");
        assert!(underway.end(7).is_empty());
        for twin in 2..5 {
            assert_eq!(underway.begin(7, true, twin), Verdict::Done);
        }
        assert_eq!(underway.begin(8, true, 5), Verdict::Run);
    }

    #[test]
    fn what_is_sent_twice_is_handled_twice() {
        let mut underway = Underway::default();
        assert_eq!(underway.begin(7, false, 1), Verdict::Run);
        assert_eq!(underway.begin(7, false, 2), Verdict::Run);
        assert!(underway.end(7).is_empty());
        assert_eq!(underway.begin(7, true, 3), Verdict::Twin);
        assert_eq!(underway.end(7), [3]);
        assert!(underway.end(7).is_empty());
        assert_eq!(underway.begin(7, false, 4), Verdict::Run);
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut underway = Underway::default();
        for content in (0..2 * REMEMBERED as u64).chain([0, 0]) {
            assert_eq!(underway.begin(content, false, ()), Verdict::Run);
            underway.end(content);
        }
        assert_eq!((underway.done.order.len(), underway.done.known.len()), (REMEMBERED, REMEMBERED - 1));
        assert_eq!(underway.begin(REMEMBERED as u64 + 1, true, ()), Verdict::Run);
        assert_eq!(underway.begin(REMEMBERED as u64 + 2, true, ()), Verdict::Done);
    }
}
