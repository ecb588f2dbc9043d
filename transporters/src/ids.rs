//! Names and node ids: short texts that are cloned and compared often.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A text that is cheap to clone: a literal, or one shared allocation.
///
///
/// It compares, orders and hashes like the text itself, so a map with `Name` as its key can be searched with
/// a `&str`.
#[derive(Clone)]
pub struct Name(Repr);

#[derive(Clone)]
enum Repr {
    Static(&'static str),
    Shared(Arc<str>),
}

impl Name {
    /// A name from a literal, without an allocation.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        Self(Repr::Static(text))
    }

    /// The text.
    #[must_use]
    #[inline]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Repr::Static(text) => text,
            Repr::Shared(text) => text,
        }
    }
}

impl std::ops::Deref for Name {
    type Target = str;
    #[inline]
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for Name {
    #[inline]
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self(Repr::Shared(text.into()))
    }
}

impl From<String> for Name {
    fn from(text: String) -> Self {
        Self(Repr::Shared(text.into()))
    }
}

impl From<&String> for Name {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<&Name> for Name {
    fn from(name: &Name) -> Self {
        name.clone()
    }
}

impl From<&NodeId> for Name {
    fn from(id: &NodeId) -> Self {
        id.0.clone()
    }
}

impl PartialEq for Name {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Name {}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Name {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// The id of a node, which is one running broker in a cluster.
///
/// It becomes part of topic names. So the id of a node of this process may contain only letters, digits and
/// `-_.:@$~` ([`NodeId::new`]). The id of any other node may contain all printable characters, and have at
/// most 255 bytes ([`NodeId::foreign`]).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(Name);

impl NodeId {
    /// The length of the longest id in bytes.
    pub const MAX_LEN: usize = 255;

    /// The id of a node of this process.
    ///
    /// # Errors
    /// [`InvalidId`] if the text is empty, is longer than 255 bytes, or contains a character that some
    /// transporter cannot carry in a topic name.
    pub fn new(id: impl Into<Name>) -> Result<Self, InvalidId> {
        let id = id.into();
        Self::check_length(&id)?;
        match id.chars().find(|c| !c.is_ascii_alphanumeric() && !"-_.:@$~".contains(*c)) {
            Some(character) => Err(InvalidId::Character { id: id.to_string(), character }),
            None => Ok(Self(id)),
        }
    }

    /// An id read from the network.
    ///
    /// # Errors
    /// [`InvalidId`] if it is empty, is longer than 255 bytes, or contains control characters.
    pub fn foreign(id: impl Into<Name>) -> Result<Self, InvalidId> {
        let id = id.into();
        Self::check_length(&id)?;
        match id.chars().find(|c| c.is_control()) {
            Some(character) => Err(InvalidId::Character { id: id.escape_debug().to_string(), character }),
            None => Ok(Self(id)),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The id as a [`Name`], which shares its allocation.
    #[must_use]
    pub fn as_name(&self) -> &Name {
        &self.0
    }

    fn check_length(id: &Name) -> Result<(), InvalidId> {
        match id.len() {
            0 => Err(InvalidId::Empty),
            1..=Self::MAX_LEN => Ok(()),
            bytes => Err(InvalidId::TooLong { bytes }),
        }
    }
}

impl Borrow<str> for NodeId {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for NodeId {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq<str> for NodeId {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for NodeId {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Why a text cannot be a node id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidId {
    /// The text is empty.
    #[error("a node id must not be empty")]
    Empty,
    /// The text is longer than [`NodeId::MAX_LEN`].
    #[error("a node id may have at most 255 bytes, this one has {bytes}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The text contains a character that cannot be part of a topic name.
    #[error("node id `{id}` holds {character:?}: use letters, digits and - _ . : @ $ ~")]
    Character {
        /// The id.
        id: String,
        /// The first character that is not allowed.
        character: char,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_ids_are_restricted_to_what_every_transporter_can_carry() {
        assert!(NodeId::new("node-1.eu_west:8080@host$~").is_ok());
        for bad in ["", "a b", "a*", "a>", "a#", "a+", "a/b", "a|b", "a\n", "ü"] {
            assert!(NodeId::new(bad).is_err(), "{bad:?} was accepted");
        }
        assert!(NodeId::new("x".repeat(255)).is_ok());
        assert_eq!(NodeId::new("x".repeat(256)), Err(InvalidId::TooLong { bytes: 256 }));
    }

    #[test]
    fn foreign_ids_may_be_odd_but_not_dangerous() {
        assert!(NodeId::foreign("Größe 1/2").is_ok());
        assert!(NodeId::foreign("a\u{1b}[2J").is_err());
        assert!(NodeId::foreign("").is_err());
    }
}
