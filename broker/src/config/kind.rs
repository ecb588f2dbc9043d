//! The values that an option accepts, and the words for them in errors.

use serde_json::{Map, Value};

use super::duration::{self, Unit};
use super::redact::redact;

/// The kind of value that an option accepts. Kinds word the errors. The types of the fields read the values.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Text,
    Texts,
    Switch,
    /// An integer that counts `unit`s.
    Count {
        unit: &'static str,
        min: u64,
        max: u64,
    },
    /// A duration. A plain number counts `unit`s.
    Duration {
        unit: Unit,
        zero: bool,
    },
    /// A duration or `never`. A plain number is in milliseconds.
    Timeout,
    /// One of a few words.
    Choice {
        words: &'static [&'static str],
        /// Words of Moleculer, or planned words, that are not supported.
        missing: &'static [&'static str],
        /// Why they are not supported.
        why: &'static str,
    },
    /// One of a few words, or Moleculer's `{ type, options }` without options.
    Named {
        words: &'static [&'static str],
        /// Words of Moleculer that are not supported.
        missing: &'static [&'static str],
        /// Why they are not supported.
        why: &'static str,
    },
    Object,
    Transporter,
    Discoverer,
}

/// The largest value of a queue or a limit: bounded channels cannot count further on every platform.
pub(super) const MOST: u64 = 100_000_000;

impl Kind {
    pub(super) const SECONDS: Self = Self::Duration { unit: Unit::Seconds, zero: false };
    pub(super) const MILLIS: Self = Self::Duration { unit: Unit::Millis, zero: false };
    pub(super) const MILLIS_OR_ZERO: Self = Self::Duration { unit: Unit::Millis, zero: true };

    pub(super) const fn count(unit: &'static str) -> Self {
        Self::Count { unit, min: 1, max: MOST }
    }

    /// Whether any key is allowed below an option of this kind.
    pub(super) fn is_open(self) -> bool {
        matches!(self, Self::Named { .. } | Self::Object | Self::Transporter | Self::Discoverer)
    }

    /// The unit of a plain number.
    #[cfg(test)]
    pub(super) fn unit(self) -> Option<&'static str> {
        match self {
            Self::Count { unit, .. } => Some(unit).filter(|unit| !unit.is_empty()),
            Self::Duration { unit, .. } => Some(unit.name()),
            Self::Timeout => Some(Unit::Millis.name()),
            _ => None,
        }
    }

    /// What to write. Completes "expected …".
    fn expected(self) -> String {
        match self {
            Self::Text => "a text".into(),
            Self::Texts => "a list of texts, such as [\"10.0.0.1\", \"10.0.0.2\"]".into(),
            Self::Switch => "true or false".into(),
            Self::Count { unit: "", min, max } => format!("a whole number from {min} to {max}"),
            Self::Count { unit, min, max } => format!("a whole number of {unit} from {min} to {max}"),
            Self::Duration { unit, zero } => {
                let above = if zero { "" } else { " above zero" };
                format!(
                    "a duration{above} such as \"5s\", \"100ms\" or \"1m30s\", or a number of {}",
                    unit.name()
                )
            }
            Self::Timeout => {
                "a duration such as \"5s\", \"100ms\" or \"1m30s\", a number of milliseconds, or \"never\""
                    .into()
            }
            Self::Choice { words, .. } | Self::Named { words, .. } => match words {
                [only] => format!("\"{only}\""),
                _ => words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" or "),
            },
            Self::Object => "an object such as { \"zone\": \"eu\" }".into(),
            Self::Transporter => {
                "a URL such as \"tcp://\", or an object such as { \"type\": \"TCP\", \"options\": {} }".into()
            }
            Self::Discoverer => {
                "\"Redis\", a URL such as \"redis://host:6379\", or an object such as { \"type\": \"Redis\", \"options\": {} }"
                    .into()
            }
        }
    }

    /// What to write instead of this value, with a reason if there is one.
    pub(super) fn expected_instead_of(self, value: &Value) -> String {
        match self.reason(value) {
            Some(reason) => format!("{} ({reason})", self.expected()),
            None => self.expected(),
        }
    }

    /// Why a value of this kind cannot be read, if there is more to say.
    fn reason(self, value: &Value) -> Option<String> {
        match (self, value) {
            (Self::Duration { unit, .. }, Value::String(text)) => match duration::parse(text).err()? {
                duration::InvalidDuration::NoUnit => Some(format!(
                    "a text needs a unit, such as {text}s; a number without quotes is {}",
                    unit.name()
                ))
                .filter(|_| text.len() < 20),
                other => Some(other.to_string()),
            },
            (Self::Timeout, Value::String(text)) => match duration::parse(text) {
                Ok(limit) if limit.is_zero() => {
                    Some("in code zero leaves no time at all: `Timeout::Never` is no limit".into())
                }
                Ok(_) => None,
                Err(why) => Some(why.to_string()),
            },
            (Self::Transporter | Self::Discoverer, Value::Object(keys)) => {
                match keys.keys().find(|key| !matches!(key.as_str(), "type" | "options")) {
                    Some(key) => Some(format!("its keys are `type` and `options`, not `{key}`")),
                    None if !keys.contains_key("type") => Some("the key `type` is missing".into()),
                    None => None,
                }
            }
            (Self::Named { .. }, Value::Object(keys)) => {
                match keys.keys().find(|key| !matches!(key.as_str(), "type" | "options")) {
                    Some(key) => Some(format!("its keys are `type` and `options`, not `{key}`")),
                    None => match (keys.get("type"), keys.get("options")) {
                        (None, _) => Some("the key `type` is missing".into()),
                        (Some(_), Some(Value::Object(options))) if !options.is_empty() => {
                            let names: Vec<_> = options.keys().map(|key| format!("`{key}`")).collect();
                            Some(format!("no options can be set, such as {}", names.join(" and ")))
                        }
                        (Some(name), _) => self.reason(name),
                    },
                }
            }
            (Self::Choice { missing, why, .. } | Self::Named { missing, why, .. }, Value::String(text)) => {
                let word = missing.iter().find(|word| word.eq_ignore_ascii_case(text))?;
                Some(format!("`{word}` {why}"))
            }
            _ => None,
        }
    }

    /// Whether a readable value is in range.
    pub(super) fn admits(self, value: &Value) -> bool {
        match (self, value) {
            (Self::Count { min, max, .. }, Value::Number(number)) => {
                number.as_u64().is_some_and(|number| (min..=max).contains(&number))
            }
            (Self::Duration { zero, .. }, Value::String(text)) => {
                duration::parse(text).is_ok_and(|duration| zero || !duration.is_zero())
            }
            // A zero that was read has become `never` already.
            (Self::Timeout, Value::String(text)) => {
                text == "never" || duration::parse(text).is_ok_and(|limit| !limit.is_zero())
            }
            _ => true,
        }
    }

    /// The value that the text of an environment variable stands for. A text that does not fit is returned
    /// unchanged. Reading it then fails with the error of this kind.
    pub(super) fn read_variable(self, text: &str) -> Value {
        let as_text = || Value::from(text);
        match self {
            Self::Text | Self::Choice { .. } => as_text(),
            Self::Named { .. } if text.starts_with('{') => json_or_text(text),
            Self::Named { .. } => as_text(),
            Self::Switch => match text.to_ascii_lowercase().as_str() {
                "true" | "1" | "yes" | "on" => Value::Bool(true),
                "false" | "0" | "no" | "off" => Value::Bool(false),
                _ => as_text(),
            },
            Self::Count { .. } => text.parse::<u64>().map_or_else(|_| as_text(), Value::from),
            Self::Duration { .. } | Self::Timeout => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Value::from(number),
                _ => as_text(),
            },
            Self::Texts if text.starts_with('[') => json_or_text(text),
            Self::Texts => text.split(',').map(|part| Value::from(part.trim())).collect(),
            Self::Object => json_or_text(text),
            Self::Transporter | Self::Discoverer if text.starts_with('{') => json_or_text(text),
            Self::Transporter | Self::Discoverer => as_text(),
        }
    }
}

/// Parses the text as JSON. If it is not JSON, the text itself is the value.
pub(super) fn json_or_text(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
}

/// Describes the value in an error: short, and without passwords.
pub(super) fn describe(value: &Value) -> String {
    const SHOWN: usize = 60;
    match value {
        Value::Null => "null".into(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        // An incomplete object from an environment variable. It may contain anything.
        Value::String(text) if text.trim_start().starts_with(['{', '[']) => {
            "a text that is no valid JSON".into()
        }
        Value::String(text) => {
            let clean = redact(text);
            match clean.char_indices().nth(SHOWN) {
                Some((end, _)) => format!("{:?}…", &clean[..end]),
                None => format!("{clean:?}"),
            }
        }
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "an object".into(),
    }
}

/// The value at a path of keys.
pub(super) fn value_at<'a>(tree: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let (first, rest) = match path.split_once('.') {
        Some((first, rest)) => (first, Some(rest)),
        None => (path, None),
    };
    let value = tree.get(first)?;
    match rest {
        None => Some(value),
        Some(rest) => value_at(value.as_object()?, rest),
    }
}
