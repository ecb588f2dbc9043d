//! What is said about a subscription beside its handler.

use ligand_transporters::Name;
use serde::Serialize;
use serde_json::{Map, Value};

use super::options::Options;
use crate::codec::to_value;

/// The definition of a subscription: event name or pattern, and options.
#[derive(Debug, Clone)]
pub struct EventDef {
    pub(crate) pattern: Name,
    pub(crate) group: Option<Name>,
    pub(crate) concurrency: Option<usize>,
    pub(crate) extra: Map<String, Value>,
    options: Options,
    /// Why the first extra key that cannot be written cannot be.
    pub(crate) unwritable: Option<String>,
}

impl EventDef {
    /// A subscription to an event, or to all that match a pattern (`*` one part, `**` any number).
    pub fn new(pattern: impl Into<Name>) -> Self {
        Self {
            pattern: pattern.into(),
            group: None,
            concurrency: None,
            extra: Map::new(),
            options: Options::default(),
            unwritable: None,
        }
    }

    /// The group of which one member gets each emitted event; the service's name unless given.
    #[must_use]
    pub fn group(mut self, group: impl Into<Name>) -> Self {
        self.group = Some(group.into());
        self
    }

    /// How many events are handled at once. With 1, events of one sender are handled in the order they
    /// were sent. Without it there is no bound and no promise about order. What waits is bounded by
    /// `transit.eventQueue`; above that, the newest is dropped and counted. Zero is refused when the service
    /// is given to a broker: no event would ever be handled.
    ///
    /// A handler that awaits [`broadcast_local`](crate::ServiceBroker::broadcast_local) of an event that its own
    /// subscription gets, itself or by way of other handlers of this process, would wait for itself. It is given
    /// an error of type `EVENT_WAITS_FOR_ITSELF`, whatever the number is.
    #[must_use]
    pub fn concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = Some(concurrency);
        self
    }

    /// A key of the definition that is published untouched. A service with one that cannot be written as
    /// JSON is refused by the broker.
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

    /// A key that was put in by [`EventDef::extra`].
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

    /// An option that was put in by [`EventDef::with`].
    #[must_use]
    pub fn option<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.options.get()
    }

    /// The event, or the pattern, that it subscribes to.
    #[must_use]
    pub fn pattern(&self) -> &Name {
        &self.pattern
    }

    /// The definition as it stands in INFO packets (protocol chapter 5.5).
    pub(crate) fn published(&self) -> Value {
        let mut definition = self.extra.clone();
        if let Some(group) = &self.group {
            definition.insert("group".to_owned(), group.as_str().into());
        }
        definition.insert("name".to_owned(), self.pattern.as_str().into());
        definition.into()
    }
}

impl From<&str> for EventDef {
    fn from(pattern: &str) -> Self {
        Self::new(pattern)
    }
}

impl From<String> for EventDef {
    fn from(pattern: String) -> Self {
        Self::new(pattern)
    }
}

impl From<Name> for EventDef {
    fn from(pattern: Name) -> Self {
        Self::new(pattern)
    }
}
