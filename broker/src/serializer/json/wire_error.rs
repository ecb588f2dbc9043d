//! Error objects (protocol chapter 6.6).

use bytes::BytesMut;

use super::fields::Slot;
use super::number::{finite, put_integer, put_number};
use super::reader::Reader;
use super::scan::Kind;
use super::text::{put_text, unescape_lossy};
use crate::protocol::{Code, Raw, WireError};
use crate::serializer::PacketLimits;

/// How many keys that the protocol does not define are kept, and how long they may be.
const EXTRA: usize = 64;
const EXTRA_KEY: usize = 255;

/// Reads an error object. If something is missing or invalid, the result is an error that says so.
pub(super) fn read(raw: Option<&Raw>) -> WireError {
    let odd = |message: String| WireError {
        code: Some(Code::Integer(500)),
        retryable: Some(false),
        ..WireError::new("MoleculerError", message)
    };
    let Some(raw) = raw.filter(|raw| !raw.is_null()) else {
        return odd("the call failed, and the answer does not say why".to_owned());
    };
    // The decoder has limited everything in a packet. Here the limits only bound the depth.
    let limits = PacketLimits { string: usize::MAX, entries: usize::MAX, ..PacketLimits::default() };
    let frame = raw.bytes();
    let Ok(reader) = Reader::new(frame, &limits) else {
        return odd("the call failed, and the error in the answer is not readable".to_owned());
    };
    let mut scanner = reader.scanner(Slot::default());
    if scanner.peek() != Some(b'{') {
        let slot = reader.skip(&mut scanner).unwrap_or_default();
        return odd(
            text(&reader, slot).unwrap_or_else(|| format!("the call failed with {}", shortened(&reader)))
        );
    }
    let mut error = WireError::new("Error", "");
    let mut extra = 0_usize;
    let walked = reader.each_member(&mut scanner, |scanner, key| {
        let value = reader.skip(scanner)?;
        if !take(&mut error, &reader, &key, value) && extra < EXTRA && key.len() <= EXTRA_KEY {
            extra = extra.saturating_add(1);
            keep(&mut error, &reader, key.into_owned(), value);
        }
        Ok(())
    });
    match walked {
        Ok(()) => error,
        Err(problem) => {
            odd(format!("the call failed, and the error in the answer is not readable: {problem}"))
        }
    }
}

/// Takes a member that the protocol defines. `false` for any other.
fn take(error: &mut WireError, reader: &Reader<'_>, key: &str, value: Slot) -> bool {
    match key {
        "name" => error.name = text(reader, value).unwrap_or_else(|| "Error".to_owned()),
        "message" => error.message = text(reader, value).unwrap_or_default(),
        "nodeID" => error.node_id = text(reader, value),
        "code" => error.code = code(reader, value),
        "type" => error.kind = text(reader, value),
        "retryable" => error.retryable = value.flag("retryable").ok().flatten(),
        "stack" => error.stack = text(reader, value),
        "data" => error.data = value.span.raw(reader.frame).map(|data| data.detached()),
        _ => return false,
    }
    true
}

/// Keeps a member that the protocol does not define. If a key occurs several times, the last value counts.
fn keep(error: &mut WireError, reader: &Reader<'_>, key: String, value: Slot) {
    let value = value.span.raw(reader.frame).unwrap_or_else(Raw::null).detached();
    match error.extra.iter_mut().find(|(known, _)| *known == key) {
        Some((_, known)) => *known = value,
        None => error.extra.push((key, value)),
    }
}

/// A string, or any other value in its written form. `None` for null.
fn text(reader: &Reader<'_>, slot: Slot) -> Option<String> {
    let written = reader.written(slot);
    match slot.kind {
        Kind::Absent | Kind::Null => None,
        Kind::Plain | Kind::Escaped => unescape_lossy(written.strip_prefix('"')?.as_bytes()),
        _ => Some(written.chars().take(1024).collect()),
    }
}

fn shortened(reader: &Reader<'_>) -> String {
    reader.text.chars().take(1024).collect()
}

fn code(reader: &Reader<'_>, slot: Slot) -> Option<Code> {
    let written = reader.written(slot);
    match slot.kind {
        Kind::Number => match written.parse() {
            Ok(integer) => Some(Code::Integer(integer)),
            Err(_) => finite(written).map(Code::Float),
        },
        Kind::Plain | Kind::Escaped => text(reader, slot).map(Code::Text),
        _ => None,
    }
}

/// Appends an error object, with the keys in the same order as Node.
pub(super) fn write(error: &WireError, out: &mut BytesMut) {
    out.extend_from_slice(b"{\"name\":");
    put_text(out, &error.name);
    out.extend_from_slice(b",\"message\":");
    put_text(out, &error.message);
    put_optional(out, b",\"nodeID\":", error.node_id.as_deref());
    if let Some(code) = &error.code {
        out.extend_from_slice(b",\"code\":");
        match code {
            Code::Integer(code) => {
                if *code < 0 {
                    out.extend_from_slice(b"-");
                }
                put_integer(out, code.unsigned_abs());
            }
            Code::Float(code) => put_number(out, *code),
            Code::Text(code) => put_text(out, code),
        }
    }
    put_optional(out, b",\"type\":", error.kind.as_deref());
    if let Some(retryable) = error.retryable {
        out.extend_from_slice(if retryable { b",\"retryable\":true" } else { b",\"retryable\":false" });
    }
    put_optional(out, b",\"stack\":", error.stack.as_deref());
    if let Some(data) = &error.data {
        out.extend_from_slice(b",\"data\":");
        out.extend_from_slice(data.bytes());
    }
    for (key, value) in &error.extra {
        out.extend_from_slice(b",");
        put_text(out, key);
        out.extend_from_slice(b":");
        out.extend_from_slice(value.bytes());
    }
    out.extend_from_slice(b"}");
}

fn put_optional(out: &mut BytesMut, key: &[u8], text: Option<&str>) {
    if let Some(text) = text {
        out.extend_from_slice(key);
        put_text(out, text);
    }
}
