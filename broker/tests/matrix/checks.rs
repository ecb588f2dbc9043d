//! Counts what has been compared.

use serde_json::Value;
use std::fmt::Debug;
use tests_support::until;

/// How many comparisons stand behind a cell.
#[derive(Debug, Default)]
pub(crate) struct Checks(pub(crate) usize);

impl Checks {
    /// Two things are equal.
    ///
    /// # Panics
    /// When they are not; the cell turns red with this message.
    #[allow(clippy::needless_pass_by_value, reason = "most are made where they are compared")]
    pub(crate) fn eq<A: Debug + PartialEq<B>, B: Debug>(&mut self, what: &str, found: A, expected: B) {
        assert!(found == expected, "{what}: found {found:?}, expected {expected:?}");
        self.0 += 1;
    }

    /// Something holds.
    ///
    /// # Panics
    /// When it does not.
    pub(crate) fn holds(&mut self, what: &str, holds: bool) {
        assert!(holds, "{what}");
        self.0 += 1;
    }

    /// Something comes true in time.
    ///
    /// # Panics
    /// When it does not.
    pub(crate) async fn until<T>(&mut self, what: &str, found: impl AsyncFnMut() -> Option<T>) -> T {
        let found = until(what, found).await;
        self.0 += 1;
        found
    }
}

/// The elements of an array, none of anything else.
pub(crate) fn rows(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}
