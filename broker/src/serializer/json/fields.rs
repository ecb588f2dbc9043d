//! The members of an object. They are found in one pass and checked afterwards.
//!
//! The first pass checks the syntax and notes the position of each known value. The values are interpreted
//! later, one by one. So a wrong `level` does not prevent reading `sender`, and if a key occurs several
//! times, the last value counts, as in JavaScript.

use super::scan::{Bounds, Fault, Kind, Scanner};
use super::text::unescape;
use crate::protocol::Span;

/// A known key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    /// The key as Node writes it: in quotes, with its colon.
    quoted: &'static str,
    /// Its first 16 bytes as two numbers. Two comparisons recognize the usual key.
    words: (u64, u64),
    /// The bits of `words` that are compared.
    masks: (u64, u64),
    /// Whether its value is a body, which only the frame limits.
    body: bool,
}

impl Key {
    pub(super) const fn new(quoted: &'static str, body: bool) -> Self {
        let (mut word, mut mask) = (0_u128, 0_u128);
        let (mut rest, mut shift) = (quoted.as_bytes(), 0_u32);
        while let Some((byte, tail)) = rest.split_first()
            && shift < u128::BITS
        {
            word |= (*byte as u128) << shift;
            mask |= 0xFF << shift;
            shift = shift.wrapping_add(u8::BITS);
            rest = tail;
        }
        let words = (word as u64, (word >> 64) as u64);
        let masks = (mask as u64, (mask >> 64) as u64);
        Self { quoted, words, masks, body }
    }

    #[inline]
    fn begins(&self, text: &[u8]) -> bool {
        if let Some((first, rest)) = text.split_first_chunk::<8>()
            && let Some(second) = rest.first_chunk::<8>()
            && self.quoted.len() <= 16
        {
            return u64::from_le_bytes(*first) & self.masks.0 == self.words.0
                && u64::from_le_bytes(*second) & self.masks.1 == self.words.1;
        }
        text.starts_with(self.quoted.as_bytes())
    }

    fn is(&self, name: &str) -> bool {
        self.quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix("\":")) == Some(name)
    }
}

/// A list of keys in the order in which Node writes them. `body` marks those that contain bodies.
macro_rules! keys {
    ($($(@$body:ident)? $name:literal),* $(,)?) => {
        [$($crate::serializer::json::fields::Key::new(
            concat!("\"", $name, "\":"),
            keys!(@is $($body)?),
        )),*]
    };
    (@is body) => { true };
    (@is) => { false };
}
pub(super) use keys;

/// The position and the kind of a value.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Slot {
    pub(super) span: Span,
    pub(super) kind: Kind,
}

/// Finds the values of `keys` in the object that starts at the scanner, and moves to its end. The keys may be
/// in any order. The order of `keys` is the fastest. Other members are checked and skipped.
pub(super) fn members<const N: usize>(
    scanner: &mut Scanner<'_>,
    keys: &[Key; N],
    bounds: Bounds,
    depth: usize,
    slots: &mut [Slot; N],
) -> Result<(), Fault> {
    let depth = depth.checked_sub(1).ok_or(Fault::Depth)?;
    scanner.skip(1);
    scanner.blank();
    if scanner.take(b'}') {
        return Ok(());
    }
    let mut next = 0_usize;
    for _ in 0..bounds.entries {
        // The next key in Node's order, or the one after it if the next one is left out.
        let rest = scanner.rest();
        let is_ahead = |at: &usize| keys.get(*at).is_some_and(|key| key.begins(rest));
        let expected = Some(next).filter(is_ahead).or_else(|| Some(next.saturating_add(1)).filter(is_ahead));
        let index = match expected {
            Some(at) => {
                scanner.skip(keys.get(at).map_or(0, |key| key.quoted.len()));
                scanner.blank();
                Some(at)
            }
            None => any_key(scanner, keys, bounds)?,
        };
        let body = index.and_then(|index| keys.get(index)).is_some_and(|key| key.body);
        let start = scanner.at();
        let kind = scanner.value(if body { Bounds::BODY } else { bounds }, depth)?;
        if let Some(slot) = index.and_then(|index| slots.get_mut(index)) {
            *slot = Slot { span: span(start, scanner.at()), kind };
        }
        next = index.unwrap_or(next).saturating_add(usize::from(index.is_some()));
        if scanner.ended(b'}')? {
            return Ok(());
        }
    }
    Err(Fault::Entries)
}

fn any_key<const N: usize>(
    scanner: &mut Scanner<'_>,
    keys: &[Key; N],
    bounds: Bounds,
) -> Result<Option<usize>, Fault> {
    let (name, escaped) = scanner.key(bounds)?;
    if escaped {
        // In JavaScript, `"i\u0064"` equals `"id"`.
        let name = unescape(name.as_bytes());
        return Ok(name.and_then(|name| keys.iter().position(|key| key.is(&name))));
    }
    Ok(keys.iter().position(|key| key.is(name)))
}

/// Positions in a frame fit, because longer frames are refused before they are scanned.
#[inline]
pub(super) fn span(start: usize, end: usize) -> Span {
    Span { start: start as u32, end: end as u32 }
}
