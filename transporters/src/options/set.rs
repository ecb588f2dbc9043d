//! Sets options by name and value.

use serde_json::{Map, Value};

use super::kind::flag;
use super::table::{Foreign, Options, Row, Unfit};
use crate::TransportError;
use crate::suggest::nearest;

/// The longest value that an error prints, in characters.
const PRINTED: usize = 60;

/// Sets the option `name` from text.
///
/// # Errors
/// [`TransportError::Config`] if there is no such option, or if the value is not valid.
pub fn set<O: Options>(options: &mut O, name: &str, value: &str) -> Result<(), TransportError> {
    try_set(options, name, value).unwrap_or_else(|| Err(unknown(options, name)))
}

/// Sets the option `name` from a value of a configuration file. The items of a list are joined by commas.
/// Each key of an object is an option of its own (`tls.caFile`). `null` leaves the option as it is.
///
/// # Errors
/// As [`set`].
pub fn set_value<O: Options>(options: &mut O, name: &str, value: &Value) -> Result<(), TransportError> {
    match value {
        Value::Null => Ok(()),
        // Each URL may be followed by options of its own.
        Value::Array(urls) if urls.iter().any(|url| url.as_str().is_some_and(|url| url.contains('?'))) => {
            urls.iter().try_for_each(|url| set(options, name, &plain(url)))
        }
        other => set(options, name, &plain(other)),
    }
}

/// A value as text: strings without quotes, lists separated by commas.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// Sets an option. `None` if there is no option of that name.
pub(crate) fn try_set<O: Options>(
    options: &mut O,
    name: &str,
    value: &str,
) -> Option<Result<(), TransportError>> {
    let value = value.trim();
    let rows = options.rows();
    let exact = rows.iter().find(|row| row.is(name));
    if value.starts_with('{') && !exact.is_some_and(|row| row.whole) {
        return Some(set_keys(options, name, value));
    }
    if let Some((_, foreign)) = options.foreign().into_iter().find(|(foreign, _)| *foreign == name) {
        return Some(foreign.take::<O>(name, value));
    }
    let row = exact.or_else(|| rows.iter().find(|row| row.holds(name)))?;
    match options.put(row.name, name, value) {
        Ok(()) => Some(Ok(())),
        Err(Unfit::Unknown) => None,
        Err(Unfit::Error(error)) => Some(Err(error)),
        Err(Unfit::Expected(expected)) => Some(Err(unfit::<O>(row, name, value, expected))),
    }
}

/// Sets an option for each key of an object.
pub(crate) fn set_keys<O: Options>(options: &mut O, name: &str, object: &str) -> Result<(), TransportError> {
    let object: Map<String, Value> =
        serde_json::from_str(object).map_err(|error| wrong::<O>(name, &format!("an object ({error})")))?;
    object.iter().try_for_each(|(key, value)| set_value(options, &format!("{name}.{key}"), value))
}

impl Foreign {
    fn take<O: Options>(self, name: &str, value: &str) -> Result<(), TransportError> {
        let is = |good: &str| value == good || flag(value).is_ok_and(|on| flag(good) == Ok(on));
        match self {
            Self::MootUnless(good, _) if value == good => Ok(()),
            Self::Moot(why) | Self::MootUnless(_, why) => {
                tracing::warn!(of = O::OWNER, option = name, "an option has no effect here: {why}");
                Ok(())
            }
            Self::Only(good, _) if is(good) => Ok(()),
            Self::Only(_, expected) | Self::Refused(expected) => Err(wrong::<O>(name, expected)),
        }
    }
}

fn unfit<O: Options>(row: &Row, name: &str, value: &str, expected: &str) -> TransportError {
    if row.secret {
        return wrong::<O>(name, expected);
    }
    let cut = if value.chars().nth(PRINTED).is_some() { "…" } else { "" };
    let value: String = value.chars().take(PRINTED).collect();
    let owner = O::OWNER;
    TransportError::Config(format!("option `{name}` of {owner} is `{value}{cut}`: give {expected}"))
}

/// An error that does not print the value.
pub(crate) fn wrong<O: Options>(name: &str, expected: &str) -> TransportError {
    let owner = O::OWNER;
    TransportError::Config(format!("option `{name}` of {owner} has a wrong value: give {expected}"))
}

fn unknown<O: Options>(options: &O, name: &str) -> TransportError {
    let rows = options.rows();
    let names: Vec<&str> = rows.iter().flat_map(Row::names).collect();
    let hint = nearest(name, names.iter().copied()).map(|near| format!(" (did you mean `{near}`?)"));
    let (hint, owner, known) = (hint.unwrap_or_default(), O::OWNER, names.join(", "));
    TransportError::Config(format!("{owner} has no option `{name}`{hint}: it has {known}"))
}
