//! Locks that a panic does not poison.
//!
//! The locks of the standard library return an error if a thread has panicked while it held the lock, because
//! the value may be half changed. Here that cannot happen: code under a lock does a few steps on a map, a list
//! or a number, and each step leaves a valid value. So other threads continue instead of panicking as well. The
//! two outboxes let other code write under their lock. They say what happens to a frame whose writer panics.

use std::fmt;
use std::sync::PoisonError;

pub use std::sync::{MutexGuard, RwLockReadGuard, RwLockWriteGuard};

/// [`std::sync::Mutex`], whose `lock` always succeeds.
#[derive(Default)]
pub struct Mutex<T>(std::sync::Mutex<T>);

/// [`std::sync::RwLock`], whose `read` and `write` always succeed.
#[derive(Default)]
pub struct RwLock<T>(std::sync::RwLock<T>);

// ===== impl Mutex =====

impl<T> Mutex<T> {
    /// A lock that nobody holds.
    #[inline]
    pub const fn new(value: T) -> Self {
        Self(std::sync::Mutex::new(value))
    }

    /// Waits until nobody else holds it.
    #[inline]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

// ===== impl RwLock =====

impl<T> RwLock<T> {
    /// A lock that nobody holds.
    #[inline]
    pub const fn new(value: T) -> Self {
        Self(std::sync::RwLock::new(value))
    }

    /// Waits until nobody writes.
    #[inline]
    pub fn read(&self) -> RwLockReadGuard<'_, T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nobody else reads or writes.
    #[inline]
    pub fn write(&self) -> RwLockWriteGuard<'_, T> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    #[test]
    fn a_panic_under_a_lock_closes_it_for_nobody() {
        let (mutex, shared) = (Mutex::new(1), RwLock::new(1));
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let (mut one, mut other) = (mutex.lock(), shared.write());
            (*one, *other) = (2, 3);
            panic!("while both are held");
        }));
        assert!(panicked.is_err() && mutex.0.is_poisoned() && shared.0.is_poisoned());
        assert_eq!((*mutex.lock(), *shared.read()), (2, 3));
        *shared.write() += 1;
        assert_eq!(*shared.read(), 4);
    }
}
