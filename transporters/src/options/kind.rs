//! The kind of value that an option takes: how it is read from text, and how documentation shows it.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::time::Duration;

/// What a value should have been, such as `a port`. Error messages put it after "give".
pub type Expected = &'static str;

/// The kind of value that an option takes.
///
/// ```
/// use ligand_transporters::options::Kind;
///
/// const QUALITY: Kind<u8> = Kind::new(
///     |text| match text {
///         "0" => Ok(0),
///         "1" => Ok(1),
///         _ => Err("0 or 1"),
///     },
///     |quality| quality.to_string(),
/// );
/// assert_eq!(QUALITY.read("2"), Err("0 or 1"));
/// ```
#[derive(Debug)]
pub struct Kind<T> {
    pub(super) read: fn(&str) -> Result<T, Expected>,
    pub(super) show: fn(&T) -> String,
    pub(super) unit: &'static str,
    pub(super) secret: bool,
    pub(super) whole: bool,
}

impl<T> Kind<T> {
    /// Creates a kind from a function that reads a value from text and one that shows a value in
    /// documentation.
    #[must_use]
    pub const fn new(read: fn(&str) -> Result<T, Expected>, show: fn(&T) -> String) -> Self {
        Self { read, show, unit: "", secret: false, whole: false }
    }

    /// Sets the unit of a plain number, for documentation.
    #[must_use]
    pub const fn unit(mut self, unit: &'static str) -> Self {
        self.unit = unit;
        self
    }

    /// Replaces the function that reads a value, usually by one that accepts fewer values.
    #[must_use]
    pub const fn reading(mut self, read: fn(&str) -> Result<T, Expected>) -> Self {
        self.read = read;
        self
    }

    /// Marks the value as secret: it is never printed.
    #[must_use]
    pub const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// Accepts a JSON object as one value. Without this, each key of an object is an option of its own, such
    /// as `tls.caFile`.
    #[must_use]
    pub const fn whole(mut self) -> Self {
        self.whole = true;
        self
    }

    /// Reads a value.
    ///
    /// # Errors
    /// What was expected instead.
    pub fn read(&self, text: &str) -> Result<T, Expected> {
        (self.read)(text)
    }

    /// Shows a value as documentation writes it. A secret value is shown as `***`, or as `none` if there is
    /// none.
    pub fn show(&self, value: &T) -> String {
        match (self.show)(value) {
            shown if self.secret && shown != NONE => "***".to_owned(),
            shown => shown,
        }
    }
}

/// An option that is not set.
pub(crate) const NONE: &str = "none";

/// `true` or `false`.
pub const FLAG: Kind<bool> = Kind::new(flag, bool::to_string);

/// A number above 0.
pub const COUNT: Kind<usize> = Kind::new(count, |count| grouped(*count));

/// A number of bytes above 0.
pub const BYTES: Kind<usize> = Kind::new(count, |count| bytes(*count)).unit("bytes");

/// A time with its unit. A plain number means milliseconds.
pub const MILLISECONDS: Kind<Duration> = Kind::new(milliseconds, |span| time(*span)).unit("milliseconds");

/// A time with its unit. A plain number means seconds.
pub const SECONDS: Kind<Duration> = Kind::new(seconds, |span| time(*span)).unit("seconds");

/// A text. An empty text and `null` mean that there is none.
pub const TEXT: Kind<Option<String>> = Kind::new(text, maybe);

/// A text that is never printed.
pub const SECRET: Kind<Option<String>> = TEXT.secret();

/// A port number.
pub const PORT: Kind<u16> = Kind::new(|text| parsed(text, "a port from 0 to 65535"), u16::to_string);

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
    parsed::<NonZeroUsize>(value, "a number above 0").map(NonZeroUsize::get)
}

/// A time with its unit. A bare number means milliseconds.
pub(crate) fn milliseconds(value: &str) -> Result<Duration, Expected> {
    span(value, 0.001)
}

/// A time with its unit. A bare number means seconds.
pub(crate) fn seconds(value: &str) -> Result<Duration, Expected> {
    span(value, 1.0)
}

fn span(value: &str, bare: f64) -> Result<Duration, Expected> {
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

/// Whether a value means that an option is not set, for options that may be left out.
pub(crate) fn is_none(value: &str) -> bool {
    value.is_empty() || value == "null"
}

pub(crate) fn text(value: &str) -> Result<Option<String>, Expected> {
    Ok((!is_none(value)).then(|| value.to_owned()))
}

/// Shows a value that may be missing, as documentation writes it.
pub(crate) fn maybe<T: fmt::Display>(value: &Option<T>) -> String {
    value.as_ref().map_or_else(|| NONE.to_owned(), |value| code(value))
}

/// Shows a word of a configuration, as documentation writes it.
pub(crate) fn code(value: &impl fmt::Display) -> String {
    format!("`{value}`")
}

pub(crate) fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut shown = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

fn bytes(count: usize) -> String {
    match count {
        count if count.is_multiple_of(1 << 20) => format!("{} MiB", count >> 20),
        count if count.is_multiple_of(1 << 10) => format!("{} KiB", count >> 10),
        count => grouped(count),
    }
}

pub(crate) fn time(span: Duration) -> String {
    match span.as_secs() {
        minutes if minutes >= 60 && minutes.is_multiple_of(60) => format!("{} min", minutes / 60),
        _ => format!("{span:?}").replace('m', " m").replace('s', " s").replace(" m s", " ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_as_people_write_them() {
        for (span, shown) in [(10_000, "10 s"), (1500, "1.5 s"), (120_000, "2 min"), (500, "500 ms")] {
            assert_eq!(MILLISECONDS.show(&Duration::from_millis(span)), shown);
        }
        assert_eq!((BYTES.show(&(960 << 10)), BYTES.show(&(1 << 20))), ("960 KiB".into(), "1 MiB".into()));
        assert_eq!((COUNT.show(&999), COUNT.show(&1_000_000)), ("999".into(), "1,000,000".into()));
        assert_eq!(TEXT.show(&Some("a".into())), "`a`");
        assert_eq!((SECRET.show(&Some("a".into())), SECRET.show(&None)), ("***".into(), "none".into()));
    }

    #[test]
    fn a_time_takes_a_unit() {
        assert_eq!(MILLISECONDS.read("300"), SECONDS.read("0.3"));
        assert_eq!(MILLISECONDS.read("2m"), SECONDS.read("120"));
        for wrong in ["", "-1", "NaN", "10 parsecs"] {
            assert!(MILLISECONDS.read(wrong).is_err(), "{wrong}");
        }
    }
}
