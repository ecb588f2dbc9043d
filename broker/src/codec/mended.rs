//! Reads JSON that JavaScript accepts and `serde_json` does not.
//!
//! Half of a surrogate pair in a string, which `JSON.stringify` can write, becomes U+FFFD, as with the other
//! serializers. A number above the range of floats, which is `Infinity` in JavaScript, becomes null, as
//! `JSON.stringify` would write it. Everything else stays unchanged, so such a string or number does not
//! affect its neighbours.

use serde::de::DeserializeOwned;
use std::borrow::Cow;

/// Reads JSON as JavaScript does. Only text that `serde_json` refuses is read again.
pub(crate) fn read_json<T: DeserializeOwned>(json: &[u8]) -> serde_json::Result<T> {
    match serde_json::from_slice(json) {
        Err(error) => match mended_after(&error, json) {
            Some(mended) => serde_json::from_slice(&mended),
            None => Err(error),
        },
        read => read,
    }
}

/// The corrected text after an error of `serde_json`. `None` if there is nothing to correct.
pub(super) fn mended_after(error: &serde_json::Error, json: &[u8]) -> Option<Vec<u8>> {
    // A value that is not a `T` is a different error, and much more frequent.
    if error.is_syntax() { mended(json) } else { None }
}

/// The text without what `serde_json` cannot read. `None` if it contains nothing of that kind. Malformed text
/// stays malformed.
pub(super) fn mended(json: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(json.len());
    let mut found = false;
    let mut rest = json;
    while let Some(first) = rest.first() {
        let (piece, tail) = match first {
            b'"' => text(rest, &mut found),
            b'-' | b'0'..=b'9' => number(rest, &mut found),
            _ => {
                let (piece, tail) = split(rest, 1);
                (Cow::Borrowed(piece), tail)
            }
        };
        out.extend_from_slice(&piece);
        rest = tail;
    }
    found.then_some(out)
}

/// The string at the beginning, with its quotes, and what follows it.
fn text<'a>(json: &'a [u8], found: &mut bool) -> (Cow<'a, [u8]>, &'a [u8]) {
    let (quote, mut rest) = split(json, 1);
    let mut out = quote.to_vec();
    loop {
        let plain = rest.iter().take_while(|byte| !matches!(byte, b'"' | b'\\')).count();
        let (piece, tail) = split(rest, plain);
        out.extend_from_slice(piece);
        rest = tail;
        if rest.first() != Some(&b'\\') {
            let (end, tail) = split(rest, 1);
            out.extend_from_slice(end);
            return (Cow::Owned(out), tail);
        }
        let length = match surrogate(rest) {
            None => 2,
            Some(0xDC00..) => 0,
            // The second half of a pair has to follow directly.
            Some(_) => match surrogate(split(rest, 6).1) {
                Some(0xDC00..) => 12,
                _ => 0,
            },
        };
        if length == 0 {
            *found = true;
            out.extend_from_slice(b"\\ufffd");
            rest = split(rest, 6).1;
        } else {
            let (escape, tail) = split(rest, length);
            out.extend_from_slice(escape);
            rest = tail;
        }
    }
}

/// The half of a pair that an escape at the beginning encodes.
fn surrogate(json: &[u8]) -> Option<u16> {
    let digits = json.strip_prefix(b"\\u")?.first_chunk::<4>()?;
    let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
    let unit = u16::from_str_radix(digits, 16).ok()?;
    (0xD800..0xE000).contains(&unit).then_some(unit)
}

/// The number at the beginning, and what follows it.
fn number<'a>(json: &'a [u8], found: &mut bool) -> (Cow<'a, [u8]>, &'a [u8]) {
    let digit = |byte: &&u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
    let (literal, tail) = split(json, json.iter().take_while(digit).count());
    let large = match std::str::from_utf8(literal).map(str::parse::<f64>) {
        // Some parsers read the largest floats, but `serde_json` does not.
        Ok(Ok(number)) => number.abs() > 1e308 && serde_json::from_slice::<f64>(literal).is_err(),
        _ => false,
    };
    *found |= large;
    (Cow::Borrowed(if large { b"null" } else { literal }), tail)
}

fn split(bytes: &[u8], at: usize) -> (&[u8], &[u8]) {
    bytes.split_at_checked(at).unwrap_or((bytes, &[]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    #[test]
    fn half_a_pair_becomes_a_replacement_character_and_the_rest_stays() {
        for (text, value) in [
            (r#"{"token":"t","who":"Ada \ud83d"}"#, json!({ "token": "t", "who": "Ada \u{fffd}" })),
            (r#""\ude00\ud83d\ude00\ud83dx""#, json!("\u{fffd}😀\u{fffd}x")),
            (r#""\ud83d\ud83d\ude00""#, json!("\u{fffd}😀")),
            (r#""\ud83d\u0041\n\\\"\ud83d""#, json!("\u{fffd}A\n\\\"\u{fffd}")),
            (r#"{"\uD83D":[1.5,"\\ud83d"]}"#, json!({ "\u{fffd}": [1.5, "\\ud83d"] })),
        ] {
            assert_eq!(read_json::<Value>(text.as_bytes()).unwrap(), value, "{text}");
        }
    }

    #[test]
    fn a_number_above_all_floats_becomes_null_and_the_rest_stays() {
        let text = format!(r#"{{"a":1e400,"b":[-1e999,1],"c":"1e400","d":{},"e":1e-400}}"#, "9".repeat(400));
        let value: Value = read_json(text.as_bytes()).unwrap();
        assert_eq!(value, json!({ "a": null, "b": [null, 1], "c": "1e400", "d": null, "e": 0.0 }));
        let largest = r#"[1.7976931348623157e308,1.7976931348623158e308,1e400]"#;
        assert_eq!(read_json::<Value>(largest.as_bytes()).unwrap()[0], json!(f64::MAX));
    }

    #[test]
    fn what_is_malformed_stays_so() {
        for text in [r#""\ud83d"#, r#"{"a":"\ud83d",}"#, r#""\u+d83""#, "[1e400", "1e", "-", "\"", "\"\\", ""]
        {
            assert!(read_json::<Value>(text.as_bytes()).is_err(), "{text}");
        }
        // It is not read again if the type is what does not fit.
        assert!(read_json::<u8>(br#"[1]"#).unwrap_err().is_data());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_and_nothing_is_mended_twice(bytes: Vec<u8>, text in r#"["\\ud8c0-9e+ ,a]{0,40}"#) {
            for bytes in [&bytes[..], text.as_bytes()] {
                if let Some(mended) = mended(bytes) {
                    prop_assert_eq!(super::mended(&mended), None);
                }
            }
        }
    }
}
