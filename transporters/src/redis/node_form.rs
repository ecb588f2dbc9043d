//! The options that Node takes as objects: Sentinel, Cluster, and the map of addresses.

use serde_json::Value;

use super::RedisOptions;
use super::options::Mode;
use crate::TransportError;
use crate::bus::{Server, ServerOptions as _, Servers};
use crate::options;

impl RedisOptions {
    pub(super) fn set_sentinels(&mut self, list: &str) -> Result<(), TransportError> {
        let list = nodes("sentinels", list, 26379)?;
        self.extend(list, Mode::Sentinel)
    }

    /// `{ nodes: [...], clusterOptions: {...} }`
    pub(super) fn set_cluster(&mut self, text: &str) -> Result<(), TransportError> {
        for (key, value) in object("cluster", text)? {
            match key.as_str() {
                "nodes" => {
                    let nodes = nodes("cluster.nodes", &value, 6379)?;
                    self.extend(nodes, Mode::Cluster)?;
                }
                "clusterOptions" => {
                    for (key, value) in object("cluster.clusterOptions", &value)? {
                        match key.as_str() {
                            "redisOptions" => {
                                for (key, value) in object("redisOptions", &value)? {
                                    self.set(&key, &value)?;
                                }
                            }
                            key => self.set(key, &value)?,
                        }
                    }
                }
                other => return self.set(&format!("cluster.{other}"), &value),
            }
        }
        self.mode = Mode::Cluster;
        Ok(())
    }

    /// `{ "told:port": { host, port } }`, or `told:port=real:port,…`
    pub(super) fn set_nat_map(&mut self, map: &str) -> Result<(), TransportError> {
        if !map.starts_with('{') {
            for pair in map.split(',') {
                let pair = pair.split_once('=').map(|(told, real)| (told.trim(), real.trim()));
                let (told, real) = pair.ok_or_else(|| wrong("natMap", "told:port=real:port"))?;
                self.nat_map.insert(told.to_owned(), real.to_owned());
            }
            return Ok(());
        }
        for (told, real) in object("natMap", map)? {
            let real = nodes("natMap", &real, 6379)?;
            let real = real.first().ok_or_else(|| wrong("natMap", "{ host, port } for each address"))?;
            self.nat_map.insert(told, format!("{}:{}", real.host, real.port));
        }
        Ok(())
    }
}

/// A list of `{host, port}`, URLs and ports, with or without its brackets.
fn nodes(name: &str, list: &str, default_port: u16) -> Result<Vec<Server>, TransportError> {
    let wrong = || wrong(name, "a list of { host, port } or of host:port");
    let list = match list.starts_with('[') {
        true => list.to_owned(),
        false if list.starts_with('{') => format!("[{list}]"),
        false => serde_json::to_string(&list.split(',').collect::<Vec<_>>()).map_err(|_| wrong())?,
    };
    let list: Vec<Value> = serde_json::from_str(&list).map_err(|_| wrong())?;
    let mut nodes = Vec::new();
    for node in list {
        let text = match &node {
            Value::Object(node) => {
                let host = node.get("host").and_then(Value::as_str).unwrap_or("127.0.0.1");
                let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
                let port =
                    node.get("port").map_or(Ok(default_port), |port| number(port).ok_or_else(wrong))?;
                format!("{host}:{port}")
            }
            Value::String(text) if text.parse::<u16>().is_ok() => format!("127.0.0.1:{text}"),
            Value::String(text) if text.contains("://") => text.clone(),
            Value::String(text) if text.rsplit_once(':').is_some() => text.clone(),
            Value::String(text) => format!("{text}:{default_port}"),
            Value::Number(port) => format!("127.0.0.1:{port}"),
            _ => return Err(wrong()),
        };
        nodes.extend(Servers::parse(&RedisOptions::plain_list(&text)?, RedisOptions::FORM)?.list);
    }
    Ok(nodes)
}

/// The keys and values of an object, with the values as text.
fn object(name: &str, text: &str) -> Result<Vec<(String, String)>, TransportError> {
    let object: serde_json::Map<String, Value> =
        serde_json::from_str(text).map_err(|error| wrong(name, &format!("an object ({error})")))?;
    let text = |value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    // In Node, `null` leaves an option out.
    let given = object.into_iter().filter(|(_, value)| !value.is_null());
    Ok(given.map(|(key, value)| (key, text(value))).collect())
}

fn wrong(name: &str, expected: &str) -> TransportError {
    options::wrong::<RedisOptions>(name, expected)
}

fn number(value: &Value) -> Option<u16> {
    match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64().and_then(|port| u16::try_from(port).ok()),
    }
}
