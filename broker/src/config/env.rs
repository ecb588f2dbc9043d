//! Reads options from environment variables.
//!
//!
//! `LIGAND_REGISTRY__PREFER_LOCAL=false` sets `registry.preferLocal`. Two underscores separate a group from
//! its keys. Single underscores separate words, and may be left out. Keys below `metadata` and `transporter`
//! are free: there `MAX_LOAD` becomes `maxLoad`, and a value that is JSON is read as JSON.
//!
//!
//! A variable that names no option is an error if its name is close to that of an option, or if it leads into
//! a group. Any other unknown variable is ignored, with a warning.

use std::collections::BTreeMap;
use std::ffi::OsString;

use ligand_transporters::suggest::{fold, nearest};
use serde_json::{Map, Value};

use super::error::{ConfigError, Origin};
use super::kind::{Kind, json_or_text};
use super::table::{self, OPTIONS};

const PREFIX: &str = "LIGAND_";

/// Variables with our prefix that are not options. They are read elsewhere.
const NOT_OPTIONS: &[&str] = &["LIGAND_SCHEMA", "LIGAND_LOG"];

/// The content of the variables.
#[derive(Debug, Default)]
pub(super) struct Variables {
    /// Variables of groups (`LIGAND_METADATA`) come before those inside them.
    pub(super) settings: Vec<Setting>,
    /// The names of variables with our prefix that are not close to the name of any option.
    pub(super) unknown: Vec<String>,
}

/// The option that one variable sets.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) origin: Origin,
    pub(super) tree: Map<String, Value>,
}

/// Reads the settings from these variables. An empty variable counts as not set.
pub(super) fn read(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Variables, ConfigError> {
    let ours: BTreeMap<String, OsString> = variables
        .into_iter()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value))
        .filter(|(name, value)| {
            name.starts_with(PREFIX) && !NOT_OPTIONS.contains(&&**name) && !value.is_empty()
        })
        .collect();
    let mut read = Variables::default();
    let mut seen: BTreeMap<Vec<String>, String> = BTreeMap::new();
    for (name, value) in ours {
        let (keys, value) = match setting(&name, value) {
            Err(ConfigError::UnknownVariable { suggestion: None, .. }) if !is_in_a_group(&name) => {
                read.unknown.push(name);
                continue;
            }
            setting => setting?,
        };
        if let Some(first) = seen.insert(keys.clone(), name.clone()) {
            let (first, second) = (format!("`{first}`"), format!("`{name}`"));
            return Err(ConfigError::Ambiguous { path: keys.join("."), first, second });
        }
        read.settings.push(Setting { origin: Origin::Variable(name), tree: nested(&keys, value) });
    }
    Ok(read)
}

/// The keys that a variable names, and their value.
fn setting(name: &str, value: OsString) -> Result<(Vec<String>, Value), ConfigError> {
    let mut keys: Vec<String> = Vec::new();
    let mut segments = name.strip_prefix(PREFIX).unwrap_or(name).split("__");
    let row = loop {
        let Some(segment) = segments.next() else { break None };
        let group = keys.join(".");
        let word = fold(segment);
        let Some(key) = table::keys_of(&group).into_iter().find(|key| fold(key) == word) else {
            return Err(unknown(name, &group));
        };
        keys.push(key.to_owned());
        if let Some(row) = table::option(&keys.join(".")) {
            break Some(row);
        }
    };
    let text = value.into_string().map_err(|_| ConfigError::InvalidValue {
        path: keys.join("."),
        origin: Origin::Variable(name.to_owned()),
        found: "not UTF-8".into(),
        expected: "a text in UTF-8".into(),
    })?;
    // A whole group is given as JSON. Some groups may also be given as a boolean.
    let Some(row) = row else {
        let switch = table::SWITCHED_GROUPS.iter().any(|(group, _)| [*group] == *keys);
        let kind = if switch && !text.starts_with('{') { Kind::Switch } else { Kind::Object };
        return Ok((keys, kind.read_variable(&text)));
    };
    let inside: Vec<String> = segments.map(free_key).collect();
    if inside.is_empty() {
        return Ok((keys, row.kind.read_variable(&text)));
    }
    if !row.kind.is_open() || inside.iter().any(String::is_empty) {
        return Err(unknown(name, &keys.join(".")));
    }
    keys.extend(inside);
    Ok((keys, json_or_text(&text)))
}

/// `MAX_LOAD` becomes `maxLoad`. A name with lower-case letters stays as it is.
fn free_key(segment: &str) -> String {
    if segment.contains(char::is_lowercase) {
        return segment.to_owned();
    }
    let mut key = String::new();
    for word in segment.split('_').filter(|word| !word.is_empty()) {
        let lower = word.to_lowercase();
        let mut letters = lower.chars();
        match letters.next() {
            Some(first) if !key.is_empty() => key.extend(first.to_uppercase()),
            Some(first) => key.push(first),
            None => {}
        }
        key.push_str(letters.as_str());
    }
    key
}

/// The variable of an option: `LIGAND_REGISTRY__PREFER_LOCAL` for `registry.preferLocal`.
pub(super) fn variable(path: &str) -> String {
    let mut name = PREFIX.to_owned();
    let mut after_lower = false;
    for letter in path.chars() {
        if letter == '.' {
            name.push_str("__");
        } else {
            if letter.is_uppercase() && after_lower {
                name.push('_');
            }
            name.extend(letter.to_uppercase());
        }
        after_lower = letter.is_lowercase();
    }
    name
}

/// Whether a variable leads into one of our groups. Then it is certainly meant for ligand.
fn is_in_a_group(name: &str) -> bool {
    let group = name.strip_prefix(PREFIX).and_then(|path| path.split_once("__"));
    let keys = table::keys_of("").into_iter().filter(|key| table::is_group(key));
    group.is_some_and(|(group, _)| keys.into_iter().any(|key| fold(key) == fold(group)))
}

/// Whether Kubernetes sets this variable in the containers next to a Service called `ligand`.
fn is_injected(name: &str) -> bool {
    name == "LIGAND_PORT" || name.starts_with("LIGAND_PORT_") || name.starts_with("LIGAND_SERVICE_")
}

fn unknown(name: &str, group: &str) -> ConfigError {
    let words = fold(name);
    let unsupported = table::UNSUPPORTED.iter().find(|path| {
        let variable = variable(path);
        fold(&variable) == words || name.starts_with(&format!("{variable}__"))
    });
    if let Some(path) = unsupported {
        let origin = Origin::Variable(name.to_owned());
        return ConfigError::Unsupported { path: (*path).to_owned(), origin };
    }
    let word = Some(name).filter(|name| !is_injected(name)).and_then(|name| name.strip_prefix(PREFIX));
    let suggestion = word.and_then(|word| nearest(word, OPTIONS.iter().map(|row| row.path))).map(variable);
    let on_this_level = table::keys_of(group).into_iter().map(|key| {
        let path = if group.is_empty() { key.to_owned() } else { format!("{group}.{key}") };
        let ellipsis = if table::is_group(&path) { "__…" } else { "" };
        variable(&path) + ellipsis
    });
    ConfigError::UnknownVariable { name: name.to_owned(), suggestion, valid: on_this_level.collect() }
}

fn nested(keys: &[String], value: Value) -> Map<String, Value> {
    let mut map = Map::new();
    if let Some((first, rest)) = keys.split_first() {
        let value = if rest.is_empty() { value } else { Value::Object(nested(rest, value)) };
        map.insert(first.clone(), value);
    }
    map
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read_one(name: &str, value: &str) -> Result<Value, ConfigError> {
        let read = read([(name.into(), value.into())])?;
        Ok(read.settings.into_iter().next().map_or(Value::Null, |setting| Value::Object(setting.tree)))
    }

    #[test]
    fn variables_are_named_after_their_options() {
        for (path, name) in [
            ("namespace", "LIGAND_NAMESPACE"),
            ("nodeID", "LIGAND_NODE_ID"),
            ("registry.preferLocal", "LIGAND_REGISTRY__PREFER_LOCAL"),
            ("transit.limits.depth", "LIGAND_TRANSIT__LIMITS__DEPTH"),
            ("advertise.ipList", "LIGAND_ADVERTISE__IP_LIST"),
        ] {
            assert_eq!(variable(path), name);
        }
    }

    #[test]
    fn variables_become_options() -> Result<(), ConfigError> {
        for (name, value, expected) in [
            ("LIGAND_NAMESPACE", "dev", json!({ "namespace": "dev" })),
            ("LIGAND_NAMESPACE", "7", json!({ "namespace": "7" })),
            ("LIGAND_NAMESPACE", "", Value::Null),
            ("LIGAND_NODE_ID", "a", json!({ "nodeID": "a" })),
            ("LIGAND_NODEID", "a", json!({ "nodeID": "a" })),
            ("LIGAND_REQUEST_TIMEOUT", "5s", json!({ "requestTimeout": "5s" })),
            ("LIGAND_REQUESTTIMEOUT", "500", json!({ "requestTimeout": 500.0 })),
            ("LIGAND_PROTOCOL", "4", json!({ "protocol": "4" })),
            ("LIGAND_REGISTRY__PREFER_LOCAL", "Off", json!({ "registry": { "preferLocal": false } })),
            ("LIGAND_REGISTRY", r#"{"maxNodes":5}"#, json!({ "registry": { "maxNodes": 5 } })),
            ("LIGAND_INTERNAL_SERVICES", "false", json!({ "internalServices": false })),
            (
                "LIGAND_INTERNAL_SERVICES",
                r#"{"remote":true}"#,
                json!({ "internalServices": { "remote": true } }),
            ),
            ("LIGAND_TRANSIT__LIMITS__DEPTH", "32", json!({ "transit": { "limits": { "depth": 32 } } })),
            (
                "LIGAND_ADVERTISE__IP_LIST",
                "10.0.0.1, ::1",
                json!({ "advertise": { "ipList": ["10.0.0.1", "::1"] } }),
            ),
            ("LIGAND_METADATA", r#"{"zone":"a"}"#, json!({ "metadata": { "zone": "a" } })),
            ("LIGAND_METADATA__MAX_LOAD", "7", json!({ "metadata": { "maxLoad": 7 } })),
            ("LIGAND_METADATA__Zone__deep", "a b", json!({ "metadata": { "Zone": { "deep": "a b" } } })),
            ("LIGAND_TRANSPORTER", "tcp://", json!({ "transporter": "tcp://" })),
            (
                "LIGAND_TRANSPORTER__OPTIONS__UDP_PORT",
                "4446",
                json!({ "transporter": { "options": { "udpPort": 4446 } } }),
            ),
            ("LIGAND_LOG", "debug", Value::Null),
            ("LIGAND_SCHEMA", "check", Value::Null),
            ("PATH", "/bin", Value::Null),
        ] {
            assert_eq!(read_one(name, value)?, expected, "{name}");
        }
        Ok(())
    }

    #[test]
    fn variables_that_are_nearly_an_option_are_errors_with_the_nearest_one() {
        for (name, nearest) in [
            ("LIGAND_REQEST_TIMEOUT", "LIGAND_REQUEST_TIMEOUT"),
            ("LIGAND_REGISTRY_PREFER_LOCAL", "LIGAND_REGISTRY__PREFER_LOCAL"),
            ("LIGAND_REGISTRY__PREFERLOCL", "LIGAND_REGISTRY__PREFER_LOCAL"),
            ("LIGAND_METADATA__", "LIGAND_METADATA"),
        ] {
            match read_one(name, "x") {
                Err(ConfigError::UnknownVariable { name: named, suggestion, .. }) => {
                    assert_eq!(named, name);
                    assert_eq!(suggestion.as_deref(), Some(nearest), "{name}");
                }
                other => panic!("{name}: {other:?}"),
            }
        }
    }

    #[test]
    fn other_variables_with_our_prefix_are_passed_over_and_named() -> Result<(), ConfigError> {
        let others = [
            "LIGAND_",
            "LIGAND_COMPLETELY_DIFFERENT_THING",
            "LIGAND_GATEWAY_SERVICE_HOST",
            "LIGAND_NAMESPACE__X__Y__Z__LONG",
            "LIGAND_PORT",
            "LIGAND_PORT_3000_TCP",
            "LIGAND_PORT_3000_TCP_PROTO",
            "LIGAND_SERVICE_HOST",
            "LIGAND_SERVICE_PORT",
            "LIGAND_SERVICE_PORT_HTTP",
        ];
        let variables = others.iter().chain(&["LIGAND_NODE_ID"]).map(|name| (name.into(), "x".into()));
        let read = read(variables)?;
        assert_eq!(read.unknown, others);
        assert_eq!(read.settings.len(), 1);
        Ok(())
    }

    #[test]
    fn whatever_leads_into_a_group_is_meant_for_us() {
        for name in ["LIGAND_TRACKING__SHUTDOWN", "LIGAND_TRANSIT__LIMITS__NONSENSE", "LIGAND_REGISTRY__"] {
            let said = read_one(name, "x");
            assert!(matches!(said, Err(ConfigError::UnknownVariable { .. })), "{name}: {said:?}");
        }
    }

    #[test]
    fn what_kubernetes_injects_is_never_near() {
        for row in OPTIONS {
            assert!(!is_injected(&variable(row.path)), "{}", row.path);
        }
    }

    #[test]
    fn options_of_moleculer_that_are_missing_are_called_so() {
        for name in ["LIGAND_CACHER", "LIGAND_CIRCUIT_BREAKER__ENABLED", "LIGAND_REGISTRY__STRATEGY_OPTIONS"]
        {
            assert!(matches!(read_one(name, "x"), Err(ConfigError::Unsupported { .. })), "{name}");
        }
    }

    #[test]
    fn two_spellings_of_one_variable_are_refused() {
        let both = [("LIGAND_NODE_ID".into(), "a".into()), ("LIGAND_NODEID".into(), "b".into())];
        let error = read(both).map(|_| ()).map_err(|error| error.to_string());
        assert_eq!(
            error,
            Err("`nodeID` is set twice, by `LIGAND_NODEID` and by `LIGAND_NODE_ID`: keep one of them".into())
        );
    }
}
