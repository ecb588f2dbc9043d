//! What a node says about itself and its services (protocol chapters 2.4, 5.4 and 5.5).

use bytes::Bytes;
use ligand_transporters::Name;
use std::time::Duration;

use super::Raw;

/// The largest sequence number: a JavaScript number holds it exactly. Larger ones are read as this.
pub(crate) const MAX_SEQ: u64 = 1 << 53;

/// The largest number that decides which of two statements about a node is newer. A node counts its changes
/// from 1 and never reaches it, but another sender may claim it. Above it, the statement that arrived last
/// wins, so that nobody can fix a node at a number that it cannot exceed.
pub(crate) const MAX_CLAIM: u64 = MAX_SEQ - (1 << 20);

/// An INFO, or the row of a gossip response that contains one. Its services have not been read yet.
///
/// Most INFOs repeat what is known: the receiver compares `seq` and `instance_id`, and need not read
/// `services_raw`. If it has to, [`Serializer::services`](crate::serializer::Serializer::services) reads it.
#[derive(Debug, Clone)]
pub(crate) struct InfoPacket {
    /// The whole object as received.
    pub(crate) raw: Raw,
    /// The array `services`; `[]` when it is missing.
    pub(crate) services_raw: Raw,
    /// Addresses, at most the first 64.
    pub(crate) ip_list: Vec<Name>,
    /// Host name.
    pub(crate) hostname: Option<Name>,
    /// The software of the node.
    pub(crate) client: Client,
    /// An object; `{}` when it is missing.
    pub(crate) config: Raw,
    /// Changes at each start of the process. Empty if it is missing.
    pub(crate) instance_id: Name,
    /// What the user of the node says about it. `{}` if it is missing.
    pub(crate) metadata: Raw,
    /// Grows with each change of the services. 1 if it is missing, at most [`MAX_SEQ`].
    pub(crate) seq: u64,
    /// TCP port.
    pub(crate) port: Option<u16>,
}

/// The software of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Client {
    /// `nodejs`, `rust`, …
    pub(crate) kind: Name,
    /// Version of the framework.
    pub(crate) version: Name,
    /// Version of the language.
    pub(crate) lang_version: Name,
    /// What it supports beyond the protocol, at most the first 64.
    pub(crate) features: Vec<Name>,
}

impl Default for Client {
    fn default() -> Self {
        const EMPTY: Name = Name::from_static("");
        Self { kind: EMPTY, version: EMPTY, lang_version: EMPTY, features: Vec::new() }
    }
}

/// The services of a node.
#[derive(Debug, Clone)]
pub(crate) struct Services {
    /// The array as received. Equal bytes mean equal services.
    pub(crate) raw: Bytes,
    /// Its entries.
    pub(crate) list: Vec<ServiceInfo>,
}

/// One service.
#[derive(Debug, Clone)]
pub(crate) struct ServiceInfo {
    /// Without version.
    pub(crate) name: Name,
    /// Its version, if any.
    pub(crate) version: Option<ServiceVersion>,
    /// With the version. Computed if the sender left it out.
    pub(crate) full_name: Name,
    /// An object.
    pub(crate) settings: Raw,
    /// An object.
    pub(crate) metadata: Raw,
    /// Its actions.
    pub(crate) actions: Vec<ActionInfo>,
    /// Its event subscriptions.
    pub(crate) events: Vec<EventInfo>,
}

/// The version of a service.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum ServiceVersion {
    /// A number, as JavaScript prints it.
    Number(Name),
    /// A text.
    Text(Name),
}

impl ServiceVersion {
    /// The full name of a service of this version (protocol chapter 5.5).
    pub(crate) fn full_name(&self, service: &str) -> Name {
        match self {
            Self::Number(version) => format!("v{version}.{service}").into(),
            Self::Text(version) => format!("{version}.{service}").into(),
        }
    }
}

/// One action.
#[derive(Debug, Clone)]
pub(crate) struct ActionInfo {
    /// Full name.
    pub(crate) name: Name,
    /// Who may call it.
    pub(crate) visibility: Visibility,
    /// Its own timeout. Zero switches off timeouts for it.
    pub(crate) timeout: Option<Duration>,
    /// The whole definition.
    pub(crate) definition: Raw,
}

/// Who may call an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Visibility {
    /// Everybody, and API gateways publish it. This is the default.
    #[default]
    Published,
    /// Every service.
    Public,
    /// Services of the same node. The older flag `protected: true` means the same.
    Protected,
    /// Only the service itself. An unknown word has this meaning, as in Node.
    Private,
}

impl Visibility {
    /// The word in a definition.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Public => "public",
            Self::Protected => "protected",
            Self::Private => "private",
        }
    }

    /// Whether other nodes may call it.
    pub(crate) const fn is_remote(self) -> bool {
        matches!(self, Self::Published | Self::Public)
    }
}

/// One event subscription.
#[derive(Debug, Clone)]
pub(crate) struct EventInfo {
    /// Name or pattern.
    pub(crate) name: Name,
    /// The group. `None` means the name of the service.
    pub(crate) group: Option<Name>,
    /// The whole definition.
    pub(crate) definition: Raw,
}
