//! Names that nobody offers any more, oldest first.

use ligand_transporters::Name;
use std::collections::VecDeque;

/// Remembers when each name became idle, so that the oldest ones can be forgotten first.
///
/// A name that is used again is not looked for in here; its stamp just does not count any more. Such
/// left-overs are swept before they outnumber the rest.
#[derive(Debug, Default)]
pub(super) struct Idle {
    order: VecDeque<(u64, Name)>,
    len: usize,
    clock: u64,
}

/// Left-overs that are not worth a sweep.
const SLACK: usize = 1_024;

impl Idle {
    /// How many names are idle.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds a name; the stamp, never 0, is for its owner to keep.
    pub(super) fn add(&mut self, name: Name, counts: impl Fn(u64, &str) -> bool) -> u64 {
        if self.order.len() > self.len.saturating_mul(2).saturating_add(SLACK) {
            self.order.retain(|(stamp, name)| counts(*stamp, name));
        }
        self.clock += 1;
        self.len += 1;
        self.order.push_back((self.clock, name));
        self.clock
    }

    /// A name is in use again.
    pub(super) fn woke(&mut self) {
        self.len = self.len.saturating_sub(1);
    }

    /// Takes out the name that has been idle longest. `counts` tells whether a stamp is a name's last.
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
