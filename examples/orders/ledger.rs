//! Effects by key: each is done at most once, and undone at most once.
//!
//! Messages may arrive twice, and an undo may overtake what it undoes (the caller gave up and compensated
//! while the request was still on its way). So a key that was undone stays undone: later requests for it are
//! refused.

use std::collections::HashMap;

/// The number of keys that are remembered. When it is reached, nothing new is done, so that nothing is done
/// twice.
const MAX_KEYS: usize = 100_000;

/// The effects that were done, by key.
#[derive(Debug)]
pub(crate) struct Ledger<T>(HashMap<String, Entry<T>>);

#[derive(Debug)]
enum Entry<T> {
    Done(T),
    Undone,
}

/// The state of a key before something is done for it.
#[derive(Debug)]
pub(crate) enum Standing<T> {
    /// Nothing was done: continue, and call [`Ledger::done`].
    New,
    /// It was done already, with this result.
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

    /// Marks a key as undone. Returns what has to be undone, if anything.
    pub(crate) fn undo(&mut self, key: String) -> Option<T> {
        if !self.0.contains_key(&key) && self.0.len() >= MAX_KEYS {
            // Nothing new is done any more, so the key need not be remembered.
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
