//! Names that nobody offers any more, the oldest first.

use ligand_transporters::Name;
use std::collections::VecDeque;

/// Remembers when each name became idle, so that the oldest names can be forgotten first.
///
///
/// When a name is used again, its entry stays here, and its stamp becomes invalid. Invalid entries are
/// removed before they outnumber the others.
#[derive(Debug, Default)]
pub(super) struct Idle {
    order: VecDeque<(u64, Name)>,
    len: usize,
    clock: u64,
}

/// This number of invalid entries is not worth removing.
const SLACK: usize = 1_024;

impl Idle {
    /// The number of idle names.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds a name. The owner keeps the returned stamp, which is never 0.
    pub(super) fn add(&mut self, name: Name, counts: impl Fn(u64, &str) -> bool) -> u64 {
        if self.order.len() > self.len.saturating_mul(2).saturating_add(SLACK) {
            self.order.retain(|(stamp, name)| counts(*stamp, name));
        }
        self.clock += 1;
        self.len += 1;
        self.order.push_back((self.clock, name));
        self.clock
    }

    /// Called when a name is in use again.
    pub(super) fn woke(&mut self) {
        self.len = self.len.saturating_sub(1);
    }

    /// Removes the name that has been idle longest. `counts` tells whether a stamp is the last one of a name.
    pub(super) fn take_oldest(&mut self, counts: impl Fn(u64, &str) -> bool) -> Option<Name> {
        while let Some((stamp, name)) = self.order.pop_front() {
            if counts(stamp, &name) {
                self.len = self.len.saturating_sub(1);
                return Some(name);
            }
        }
        None
    }
}
