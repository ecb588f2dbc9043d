//! The ids of contexts and requests.

use ligand_transporters::Name;
use std::fmt;
use std::sync::OnceLock;

use crate::protocol::{self, PacketId};

/// The id of a context, a request, or a whole tree of calls.
///
/// An id that is made here has 128 random bits and prints as a UUID. The id of another node is kept as it
/// arrived.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Id(Repr);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Repr {
    /// The two halves of a [`PacketId`]. A single number of 128 bits would double the size of an id in every
    /// context, because of its alignment.
    Ours(u64, u64),
    Text(Name),
    /// A number that a Node.js node has sent, in its JSON form. It is passed on as a number.
    Number(Name),
}

impl Id {
    /// A new id: 128 bits from the operating system's generator, so nobody can guess it.
    #[must_use]
    pub fn random() -> Self {
        PacketId::random().into()
    }

    /// The id as a number, if it was made by ligand.
    pub(crate) fn bits(&self) -> Option<PacketId> {
        match self.0 {
            Repr::Ours(high, low) => Some(joined(high, low)),
            Repr::Text(_) | Repr::Number(_) => None,
        }
    }

    pub(crate) fn as_wire(&self) -> protocol::Id<'_> {
        match &self.0 {
            Repr::Ours(high, low) => protocol::Id::Ours(joined(*high, *low)),
            Repr::Text(text) => protocol::Id::Text(text),
            Repr::Number(number) => protocol::Id::Number(number),
        }
    }
}

fn joined(high: u64, low: u64) -> PacketId {
    PacketId(u128::from(high) << 64 | u128::from(low))
}

impl From<PacketId> for Id {
    fn from(PacketId(bits): PacketId) -> Self {
        Self(Repr::Ours((bits >> 64) as u64, bits as u64))
    }
}

impl From<protocol::Id<'_>> for Id {
    fn from(id: protocol::Id<'_>) -> Self {
        match id {
            protocol::Id::Ours(id) => id.into(),
            protocol::Id::Text(id) => id.into(),
            protocol::Id::Number(id) => Self(Repr::Number(id.into())),
        }
    }
}

impl From<Name> for Id {
    fn from(text: Name) -> Self {
        Self(Repr::Text(text))
    }
}

impl From<&str> for Id {
    fn from(text: &str) -> Self {
        Self(Repr::Text(text.into()))
    }
}

impl From<String> for Id {
    fn from(text: String) -> Self {
        Self(Repr::Text(text.into()))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Text(text) | Repr::Number(text) => f.write_str(text),
            Repr::Ours(high, low) => joined(*high, *low).fmt(f),
        }
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An id that is made when it is first read. Most local calls never read it.
#[derive(Debug, Default)]
pub(crate) struct LazyId(OnceLock<Id>);

impl LazyId {
    pub(crate) fn known(id: Id) -> Self {
        Self(OnceLock::from(id))
    }

    pub(crate) fn get(&self) -> &Id {
        self.0.get_or_init(Id::random)
    }
}
