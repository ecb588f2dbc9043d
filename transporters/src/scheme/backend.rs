//! Defines a transporter of this crate by its options.

use super::TransporterUrl;
use crate::{TransportError, Transporter};

/// A transporter of this crate.
pub(crate) trait Backend: Transporter + Sized {
    /// Creates a transporter from a URL, with the options after the `?` and those beside the URL.
    ///
    /// # Errors
    /// [`TransportError::Config`] says what is wrong, without credentials.
    fn by_url(url: &TransporterUrl) -> Result<Self, TransportError>;
}

/// Defines the type of a transporter that consists of its options. They need the methods `add_url` and
/// `validate`.
#[allow(unused_macros, reason = "without a transporter as a feature nothing needs it")]
macro_rules! backend {
    ($(#[$doc:meta])* $Backend:ident of $Options:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default)]
        pub struct $Backend {
            options: $Options,
        }

        impl $Backend {
            /// Creates a transporter with the default options.
            #[must_use]
            pub fn new() -> Self {
                Self::default()
            }

            /// Creates a transporter with these options.
            ///
            /// # Errors
            /// [`TransportError::Config`](crate::TransportError::Config) if the options contradict each
            /// other.
            pub fn with_options(options: $Options) -> Result<Self, $crate::TransportError> {
                options.validate()?;
                Ok(Self { options })
            }

            /// Creates a transporter from a URL, or from a bare name for the defaults. Options follow a `?`,
            /// by the names that
            #[doc = concat!("[`", stringify!($Options), "`] gives.")]
            ///
            /// # Errors
            /// [`TransportError::Config`](crate::TransportError::Config) if the URL has another scheme or is
            /// malformed, if there is no such option, or if a value is not valid. The message contains no
            /// secrets.
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
            /// Creates the options from a URL. Options follow a `?`.
            ///
            /// # Errors
            /// [`TransportError::Config`](crate::TransportError::Config) says what is wrong, without
            /// credentials.
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
