//! Buffers as text, as Node writes and reads them.

use bytes::{BufMut, BytesMut};

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Appends base64 with the standard alphabet and padding.
pub(crate) fn encode(bytes: &[u8], out: &mut BytesMut) {
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().chain(&[0; 2]).take(3).fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        for (at, shift) in [18_u32, 12, 6, 0].into_iter().enumerate() {
            let digit = DIGITS.get((bits >> shift & 63) as usize).copied().unwrap_or(b'=');
            out.put_u8(if at <= chunk.len() { digit } else { b'=' });
        }
    }
}

/// Reads like `Buffer.from(text, "base64")`: both alphabets, with or without padding. Other characters are
/// skipped, and padding ends the text.
pub(crate) fn decode(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity((text.len() / 4).saturating_mul(3));
    let (mut bits, mut count) = (0_u32, 0_u8);
    for byte in text.bytes() {
        let digit = match byte {
            b'A'..=b'Z' => byte.wrapping_sub(b'A'),
            b'a'..=b'z' => byte.wrapping_sub(b'a').wrapping_add(26),
            b'0'..=b'9' => byte.wrapping_sub(b'0').wrapping_add(52),
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' => break,
            _ => continue,
        };
        bits = bits << 6 | u32::from(digit);
        count = count.wrapping_add(1);
        if count == 4 {
            let [_, first, second, third] = bits.to_be_bytes();
            bytes.extend([first, second, third]);
            (bits, count) = (0, 0);
        }
    }
    match count {
        2 => bytes.push((bits >> 4) as u8),
        3 => bytes.extend([(bits >> 10) as u8, (bits >> 2) as u8]),
        _ => {}
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_are_those_of_node() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "Zg=="),
            (b"fo", "Zm8="),
            (b"foo", "Zm9v"),
            (b"\0\x01\xfe\xff", "AAH+/w=="),
        ] {
            let mut out = BytesMut::new();
            encode(bytes, &mut out);
            assert_eq!((&out[..], decode(text)), (text.as_bytes(), bytes.to_vec()));
        }
        assert_eq!(decode("AAH-_w"), b"\0\x01\xfe\xff");
        assert_eq!(decode("Z m\n9v=Zm9v"), b"foo");
    }

    proptest! {
        #[test]
        fn bytes_survive_their_text(bytes: Vec<u8>) {
            let mut out = BytesMut::new();
            encode(&bytes, &mut out);
            prop_assert_eq!(decode(std::str::from_utf8(&out).unwrap()), bytes);
        }
    }
}
