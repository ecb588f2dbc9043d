//! The error of a codec.

use std::fmt;

use serde::de::{Expected, Unexpected};

use super::shown::asked;
use super::token::Fault;

/// Why a value could not be written, or bytes could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure(pub(crate) String);

impl Failure {
    /// The error of a writer that has only limited room.
    pub(super) const TOO_LARGE: &'static str = "the value is too large";

    /// Whether there was too little room for the value.
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
