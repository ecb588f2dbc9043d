//! The protocol versions that ligand supports (protocol chapter 1).

use std::fmt;

/// A version for the packets that this node sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) enum ProtocolVersion {
    /// Moleculer 0.14.
    V4,
    /// Moleculer 0.15.
    #[default]
    V5,
}

impl ProtocolVersion {
    /// The text in the field `ver`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::V4 => "4",
            Self::V5 => "5",
        }
    }

    /// The versions that a node with this version accepts. If it is `strict`, it accepts only its own.
    pub(crate) const fn accepted(self, strict: bool) -> &'static str {
        match self {
            _ if !strict => "\"4\" or \"5\"",
            Self::V4 => "\"4\", since `transit.strictVersion` is set",
            Self::V5 => "\"5\", since `transit.strictVersion` is set",
        }
    }

    /// The other version.
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::V4 => Self::V5,
            Self::V5 => Self::V4,
        }
    }
}

impl fmt::Display for ProtocolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The version in a received packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ver {
    /// `"4"`.
    V4,
    /// `"5"`.
    V5,
    /// Another string. A value that is not a string is kept in its written form, and a missing one is the
    /// empty string.
    ///
    /// Node compares strictly, so the number `5` is not version 5 (protocol chapter 1.1).
    Other(Box<str>),
}

impl Ver {
    /// The version, if ligand supports it.
    pub(crate) const fn known(&self) -> Option<ProtocolVersion> {
        match self {
            Self::V4 => Some(ProtocolVersion::V4),
            Self::V5 => Some(ProtocolVersion::V5),
            Self::Other(_) => None,
        }
    }
}

impl From<&str> for Ver {
    fn from(text: &str) -> Self {
        match text {
            "4" => Self::V4,
            "5" => Self::V5,
            _ => Self::Other(text.into()),
        }
    }
}

impl fmt::Display for Ver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4 => f.write_str("4"),
            Self::V5 => f.write_str("5"),
            Self::Other(text) => f.write_str(text),
        }
    }
}
