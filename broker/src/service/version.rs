//! Versions of services, and the full names that they make.

use ligand_transporters::Name;
use std::fmt;

use crate::protocol;

/// The version of a service: a number (`2` makes `v2.math`) or a text (`"next"` makes `next.math`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ServiceVersion {
    /// A number.
    Number(i64),
    /// A text.
    Text(Name),
}

impl ServiceVersion {
    /// The full name: `v2.math`, `next.math`, or `math` (protocol chapter 5.5).
    #[must_use]
    pub fn full_name(version: Option<&Self>, name: &str) -> Name {
        match version {
            Some(version) => format!("{version}.{name}").into(),
            None => name.into(),
        }
    }

    pub(crate) fn to_wire(&self) -> protocol::ServiceVersion {
        match self {
            Self::Number(number) => protocol::ServiceVersion::Number(number.to_string().into()),
            Self::Text(text) => protocol::ServiceVersion::Text(text.clone()),
        }
    }
}

impl fmt::Display for ServiceVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "v{number}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl From<i64> for ServiceVersion {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<u32> for ServiceVersion {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<i32> for ServiceVersion {
    fn from(number: i32) -> Self {
        Self::Number(number.into())
    }
}

impl From<&str> for ServiceVersion {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for ServiceVersion {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}
