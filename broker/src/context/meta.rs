//! `meta` and `headers`: small JSON objects that travel with a call.
//!
//!
//! Most calls have none, so nothing is parsed or allocated before they are read or written.

use bytes::Bytes;
use ligand_transporters::locks::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::sync::Arc;

use crate::codec::{from_value, read_json, to_value};
use crate::error::Result;

/// A JSON object behind a lock. Copies share their content until one of them is written to. `None` means that
/// it is empty.
///
///
/// Every context has three of them. Most are empty, so the content is stored outside the context.
#[derive(Debug, Default)]
pub(crate) struct Bag(Mutex<Option<Box<Content>>>);

#[derive(Debug, Clone)]
enum Content {
    /// As it arrived. It is known to be one JSON value.
    Raw(Bytes),
    Map(Arc<Map<String, Value>>),
}

fn raw(bytes: Bytes) -> Option<Box<Content>> {
    Some(Box::new(Content::Raw(bytes)))
}

fn map(map: Arc<Map<String, Value>>) -> Option<Box<Content>> {
    Some(Box::new(Content::Map(map)))
}

impl Bag {
    pub(crate) fn from_raw(bytes: Bytes) -> Self {
        match &bytes[..] {
            b"{}" | b"null" | b"" => Self::default(),
            _ => Self(Mutex::new(raw(bytes))),
        }
    }

    pub(crate) fn from_map(object: Map<String, Value>) -> Self {
        if object.is_empty() { Self::default() } else { Self(Mutex::new(map(Arc::new(object)))) }
    }

    /// A copy. It shares the content until one of them is written to.
    pub(crate) fn copy(&self) -> Self {
        Self(Mutex::new(self.0.lock().clone()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().is_none()
    }

    pub(crate) fn get(&self, key: &str) -> Option<Value> {
        self.map().get(key).cloned()
    }

    pub(crate) fn set(&self, key: &str, value: Value) {
        self.write(|map| {
            map.insert(key.to_owned(), value);
        });
    }

    /// Adds every key of `other`, and overwrites those that exist, as Node merges meta.
    pub(crate) fn merge(&self, other: &Self) {
        if std::ptr::eq(self, other) || other.is_empty() {
            return;
        }
        let other = other.map();
        if let Some(Content::Map(mine)) = self.0.lock().as_deref()
            && Arc::ptr_eq(mine, &other)
        {
            return;
        }
        self.write(|map| map.extend(other.iter().map(|(key, value)| (key.clone(), value.clone()))));
    }

    /// Adds every key of a JSON object that arrived with an answer.
    pub(crate) fn absorb(&self, bytes: Bytes) {
        let mut content = self.0.lock();
        match content.as_deref() {
            _ if matches!(&bytes[..], b"{}" | b"null" | b"") => {}
            // Most callees change nothing, and send back what they received.
            Some(Content::Raw(mine)) if *mine == bytes => {}
            None => *content = raw(bytes),
            Some(_) => {
                drop(content);
                self.write(|map| map.extend(parse(&bytes)));
            }
        }
    }

    /// The whole object.
    pub(crate) fn map(&self) -> Arc<Map<String, Value>> {
        match self.0.lock().as_deref_mut() {
            None => Arc::default(),
            Some(Content::Map(map)) => Arc::clone(map),
            Some(content @ Content::Raw(_)) => {
                let map = content.to_map();
                *content = Content::Map(Arc::clone(&map));
                map
            }
        }
    }

    /// The object as JSON text.
    pub(crate) fn to_json(&self) -> Bytes {
        match self.0.lock().as_deref() {
            None => Bytes::from_static(b"{}"),
            Some(Content::Raw(raw)) => raw.clone(),
            Some(Content::Map(map)) => match serde_json::to_vec(&**map) {
                Ok(text) => text.into(),
                Err(_) => Bytes::from_static(b"{}"),
            },
        }
    }

    fn write(&self, change: impl FnOnce(&mut Map<String, Value>)) {
        let mut content = self.0.lock();
        let mut object = content.take().map_or_else(Arc::default, |content| content.to_map());
        change(Arc::make_mut(&mut object));
        *content = map(object);
    }
}

impl Content {
    fn to_map(&self) -> Arc<Map<String, Value>> {
        match self {
            Self::Raw(raw) => Arc::new(parse(raw)),
            Self::Map(map) => Arc::clone(map),
        }
    }
}

/// The members of an object that arrived with a packet.
///
///
/// Decoders refuse meta that is not an object, is malformed, or is too deep. So this should never fail. If it
/// does, the failure is logged: otherwise a handler might take a missing user for an anonymous one.
fn parse(raw: &[u8]) -> Map<String, Value> {
    read_json(raw).unwrap_or_else(|error| {
        tracing::error!(error = %error, "meta or headers of a packet cannot be read and are left out");
        Map::new()
    })
}

/// The meta of a call: values that travel to every nested call, and are merged back when it returns.
///
///
/// If parallel calls write the same key, the last answer wins, as in Node.
#[derive(Debug, Clone, Copy)]
pub struct Meta<'a>(pub(crate) &'a Bag);

impl Meta<'_> {
    /// The value of a key, if the key exists and the value is a `T`.
    #[must_use]
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        from_value(&self.0.get(key)?).ok()
    }

    /// Sets the value of a key.
    ///
    /// # Errors
    /// When the value cannot be written as JSON. The error names the key, and nothing is set.
    pub fn set(&self, key: &str, value: impl Serialize) -> Result<()> {
        self.0.set(key, to_value(format_args!("the meta value '{key}'"), &value)?);
        Ok(())
    }

    /// A copy of everything.
    #[must_use]
    pub fn to_map(&self) -> Map<String, Value> {
        (*self.0.map()).clone()
    }
}

/// The headers of a call or an event. They travel one hop: nested calls do not inherit them. Headers that are
/// set here are sent with the response.
#[derive(Debug, Clone, Copy)]
pub struct Headers<'a> {
    pub(crate) request: &'a Bag,
    pub(crate) response: &'a Bag,
}

impl Headers<'_> {
    /// A header of the request, if it exists and its value is a `T`.
    #[must_use]
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        from_value(&self.request.get(key)?).ok()
    }

    /// All headers of the request.
    #[must_use]
    pub fn to_map(&self) -> Map<String, Value> {
        (*self.request.map()).clone()
    }

    /// Sets a header of the response.
    ///
    /// # Errors
    /// When the value cannot be written as JSON. The error names the header, and nothing is set.
    pub fn set_response(&self, key: &str, value: impl Serialize) -> Result<()> {
        self.response.set(key, to_value(format_args!("the header '{key}'"), &value)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_copy_is_independent_of_the_original() {
        let bag = Bag::from_raw(Bytes::from_static(br#"{"a":1}"#));
        let copy = bag.copy();
        copy.set("a", json!(2));
        assert_eq!((bag.get("a"), copy.get("a")), (Some(json!(1)), Some(json!(2))));
    }

    #[test]
    fn merging_adds_and_replaces_key_by_key() {
        let bag = Bag::from_raw(Bytes::from_static(br#"{"a":1,"b":1}"#));
        bag.merge(&Bag::from_raw(Bytes::from_static(br#"{"b":2,"c":3}"#)));
        assert_eq!(Value::Object((*bag.map()).clone()), json!({ "a": 1, "b": 2, "c": 3 }));
    }

    #[test]
    fn null_and_nothing_are_empty() {
        for nothing in ["null", "{}", ""] {
            assert!(Bag::from_raw(Bytes::from_static(nothing.as_bytes())).is_empty());
        }
    }

    #[test]
    fn half_a_pair_or_a_number_above_all_floats_costs_nothing_of_what_stands_beside() {
        let arrived = br#"{"token":"t","who":"Ada \ud83d","\ude00":1e400}"#;
        let expected = json!({ "token": "t", "who": "Ada \u{fffd}", "\u{fffd}": null });
        let bag = Bag::from_raw(Bytes::from_static(arrived));
        assert_eq!(bag.to_json(), &arrived[..], "it is handed on as it came");
        assert_eq!(Value::Object((*bag.map()).clone()), expected);
        let written = Bag::from_raw(Bytes::from_static(arrived));
        written.set("token", json!("u"));
        assert_eq!((written.get("token"), written.map().len()), (Some(json!("u")), 3));
        let absorbing = Bag::from_raw(Bytes::from_static(br#"{"mine":1}"#));
        absorbing.absorb(Bytes::from_static(arrived));
        assert_eq!((absorbing.get("mine"), absorbing.get("token")), (Some(json!(1)), Some(json!("t"))));
    }
}
