//! The limits for the parts of a packet.

use ligand_transporters::NodeId;

use super::Problem;

/// PacketLimits for everything that a decoder reads. A packet that exceeds one is refused with a
/// [`Problem::Limit`](super::Problem::Limit) that names it.
///
/// The transporter limits the size of a frame. `params` and `data` are limited only by that and by `depth`,
/// because Node sends a Buffer as an array with one number for each byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PacketLimits {
    /// How deep containers may be nested, counting the packet itself. At most 128.
    ///
    /// `serde_json` reads 127 levels, so a body that passes this check can be deserialized.
    pub(crate) depth: usize,
    /// Bytes of a string as written, outside `params` and `data`.
    pub(crate) string: usize,
    /// Members of an object or array, outside `params` and `data`.
    pub(crate) entries: usize,
    /// Bytes of the name of a service, action, event, group, caller or host.
    pub(crate) name: usize,
    /// Bytes of an id: of a packet, a request, a parent or an instance.
    pub(crate) id: usize,
    /// Bytes of `meta`, and of `headers`.
    pub(crate) meta: usize,
    /// Groups of an event.
    pub(crate) groups: usize,
    /// Services in an INFO.
    pub(crate) services: usize,
    /// Actions of a service, and also events of a service.
    pub(crate) actions: usize,
    /// Nodes in one part of a gossip packet.
    pub(crate) nodes: usize,
}

impl PacketLimits {
    /// The deepest nesting that [`PacketLimits::depth`] can allow.
    pub(crate) const MAX_DEPTH: usize = 128;

    /// [`PacketLimits::depth`], kept within [`PacketLimits::MAX_DEPTH`].
    pub(crate) fn max_depth(&self) -> usize {
        self.depth.min(Self::MAX_DEPTH)
    }
}

/// One of the [`PacketLimits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    Depth,
    String,
    Entries,
    Name,
    Id,
    Meta,
    Groups,
    Services,
    Actions,
    Nodes,
    /// [`NodeId::MAX_LEN`], which is fixed.
    NodeId,
}

impl Bound {
    /// The option that sets it, if there is one.
    pub(crate) const fn option(self) -> Option<&'static str> {
        Some(match self {
            Self::Depth => "transit.limits.depth",
            Self::String => "transit.limits.string",
            Self::Entries => "transit.limits.entries",
            Self::Name => "transit.limits.name",
            Self::Id => "transit.limits.id",
            Self::Meta => "transit.limits.meta",
            Self::Groups => "transit.limits.groups",
            Self::Services => "transit.limits.services",
            Self::Actions => "transit.limits.actions",
            Self::Nodes | Self::NodeId => return None,
        })
    }
}

impl PacketLimits {
    /// How much is allowed.
    #[inline]
    pub(crate) fn of(&self, bound: Bound) -> usize {
        match bound {
            Bound::Depth => self.max_depth(),
            Bound::String => self.string,
            Bound::Entries => self.entries,
            Bound::Name => self.name,
            Bound::Id => self.id,
            Bound::Meta => self.meta,
            Bound::Groups => self.groups,
            Bound::Services => self.services,
            Bound::Actions => self.actions,
            Bound::Nodes => self.nodes,
            Bound::NodeId => NodeId::MAX_LEN,
        }
    }

    /// Something exceeds a limit. `size` is its size, if it was counted to its end.
    #[cold]
    pub(crate) fn exceeded(&self, what: &'static str, bound: Bound, size: Option<usize>) -> Problem {
        let limit = self.of(bound);
        let size = size.unwrap_or(limit.saturating_add(1));
        Problem::Limit { what, bound: Some(bound), limit, size }
    }
}

impl Default for PacketLimits {
    fn default() -> Self {
        Self {
            depth: Self::MAX_DEPTH,
            string: 1024 * 1024,
            entries: 65_536,
            name: 255,
            id: 128,
            meta: 64 * 1024,
            groups: 64,
            services: 1_000,
            actions: 1_000,
            nodes: 10_000,
        }
    }
}
