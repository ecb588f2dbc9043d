//! A node for a test.

use futures_util::future::BoxFuture;
use ligand_transporters::IntoTransporter;
use std::ops::Deref;
use std::time::Duration;

use crate::broker::{BrokerBuilder, Caller, Origin, OutgoingCall, Response, ServiceBroker, StopError};
use crate::config::BrokerConfig;
use crate::error::Result;
use crate::layer::Layer;
use crate::service::IntoServiceDef;

/// The builder of a [`RunningBroker`]. It is like [`ServiceBroker::builder`], but everything runs as tasks on
/// the runtime of the test, so that paused time works.
///
/// ```
/// # use ligand::testing::TestBroker;
/// # use ligand::ServiceDef;
/// # use serde_json::Value;
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let sleepy = ServiceDef::builder("sleepy").action("head", |_cx, _: Value| async {
///     std::future::pending::<ligand::Result<()>>().await
/// });
/// let broker = TestBroker::new().service(sleepy).start().await;
/// let error = broker.call::<()>("sleepy.head", ()).await.unwrap_err();
/// assert_eq!(error.kind(), ligand::ErrorKind::RequestTimeout);
/// # }
/// ```
#[derive(Debug)]
#[must_use = "nothing runs until `start`"]
pub struct TestBroker(BrokerBuilder);

impl TestBroker {
    /// A node with the id `test`, without services.
    pub fn new() -> Self {
        Self(on_this_runtime(ServiceBroker::builder()).node_id("test"))
    }

    /// Adds a service to this node.
    pub fn service(self, service: impl IntoServiceDef) -> Self {
        self.with(|builder| builder.service(service))
    }

    /// A layer; see [`BrokerBuilder::layer`].
    pub fn layer(self, layer: impl Layer) -> Self {
        self.with(|builder| builder.layer(layer))
    }

    /// Sets another node id.
    pub fn node_id(self, id: impl Into<String>) -> Self {
        self.with(|builder| builder.node_id(id))
    }

    /// Sets how this node reaches others. [`Cluster`](super::Cluster) starts several nodes at once.
    pub fn transporter(self, transporter: impl IntoTransporter) -> Self {
        self.with(|builder| builder.transporter(transporter))
    }

    /// Encodes the parameters and the result of every call, even within this process. A test should give the
    /// same results with and without it.
    pub fn through_codec(self) -> Self {
        self.with(|builder| builder.through_codec(true))
    }

    /// Changes the configuration with a function.
    pub fn configure(self, change: impl FnOnce(&mut BrokerConfig) + Send + 'static) -> Self {
        self.with(|builder| builder.configure(change))
    }

    /// Applies any other method of [`BrokerBuilder`].
    pub fn with(self, change: impl FnOnce(BrokerBuilder) -> BrokerBuilder) -> Self {
        Self(change(self.0))
    }

    /// Starts the node.
    ///
    /// # Panics
    /// If the broker cannot be built or started. This fails the test, with the reason. To test such failures,
    /// use [`ServiceBroker::builder`].
    pub async fn start(self) -> RunningBroker {
        let broker =
            self.0.build().unwrap_or_else(|error| panic!("the test broker cannot be built: {error}"));
        if let Err(error) = broker.start().await {
            panic!("the test broker did not start: {error}");
        }
        RunningBroker(broker)
    }
}

impl Default for TestBroker {
    fn default() -> Self {
        Self::new()
    }
}

/// The broker of a test. It dereferences to a [`ServiceBroker`] and can be passed to a typed client. When it
/// is dropped, the broker is stopped in the background.
#[derive(Debug)]
pub struct RunningBroker(ServiceBroker);

impl RunningBroker {
    /// Stops the broker, and returns what failed.
    ///
    /// # Errors
    /// The same as for [`ServiceBroker::stop`].
    pub async fn stop(&self) -> Result<(), StopError> {
        self.0.stop().await
    }
}

impl Deref for RunningBroker {
    type Target = ServiceBroker;
    fn deref(&self) -> &ServiceBroker {
        &self.0
    }
}

impl Caller for RunningBroker {
    fn dispatch(&self, call: OutgoingCall) -> BoxFuture<'_, Result<Response>> {
        self.0.dispatch(call)
    }

    fn origin(&self) -> Origin<'_> {
        self.0.origin()
    }
}

impl Drop for RunningBroker {
    fn drop(&mut self) {
        stop_in_background(&self.0);
    }
}

/// Makes a broker run everything on the runtime of the test.
pub(super) fn on_this_runtime(builder: BrokerBuilder) -> BrokerBuilder {
    builder.configure(|config| {
        config.control.thread = false;
        // A single-threaded runtime cannot notice that it is blocked. A long patience makes virtual time
        // cheap.
        config.watchdog.patience = Duration::from_secs(1);
    })
}

/// Stops a broker that has been dropped. If the runtime of the test has ended, all tasks have ended with it,
/// and nothing is left to stop.
pub(super) fn stop_in_background(broker: &ServiceBroker) {
    broker.stop_in_background();
}
