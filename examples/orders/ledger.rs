//! Effects by key: each is done at most once, and taken back at most once.
//!
//! Messages may come twice, and an undo may overtake what it undoes (its caller gave up and compensated
//! while the request was still on its way). So a key that was undone stays undone: whatever comes for it
//! later is refused.

use std::collections::HashMap;

/// Keys that are remembered. When there are as many, nothing new is done, so that nothing can be done twice.
const MAX_KEYS: usize = 100_000;

/// What was done, by key.
#[derive(Debug)]
pub(crate) struct Ledger<T>(HashMap<String, Entry<T>>);

#[derive(Debug)]
enum Entry<T> {
    Done(T),
    Undone,
}

/// How a key stands before something is done for it.
#[derive(Debug)]
pub(crate) enum Standing<T> {
    /// Nothing was done: go on, and [`Ledger::done`] it.
    New,
    /// It was done already; this is what came of it.
    Done(T),
    /// It was undone, perhaps before it was ever done.
    Undone,
    /// Too many keys are remembered.
    Full,
}

impl<T: Clone> Ledger<T> {
    pub(crate) fn new() -> Self {
        Self(HashMap::new())
    }

    pub(crate) fn standing(&self, key: &str) -> Standing<T> {
        match self.0.get(key) {
            Some(Entry::Done(effect)) => Standing::Done(effect.clone()),
            Some(Entry::Undone) => Standing::Undone,
            None if self.0.len() >= MAX_KEYS => Standing::Full,
            None => Standing::New,
        }
    }

    pub(crate) fn done(&mut self, key: String, effect: T) {
        self.0.insert(key, Entry::Done(effect));
    }

    /// Marks a key as undone; gives what has to be taken back, if anything.
    pub(crate) fn undo(&mut self, key: String) -> Option<T> {
        if !self.0.contains_key(&key) && self.0.len() >= MAX_KEYS {
            // Nothing new is done any more, so nothing has to be remembered against it.
            return None;
        }
        match self.0.insert(key, Entry::Undone) {
            Some(Entry::Done(effect)) => Some(effect),
            Some(Entry::Undone) | None => None,
        }
    }

    /// Everything that was done and not undone.
    pub(crate) fn effects(&self) -> impl Iterator<Item = &T> {
        self.0.values().filter_map(|entry| match entry {
            Entry::Done(effect) => Some(effect),
            Entry::Undone => None,
        })
    }
}
