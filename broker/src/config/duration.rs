//! Durations as text: `"5s"`, `"100ms"`, `"1m30s"`. A plain number has the unit that Moleculer uses for the
//! option (seconds for heartbeats, milliseconds for nearly all others; protocol chapter 12).

use std::fmt;
use std::time::Duration;

use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// The longest duration of any option. It also keeps every `Instant + Duration` far from an overflow.
pub(super) const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

const NANOS_PER_UNIT: &[(&str, u128)] = &[
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// How long to wait for something that may never happen.
///
///
/// In code, zero means that no time is left: a call fails at once as `RequestSkipped` and is not sent, and a
/// wait checks once. So the result of `deadline.saturating_duration_since(now)` can be passed on as it is.
/// Only [`Timeout::Never`] means no limit. In a configuration and in the definition of an action, a zero that
/// was set in code is refused, because it could only do harm.
///
///
/// In files, in the environment and in JSON, it is written as a duration, or as `"never"`. Plain numbers are
/// milliseconds. There 0 means [`Timeout::Never`], as in Moleculer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timeout {
    /// Give up after this time.
    After(Duration),
    /// Wait without a limit.
    Never,
}

impl Timeout {
    /// The limit, if there is one.
    #[must_use]
    pub fn as_duration(self) -> Option<Duration> {
        match self {
            Self::After(limit) => Some(limit),
            Self::Never => None,
        }
    }

    /// Whether it leaves no time.
    pub(crate) fn is_zero(self) -> bool {
        self == Self::After(Duration::ZERO)
    }

    /// The number for Node, where zero means no limit. So less than a millisecond becomes one.
    pub(crate) fn for_node(self) -> Duration {
        match self {
            Self::After(limit) => limit.max(Duration::from_millis(1)),
            Self::Never => Duration::ZERO,
        }
    }

    /// A number from a configuration or a packet, where zero means no limit.
    pub(crate) fn from_node(limit: Duration) -> Self {
        if limit.is_zero() { Self::Never } else { Self::After(limit) }
    }
}

impl From<Duration> for Timeout {
    fn from(limit: Duration) -> Self {
        Self::After(limit)
    }
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::After(limit) => f.write_str(&render(*limit)),
            Self::Never => f.write_str("never"),
        }
    }
}

impl Serialize for Timeout {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timeout {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let visitor = DurationVisitor { unit: Unit::Millis, never: true };
        Ok(deserializer.deserialize_any(visitor)?.map_or(Self::Never, Self::from_node))
    }
}

/// The unit of a plain number for one option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Millis,
    Seconds,
}

impl Unit {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Millis => "milliseconds",
            Self::Seconds => "seconds",
        }
    }
}

/// Why a text or a number is not a duration. `Display` completes "this …".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidDuration {
    #[error("a text needs a unit, such as 5s or 5ms")]
    NoUnit,
    #[error("the units are d, h, m, s, ms, us and ns")]
    UnknownUnit,
    #[error("each unit follows a number, as in 1m30s")]
    NoNumber,
    #[error("a duration cannot be negative")]
    Negative,
    #[error("the longest duration is 365d")]
    TooLong,
}

/// Reads `"1m30s"`, `"1.5h"`, `"100ms"`. Blanks between the parts are allowed.
pub(super) fn parse(text: &str) -> Result<Duration, InvalidDuration> {
    let mut rest = text.trim();
    if rest.starts_with('-') {
        return Err(InvalidDuration::Negative);
    }
    let mut total: u128 = 0;
    loop {
        let (number, after) = split_where(rest, |c| !c.is_ascii_digit() && c != '.');
        let (unit, after) = split_where(after.trim_start(), |c| !c.is_alphabetic());
        let nanos = match NANOS_PER_UNIT.iter().find(|(name, _)| *name == unit) {
            Some((_, nanos)) => *nanos,
            None if unit.is_empty() && !number.is_empty() => return Err(InvalidDuration::NoUnit),
            None if number.is_empty() => return Err(InvalidDuration::NoNumber),
            None => return Err(InvalidDuration::UnknownUnit),
        };
        let part = nanos_of(number, nanos)?;
        total = total.checked_add(part).ok_or(InvalidDuration::TooLong)?;
        rest = after.trim_start();
        if rest.is_empty() {
            break;
        }
    }
    let nanos = u64::try_from(total).map_err(|_| InvalidDuration::TooLong)?;
    checked(Duration::from_nanos(nanos))
}

/// The shortest text that [`parse`] reads as the same duration.
pub(super) fn render(duration: Duration) -> String {
    let mut rest = duration.as_nanos();
    let mut text = String::new();
    // Days are not used: "36h" is easier to compare with other options than "1d12h".
    for (unit, nanos) in NANOS_PER_UNIT.iter().filter(|(unit, _)| *unit != "d") {
        let count = rest / nanos;
        if count > 0 {
            text.push_str(&format!("{count}{unit}"));
            rest %= nanos;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

fn split_where(text: &str, end: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(end).unwrap_or(text.len()))
}

/// `number` units of `nanos` each, in nanoseconds. Digits below a nanosecond are dropped.
fn nanos_of(number: &str, nanos: u128) -> Result<u128, InvalidDuration> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || fraction.contains('.') {
        return Err(InvalidDuration::NoNumber);
    }
    let whole: u64 = whole.parse().map_err(|_| InvalidDuration::TooLong)?;
    let mut total = u128::from(whole) * nanos;
    let mut worth = nanos;
    for digit in fraction.chars().filter_map(|c| c.to_digit(10)) {
        worth /= 10;
        total += u128::from(digit) * worth;
    }
    Ok(total)
}

fn from_number(number: f64, unit: Unit) -> Result<Duration, InvalidDuration> {
    if number < 0.0 {
        return Err(InvalidDuration::Negative);
    }
    let seconds = match unit {
        Unit::Seconds => number,
        Unit::Millis => number / 1000.0,
    };
    checked(Duration::try_from_secs_f64(seconds).map_err(|_| InvalidDuration::TooLong)?)
}

fn checked(duration: Duration) -> Result<Duration, InvalidDuration> {
    if duration > LONGEST { Err(InvalidDuration::TooLong) } else { Ok(duration) }
}

/// Reads a duration, or `never` if that is allowed.
struct DurationVisitor {
    unit: Unit,
    never: bool,
}

impl Visitor<'_> for DurationVisitor {
    type Value = Option<Duration>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a duration such as \"5s\", or a number of {}", self.unit.name())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        // The loss of precision does not matter: numbers beyond 2^53 are far beyond the longest duration.
        self.visit_f64(number as f64)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        self.visit_f64(number as f64)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        from_number(number, self.unit).map(Some).map_err(E::custom)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        if self.never && text.trim().eq_ignore_ascii_case("never") {
            return Ok(None);
        }
        parse(text).map(Some).map_err(E::custom)
    }
}

/// For `#[serde(with = "…")]` on options whose plain numbers are milliseconds.
pub(super) mod millis {
    use super::{Deserializer, Duration, DurationVisitor, Error, Serializer, Unit, render};

    pub(in super::super) fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&render(*value))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        from.deserialize_any(DurationVisitor { unit: Unit::Millis, never: false })?
            .ok_or_else(|| D::Error::custom("never"))
    }
}

/// For `#[serde(with = "…")]` on options whose plain numbers are seconds.
pub(super) mod seconds {
    use super::{Deserializer, Duration, DurationVisitor, Error, Serializer, Unit, render};

    pub(in super::super) fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&render(*value))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        from.deserialize_any(DurationVisitor { unit: Unit::Seconds, never: false })?
            .ok_or_else(|| D::Error::custom("never"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_with_units_are_durations() {
        for (text, millis) in [
            ("0s", 0),
            ("100ms", 100),
            ("5s", 5_000),
            ("1m30s", 90_000),
            ("1m 30s", 90_000),
            (" 2h ", 7_200_000),
            ("2 h", 7_200_000),
            ("1.5s", 1_500),
            ("0.25m", 15_000),
            ("1d", 86_400_000),
            ("5000us", 5),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn other_texts_say_what_is_wrong_with_them() {
        use InvalidDuration::{Negative, NoNumber, NoUnit, TooLong, UnknownUnit};
        for (text, why) in [
            ("", NoNumber),
            ("s", NoNumber),
            (".5s", NoNumber),
            ("1.2.3s", NoNumber),
            ("1s!", NoNumber),
            ("5", NoUnit),
            ("1m30", NoUnit),
            ("5 parsecs", UnknownUnit),
            ("5S", UnknownUnit),
            ("-5s", Negative),
            ("366d", TooLong),
            ("99999999999999999999999h", TooLong),
            ("18446744073709551615d", TooLong),
        ] {
            assert_eq!(parse(text), Err(why), "{text}");
        }
    }

    #[test]
    fn zero_is_no_time_in_code_and_no_limit_where_node_wrote_it() {
        assert_eq!(Timeout::from(Duration::ZERO), Timeout::After(Duration::ZERO));
        assert_eq!(Timeout::from_node(Duration::ZERO), Timeout::Never);
        assert_eq!(Timeout::from_node(Duration::from_nanos(1)), Duration::from_nanos(1).into());
    }

    #[test]
    fn zero_and_never_are_no_limit_in_a_configuration() -> Result<(), serde_json::Error> {
        for text in ["0", "\"0s\"", "\"never\"", "\"Never\"", "0.0"] {
            assert_eq!(serde_json::from_str::<Timeout>(text)?, Timeout::Never, "{text}");
        }
        assert_eq!(serde_json::from_str::<Timeout>("1500")?, Duration::from_millis(1500).into());
        assert!(serde_json::from_str::<Timeout>("-1").is_err());
        assert!(serde_json::from_str::<Timeout>("1e300").is_err());
        Ok(())
    }

    proptest! {
        #[test]
        fn what_is_rendered_is_read_back_unchanged(nanos in 0..=LONGEST.as_nanos()) {
            let duration = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
            prop_assert_eq!(parse(&render(duration)), Ok(duration));
        }

        #[test]
        fn no_text_panics(text in "[0-9.a-zµ -]{0,40}") {
            let _ = parse(&text);
        }
    }
}
