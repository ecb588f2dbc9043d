//! Options whose value is one of a few words.

use serde::de::{Error, MapAccess, Visitor};
use serde_json::{Map, Value};

use crate::codec::Codec;

/// Defines an enum whose value is one of a few words. It is read in upper or lower case, and printed as
/// Moleculer writes it.
macro_rules! choice {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        #[non_exhaustive]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// The words that are accepted.
            pub(super) const WORDS: &[&str] = &[$($word,)+];

            /// The word, as a configuration contains it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            fn from_word(word: &str) -> Option<Self> {
                $(if word.eq_ignore_ascii_case($word) { return Some(Self::$variant); })+
                None
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                struct Word;
                impl serde::de::Visitor<'_> for Word {
                    type Value = $name;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(f, "one of {}", $name::WORDS.join(", "))
                    }
                    fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<$name, E> {
                        $name::from_word(word).ok_or_else(|| E::unknown_variant(word, $name::WORDS))
                    }
                    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<$name, E> {
                        self.visit_str(&number.to_string())
                    }
                }
                from.deserialize_any(Word)
            }
        }
    };
}

choice! {
    /// How packets are encoded.
    pub enum SerializerKind {
        /// JSON, the default of every Moleculer node.
        #[default]
        Json = "JSON",
        /// JSON with prefixed strings for dates, Buffers, BigInts and others. Moleculer 0.14 does not have
        /// it.
        JsonExt = "JSONExt",
        /// MessagePack as Moleculer writes it with `msgpack5`.
        MsgPack = "MsgPack",
        /// MessagePack as Moleculer writes it with `notepack.io`.
        Notepack = "Notepack",
        /// CBOR as Moleculer writes it with `cbor-x`.
        Cbor = "CBOR",
    }
}

impl SerializerKind {
    /// Serializers of older Moleculer versions.
    pub(super) const MISSING: &[&str] = &["Avro", "ProtoBuf", "Thrift"];

    /// The encoding of bodies.
    #[must_use]
    pub const fn codec(self) -> Codec {
        match self {
            Self::Json => Codec::Json,
            Self::JsonExt => Codec::JsonExt,
            Self::MsgPack => Codec::MsgPack,
            Self::Notepack => Codec::Notepack,
            Self::Cbor => Codec::Cbor,
        }
    }
}

/// Reads a serializer by its name, or as Moleculer's `{ type, options }`. No serializer takes options.
pub(super) fn serializer<'de, D: serde::Deserializer<'de>>(from: D) -> Result<SerializerKind, D::Error> {
    struct NameOrObject;
    impl<'de> Visitor<'de> for NameOrObject {
        type Value = SerializerKind;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "one of {}", SerializerKind::WORDS.join(", "))
        }
        fn visit_str<E: Error>(self, word: &str) -> Result<SerializerKind, E> {
            SerializerKind::from_word(word).ok_or_else(|| E::unknown_variant(word, SerializerKind::WORDS))
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SerializerKind, A::Error> {
            let mut kind = None;
            while let Some(key) = map.next_key::<String>()? {
                match key.as_str() {
                    "type" if kind.is_none() => kind = Some(map.next_value()?),
                    "options" => {
                        let options: Option<Map<String, Value>> = map.next_value()?;
                        if let Some((name, _)) = options.unwrap_or_default().iter().next() {
                            return Err(A::Error::unknown_field(name, &[]));
                        }
                    }
                    _ => return Err(A::Error::unknown_field(&key, &["type", "options"])),
                }
            }
            kind.ok_or_else(|| A::Error::missing_field("type"))
        }
    }
    from.deserialize_any(NameOrObject)
}

choice! {
    /// The protocol version of the packets that this node sends (protocol chapter 1). Both versions are
    /// understood when received.
    pub enum Protocol {
        /// The version of Moleculer 0.15.
        #[default]
        V5 = "5",
        /// The version of Moleculer 0.14.
        V4 = "4",
        /// Both: packets for all nodes are sent once in each version.
        Both = "both",
    }
}

choice! {
    /// Which of several nodes with the same action gets a call, and which member of a group gets an event.
    pub enum StrategyKind {
        /// Each of them in turn.
        #[default]
        RoundRobin = "RoundRobin",
        /// A random one.
        Random = "Random",
    }
}

impl StrategyKind {
    /// Strategies of Moleculer that are planned for ligand.
    pub(super) const MISSING: &[&str] = &["CpuUsage", "Latency", "Shard"];
}

choice! {
    /// What a running node does when another node with its id appears.
    pub enum OnIdConflict {
        /// Log it, raise an event, and continue.
        #[default]
        Keep = "keep",
        /// Stop the broker.
        Stop = "stop",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_in_any_case_and_printed_in_one() -> Result<(), serde_json::Error> {
        let strategy: StrategyKind = serde_json::from_str("\"roundrobin\"")?;
        assert_eq!(serde_json::to_string(&strategy)?, "\"RoundRobin\"");
        assert_eq!(serde_json::from_str::<OnIdConflict>("\"STOP\"")?, OnIdConflict::Stop);
        assert!(serde_json::from_str::<StrategyKind>("\"Shard\"").is_err());
        Ok(())
    }

    #[test]
    fn a_serializer_is_named_alone_or_in_an_object() {
        let read = |value: Value| super::serializer(value).map(SerializerKind::as_str).ok();
        assert_eq!(read("msgpack".into()), Some("MsgPack"));
        assert_eq!(read(serde_json::json!({ "type": "CBOR" })), Some("CBOR"));
        assert_eq!(read(serde_json::json!({ "type": "jsonext", "options": {} })), Some("JSONExt"));
        assert_eq!(read(serde_json::json!({ "type": "CBOR", "options": { "a": 1 } })), None);
        assert_eq!(read(serde_json::json!({ "options": {} })), None);
        assert_eq!(read("Avro".into()), None);
    }

    #[test]
    fn the_protocol_may_be_written_as_a_number() -> Result<(), serde_json::Error> {
        assert_eq!(serde_json::from_str::<Protocol>("4")?, Protocol::V4);
        assert_eq!(serde_json::from_str::<Protocol>("\"5\"")?, Protocol::V5);
        assert_eq!(serde_json::from_str::<Protocol>("\"Both\"")?, Protocol::Both);
        assert!(serde_json::from_str::<Protocol>("6").is_err());
        Ok(())
    }
}
