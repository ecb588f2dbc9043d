//! The ids of packets: those of this node, and those of other nodes.

use ligand_transporters::Name;
use std::fmt;

use super::Id;

/// 128 random bits, written as a dashed UUID in lower case.
///
/// An answer is accepted only for an id that this node has made, so an id must not be guessable. Within the
/// process it is a number, so that the table of waiting calls has an integer key. The text exists only in
/// packets. Ids of other nodes are texts of any form, and are never read into this type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct PacketId(pub(crate) u128);

impl PacketId {
    /// The number of bytes in the text.
    pub(crate) const LEN: usize = 36;

    /// A new id from the random generator of the thread, which is seeded by the operating system.
    pub(crate) fn random() -> Self {
        Self(rand::random())
    }

    /// The text, in a buffer on the stack.
    #[inline]
    pub(crate) fn text(self) -> [u8; Self::LEN] {
        let [a0, a1, a2, a3, a4, a5, a6, a7] = digits((self.0 >> 96) as u32);
        let [b0, b1, b2, b3, b4, b5, b6, b7] = digits((self.0 >> 64) as u32);
        let [c0, c1, c2, c3, c4, c5, c6, c7] = digits((self.0 >> 32) as u32);
        let [d0, d1, d2, d3, d4, d5, d6, d7] = digits(self.0 as u32);
        #[rustfmt::skip]
        let text = [
            a0, a1, a2, a3, a4, a5, a6, a7, b'-', b0, b1, b2, b3, b'-', b4, b5, b6, b7, b'-',
            c0, c1, c2, c3, b'-', c4, c5, c6, c7, d0, d1, d2, d3, d4, d5, d6, d7,
        ];
        text
    }

    /// Reads exactly what [`PacketId::text`] writes. `None` for any other text.
    #[inline]
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text: [u8; Self::LEN] = text.as_bytes().try_into().ok()?;
        #[rustfmt::skip]
        let [
            a0, a1, a2, a3, a4, a5, a6, a7, _, b0, b1, b2, b3, _, b4, b5, b6, b7, _,
            c0, c1, c2, c3, _, c4, c5, c6, c7, d0, d1, d2, d3, d4, d5, d6, d7,
        ] = text;
        let a = [a0, a1, a2, a3, a4, a5, a6, a7];
        let b = [b0, b1, b2, b3, b4, b5, b6, b7];
        let c = [c0, c1, c2, c3, c4, c5, c6, c7];
        let d = [d0, d1, d2, d3, d4, d5, d6, d7];
        let id = [a, b, c, d].into_iter().fold(0, |id, digits| id << 32 | u128::from(value(digits)));
        // Characters that are not hexadecimal digits have become some number. The comparison detects them.
        (Self(id).text() == text).then_some(Self(id))
    }
}

/// An id that another node has made, kept for the answer.
///
/// A `uidGenerator` in Node may make numbers. Node looks up the request of an answer in a `Map`, in which the
/// number 5 and the string "5" are different keys (`transit.js`, `responseHandler`). So the id is sent back
/// in the same form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ForeignId {
    /// A string.
    Text(Name),
    /// A number, in its JSON form.
    Number(Name),
}

impl ForeignId {
    /// The id as text.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Text(id) | Self::Number(id) => id,
        }
    }

    /// The id for a packet.
    pub(crate) fn as_wire(&self) -> Id<'_> {
        match self {
            Self::Text(id) => Id::Text(id),
            Self::Number(id) => Id::Number(id),
        }
    }
}

impl From<Id<'_>> for ForeignId {
    fn from(id: Id<'_>) -> Self {
        match id {
            Id::Ours(id) => Self::Text(id.to_string().into()),
            Id::Text(id) => Self::Text(id.into()),
            Id::Number(id) => Self::Number(id.into()),
        }
    }
}

/// The eight hexadecimal digits of a number, computed at once: each nibble gets a byte of its own, and values
/// above 9 are moved from the characters after `9` to the letters.
#[inline]
fn digits(number: u32) -> [u8; 8] {
    let mut spread = u64::from(number);
    spread = (spread | spread << 16) & 0x0000_FFFF_0000_FFFF;
    spread = (spread | spread << 8) & 0x00FF_00FF_00FF_00FF;
    spread = (spread | spread << 4) & 0x0F0F_0F0F_0F0F_0F0F;
    let letters = spread.wrapping_add(0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101;
    spread.wrapping_add(0x3030_3030_3030_3030).wrapping_add(letters.wrapping_mul(0x27)).to_be_bytes()
}

/// The number that eight hexadecimal digits represent. Any number if they are not digits.
#[inline]
fn value(digits: [u8; 8]) -> u32 {
    let text = u64::from_be_bytes(digits);
    let letters = text >> 6 & 0x0101_0101_0101_0101;
    let mut spread =
        (text & 0x0F0F_0F0F_0F0F_0F0F).wrapping_add(letters.wrapping_mul(9)) & 0x0F0F_0F0F_0F0F_0F0F;
    spread = (spread | spread >> 4) & 0x00FF_00FF_00FF_00FF;
    spread = (spread | spread >> 8) & 0x0000_FFFF_0000_FFFF;
    (spread | spread >> 16) as u32
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
