//! Dates as in JavaScript: milliseconds since 1970, printed in one form of ISO 8601.

use serde::de::{Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};
use std::fmt;
use std::time::{Duration, SystemTime};

/// The name by which the codecs recognize a [`Date`].
pub(crate) const NAME: &str = "$ligand::Date";

/// The largest distance of a JavaScript Date from 1970, in both directions.
const LAST: f64 = 8.64e15;

/// A moment in time. A Moleculer node sees it as a `Date` with every serializer except JSON, which has only
/// ISO strings.
///
/// It is read from dates, ISO strings and milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(i64);

impl Date {
    /// The moment this many milliseconds after 1970. Values that a JavaScript Date cannot hold (beyond
    /// 8.64e15) are clamped.
    #[must_use]
    pub const fn from_millis(milliseconds: i64) -> Self {
        const MOST: i64 = LAST as i64;
        Self(if milliseconds > MOST {
            MOST
        } else if milliseconds < -MOST {
            -MOST
        } else {
            milliseconds
        })
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// The current time.
    #[must_use]
    pub fn now() -> Self {
        Self::from(SystemTime::now())
    }
}

impl From<SystemTime> for Date {
    fn from(time: SystemTime) -> Self {
        let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => millis(since),
            Err(before) => millis(before.duration()).saturating_neg(),
        })
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&print(self.0 as f64).unwrap_or_default())
    }
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Text<'a>(&'a Date);
        impl Serialize for Text<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self.0)
            }
        }
        serializer.serialize_newtype_struct(NAME, &Text(self))
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(NAME, DateVisitor)
    }
}

struct DateVisitor;

impl<'de> Visitor<'de> for DateVisitor {
    type Value = Date;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a date: an ISO 8601 text, or milliseconds since 1970")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Date, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_f64<E: serde::de::Error>(self, milliseconds: f64) -> Result<Date, E> {
        if !holds(milliseconds) {
            return Err(E::custom("a date that is none, or too far away"));
        }
        Ok(Date(milliseconds as i64))
    }

    fn visit_i64<E: serde::de::Error>(self, milliseconds: i64) -> Result<Date, E> {
        self.visit_f64(milliseconds as f64)
    }

    fn visit_u64<E: serde::de::Error>(self, milliseconds: u64) -> Result<Date, E> {
        self.visit_f64(milliseconds as f64)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Date, E> {
        let milliseconds =
            parse(text).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))?;
        self.visit_f64(milliseconds)
    }
}

/// Whether a JavaScript Date can hold this. An invalid date is NaN.
pub(crate) fn holds(milliseconds: f64) -> bool {
    (-LAST..=LAST).contains(&milliseconds)
}

/// The text that `toISOString` prints. `None` for an invalid date.
pub(crate) fn print(milliseconds: f64) -> Option<String> {
    if !holds(milliseconds) {
        return None;
    }
    let milliseconds = milliseconds as i64;
    let (days, rest) = (milliseconds.div_euclid(86_400_000), milliseconds.rem_euclid(86_400_000));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1000 % 60);
    let year = match year {
        0..=9999 => format!("{year:04}"),
        10_000.. => format!("+{year:06}"),
        _ => format!("-{:06}", year.unsigned_abs()),
    };
    Some(format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", rest % 1000))
}

/// Reads what [`print`] writes, and the other forms that ISO 8601 and RFC 3339 share.
pub(crate) fn parse(text: &str) -> Option<f64> {
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let (negative, unsigned) = match date.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, date.strip_prefix('+').unwrap_or(date)),
    };
    let mut parts = unsigned.split('-');
    let year = i64::from(digits(parts.next()?, 4, 6)?);
    let year = if negative { year.checked_neg()? } else { year };
    let month = i64::from(digits(parts.next()?, 2, 2)?);
    let day = i64::from(digits(parts.next()?, 2, 2)?);
    if parts.next().is_some() || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let midnight = days(year, month, day).checked_mul(86_400_000)?;
    let clock = match time {
        Some(time) => clock(time)?,
        None => 0,
    };
    Some(midnight.checked_add(clock)? as f64)
}

/// Milliseconds since midnight in UTC.
fn clock(time: &str) -> Option<i64> {
    let at = time.find(['Z', 'z', '+', '-'])?;
    let (time, zone) = time.split_at_checked(at)?;
    let hours_minutes = |text: &str| {
        let (hours, minutes) = text.split_once(':')?;
        let (hours, minutes) = (digits(hours, 2, 2)?, digits(minutes, 2, 2)?);
        (hours <= 24 && minutes < 60)
            .then(|| i64::from(hours).saturating_mul(60).saturating_add(minutes.into()))
    };
    let offset = match zone {
        "Z" | "z" => 0,
        _ => match zone.strip_prefix('-') {
            Some(zone) => hours_minutes(zone)?,
            None => hours_minutes(zone.strip_prefix('+')?)?.checked_neg()?,
        },
    };
    let (minutes, seconds) = match time.get(..5).zip(time.get(5..)) {
        Some((minutes, "")) => (minutes, "0"),
        Some((minutes, seconds)) => (minutes, seconds.strip_prefix(':')?),
        None => return None,
    };
    let (seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
    let seconds = digits(seconds, 1, 2).filter(|seconds| *seconds <= 60)?;
    digits(fraction.get(..fraction.len().min(9))?, 1, 9)?;
    let mut thousandths = fraction.chars().chain("00".chars()).take(3).collect::<String>();
    if fraction == "0" {
        thousandths = "000".to_owned();
    }
    let minutes = hours_minutes(minutes)?.saturating_add(offset);
    let milliseconds = i64::from(seconds).saturating_mul(1000).saturating_add(thousandths.parse().ok()?);
    Some(minutes.saturating_mul(60_000).saturating_add(milliseconds))
}

fn digits(text: &str, least: usize, most: usize) -> Option<u32> {
    let fits = (least..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| text.parse().ok()).flatten()
}

/// The number of days from 1970-01-01 to a day of the Gregorian calendar. Years begin in March, so that a
/// leap day is the last day of a year.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year.saturating_sub(1) } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let from_march = month.saturating_add(9) % 12;
    let of_year =
        (from_march.saturating_mul(153).saturating_add(2) / 5).saturating_add(day).saturating_sub(1);
    let leaps = (of_era / 4).saturating_sub(of_era / 100);
    let day_of_era = of_era.saturating_mul(365).saturating_add(leaps).saturating_add(of_year);
    era.saturating_mul(146_097).saturating_add(day_of_era).saturating_sub(719_468)
}

/// The day of the Gregorian calendar that is this many days after 1970-01-01.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days.saturating_add(719_468);
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let leaps = (day_of_era / 1460).saturating_sub(day_of_era / 36_524).saturating_add(day_of_era / 146_096);
    let of_era = day_of_era.saturating_sub(leaps) / 365;
    let first = of_era.saturating_mul(365).saturating_add(of_era / 4).saturating_sub(of_era / 100);
    let of_year = day_of_era.saturating_sub(first);
    let from_march = of_year.saturating_mul(5).saturating_add(2) / 153;
    let day = of_year.saturating_sub(from_march.saturating_mul(153).saturating_add(2) / 5).saturating_add(1);
    let month = if from_march < 10 { from_march.saturating_add(3) } else { from_march.saturating_sub(9) };
    let year = era.saturating_mul(400).saturating_add(of_era).saturating_add(i64::from(month <= 2));
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates_are_printed_as_javascript_does() {
        for (milliseconds, text) in [
            (0.0, "1970-01-01T00:00:00.000Z"),
            (-1.0, "1969-12-31T23:59:59.999Z"),
            (1_700_000_000_123.0, "2023-11-14T22:13:20.123Z"),
            (951_782_400_000.0, "2000-02-29T00:00:00.000Z"),
            (LAST, "+275760-09-13T00:00:00.000Z"),
            (-LAST, "-271821-04-20T00:00:00.000Z"),
            (-62_198_755_200_000.0, "-000001-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(print(milliseconds).as_deref(), Some(text));
            assert_eq!(parse(text), Some(milliseconds));
        }
        assert_eq!((print(f64::NAN), print(LAST + 1.0)), (None, None));
    }

    #[test]
    fn other_forms_of_a_moment_are_read_as_well() {
        for text in [
            "2023-11-14T22:13:20Z",
            "2023-11-14 22:13:20.000+00:00",
            "2023-11-15T00:13:20.000000+02:00",
            "2023-11-14T16:43:20-05:30",
        ] {
            assert_eq!(parse(text), Some(1_700_000_000_000.0), "{text}");
        }
        assert_eq!(parse("2023-11-14"), Some(1_699_920_000_000.0));
        for text in ["", "now", "2023-13-01", "2023-11-14T22:13:20", "2023-1-1", "2023-11-14T25:00:00Zx", "T"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_date_is_an_iso_text_in_json_and_reads_milliseconds_too() {
        let date = Date::from_millis(1_700_000_000_123);
        assert_eq!(serde_json::to_string(&date).unwrap(), "\"2023-11-14T22:13:20.123Z\"");
        assert_eq!(serde_json::from_str::<Date>("\"2023-11-14T22:13:20.123Z\"").unwrap(), date);
        assert_eq!(serde_json::from_str::<Date>("1700000000123").unwrap(), date);
        assert!(serde_json::from_str::<Date>("\"soon\"").is_err());
    }

    proptest! {
        #[test]
        fn a_printed_date_reads_back(milliseconds in -8_640_000_000_000_000_i64..=8_640_000_000_000_000) {
            let text = Date::from_millis(milliseconds).to_string();
            prop_assert_eq!(parse(&text), Some(milliseconds as f64));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text: String) {
            let _ = parse(&text);
        }
    }
}
