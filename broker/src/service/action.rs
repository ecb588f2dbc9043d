//! The definition of an action: its name and its options, without the handler.

use ligand_transporters::Name;
use serde::Serialize;
use serde_json::{Map, Value};
use std::fmt;

use super::options::Options;
use crate::codec::to_value;
use crate::config::Timeout;
use crate::protocol::{ActionInfo, Visibility};

/// Where a handler runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum RunMode {
    /// The task that has the request polls it once. It gets a task of its own only if it has to wait.
    #[default]
    InPlace,
    /// Always in a task of its own.
    Spawn,
}

/// The definition of an action: its name and its options, without the handler.
#[derive(Clone)]
pub struct ActionDef {
    pub(crate) name: Name,
    pub(crate) visibility: Visibility,
    pub(crate) timeout: Option<Timeout>,
    pub(crate) mode: RunMode,
    /// Its handler blocks, so it runs on a thread of its own.
    pub(crate) blocking: bool,
    pub(crate) encode: bool,
    pub(crate) extra: Map<String, Value>,
    /// Why the first extra key that cannot be written as JSON failed.
    pub(crate) unwritable: Option<String>,
    options: Options,
}

impl ActionDef {
    /// An action with this name. The name is the part after the service's name. It consists of letters,
    /// digits, `_`, `-` and `.`.
    pub fn new(name: impl Into<Name>) -> Self {
        Self {
            name: name.into(),
            visibility: Visibility::default(),
            timeout: None,
            mode: RunMode::default(),
            blocking: false,
            encode: false,
            extra: Map::new(),
            unwritable: None,
            options: Options::default(),
        }
    }

    /// Sets how long a call may take if the caller does not say so. The value is published, in whole
    /// milliseconds (at least one), so callers on other nodes use it too. [`Timeout::Never`] means no limit.
    /// The broker refuses a service with zero, because every call would fail.
    #[must_use]
    pub fn timeout(mut self, timeout: impl Into<Timeout>) -> Self {
        self.timeout = Some(timeout.into());
        self
    }

    /// Sets who may call the action.
    #[must_use]
    pub fn visibility(mut self, visibility: Visibility) -> Self {
        self.visibility = visibility;
        self
    }

    /// Runs every request in a task of its own. Use it for handlers that compute for a long time before they
    /// wait.
    #[must_use]
    pub fn spawn(mut self) -> Self {
        self.mode = RunMode::Spawn;
        self
    }

    /// Sends parameters and result through the codec, even between two services in one process. Use it for
    /// types where that makes a difference, such as `#[serde(skip)]`.
    #[must_use]
    pub fn encode(mut self) -> Self {
        self.encode = true;
        self
    }

    /// Adds a key to the published definition: `rest`, `description`, or any other. The value is published
    /// unchanged. If it cannot be written as JSON, the broker refuses the service.
    #[must_use]
    pub fn extra(mut self, key: &str, value: impl Serialize) -> Self {
        match to_value(format_args!("its key `{key}`"), &value) {
            Ok(value) => {
                self.extra.insert(key.to_owned(), value);
            }
            Err(error) => {
                self.unwritable.get_or_insert_with(|| error.message().to_owned());
            }
        }
        self
    }

    /// Sets the published description of the parameters, in Moleculer's schema language.
    #[must_use]
    pub fn params(self, schema: impl Serialize) -> Self {
        self.extra("params", schema)
    }

    /// A key that was put in by [`ActionDef::extra`], or that the other node published.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.extra.get(key)
    }

    /// An option for a [layer](crate::layer); one per type.
    #[must_use]
    pub fn with<T: Send + Sync + 'static>(mut self, option: T) -> Self {
        self.options.put(option);
        self
    }

    /// An option that [`ActionDef::with`] has set.
    #[must_use]
    pub fn option<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.options.get()
    }

    /// The name within the service.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The definition of an action that another node has published.
    pub(crate) fn published_by(info: &ActionInfo) -> Self {
        let mut extra: Map<String, Value> =
            crate::codec::read_json(info.definition.bytes()).unwrap_or_default();
        let raw_name = extra.remove("rawName");
        extra.retain(|key, _| !matches!(key.as_str(), "name" | "timeout" | "visibility"));
        let name = raw_name.as_ref().and_then(Value::as_str).map_or_else(|| info.name.clone(), Name::from);
        let timeout = info.timeout.map(Timeout::from_node);
        Self { visibility: info.visibility, timeout, extra, ..Self::new(name) }
    }

    /// The definition as INFO packets contain it (protocol chapter 5.5).
    pub(crate) fn published(&self, full_name: &str) -> Value {
        let mut definition = self.extra.clone();
        if self.visibility != Visibility::Published {
            definition.insert("visibility".to_owned(), self.visibility.as_str().into());
        }
        if let Some(timeout) = self.timeout {
            let millis = u64::try_from(timeout.for_node().as_millis()).unwrap_or(u64::MAX);
            definition.insert("timeout".to_owned(), millis.into());
        }
        definition.insert("rawName".to_owned(), self.name.as_str().into());
        definition.insert("name".to_owned(), full_name.into());
        definition.into()
    }
}

impl From<&str> for ActionDef {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl From<String> for ActionDef {
    fn from(name: String) -> Self {
        Self::new(name)
    }
}

impl From<Name> for ActionDef {
    fn from(name: Name) -> Self {
        Self::new(name)
    }
}

impl fmt::Debug for ActionDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActionDef")
            .field("name", &self.name)
            .field("visibility", &self.visibility)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
