//! What makes a transporter of this crate out of its options.

use super::TransporterUrl;
use crate::{TransportError, Transporter};

/// A transporter of this crate.
pub(crate) trait Backend: Transporter + Sized {
    /// From a URL, with options behind and beside it.
    ///
    /// # Errors
    /// [`TransportError::Config`] says what is wrong, without credentials.
    fn by_url(url: &TransporterUrl) -> Result<Self, TransportError>;
}

/// Writes the type of a transporter that consists of its options, which have `add_url` and `validate`.
macro_rules! backend {
    ($(#[$doc:meta])* $Backend:ident of $Options:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default)]
        pub struct $Backend {
            options: $Options,
        }

        impl $Backend {
            /// With defaults.
            #[must_use]
            pub fn new() -> Self {
                Self::default()
            }

            /// With these options.
            ///
            /// # Errors
            /// [`TransportError::Config`](crate::TransportError::Config) when they do not go together.
            pub fn with_options(options: $Options) -> Result<Self, $crate::TransportError> {
                options.validate()?;
                Ok(Self { options })
            }

            /// From a URL, or a bare name for defaults. Options stand behind a `?`, by the names that
            #[doc = concat!("[`", stringify!($Options), "`] gives.")]
            ///
            /// # Errors
            /// [`TransportError::Config`](crate::TransportError::Config) when the URL is of another scheme or
            /// broken, when there is no such option, or when a value does not fit. What is secret is not in the
            /// message.
            pub fn from_url(url: &str) -> Result<Self, $crate::TransportError> {
                Self::with_options($Options::new(url)?)
            }

            /// The options.
            #[must_use]
            pub fn options(&self) -> &$Options {
                &self.options
            }
        }

        impl $Options {
            /// From a URL, with options behind a `?`.
            ///
            /// # Errors
            /// [`TransportError::Config`](crate::TransportError::Config) says what is wrong, without credentials.
            pub fn new(url: &str) -> Result<Self, $crate::TransportError> {
                let mut options = Self::default();
                options.add_url(url)?;
                Ok(options)
            }
        }

        impl $crate::scheme::Backend for $Backend {
            fn by_url(url: &$crate::TransporterUrl) -> Result<Self, $crate::TransportError> {
                let mut options = $Options::new(url.as_str())?;
                url.configure_beside(&mut options)?;
                Self::with_options(options)
            }
        }
    };
}
#[allow(unused_imports, reason = "the in-memory network has a URL only")]
pub(crate) use backend;
