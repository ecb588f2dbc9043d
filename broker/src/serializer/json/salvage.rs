//! Finds the receiver of an answer when a frame is not a packet.
//!
//! A frame is searched for `id`, `sender` and `ver` by counting brackets. The content of the other members
//! does not matter: it may be too deep, misspelt or not even UTF-8. The search takes one pass, and allocates
//! only what it finds.

use ligand_transporters::NodeId;

use super::scan::plain_prefix;
use super::text::unescape;
use crate::protocol::{ForeignId, Ver};
use crate::serializer::{DecodeError, Problem};

/// Adds to a problem what can be read of the frame.
pub(super) fn error(problem: Problem, frame: &[u8]) -> DecodeError {
    let mut found = DecodeError::from(problem);
    search(frame, &mut found);
    found
}

fn search(frame: &[u8], found: &mut DecodeError) {
    let mut rest = trimmed(frame.strip_prefix("\u{feff}".as_bytes()).unwrap_or(frame));
    if !rest.starts_with(b"{") {
        return;
    }
    let mut depth = 0_usize;
    // Whether a string in the packet itself would be a key.
    let mut key_next = false;
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'{' | b'[' => {
                depth = depth.saturating_add(1);
                key_next = depth == 1;
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return;
                }
            }
            b',' => key_next = depth == 1,
            b'"' => {
                let (inner, behind) = string(rest);
                rest = behind;
                if key_next && let Some(value) = trimmed(behind).strip_prefix(b":") {
                    let value = trimmed(value);
                    if let Some(value) = value.strip_prefix(b"\"") {
                        let (value, behind) = string(value);
                        rest = behind;
                        note(inner, value, found);
                    } else if let Some(b'-' | b'0'..=b'9') = value.first() {
                        note_number(inner, value, found);
                    }
                }
                key_next = false;
            }
            _ => {}
        }
    }
}

/// Keeps a member if its key is one of those that are searched for. The last one counts, as in JavaScript.
fn note(key: &[u8], value: &[u8], found: &mut DecodeError) {
    // Every other key is shorter or longer than these, even if each letter is escaped.
    if key.len() > "sender".len().saturating_mul(6) {
        return;
    }
    match unescape(key).as_deref() {
        Some("id") => found.id = unescape(value).map(|id| ForeignId::Text(id.into())),
        Some("sender") if value.len() <= NodeId::MAX_LEN.saturating_mul(6) => {
            found.sender = unescape(value).and_then(|id| NodeId::foreign(id).ok());
        }
        Some("ver") if value.len() <= NodeId::MAX_LEN => {
            found.ver = unescape(value).and_then(|ver| Ver::from(ver.as_str()).known());
        }
        _ => {}
    }
}

/// Keeps an id that is a number.
fn note_number(key: &[u8], value: &[u8], found: &mut DecodeError) {
    if key.len() <= "id".len().saturating_mul(6) && unescape(key).as_deref() == Some("id") {
        let digit = |byte: &&u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        let length = value.iter().take_while(digit).count();
        let number = std::str::from_utf8(value.get(..length).unwrap_or_default()).unwrap_or_default();
        // It is sent back in the same form, so it has to be a number.
        let is_number = serde_json::from_str::<serde::de::IgnoredAny>(number).is_ok();
        found.id = is_number.then(|| ForeignId::Number(number.into()));
    }
}

/// The bytes up to the next quote, and those after it.
fn string(bytes: &[u8]) -> (&[u8], &[u8]) {
    let mut length = 0_usize;
    loop {
        let rest = bytes.get(length..).unwrap_or_default();
        length = length.saturating_add(plain_prefix(rest));
        match bytes.get(length) {
            Some(b'"') => {
                let (inner, rest) = bytes.split_at_checked(length).unwrap_or((bytes, &[]));
                return (inner, rest.get(1..).unwrap_or_default());
            }
            Some(b'\\') => length = length.saturating_add(2),
            Some(_) => length = length.saturating_add(1),
            None => return (bytes, &[]),
        }
    }
}

fn trimmed(bytes: &[u8]) -> &[u8] {
    bytes.trim_ascii_start()
}
