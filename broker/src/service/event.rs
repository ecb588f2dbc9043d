//! The definition of a subscription: its event and its options, without the handler.

use ligand_transporters::Name;
use serde::Serialize;
use serde_json::{Map, Value};

use super::options::Options;
use crate::codec::to_value;

/// The definition of a subscription: the name or the pattern of the event, and options.
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
    /// A subscription to one event, or to all events that match a pattern (`*` matches one part, `**` any
    /// number).
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

    /// Sets the group. One member of the group gets each emitted event. The default is the service's name.
    #[must_use]
    pub fn group(mut self, group: impl Into<Name>) -> Self {
        self.group = Some(group.into());
        self
    }

    /// Sets how many events are handled at once. With 1, the events of one sender are handled in the order in
    /// which they were sent. Without this option there is no bound, and no order.
    ///
    /// The number of waiting events is bounded by `transit.eventQueue`. When the queue is full, new events
    /// are dropped and counted. The broker refuses a service with zero, because no event would ever be
    /// handled.
    ///
    /// A handler must not await a [`broadcast_local`](crate::ServiceBroker::broadcast_local) of an event that
    /// its own subscription gets, directly or through other handlers of this process, because it would wait
    /// for itself. Whatever the number is, it gets an error of type `EVENT_WAITS_FOR_ITSELF`.
    #[must_use]
    pub fn concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = Some(concurrency);
        self
    }

    /// Adds a key to the published definition. The value is published unchanged. If it cannot be written as
    /// JSON, the broker refuses the service.
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

    /// The definition as INFO packets contain it (protocol chapter 5.5).
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
