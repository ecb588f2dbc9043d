//! Reads values of options from text.

use std::str::FromStr;
use std::time::Duration;

/// What was expected.
pub(crate) type Expected = &'static str;

pub(crate) fn flag(value: &str) -> Result<bool, Expected> {
    match value {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err("true or false"),
    }
}

pub(crate) fn parsed<T: FromStr>(value: &str, expected: Expected) -> Result<T, Expected> {
    value.parse().map_err(|_| expected)
}

/// A number above 0.
pub(crate) fn count(value: &str) -> Result<usize, Expected> {
    parsed(value, "a number above 0").and_then(|count| match count {
        0 => Err("a number above 0"),
        count => Ok(count),
    })
}

/// A time with a unit. A plain number is in milliseconds.
pub(crate) fn milliseconds(value: &str) -> Result<Duration, Expected> {
    time(value, 0.001)
}

/// A time with a unit. A plain number is in seconds.
pub(crate) fn seconds(value: &str) -> Result<Duration, Expected> {
    time(value, 1.0)
}

fn time(value: &str, bare: f64) -> Result<Duration, Expected> {
    let expected = "a time such as 500ms, 10s or 2m";
    let (number, unit) = match value.find(|c: char| c.is_ascii_alphabetic()) {
        Some(at) => value.split_at(at),
        None => (value, ""),
    };
    let unit = match unit {
        "" => bare,
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        _ => return Err(expected),
    };
    let number: f64 = parsed(number.trim(), expected)?;
    Duration::try_from_secs_f64(number * unit).map_err(|_| expected)
}
