//! What a codec says when it cannot go on.

use std::fmt;

use serde::de::{Expected, Unexpected};

use super::shown::asked;
use super::token::Fault;

/// Why a value could not be written, or bytes could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure(pub(crate) String);

impl Failure {
    /// What writing says that was given only so much room.
    pub(super) const TOO_LARGE: &'static str = "the value is too large";

    /// Whether there was not enough room for what was written.
    pub(crate) fn is_too_large(&self) -> bool {
        self.0.contains(Self::TOO_LARGE)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

impl serde::ser::Error for Failure {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

impl serde::de::Error for Failure {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        asked(&found, expected);
        Self(format!("invalid type: {found}, expected {expected}"))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        asked(&found, expected);
        Self(format!("invalid value: {found}, expected {expected}"))
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self(fault.0.to_owned())
    }
}
