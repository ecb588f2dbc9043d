//! The broker: the handle through which everything else is reached.

mod action_ref;
mod announce;
mod any_caller;
mod banner;
mod budget;
mod builder;
mod call;
mod call_error;
mod configured;
mod dispatch;
mod emit;
mod errors;
mod health;
mod hosted;
mod internal;
mod lifecycle;
mod local_bus;
mod nodes;
mod offer;
mod options;
mod ordered;
mod pick;
mod running;
mod services;
mod signals;
mod state;
mod target;
mod wait;

use futures_util::future::BoxFuture;
use ligand_transporters::{Name, NodeId, Transporter};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::codec::Codec;
use crate::config::{BrokerConfig, Timeout};
use crate::context::Context;
use crate::deadlines::Deadlines;
use crate::error::{Error, Result};
use crate::layer::Pipeline;
use crate::payload::{IntoPayload, Payload};
use crate::registry::Registry;
use crate::transit::{PingReply, Transit, TransitStats};

pub use action_ref::ActionRef;
pub use any_caller::AnyCaller;
pub use builder::BrokerBuilder;
pub(crate) use call::CallFrom;
pub use call::{Answer, ByClient, ByName, Call, Caller, Origin, OutgoingCall, RawAnswer, RawCall, Response};
pub use call_error::{ByService, CallError, FailsAs};
pub(crate) use dispatch::{AnsweredBy, picked_and_run};
pub use emit::{Emit, Spread};
pub(crate) use emit::{Waiting, hand_over, run_local};
pub use errors::{BuildError, NodeWaitError, RunError, StartError, StopError, WaitError};
pub use health::{
    ClientHealth, CpuHealth, Health, Load, Memory, MemoryHealth, NetHealth, OsHealth, ProcessHealth,
    TimeHealth,
};
pub(crate) use lifecycle::Lifecycle;
pub(crate) use local_bus::LocalBus;
pub use local_bus::{LocalEvent, LocalEvents};
pub use nodes::NodeInfo;
pub use options::{CallOptions, EmitOptions};
pub(crate) use services::LocalServices;
pub use state::TransporterState;
pub use target::Target;

/// A node of the cluster: it hosts services, calls actions, and sends events. Cheap to clone.
///
/// ```
/// use ligand::{ServiceBroker, ServiceDef};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let greeter = ServiceDef::builder("greeter")
///     .action("hello", |_cx, name: String| async move { Ok::<_, ligand::Error>(format!("Hello {name}!")) });
/// let broker = ServiceBroker::builder().service(greeter).build()?;
/// broker.start().await?;
/// let text: String = broker.call("greeter.hello", "Ada").await?;
/// assert_eq!(text, "Hello Ada!");
/// # broker.stop().await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct ServiceBroker {
    shared: Arc<Shared>,
}

/// Everything a broker is made of.
pub(crate) struct Shared {
    pub(crate) node_id: NodeId,
    pub(crate) instance_id: Name,
    pub(crate) config: Arc<BrokerConfig>,
    pub(crate) call_defaults: CallDefaults,
    pub(crate) registry: Registry,
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) transporter: Option<Arc<dyn Transporter>>,
    pub(crate) local_bus: LocalBus,
    pub(crate) services: LocalServices,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) deadlines: Deadlines,
    /// Handlers that run in tasks of their own.
    pub(crate) tracker: TaskTracker,
    /// Handlers that run in the task of a local caller. They cannot be cut.
    pub(crate) called: TaskTracker,
    /// Cancelled when a stop has waited long enough for handlers.
    pub(crate) cut: CancellationToken,
    /// Cancelled when the broker has stopped.
    pub(crate) cancel: CancellationToken,
    /// Set by the start. A broker without a transporter never has one.
    pub(crate) transit: OnceLock<Arc<Transit>>,
    pub(crate) force_codec: AtomicBool,
    /// The runtime on which handlers run. Known from the start on.
    pub(crate) runtime: OnceLock<Handle>,
    /// Counts changes of services, for callers that wait for one.
    pub(crate) changed: watch::Sender<u64>,
    /// The number of callers that wait for services.
    pub(crate) waits: AtomicUsize,
    /// When the broker was built.
    pub(crate) born: Instant,
}

/// The configuration that calls need, in the form in which they need it.
#[derive(Debug, Clone)]
pub(crate) struct CallDefaults {
    pub(crate) request_timeout: Timeout,
    pub(crate) max_call_level: u32,
    pub(crate) prefer_local: bool,
}

impl Shared {
    pub(crate) fn transit(&self) -> Option<&Arc<Transit>> {
        self.transit.get()
    }

    /// Counts a handler that waits in the task of a local caller, so that a stop finishes it first. A handler
    /// that begins after the stop is not counted: otherwise, callers that go on calling would hold the stop
    /// up.
    pub(crate) fn count_called(&self) -> Option<TaskTrackerToken> {
        (!self.lifecycle.is_stopping()).then(|| self.called.token())
    }

    pub(crate) fn force_codec(&self) -> bool {
        self.force_codec.load(Ordering::Relaxed)
    }
}

impl ServiceBroker {
    /// A builder for a broker.
    pub fn builder() -> BrokerBuilder {
        BrokerBuilder::new()
    }

    /// Calls an action by its full name, here or on another node.
    ///
    /// The parameters are encoded at once, so they may be borrowed. [`ServiceBroker::call_typed`] moves them
    /// instead.
    ///
    /// The type of the result is inferred, or named with `call::<T>`. `call::<()>` and [`Call::ignore`]
    /// accept any result.
    ///
    /// # Errors
    /// Awaiting the call fails with an [`Error`]. Its [`Error::outcome`] says whether the handler may have
    /// run. If the broker is not running, because it has not been started or has been stopped, the handler
    /// did not run.
    pub fn call<'a, R>(
        &'a self,
        action: impl Into<Cow<'a, str>>,
        params: impl IntoPayload,
    ) -> Call<'a, R, ByName> {
        Call::by_name(self, action, params.into_payload(self.codec()))
    }

    /// Like [`ServiceBroker::call`], but if a handler in this process takes the same type, the value is moved
    /// to it, and nothing is encoded.
    pub fn call_typed<'a, R, P>(&'a self, action: impl Into<Cow<'a, str>>, params: P) -> Call<'a, R, ByName>
    where
        P: serde::Serialize + Send + 'static,
    {
        Call::by_name(self, action, Ok(Payload::typed(params)))
    }

    /// Makes a call site that looks the name up once, and again only when the cluster has changed.
    #[must_use]
    pub fn action(&self, name: impl Into<Name>) -> ActionRef {
        ActionRef::new(self.clone(), name.into())
    }

    /// Sends an event to one subscriber of each group. It is delivered at most once, and not at all if nobody
    /// has subscribed.
    ///
    /// # Errors
    /// Awaiting the event fails if the data cannot be encoded, if the event could not be sent to a node that
    /// should get it, or while the broker is not running. Failures of handlers are logged where they happen.
    pub fn emit<'a>(&'a self, event: impl Into<Cow<'a, str>>, data: impl IntoPayload) -> Emit<'a> {
        Emit::new(self, None, Spread::Emit, event.into(), data.into_payload(self.codec()))
    }

    /// Sends an event to every subscriber on every node.
    ///
    /// # Errors
    /// The same as for [`ServiceBroker::emit`].
    pub fn broadcast<'a>(&'a self, event: impl Into<Cow<'a, str>>, data: impl IntoPayload) -> Emit<'a> {
        Emit::new(self, None, Spread::Broadcast, event.into(), data.into_payload(self.codec()))
    }

    /// Sends an event to every subscriber on this node. Awaiting it returns when their handlers are done.
    ///
    /// # Errors
    /// When the data cannot be encoded, or while the broker is not running. A handler must not await an event
    /// that its own ordered subscription ([`EventDef::concurrency`](crate::EventDef::concurrency)) is to
    /// handle: the await fails with an error of type `EVENT_WAITS_FOR_ITSELF`.
    pub fn broadcast_local<'a>(&'a self, event: impl Into<Cow<'a, str>>, data: impl IntoPayload) -> Emit<'a> {
        Emit::new(self, None, Spread::Local, event.into(), data.into_payload(self.codec()))
    }

    /// The id of this node.
    #[must_use]
    pub fn node_id(&self) -> &NodeId {
        &self.shared.node_id
    }

    /// The id of this run of the node. Every start of the process makes a new one.
    #[must_use]
    pub fn instance_id(&self) -> &Name {
        &self.shared.instance_id
    }

    /// The configuration of this broker.
    #[must_use]
    pub fn config(&self) -> &BrokerConfig {
        &self.shared.config
    }

    /// The encoding of bodies.
    #[must_use]
    pub fn codec(&self) -> Codec {
        self.shared().config.serializer.codec()
    }

    /// Subscribes to local events whose name matches `pattern`: `$node.connected`, `$services.changed`,
    /// `$transporter.disconnected`, … Up to 1,024 events wait to be read. After that, new events are dropped
    /// and counted.
    #[must_use]
    pub fn local_events(&self, pattern: &str) -> LocalEvents {
        self.shared.local_bus.subscribe(pattern)
    }

    /// Sends a ping to a node. The result is `None` if no answer arrives within `pingTimeout` (2 s).
    ///
    /// # Errors
    /// When the node is unknown, when the ping cannot be sent, or when this broker is not running.
    ///
    /// # Cancel safety
    /// If the future is dropped, the answer is ignored when it arrives.
    pub async fn ping(&self, node: &NodeId) -> Result<Option<PingReply>> {
        self.shared.lifecycle.must_run("ping", self.node_id())?;
        match self.shared.transit() {
            Some(transit) => transit.ping(node).await,
            None => Err(Error::disconnected()),
        }
    }

    /// Sends a ping to every available node. Returns the answers by node id.
    ///
    /// # Cancel safety
    /// If the future is dropped, the answers are ignored when they arrive.
    pub async fn ping_all(&self) -> BTreeMap<String, Option<PingReply>> {
        let snapshot = self.shared.registry.snapshot();
        let nodes: Vec<_> = snapshot.nodes().filter(|node| !node.is_local() && node.is_available()).collect();
        let pings = nodes.iter().map(|node| async move {
            (node.id().to_string(), self.ping(node.id()).await.unwrap_or_default())
        });
        futures_util::future::join_all(pings).await.into_iter().collect()
    }

    /// The names of the layers that wrap an action, the outermost first. Empty if the action is unknown.
    #[must_use]
    pub fn layers(&self, action: &str) -> Vec<&'static str> {
        self.shared.services.layers(&self.shared.pipeline, action)
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Counters of the traffic with other nodes. All are zero without a transporter.
    #[must_use]
    pub fn stats(&self) -> TransitStats {
        self.shared.transit().map(|transit| transit.stats()).unwrap_or_default()
    }

    pub(crate) fn from_shared(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    pub(crate) fn weak(&self) -> std::sync::Weak<Shared> {
        Arc::downgrade(&self.shared)
    }

    pub(crate) fn dispatch_from(
        &self,
        parent: Option<&Context>,
        call: OutgoingCall,
    ) -> BoxFuture<'static, Result<Response>> {
        let OutgoingCall { action, params, options } = call;
        let begun = dispatch::begin(self, parent, &action, params, Some(&options));
        Box::pin(async move {
            let mut attempt = begun?;
            let reply = std::future::poll_fn(|task| attempt.poll_reply(task)).await?;
            Ok(attempt.response(reply))
        })
    }
}

impl Caller for ServiceBroker {
    fn dispatch(&self, call: OutgoingCall) -> BoxFuture<'_, Result<Response>> {
        self.dispatch_from(None, call)
    }

    fn origin(&self) -> call::Origin<'_> {
        call::Origin(call::CallFrom::Broker(self, None))
    }
}

impl fmt::Debug for ServiceBroker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceBroker")
            .field("node", self.node_id())
            .field("state", &self.shared.lifecycle.state())
            .finish_non_exhaustive()
    }
}
