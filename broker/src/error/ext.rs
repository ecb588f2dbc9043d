//! `.or_internal("…")`: saying aloud that something below broke.

use super::{BoxError, Error, Result};

/// Turns foreign errors into an [`Error`], explicitly, since the text then travels to remote callers.
pub trait ResultExt<T>: sealed::Sealed {
    /// The value, or an internal error whose message is `what`, a colon, and the source's text.
    ///
    /// # Errors
    /// The source, wrapped.
    fn or_internal(self, what: &str) -> Result<T>;
}

mod sealed {
    pub trait Sealed {}
    impl<T, E> Sealed for std::result::Result<T, E> {}
}

impl<T, E: Into<BoxError>> ResultExt<T> for std::result::Result<T, E> {
    fn or_internal(self, what: &str) -> Result<T> {
        self.map_err(|source| {
            let source = source.into();
            let message = format!("{what}: {source}");
            Error::internal(source).with_message(message)
        })
    }
}
