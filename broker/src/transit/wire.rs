//! Converts packets to bytes and back: the serializer and its limits, the protocol version, the layers on
//! bytes.

use bytes::Bytes;
use ligand_transporters::{Abandon, FrameBuf, NodeId, PacketKind, SendError, collect};
use std::sync::Arc;

use crate::codec::Codec;
use crate::config::{BrokerConfig, Protocol};
use crate::layer::Pipeline;
use crate::protocol::{Incoming, Outgoing, ProtocolVersion};
use crate::serializer::{DecodeError, PacketLimits, Serializer, WriteBody, serializer};

/// How packets become bytes, and bytes become packets.
pub(super) struct Wire {
    /// The version of broadcasts, and of packets to nodes that were never heard.
    pub(super) version: ProtocolVersion,
    /// Whether broadcasts are also sent in the other version.
    pub(super) both: bool,
    pub(super) serializer: Arc<dyn Serializer>,
    /// How bodies are encoded.
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

    /// Writes a packet of the node `own` into a frame. The layers have not seen it yet.
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

    /// Writes a packet without a body to bytes of its own, with any serializer. The layers have not seen it.
    ///
    /// # Errors
    /// If the packet cannot be written.
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

    /// Reads a packet that has passed through the layers.
    ///
    /// # Errors
    /// What is wrong with the packet.
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
