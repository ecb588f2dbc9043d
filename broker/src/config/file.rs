//! Reads configuration files. The extension selects the format: `.toml`, `.json`, `.yaml`, `.yml`.

use std::path::Path;

use config::{File, FileFormat, Source, ValueKind};
use serde_json::{Map, Value};

use super::error::ConfigError;
use super::redact::redact;

/// The options in a file.
pub(super) fn read(path: &Path) -> Result<Map<String, Value>, ConfigError> {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let (format, name) = match extension.to_ascii_lowercase().as_str() {
        "toml" => (FileFormat::Toml, "TOML"),
        "json" => (FileFormat::Json, "JSON"),
        "yaml" | "yml" => (FileFormat::Yaml, "YAML"),
        _ => return Err(ConfigError::UnknownFormat { path: path.to_owned() }),
    };
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    let syntax = |message: String| ConfigError::Syntax { path: path.to_owned(), format: name, message };
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    let table = File::from_str(&text, format)
        .collect()
        .map_err(|error| syntax(without_excerpt(&error.to_string())))?;
    table_to_json(table).map_err(syntax)
}

/// The parser's message without the lines that it quotes from the file, because they may contain a password.
fn without_excerpt(message: &str) -> String {
    let lines = message.lines().filter(|line| {
        !line.trim_start().trim_start_matches(|c: char| c.is_ascii_digit()).trim_start().starts_with('|')
    });
    redact(&lines.map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(": "))
}

fn table_to_json(
    table: impl IntoIterator<Item = (String, config::Value)>,
) -> Result<Map<String, Value>, String> {
    table.into_iter().map(|(key, value)| Ok((key, to_json(value.kind)?))).collect()
}

fn to_json(kind: ValueKind) -> Result<Value, String> {
    let beyond = "a number is too large";
    Ok(match kind {
        ValueKind::Nil => Value::Null,
        ValueKind::Boolean(value) => Value::Bool(value),
        ValueKind::I64(number) => Value::from(number),
        ValueKind::U64(number) => Value::from(number),
        ValueKind::I128(number) => Value::from(i64::try_from(number).map_err(|_| beyond)?),
        ValueKind::U128(number) => Value::from(u64::try_from(number).map_err(|_| beyond)?),
        ValueKind::Float(number) => {
            Value::Number(serde_json::Number::from_f64(number).ok_or("a number is not finite")?)
        }
        ValueKind::String(text) => Value::String(text),
        ValueKind::Table(table) => Value::Object(table_to_json(table)?),
        ValueKind::Array(items) => {
            items.into_iter().map(|item| to_json(item.kind)).collect::<Result<Vec<_>, _>>()?.into()
        }
    })
}
