//! Converts numbers from and to JSON.

use bytes::BytesMut;
use std::fmt::Write;

/// The largest integer that a JavaScript number holds exactly.
const MAX_INTEGER: u64 = 1 << 53;

/// A finite number. Extremely long literals are not read.
#[inline]
pub(super) fn finite(literal: &str) -> Option<f64> {
    if let Some(integer) = short(literal) {
        return Some(integer as f64);
    }
    let number: f64 = (literal.len() <= 64).then(|| literal.parse().ok()).flatten()?;
    number.is_finite().then_some(number)
}

/// An integer from 0 to 2^53, in any notation.
#[inline]
pub(super) fn whole(literal: &str) -> Option<u64> {
    if let Some(integer) = short(literal) {
        return Some(integer);
    }
    if let Ok(integer) = literal.parse::<u64>() {
        return (integer <= MAX_INTEGER).then_some(integer);
    }
    let number = finite(literal)?;
    let fits = number.fract() == 0.0 && (0.0..=MAX_INTEGER as f64).contains(&number);
    // Exact, because the number is whole and within 0..=2^53.
    fits.then_some(number as u64)
}

/// The integer of a few plain digits. Nearly all numbers of an envelope have this form.
#[inline]
fn short(literal: &str) -> Option<u64> {
    if literal.is_empty() || literal.len() > 15 {
        return None;
    }
    literal.bytes().try_fold(0_u64, |integer, byte| {
        let digit = byte.wrapping_sub(b'0');
        // Fifteen digits are below 2^53.
        (digit < 10).then(|| integer.wrapping_mul(10).wrapping_add(digit.into()))
    })
}

/// Appends an integer.
#[inline]
pub(super) fn put_integer(out: &mut BytesMut, mut integer: u64) {
    let mut digits = [0_u8; 20];
    let mut used = 0_usize;
    for slot in digits.iter_mut().rev() {
        // A remainder of ten fits.
        *slot = b'0'.wrapping_add((integer % 10) as u8);
        integer /= 10;
        used = used.saturating_add(1);
        if integer == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(digits.len().saturating_sub(used)..).unwrap_or_default());
}

/// Appends a number. As in JavaScript, a number that JSON cannot express is `null`, and -0 is 0.
pub(super) fn put_number(out: &mut BytesMut, number: f64) {
    if !number.is_finite() {
        out.extend_from_slice(b"null");
    } else if number.fract() == 0.0 && number.abs() <= MAX_INTEGER as f64 {
        if number < 0.0 {
            out.extend_from_slice(b"-");
        }
        put_integer(out, number.abs() as u64);
    } else {
        // The shortest digits that are read as the same number. Writing to memory cannot fail.
        let _ = write!(out, "{number:?}");
    }
}

/// A number as text.
pub(in crate::serializer) fn print_number(number: f64) -> String {
    let mut out = BytesMut::new();
    put_number(&mut out, number);
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn counters_end_at_the_last_integer_of_javascript() {
        for (literal, integer) in [
            ("0", Some(0)),
            ("-0", Some(0)),
            ("1e3", Some(1000)),
            ("2.0", Some(2)),
            ("9007199254740992", Some(MAX_INTEGER)),
            ("9007199254740993", None),
            ("18446744073709551616", None),
            ("-1", None),
            ("1.5", None),
            ("1e400", None),
        ] {
            assert_eq!(whole(literal), integer, "{literal}");
        }
        assert_eq!(whole(&"1".repeat(1 << 20)), None);
    }

    #[test]
    fn numbers_look_as_javascript_prints_them_where_it_matters() {
        for (number, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (5000.0, "5000"),
            (-3.0, "-3"),
            (4999.71824, "4999.71824"),
            (1795189875063.0, "1795189875063"),
            (f64::NAN, "null"),
            (f64::INFINITY, "null"),
        ] {
            assert_eq!(print_number(number), text);
        }
    }

    proptest! {
        #[test]
        fn a_number_survives_its_text(number in proptest::num::f64::NORMAL | proptest::num::f64::ZERO) {
            // serde_json reads floats slightly wrong by default, so it only checks the syntax.
            let text = print_number(number);
            prop_assert!(serde_json::from_str::<f64>(&text).is_ok());
            prop_assert_eq!(text.parse::<f64>().unwrap(), number);
        }

        #[test]
        fn an_integer_survives_its_text(integer: u64) {
            let mut out = BytesMut::new();
            put_integer(&mut out, integer);
            prop_assert_eq!(std::str::from_utf8(&out).unwrap(), integer.to_string());
        }
    }
}
