//! The handlers that are stacked on one call stack: how many, and whose.
//!
//!
//! A handler that awaits a call or an event polls the next handler on top of its own stack. So while a
//! handler is polled, the handlers beneath it wait for it: they are its *chain*. Code that is about to wait
//! for one of them would wait for itself. A task begins a new chain, unless somebody waits for it and passes
//! a chain on. What a user's own tasks wait for cannot be known.

use smallvec::SmallVec;
use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context as Task, Poll};

/// The largest number of handlers on one stack. The next handler gets a task of its own, because a stack
/// overflow cannot be caught.
const MAX_STACKED: u32 = 32;
/// The number of places that are known on one stack. Beyond it nothing is known. Then code that waits for
/// itself gets no error, and waits until its timeout.
const MAX_KNOWN: usize = 96;

/// One handler in a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The service or the ordered subscription that the handler belongs to. See [`name`].
    pub(crate) whose: u64,
    /// Which of its handlers it is.
    pub(crate) run: usize,
}

/// The handlers that wait for each other, the outermost first.
pub(crate) type Chain = SmallVec<[Place; 4]>;

/// A name that is unique in this process, for something that has handlers.
pub(crate) fn name() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(WALL.whose + 1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The handlers beneath it do not wait for those above it.
const WALL: Place = Place { whose: 0, run: 0 };

struct Stack {
    depth: Cell<u32>,
    /// May be larger than the array.
    len: Cell<usize>,
    places: [Cell<Place>; MAX_KNOWN],
}

impl Stack {
    #[inline]
    fn push(&self, place: Place) {
        let len = self.len.get();
        if let Some(free) = self.places.get(len) {
            free.set(place);
        }
        self.len.set(len + 1);
    }
}

thread_local! {
    static STACK: Stack = const {
        Stack { depth: Cell::new(0), len: Cell::new(0), places: [const { Cell::new(WALL) }; MAX_KNOWN] }
    };
}

/// An entry on the stack of this thread. Dropping it removes the entry.
pub(crate) struct Stacked {
    depth: u32,
    len: usize,
}

impl Stacked {
    /// Adds a handler, unless there are too many on this stack already.
    #[inline]
    pub(crate) fn try_enter(place: Option<Place>) -> Option<Self> {
        STACK.with(|stack| {
            let (depth, len) = (stack.depth.get(), stack.len.get());
            (depth < MAX_STACKED).then(|| {
                stack.depth.set(depth + 1);
                if let Some(place) = place {
                    stack.push(place);
                }
                Self { depth, len }
            })
        })
    }

    /// Adds the place of a handler whose depth has been counted.
    #[inline]
    pub(crate) fn at(place: Place) -> Self {
        Self::with(&[place])
    }

    /// Adds a wall: the handlers beneath do not wait for those that follow.
    #[inline]
    pub(crate) fn apart() -> Self {
        Self::with(&[WALL])
    }

    #[inline]
    fn with(places: &[Place]) -> Self {
        STACK.with(|stack| {
            let before = Self { depth: stack.depth.get(), len: stack.len.get() };
            places.iter().for_each(|place| stack.push(*place));
            before
        })
    }
}

impl Drop for Stacked {
    #[inline]
    fn drop(&mut self) {
        STACK.with(|stack| {
            stack.depth.set(self.depth);
            stack.len.set(self.len);
        });
    }
}

/// The chain of the current code.
pub(crate) fn chain() -> Chain {
    STACK.with(|stack| {
        let known = stack.places.get(..stack.len.get()).unwrap_or_default();
        let from = known.iter().rposition(|place| place.get() == WALL).map_or(0, |wall| wall + 1);
        known.iter().skip(from).map(Cell::get).collect()
    })
}

/// The handlers of `whose` that wait for the current code.
pub(crate) fn runs_of(whose: u64) -> Vec<usize> {
    let mut runs: Vec<_> =
        chain().iter().filter(|place| place.whose == whose).map(|place| place.run).collect();
    runs.sort_unstable();
    runs.dedup();
    runs
}

/// A future in a task of its own that somebody waits for.
pub(crate) struct Chained<F> {
    pub(crate) chain: Chain,
    pub(crate) future: F,
}

impl<F: Future + Unpin> Future for Chained<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<F::Output> {
        let Self { chain, future } = &mut *self;
        let _apart = Stacked::apart();
        let _chain = Stacked::with(chain);
        Pin::new(future).poll(task)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(whose: u64, run: usize) -> Place {
        Place { whose, run }
    }

    #[test]
    fn a_chain_is_known_back_to_the_last_wall_and_ends_as_it_began() {
        let _first = Stacked::try_enter(Some(place(7, 1)));
        {
            let _second = Stacked::at(place(8, 2));
            let _third = Stacked::try_enter(Some(place(7, 3)));
            assert_eq!(runs_of(7), [1, 3]);
            let _apart = Stacked::apart();
            assert!(chain().is_empty());
            let _fourth = Stacked::at(place(7, 4));
            assert_eq!(chain().as_slice(), [place(7, 4)]);
        }
        assert_eq!(chain().as_slice(), [place(7, 1)]);
    }

    #[test]
    fn of_more_places_than_there_is_room_for_nothing_is_known() {
        let many: Vec<_> = (0..MAX_KNOWN).map(|run| Stacked::at(place(7, run))).collect();
        assert_eq!(chain().len(), MAX_KNOWN);
        let one_more = Stacked::at(place(7, MAX_KNOWN));
        assert!(chain().is_empty());
        drop(one_more);
        assert_eq!(chain().len(), MAX_KNOWN);
        many.into_iter().rev().for_each(drop);
        assert!(chain().is_empty());
    }

    #[test]
    fn only_so_many_stand_on_top_of_each_other() {
        let all: Vec<_> = std::iter::from_fn(|| Stacked::try_enter(None)).collect();
        assert_eq!(all.len(), MAX_STACKED as usize);
        all.into_iter().rev().for_each(drop);
        assert!(Stacked::try_enter(None).is_some());
    }

    #[test]
    fn names_differ() {
        assert_ne!(name(), name());
    }
}
