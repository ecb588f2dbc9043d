//! Packets that another serializer wrote.
//!
//! A packet does not name its serializer, but the first byte of a map tells the families apart. A sender that
//! uses another family is logged once in a while, with the names of both families, however many packets it
//! sends.

use bytes::Bytes;
use ligand_transporters::locks::Mutex;
use ligand_transporters::{NodeId, PacketKind};
use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::Transit;
use super::stats::Counters;
use crate::codec::Codec;
use crate::discovery::Bucket;
use crate::serializer::serializer;

/// How many senders are remembered. Later ones are not logged until one of these was not heard for [`AGAIN`].
const MAX_NAMED: usize = 64;
/// After this long, a sender is logged again.
const AGAIN: Duration = Duration::from_secs(600);
/// How many packets a second are parsed to find their sender.
const LOOKS: u32 = 20;

/// Formats whose packets begin alike, and that understand each other's plain values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Json,
    MessagePack,
    Cbor,
}

impl Family {
    const fn of(codec: Codec) -> Self {
        match codec {
            Codec::Json | Codec::JsonExt => Self::Json,
            Codec::MsgPack | Codec::Notepack => Self::MessagePack,
            Codec::Cbor => Self::Cbor,
        }
    }

    /// The family whose maps begin with this byte. None of these bytes begins a map of another family.
    const fn begun_by(first: u8) -> Option<Self> {
        match first {
            b'{' => Some(Self::Json),
            0x80..=0x8F | 0xDE | 0xDF => Some(Self::MessagePack),
            0xA0..=0xBF => Some(Self::Cbor),
            _ => None,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "JSON or JSONExt",
            Self::MessagePack => "MsgPack or Notepack",
            Self::Cbor => "CBOR",
        }
    }

    const fn reader(self) -> Codec {
        match self {
            Self::Json => Codec::Json,
            Self::MessagePack => Codec::Notepack,
            Self::Cbor => Codec::Cbor,
        }
    }
}

/// Which senders were logged, and when the next packet may be parsed.
#[derive(Debug)]
pub(super) struct Foreign(Mutex<Named>);

#[derive(Debug)]
struct Named {
    looks: Bucket,
    senders: HashMap<Option<NodeId>, Bucket>,
}

impl Default for Foreign {
    fn default() -> Self {
        let looks = Bucket::new(LOOKS, Duration::from_secs(1) / LOOKS);
        Self(Mutex::new(Named { looks, senders: HashMap::new() }))
    }
}

impl Foreign {
    fn may_look(&self, now: Instant) -> bool {
        self.0.lock().looks.take(now)
    }

    /// Whether to log this sender now.
    fn is_news(&self, sender: Option<&NodeId>, now: Instant) -> bool {
        let named = &mut *self.0.lock();
        let sender = sender.cloned();
        if named.senders.len() >= MAX_NAMED && !named.senders.contains_key(&sender) {
            // This runs a few times a second at most.
            named.senders.retain(|_, lines| !lines.has(now));
            if named.senders.len() >= MAX_NAMED {
                return false;
            }
        }
        named.senders.entry(sender).or_insert_with(|| Bucket::new(1, AGAIN)).take(now)
    }
}

impl Transit {
    /// Checks the first byte of a packet for another family than ours.
    #[inline]
    pub(super) fn look_at(&self, kind: PacketKind, packet: &Bytes) {
        let family = packet.first().and_then(|first| Family::begun_by(*first));
        if let Some(family) = family
            && family != Family::of(self.wire.codec)
        {
            self.name_foreign(family, kind, packet.clone());
        }
    }

    #[cold]
    fn name_foreign(&self, family: Family, kind: PacketKind, packet: Bytes) {
        Counters::add(&self.stats.other_serializer);
        let now = Instant::now();
        if !self.refusals.foreign.may_look(now) {
            return;
        }
        let sender = match serializer(family.reader()).decode(kind, packet, &self.wire.limits) {
            Ok(incoming) => Some(incoming.sender),
            Err(error) => error.sender,
        };
        if self.refusals.foreign.is_news(sender.as_ref(), now) {
            tracing::warn!(
                node = sender.as_ref().map_or("unknown", NodeId::as_str),
                theirs = family.as_str(),
                own = self.wire.codec.as_str(),
                "packets of another serializer are dropped: all nodes of a cluster need the same one"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Codec;

    const ALL: [Codec; 5] = [Codec::Json, Codec::JsonExt, Codec::MsgPack, Codec::Notepack, Codec::Cbor];

    #[test]
    fn the_first_byte_tells_who_wrote_a_packet() {
        for members in [1_usize, 15, 16, 40] {
            let members: Vec<_> = (0..members).map(|n| (format!("key{n:02}"), n.into())).collect();
            let packet: serde_json::Map<_, serde_json::Value> = members.into_iter().collect();
            for codec in ALL {
                let written = codec.encode(&packet).unwrap();
                assert_eq!(Family::begun_by(written[0]), Some(Family::of(codec)), "{codec:?}");
            }
        }
        for other in [b' ', b'[', b'"', b'1', 0, 0xC0, 0xD9, 0xFF] {
            assert_eq!(Family::begun_by(other), None);
        }
    }

    #[test]
    fn a_sender_is_named_once_in_a_while_and_not_without_end_many() {
        let (foreign, now) = (Foreign::default(), Instant::now());
        let id = |n: usize| NodeId::foreign(format!("node-{n}")).unwrap();
        assert!(foreign.is_news(Some(&id(1)), now));
        assert!(!foreign.is_news(Some(&id(1)), now + AGAIN / 2));
        assert!(foreign.is_news(Some(&id(1)), now + AGAIN));
        assert_eq!((0..1000).filter(|n| foreign.is_news(Some(&id(*n)), now)).count(), MAX_NAMED - 1);
        let later = now + 2 * AGAIN;
        assert_eq!((1000..2000).filter(|n| foreign.is_news(Some(&id(*n)), later)).count(), MAX_NAMED);
        assert_eq!((0..1000).filter(|_| foreign.may_look(now)).count(), LOOKS as usize);
    }
}
