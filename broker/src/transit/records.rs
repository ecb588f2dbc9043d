//! Records in a discoverer's store. They are packets, but they have a serializer of their own and pass
//! through no layers.

use bytes::Bytes;
use ligand_transporters::PacketKind;

use super::Transit;
use super::stats::Counters;
use crate::protocol::{Incoming, Outgoing};
use crate::serializer::Serializer;

/// Larger records are ignored. This is also the largest size of a packet.
const LARGEST_RECORD: usize = 1024 * 1024;

impl Transit {
    /// Reads a record.
    pub(crate) fn open_record(
        &self,
        serializer: &dyn Serializer,
        kind: PacketKind,
        record: Bytes,
    ) -> Option<Incoming> {
        if record.len() > LARGEST_RECORD {
            tracing::debug!(packet = kind.as_str(), size = record.len(), "record too large, ignored");
            return None;
        }
        let read = serializer.decode(kind, record, &self.wire.limits);
        read.inspect_err(|error| {
            Counters::add(&self.stats.malformed);
            tracing::debug!(packet = kind.as_str(), error = %error, "record cannot be read");
        })
        .ok()
    }

    /// This node's INFO as a record.
    pub(crate) fn info_record(&self, serializer: &dyn Serializer, info: &[u8]) -> Option<Bytes> {
        self.wire.collect(serializer, &self.node, &Outgoing::Info(info)).ok()
    }
}
