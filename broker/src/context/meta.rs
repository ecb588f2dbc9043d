//! `meta` and `headers`: small JSON objects that travel beside a call.
//!
//! Most calls carry none, so nothing is parsed or allocated until somebody reads or writes.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A JSON object behind a lock; copies are shared until one is written to.
#[derive(Debug, Default)]
pub(crate) struct Bag(Mutex<State>);

#[derive(Debug, Clone, Default)]
enum State {
    #[default]
    Empty,
    /// As it arrived; known to be one JSON value.
    Raw(Bytes),
    Map(Arc<Map<String, Value>>),
}

impl Bag {
    pub(crate) fn from_raw(raw: Bytes) -> Self {
        match &raw[..] {
            b"{}" | b"null" | b"" => Self::default(),
            _ => Self(Mutex::new(State::Raw(raw))),
        }
    }

    pub(crate) fn from_map(map: Map<String, Value>) -> Self {
        match map.is_empty() {
            true => Self::default(),
            false => Self(Mutex::new(State::Map(Arc::new(map)))),
        }
    }

    /// A copy that shares its content until written to.
    pub(crate) fn copy(&self) -> Self {
        Self(Mutex::new(self.lock().clone()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(*self.lock(), State::Empty)
    }

    pub(crate) fn get(&self, key: &str) -> Option<Value> {
        self.map().get(key).cloned()
    }

    pub(crate) fn set(&self, key: &str, value: Value) {
        self.write(|map| {
            map.insert(key.to_owned(), value);
        });
    }

    /// Adds every key of `other`, replacing what was there, as Node merges meta.
    pub(crate) fn merge(&self, other: &Self) {
        if std::ptr::eq(self, other) || other.is_empty() {
            return;
        }
        let other = other.map();
        if let State::Map(mine) = &*self.lock()
            && Arc::ptr_eq(mine, &other)
        {
            return;
        }
        self.write(|map| map.extend(other.iter().map(|(key, value)| (key.clone(), value.clone()))));
    }

    /// Adds every key of a JSON object that came with an answer.
    pub(crate) fn absorb(&self, raw: Bytes) {
        let mut state = self.lock();
        match &*state {
            _ if matches!(&raw[..], b"{}" | b"null" | b"") => {}
            // Mostly the callee changed nothing, and sends back what it was sent.
            State::Raw(mine) if *mine == raw => {}
            State::Empty => *state = State::Raw(raw),
            _ => {
                drop(state);
                self.write(|map| map.extend(parse(&raw)));
            }
        }
    }

    /// The whole object.
    pub(crate) fn map(&self) -> Arc<Map<String, Value>> {
        let mut state = self.lock();
        match &*state {
            State::Empty => Arc::default(),
            State::Map(map) => Arc::clone(map),
            State::Raw(raw) => {
                let map = Arc::new(parse(raw));
                *state = State::Map(Arc::clone(&map));
                map
            }
        }
    }

    /// The object as JSON text.
    pub(crate) fn to_json(&self) -> Bytes {
        match &*self.lock() {
            State::Empty => Bytes::from_static(b"{}"),
            State::Raw(raw) => raw.clone(),
            State::Map(map) => match serde_json::to_vec(&**map) {
                Ok(text) => text.into(),
                Err(_) => Bytes::from_static(b"{}"),
            },
        }
    }

    fn write(&self, change: impl FnOnce(&mut Map<String, Value>)) {
        let mut state = self.lock();
        let mut map = match std::mem::take(&mut *state) {
            State::Empty => Arc::default(),
            State::Raw(raw) => Arc::new(parse(&raw)),
            State::Map(map) => map,
        };
        change(Arc::make_mut(&mut map));
        *state = State::Map(map);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is not an object counts as none.
fn parse(raw: &[u8]) -> Map<String, Value> {
    serde_json::from_slice(raw).unwrap_or_default()
}

/// Values that travel down with every nested call, and come back merged.
///
/// Parallel children that write one key race as they do in Node: the last answer wins.
#[derive(Debug, Clone, Copy)]
pub struct Meta<'a>(pub(crate) &'a Bag);

impl Meta<'_> {
    /// The value of a key, if it is there and is a `T`.
    #[must_use]
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        serde_json::from_value(self.0.get(key)?).ok()
    }

    /// Sets a key. What cannot be written as JSON becomes null.
    pub fn set(&self, key: &str, value: impl Serialize) {
        self.0.set(key, serde_json::to_value(value).unwrap_or_default());
    }

    /// A copy of everything.
    #[must_use]
    pub fn to_map(&self) -> Map<String, Value> {
        (*self.0.map()).clone()
    }
}

/// Headers of a call or event: they travel one hop and are never inherited. Setting one here goes back
/// with the response.
#[derive(Debug, Clone, Copy)]
pub struct Headers<'a> {
    pub(crate) request: &'a Bag,
    pub(crate) response: &'a Bag,
}

impl Headers<'_> {
    /// A header of the request, if it is there and is a `T`.
    #[must_use]
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        serde_json::from_value(self.request.get(key)?).ok()
    }

    /// All headers of the request.
    #[must_use]
    pub fn to_map(&self) -> Map<String, Value> {
        (*self.request.map()).clone()
    }

    /// Sets a header of the response. What cannot be written as JSON becomes null.
    pub fn set_response(&self, key: &str, value: impl Serialize) {
        self.response.set(key, serde_json::to_value(value).unwrap_or_default());
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
    fn what_is_no_object_counts_as_empty() {
        assert_eq!(Bag::from_raw(Bytes::from_static(b"[1]")).map().len(), 0);
        assert!(Bag::from_raw(Bytes::from_static(b"null")).is_empty());
    }
}
