//! Converts strings from and to JSON.

use bytes::BytesMut;

use super::scan::plain_prefix;

/// The text of a string that begins here, and ends at its closing quote or with the bytes. `None` if it
/// contains a lone surrogate, or bytes that are not UTF-8.
pub(super) fn unescape(inner: &[u8]) -> Option<String> {
    unescape_or(inner, None)
}

/// The same, with U+FFFD for each lone surrogate, for texts that people read: JavaScript may cut a long text
/// within a pair.
pub(super) fn unescape_lossy(inner: &[u8]) -> Option<String> {
    unescape_or(inner, Some(char::REPLACEMENT_CHARACTER))
}

fn unescape_or(inner: &[u8], lone_surrogate: Option<char>) -> Option<String> {
    let mut text = Vec::with_capacity(inner.len().min(256));
    let mut rest = inner;
    loop {
        let (plain, tail) = rest.split_at_checked(plain_length(rest))?;
        text.extend_from_slice(plain);
        match tail.split_first() {
            None | Some((b'"', _)) => return String::from_utf8(text).ok(),
            Some((_, escape)) => {
                let (character, after) = one_escape(escape)?;
                text.extend_from_slice(character.or(lone_surrogate)?.encode_utf8(&mut [0; 4]).as_bytes());
                rest = after;
            }
        }
    }
}

/// The number of bytes before the next quote or backslash. Control characters are not checked here: the
/// scanner has refused them, and the search in a refused packet accepts them.
fn plain_length(bytes: &[u8]) -> usize {
    let mut length = plain_prefix(bytes);
    while bytes.get(length).is_some_and(|byte| *byte < 0x20) {
        length = length.saturating_add(1);
        length = length.saturating_add(plain_prefix(bytes.get(length..).unwrap_or_default()));
    }
    length
}

/// The character of an escape (`None` for a lone surrogate), and the bytes after it.
fn one_escape(escape: &[u8]) -> Option<(Option<char>, &[u8])> {
    let (letter, rest) = escape.split_first()?;
    let character = match letter {
        b'"' | b'\\' | b'/' => char::from(*letter),
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode_escape(rest),
        _ => return None,
    };
    Some((Some(character), rest))
}

fn unicode_escape(digits: &[u8]) -> Option<(Option<char>, &[u8])> {
    let (first, rest) = code_unit(digits)?;
    if let Some((second, after)) = rest.strip_prefix(b"\\u").and_then(code_unit)
        && let Some(Ok(pair)) = char::decode_utf16([first, second]).next()
        && pair > '\u{ffff}'
    {
        return Some((Some(pair), after));
    }
    Some((char::from_u32(first.into()), rest))
}

fn code_unit(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (digits, rest) = bytes.split_at_checked(4)?;
    let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
    Some((u16::from_str_radix(digits, 16).ok()?, rest))
}

/// Appends a text as a JSON string.
#[inline]
pub(super) fn put_text(out: &mut BytesMut, text: &str) {
    out.extend_from_slice(b"\"");
    put_escaped(out, text);
    out.extend_from_slice(b"\"");
}

fn put_escaped(out: &mut BytesMut, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut rest = text.as_bytes();
    while let Some((head, tail)) = rest.split_at_checked(plain_prefix(rest)) {
        out.extend_from_slice(head);
        let Some((byte, tail)) = tail.split_first() else { break };
        let letter = match byte {
            b'"' | b'\\' => *byte,
            0x08 => b'b',
            0x0C => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            control => {
                let low = HEX.get(usize::from(control & 15)).copied().unwrap_or(b'0');
                let high = HEX.get(usize::from(control >> 4)).copied().unwrap_or(b'0');
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
                rest = tail;
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', letter]);
        rest = tail;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes_stand_for_what_they_do_in_javascript() {
        for (json, text) in [
            (r"plain", Some("plain")),
            (r#"\"\\\/\b\f\n\r\t"#, Some("\"\\/\u{8}\u{c}\n\r\t")),
            (r"\u00e9\ud83d\ude00", Some("é😀")),
            (r"\ud83d", None),
            (r"\ud83dx", None),
            (r"\ud83d\u0041", None),
            (r"\ude00", None),
            (r"\u+041", None),
            (r"\x", None),
            (r"\", None),
        ] {
            assert_eq!(unescape(json.as_bytes()).as_deref(), text, "{json}");
        }
        assert_eq!(unescape(b"ends\"here").as_deref(), Some("ends"));
    }

    proptest! {
        #[test]
        fn a_written_text_is_what_serde_json_writes(text: String) {
            let mut out = BytesMut::new();
            put_text(&mut out, &text);
            prop_assert_eq!(std::str::from_utf8(&out).unwrap(), serde_json::to_string(&text).unwrap());
            prop_assert_eq!(unescape(&out[1..]), Some(text));
        }
    }
}
