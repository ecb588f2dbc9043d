//! What is being handled, so that a redelivery does not start it a second time.
//!
//! A server that loses a connection hands over again what was not acknowledged on it, and mostly to the
//! node that had it: whose handlers still run. Such a twin is not run; it is acknowledged with the first.
//! What had been handled, but whose acknowledgement was lost, does run twice, as it may in another process.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// Deliveries by what they hold, and twins of them.
#[derive(Debug)]
pub(super) struct Underway<T>(HashMap<u64, Run<T>>);

#[derive(Debug)]
struct Run<T> {
    /// Two packets may be the same, if they are not Moleculer's.
    count: usize,
    twins: Vec<T>,
}

impl<T> Default for Underway<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T> Underway<T> {
    /// A delivery has come; whether it is to be handled. If not, `twin` comes back when the one that is
    /// being handled is done.
    pub(super) fn begin(&mut self, content: u64, redelivered: bool, twin: T) -> bool {
        match self.0.entry(content) {
            Entry::Occupied(mut known) if redelivered => {
                let run = known.get_mut();
                // One session brings no more than there were: the oldest is of a session that is over.
                if run.twins.len() >= run.count {
                    run.twins.remove(0);
                }
                run.twins.push(twin);
                false
            }
            Entry::Occupied(mut known) => {
                known.get_mut().count += 1;
                true
            }
            Entry::Vacant(free) => {
                free.insert(Run { count: 1, twins: Vec::new() });
                true
            }
        }
    }

    /// One that was to be handled is done; the twins that are done with it.
    pub(super) fn end(&mut self, content: u64) -> Vec<T> {
        let Entry::Occupied(mut known) = self.0.entry(content) else { return Vec::new() };
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
        assert!(underway.begin(7, false, 1));
        assert!(!underway.begin(7, true, 2));
        assert!(!underway.begin(7, true, 3));
        assert_eq!(underway.end(7), [3], "the one before is of a session that is over");
        assert!(underway.begin(7, true, 4), "nobody handles it any more");
        assert!(underway.end(7).is_empty());
        assert!(underway.0.is_empty());
    }

    #[test]
    fn what_is_sent_twice_is_handled_twice() {
        let mut underway = Underway::default();
        assert!(underway.begin(7, false, 1));
        assert!(underway.begin(7, false, 2));
        assert!(underway.end(7).is_empty());
        assert!(!underway.begin(7, true, 3));
        assert_eq!(underway.end(7), [3]);
        assert!(underway.end(7).is_empty());
    }
}
