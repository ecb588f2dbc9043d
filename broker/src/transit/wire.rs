//! Between packets and bytes: the serializer, what it accepts, the protocol version, the layers on bytes.

use bytes::Bytes;
use ligand_transporters::{Abandon, FrameBuf, NodeId, PacketKind, SendError, collect};
use std::sync::Arc;

use crate::codec::Codec;
use crate::config::{BrokerConfig, Protocol};
use crate::layer::Pipeline;
use crate::protocol::{Incoming, Outgoing, ProtocolVersion};
use crate::serializer::{DecodeError, PacketLimits, Serializer, WriteBody, serializer};

/// See the module.
pub(super) struct Wire {
    /// Stamped on what goes to everybody, and to nodes never heard of.
    pub(super) version: ProtocolVersion,
    /// What goes to everybody goes out in the other version, too.
    pub(super) both: bool,
    pub(super) serializer: Arc<dyn Serializer>,
    /// What bodies are written in.
    pub(super) codec: Codec,
    /// What is refused.
    pub(super) limits: PacketLimits,
    pub(super) layers: Arc<Pipeline>,
}

impl Wire {
    pub(super) fn new(config: &BrokerConfig, layers: Arc<Pipeline>) -> Self {
        let version = match config.protocol {
            Protocol::V4 => ProtocolVersion::V4,
            _ => ProtocolVersion::V5,
        };
        let codec = config.serializer.codec();
        Self {
            version,
            both: config.protocol == Protocol::Both,
            serializer: serializer(codec),
            codec,
            limits: limits(&config.transit.limits),
            layers,
        }
    }

    /// Writes a packet of `own` node into a frame. The layers have not seen it.
    #[inline]
    pub(super) fn encode(
        &self,
        version: ProtocolVersion,
        own: &NodeId,
        packet: &Outgoing<'_>,
        body: &mut WriteBody<'_>,
        frame: &mut FrameBuf<'_>,
    ) -> Result<(), Abandon> {
        self.serializer.encode(version, own, packet, body, frame)
    }

    /// A packet without a body as bytes of its own, written by any serializer. The layers have not seen it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn collect(
        &self,
        serializer: &dyn Serializer,
        own: &NodeId,
        packet: &Outgoing<'_>,
    ) -> Result<Bytes, SendError> {
        let write = &mut |frame: &mut FrameBuf<'_>| {
            serializer.encode(self.version, own, packet, &mut |_| Ok(()), frame)
        };
        collect(write, usize::MAX)
    }

    /// Reads a packet that the layers have seen.
    ///
    /// # Errors
    /// What is wrong with it.
    #[inline]
    pub(super) fn decode(&self, kind: PacketKind, payload: Bytes) -> Result<Incoming, DecodeError> {
        self.serializer.decode(kind, payload, &self.limits)
    }
}

fn limits(config: &crate::config::Limits) -> PacketLimits {
    PacketLimits {
        depth: config.depth,
        string: config.string,
        entries: config.entries,
        name: config.name,
        id: config.id,
        meta: config.meta,
        groups: config.groups,
        services: config.services,
        actions: config.actions,
        ..PacketLimits::default()
    }
}
