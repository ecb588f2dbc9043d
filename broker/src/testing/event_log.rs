//! A service that records events.

use ligand_transporters::Name;
use ligand_transporters::locks::Mutex;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

use crate::context::Context;
use crate::registry::Pattern;
use crate::service::{IntoServiceDef, ServiceBuilder, ServiceDef};

/// How long [`EventLog::wait_for`] waits, on the clock of the test.
const PATIENCE: Duration = Duration::from_secs(60);

/// An event, as a handler received it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CapturedEvent {
    /// Its name, never a pattern.
    pub name: String,
    /// Its body.
    pub data: Value,
    /// Its meta.
    pub meta: Map<String, Value>,
    /// The node that sent it.
    pub node: String,
    /// Whether every subscriber receives it, instead of one in each group.
    pub broadcast: bool,
}

/// Records the events that it receives. Clones share the record: give one clone to the broker as a service,
/// and keep another.
///
/// ```
/// # use ligand::testing::{EventLog, TestBroker};
/// # use serde_json::json;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> ligand::Result<()> {
/// let log = EventLog::of("order.**");
/// let broker = TestBroker::new().service(log.clone()).start().await;
/// broker.emit("order.placed", json!(1)).await?;
/// broker.emit("user.created", json!(2)).await?;
/// assert_eq!(log.names(), ["order.placed"]);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct EventLog {
    patterns: Vec<Name>,
    heard: Arc<Mutex<Vec<CapturedEvent>>>,
    count: watch::Sender<usize>,
}

impl EventLog {
    /// Records the events that match this name or pattern. The service is named `event-log`, and so is its
    /// group.
    pub fn of(pattern: impl Into<Name>) -> Self {
        Self { patterns: vec![pattern.into()], ..Self::nothing() }
    }

    /// Records the events that match this name or pattern as well.
    #[must_use]
    pub fn and(mut self, pattern: impl Into<Name>) -> Self {
        self.add(pattern.into());
        self
    }

    /// All events so far, the oldest first.
    #[must_use]
    pub fn all(&self) -> Vec<CapturedEvent> {
        self.heard.lock().clone()
    }

    /// The names of all events so far, the oldest first.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.heard.lock().iter().map(|event| event.name.clone()).collect()
    }

    /// The bodies of all events so far, the oldest first.
    #[must_use]
    pub fn bodies(&self) -> Vec<Value> {
        self.heard.lock().iter().map(|event| event.data.clone()).collect()
    }

    /// The events so far whose name matches `pattern`, the oldest first.
    #[must_use]
    pub fn matching(&self, pattern: &str) -> Vec<CapturedEvent> {
        let pattern = Pattern::new(pattern);
        self.heard.lock().iter().filter(|event| pattern.matches(&event.name)).cloned().collect()
    }

    /// Waits until there are at least `count` events, and returns all events so far.
    ///
    ///
    /// # Panics
    /// If fewer events arrive within a minute.
    ///
    ///
    /// # Cancel safety
    /// Dropping the future has no effect. The events stay in the log.
    pub async fn wait_for(&self, count: usize) -> Vec<CapturedEvent> {
        let mut counted = self.count.subscribe();
        let enough = counted.wait_for(|heard| *heard >= count);
        if tokio::time::timeout(PATIENCE, enough).await.is_err() {
            panic!("waited for {count} events, but heard only {:?}", self.names());
        }
        self.all()
    }

    pub(super) fn nothing() -> Self {
        Self { patterns: Vec::new(), heard: Arc::default(), count: watch::Sender::new(0) }
    }

    /// A service subscribes to each pattern only once.
    pub(super) fn add(&mut self, pattern: Name) {
        if !self.patterns.contains(&pattern) {
            self.patterns.push(pattern);
        }
    }

    /// Adds the subscriptions to a service.
    pub(super) fn subscribe(&self, builder: ServiceBuilder) -> ServiceBuilder {
        self.patterns.iter().fold(builder, |builder, pattern| {
            let log = self.clone();
            builder.event(crate::service::EventDef::new(pattern.clone()), move |cx: Context, data: Value| {
                log.record(&cx, data);
                async { Ok::<_, crate::error::Error>(()) }
            })
        })
    }

    fn record(&self, cx: &Context, data: Value) {
        let event = CapturedEvent {
            name: cx.name().to_string(),
            data,
            meta: cx.meta().to_map(),
            node: cx.node().to_string(),
            broadcast: cx.is_broadcast(),
        };
        let count = {
            let mut heard = self.heard.lock();
            heard.push(event);
            heard.len()
        };
        self.count.send_replace(count);
    }
}

impl IntoServiceDef for EventLog {
    fn into_service_def(self) -> ServiceDef {
        self.subscribe(ServiceDef::builder("event-log")).build()
    }
}
