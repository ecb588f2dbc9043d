//! How many handlers stand on top of each other on one stack.

use std::cell::Cell;

/// Calls on top of each other on one stack; above that, the next one gets a task of its own, because
/// running out of stack cannot be caught.
const MAX_STACKED: u32 = 32;

thread_local! {
    static STACKED: Cell<u32> = const { Cell::new(0) };
}

/// One more handler on the stack of this thread, until dropped.
pub(super) struct Stacked(u32);

impl Stacked {
    /// Another one, unless there are too many on top of each other already.
    pub(super) fn try_enter() -> Option<Self> {
        let depth = STACKED.get();
        (depth < MAX_STACKED).then(|| {
            STACKED.set(depth + 1);
            Self(depth)
        })
    }
}

impl Drop for Stacked {
    fn drop(&mut self) {
        STACKED.set(self.0);
    }
}
