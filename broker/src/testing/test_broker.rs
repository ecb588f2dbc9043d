//! One node for a test.

use futures_util::future::BoxFuture;
use ligand_transporters::IntoTransporter;
use std::ops::Deref;
use std::time::Duration;

use crate::broker::{BrokerBuilder, Caller, Origin, OutgoingCall, Response, ServiceBroker, StopError};
use crate::config::BrokerConfig;
use crate::error::Result;
use crate::layer::Layer;
use crate::service::IntoServiceDef;

/// Configures a [`RunningBroker`]: like [`ServiceBroker::builder`], but everything runs as tasks of the
/// test's runtime, so that paused time works.
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
    /// A node `test` without services.
    pub fn new() -> Self {
        Self(on_this_runtime(ServiceBroker::builder()).node_id("test"))
    }

    /// A service of this node.
    pub fn service(self, service: impl IntoServiceDef) -> Self {
        self.with(|builder| builder.service(service))
    }

    /// A layer; see [`BrokerBuilder::layer`].
    pub fn layer(self, layer: impl Layer) -> Self {
        self.with(|builder| builder.layer(layer))
    }

    /// Another node id.
    pub fn node_id(self, id: impl Into<String>) -> Self {
        self.with(|builder| builder.node_id(id))
    }

    /// A way to other nodes; see [`Cluster`](super::Cluster) for several at once.
    pub fn transporter(self, transporter: impl IntoTransporter) -> Self {
        self.with(|builder| builder.transporter(transporter))
    }

    /// Encodes the parameters and the result of every call, also within this process. What a test finds
    /// with and without it should be the same.
    pub fn through_codec(self) -> Self {
        self.with(|builder| builder.through_codec(true))
    }

    /// Any change of the configuration.
    pub fn configure(self, change: impl FnOnce(&mut BrokerConfig) + Send + 'static) -> Self {
        self.with(|builder| builder.configure(change))
    }

    /// Anything else a [`BrokerBuilder`] can do.
    pub fn with(self, change: impl FnOnce(BrokerBuilder) -> BrokerBuilder) -> Self {
        Self(change(self.0))
    }

    /// Starts it.
    ///
    /// # Panics
    /// When it cannot be built or started, which fails the test with the reason. For tests about such
    /// failures there is [`ServiceBroker::builder`].
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

/// A broker of a test: use it like the [`ServiceBroker`] it dereferences to, or hand it to a typed
/// client. When dropped, it is stopped in the background.
#[derive(Debug)]
pub struct RunningBroker(ServiceBroker);

impl RunningBroker {
    /// Stops it and says what went wrong.
    ///
    /// # Errors
    /// As [`ServiceBroker::stop`].
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

/// Makes a broker run nothing on threads of its own.
pub(super) fn on_this_runtime(builder: BrokerBuilder) -> BrokerBuilder {
    builder.configure(|config| {
        config.control.thread = false;
        // On one thread nobody can notice that it is blocked; looking rarely makes virtual time cheap.
        config.watchdog.patience = Duration::from_secs(1);
    })
}

/// Stops a broker that nobody holds any more. Where the test and its runtime have ended, so have all
/// its tasks, and nothing is left to stop.
pub(super) fn stop_in_background(broker: &ServiceBroker) {
    broker.stop_in_background();
}
