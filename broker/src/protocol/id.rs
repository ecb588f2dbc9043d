//! Ids of the packets that we send.

use std::fmt;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Where the dashes stand in the text of an id.
const DASHES: [usize; 4] = [8, 13, 18, 23];

/// 128 random bits, written as a dashed UUID in lower case.
///
/// An answer is accepted only for an id that we issued, so an id must be unguessable. Inside the process
/// it is a number, so that the table of waiting calls is keyed by an integer; the text exists in packets
/// only. Ids of other nodes are texts of any form and are never read into this type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct PacketId(pub(crate) u128);

impl PacketId {
    /// Bytes of the text.
    pub(crate) const LEN: usize = 36;

    /// A new id from the thread's generator, which the operating system seeds.
    pub(crate) fn random() -> Self {
        Self(rand::random())
    }

    /// The text, in a buffer on the stack.
    pub(crate) fn text(self) -> [u8; Self::LEN] {
        let mut text = [b'-'; Self::LEN];
        let mut slots = text.iter_mut().enumerate().filter(|(at, _)| !DASHES.contains(at));
        for byte in self.0.to_be_bytes() {
            for nibble in [byte >> 4, byte & 15] {
                if let (Some((_, slot)), Some(digit)) = (slots.next(), HEX.get(usize::from(nibble))) {
                    *slot = *digit;
                }
            }
        }
        text
    }

    /// Reads exactly what [`PacketId::text`] writes; `None` for any other text.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text: &[u8; Self::LEN] = text.as_bytes().try_into().ok()?;
        let mut value = 0_u128;
        for (at, byte) in text.iter().enumerate() {
            let nibble = match byte {
                b'-' if DASHES.contains(&at) => continue,
                _ if DASHES.contains(&at) => return None,
                b'0'..=b'9' => byte.wrapping_sub(b'0'),
                b'a'..=b'f' => byte.wrapping_sub(b'a').wrapping_add(10),
                _ => return None,
            };
            value = value << 4 | u128::from(nibble);
        }
        Some(Self(value))
    }
}

impl fmt::Display for PacketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.text()).unwrap_or_default())
    }
}

impl fmt::Debug for PacketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_id_is_a_dashed_lower_case_uuid() {
        let id = PacketId(0x0123_4567_89ab_cdef_0011_2233_4455_66ff);
        assert_eq!(id.to_string(), "01234567-89ab-cdef-0011-2233445566ff");
    }

    #[test]
    fn ids_differ() {
        assert_ne!(PacketId::random(), PacketId::random());
    }

    #[test]
    fn texts_that_we_never_write_are_no_ids_of_ours() {
        for foreign in [
            "",
            "1",
            "01234567-89AB-cdef-0011-2233445566ff",
            "0123456789abcdef00112233445566ff",
            "01234567-89ab-cdef-0011-2233445566f",
            "01234567-89ab-cdef-0011-2233445566fff",
            "0123456--89ab-cdef-0011-2233445566ff",
            "01234567089ab-cdef-0011-2233445566ff",
            "01234567-89ab-cdef-0011-2233445566ﬀ",
        ] {
            assert_eq!(PacketId::parse(foreign), None, "{foreign}");
        }
    }

    proptest! {
        #[test]
        fn an_id_survives_its_text(bits: u128) {
            prop_assert_eq!(PacketId::parse(&PacketId(bits).to_string()), Some(PacketId(bits)));
        }
    }
}
