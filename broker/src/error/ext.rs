//! `.or_internal("…")`: reports the failure of something else as an error of the service.

use super::{BoxError, Error, Result};

/// Converts foreign errors into an [`Error`]. The conversion is explicit, because it sends the text to remote
/// callers.
pub trait ResultExt<T>: sealed::Sealed {
    /// The value, or an internal error. The message of the error consists of `what`, a colon, and the text of
    /// the source.
    ///
    /// # Errors
    /// The source, wrapped in an [`Error`].
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
