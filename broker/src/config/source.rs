//! One source of options, checked against the table, and how it is laid over the ones below.

use std::collections::BTreeMap;

use ligand_transporters::suggest::{fold, nearest};
use serde_json::{Map, Value};

use super::error::{ConfigError, Origin};
use super::kind::describe;
use super::table::{self, OPTIONS};

/// Who set each option last, by its path.
#[derive(Debug, Default)]
pub(crate) struct Origins(BTreeMap<&'static str, Origin>);

impl Origins {
    /// Where the option at `path`, or the one that `path` leads into, was written.
    pub(crate) fn of(&self, path: &str) -> Origin {
        let row = table::option_above(path).and_then(|row| self.0.get(row.path));
        // A group that is wrong as a whole is blamed on whoever set any of it.
        let within = || self.0.iter().find(|(set, _)| set.starts_with(path)).map(|(_, origin)| origin);
        row.or_else(within).cloned().unwrap_or(Origin::Code)
    }
}

/// Checks the names in one source and brings them to one spelling. Options that are null count as not
/// written.
pub(super) fn adopt(
    source: Map<String, Value>,
    origin: &Origin,
    origins: &mut Origins,
) -> Result<Map<String, Value>, ConfigError> {
    adopt_group("", source, origin, origins)
}

fn adopt_group(
    group: &str,
    source: Map<String, Value>,
    origin: &Origin,
    origins: &mut Origins,
) -> Result<Map<String, Value>, ConfigError> {
    let mut adopted = Map::new();
    for (written, value) in source {
        let key =
            table::ALIASES.iter().find(|(alias, _)| *alias == written).map_or(&*written, |(_, key)| *key);
        let path = join(group, key);
        let value = if value.is_null() && is_known(&path) {
            continue;
        } else if let Some(row) = table::option(&path) {
            origins.0.insert(row.path, origin.clone());
            value
        } else if table::is_group(&path) {
            Value::Object(adopt_group(&path, group_keys(&path, value, origin)?, origin, origins)?)
        } else {
            return Err(unknown(&path, origin));
        };
        if adopted.insert(key.to_owned(), value).is_some() {
            let (first, second) = (format!("`{key}`"), format!("`{written}`"));
            return Err(ConfigError::Ambiguous { path, first, second });
        }
    }
    Ok(adopted)
}

/// The keys of a group, which a few groups let one write as a single switch.
fn group_keys(path: &str, value: Value, origin: &Origin) -> Result<Map<String, Value>, ConfigError> {
    let switch = table::SWITCHED_GROUPS.iter().find(|(group, _)| *group == path).map(|(_, key)| *key);
    match (value, switch) {
        (Value::Object(keys), _) => Ok(keys),
        (Value::Bool(on), Some(key)) => Ok([(key.to_owned(), Value::Bool(on))].into_iter().collect()),
        (other, switch) => Err(ConfigError::InvalidValue {
            path: path.to_owned(),
            origin: origin.clone(),
            found: describe(&other),
            expected: format!(
                "{}an object with keys of {}",
                switch.map(|_| "true, false, or ").unwrap_or_default(),
                table::keys_of(path).join(", ")
            ),
        }),
    }
}

fn is_known(path: &str) -> bool {
    table::option(path).is_some() || table::is_group(path) || table::UNSUPPORTED.contains(&path)
}

fn unknown(path: &str, origin: &Origin) -> ConfigError {
    let (path, origin) = (path.to_owned(), origin.clone());
    if table::UNSUPPORTED.contains(&&*path) {
        return ConfigError::Unsupported { path, origin };
    }
    let (group, key) = path.rsplit_once('.').unwrap_or(("", &path));
    let valid: Vec<String> = table::keys_of(group).into_iter().map(str::to_owned).collect();
    let here = || nearest(key, valid.iter().map(String::as_str)).map(|key| join(group, key));
    let suggestion = on_another_level(key)
        .or_else(here)
        .or_else(|| nearest(&path, OPTIONS.iter().map(|row| row.path)).map(str::to_owned));
    ConfigError::UnknownOption { path, origin, suggestion, valid }
}

/// The one option whose last key is exactly this. The right key on the wrong level is a likelier slip than
/// two keys that look alike, unless it is a short word that could mean anything.
fn on_another_level(key: &str) -> Option<String> {
    let word = fold(key);
    let mut same =
        OPTIONS.iter().filter(|row| row.path.rsplit('.').next().is_some_and(|last| fold(last) == word));
    let first = same.next().filter(|_| key.len() > 5 && same.next().is_none())?;
    Some(first.path.to_owned())
}

/// Lays `upper` over `lower`: objects key by key, anything else replaces what was there.
pub(super) fn merge(lower: &mut Map<String, Value>, upper: Map<String, Value>) {
    for (key, value) in upper {
        match (lower.get_mut(&key), value) {
            (Some(Value::Object(below)), Value::Object(above)) => {
                // Options of one transporter, or discoverer, mean nothing to another one.
                let kinds = (below.get("type"), above.get("type"));
                let typed = key == "transporter" || key == "discoverer";
                let other_kind = typed && matches!(kinds, (Some(below), Some(above)) if below != above);
                if other_kind { *below = above } else { merge(below, above) }
            }
            (_, value) => {
                lower.insert(key, value);
            }
        }
    }
}

fn join(group: &str, key: &str) -> String {
    if group.is_empty() { key.to_owned() } else { format!("{group}.{key}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn merged(lower: Value, upper: Value) -> Value {
        let (Value::Object(mut lower), Value::Object(upper)) = (lower, upper) else { panic!("objects") };
        merge(&mut lower, upper);
        Value::Object(lower)
    }

    #[test]
    fn objects_are_merged_and_other_values_replaced() {
        assert_eq!(
            merged(
                json!({ "metadata": { "zone": "a", "list": [1, 2] }, "namespace": "x" }),
                json!({ "metadata": { "list": [3] }, "namespace": "y" })
            ),
            json!({ "metadata": { "zone": "a", "list": [3] }, "namespace": "y" })
        );
    }

    #[test]
    fn options_do_not_move_to_another_transporter() {
        let tcp = json!({ "transporter": { "type": "TCP", "options": { "udpPort": 1, "port": 2 } } });
        let port = json!({ "transporter": { "options": { "port": 3 } } });
        assert_eq!(
            merged(tcp.clone(), port),
            json!({ "transporter": { "type": "TCP", "options": { "udpPort": 1, "port": 3 } } })
        );
        let nats = json!({ "transporter": { "type": "NATS" } });
        assert_eq!(merged(tcp.clone(), nats.clone()), nats);
        let url = json!({ "transporter": "tcp://" });
        assert_eq!(merged(tcp, url.clone()), url);
    }
}
