//! The broker: the handle everything else hangs on.

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
use std::time::{Duration, Instant};
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
use crate::middleware::Pipeline;
use crate::payload::{IntoPayload, Payload};
use crate::registry::Registry;
use crate::transit::{Transit, TransitStats};

pub use action_ref::ActionRef;
pub use any_caller::AnyCaller;
pub use builder::BrokerBuilder;
pub(crate) use call::CallFrom;
pub use call::{Answer, ByClient, ByName, Call, Caller, Origin, OutgoingCall, RawAnswer, RawCall, Response};
pub use call_error::{ByService, CallError, FailsAs};
pub(crate) use dispatch::{AnsweredBy, picked_and_run};
pub use emit::{Emit, Spread};
pub(crate) use emit::{Waiting, run_local};
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
    pub(crate) limits: Limits,
    pub(crate) registry: Registry,
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) transporter: Option<Arc<dyn Transporter>>,
    pub(crate) local_bus: LocalBus,
    pub(crate) services: LocalServices,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) deadlines: Deadlines,
    /// Handlers under way in tasks of their own.
    pub(crate) tracker: TaskTracker,
    /// Handlers under way in the tasks of those who called them, here: they cannot be cut.
    pub(crate) called: TaskTracker,
    /// Cancelled when handlers have been waited for long enough.
    pub(crate) cut: CancellationToken,
    /// Cancelled when the broker has stopped.
    pub(crate) cancel: CancellationToken,
    /// Set by the start; a broker without transporter never has one.
    pub(crate) transit: OnceLock<Arc<Transit>>,
    pub(crate) force_codec: AtomicBool,
    /// Where handlers run; known from the start on.
    pub(crate) runtime: OnceLock<Handle>,
    /// Counts changes of services, for those who wait for one.
    pub(crate) changed: watch::Sender<u64>,
    /// How many wait for services.
    pub(crate) waits: AtomicUsize,
    /// When the broker was built.
    pub(crate) born: Instant,
}

/// Configuration that the path of a call looks at, in the form it needs.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub(crate) request_timeout: Timeout,
    pub(crate) max_call_level: u32,
    pub(crate) prefer_local: bool,
}

impl Shared {
    pub(crate) fn transit(&self) -> Option<&Arc<Transit>> {
        self.transit.get()
    }

    /// Counts a handler that waits in the task of a caller here, so that a stop finishes it first. One that
    /// begins after the stop has is not counted: those who go on calling would hold it up.
    pub(crate) fn count_called(&self) -> Option<TaskTrackerToken> {
        (!self.lifecycle.is_stopping()).then(|| self.called.token())
    }

    pub(crate) fn force_codec(&self) -> bool {
        self.force_codec.load(Ordering::Relaxed)
    }
}

impl ServiceBroker {
    /// Begins the configuration of a broker.
    pub fn builder() -> BrokerBuilder {
        BrokerBuilder::new()
    }

    /// Calls an action by its full name, here or on another node.
    ///
    /// The parameters are encoded at once and may be borrowed; [`ServiceBroker::call_typed`] moves them
    /// instead. What awaiting it gives is decided by inference, or `call::<T>`; `call::<()>` and
    /// [`Call::ignore`] accept any answer.
    ///
    /// # Errors
    /// Awaiting it fails with an [`Error`] whose [`Error::outcome`] says whether the handler may have
    /// run. It did not where the broker is not running: before its start, and after its stop.
    pub fn call<'a, R>(
        &'a self,
        action: impl Into<Cow<'a, str>>,
        params: impl IntoPayload,
    ) -> Call<'a, R, ByName> {
        Call::by_name(self, action, params.into_payload(self.codec()))
    }

    /// As [`ServiceBroker::call`], but a handler in this process that takes the same type is given the
    /// value itself: nothing is encoded.
    pub fn call_typed<'a, R, P>(&'a self, action: impl Into<Cow<'a, str>>, params: P) -> Call<'a, R, ByName>
    where
        P: serde::Serialize + Send + 'static,
    {
        Call::by_name(self, action, Ok(Payload::typed(params)))
    }

    /// A call site that looks its action's name up once, and again only when the cluster has changed.
    #[must_use]
    pub fn action(&self, name: impl Into<Name>) -> ActionRef {
        ActionRef::new(self.clone(), name.into())
    }

    /// Sends an event to one subscriber of each group. At most once, and not at all where nobody has
    /// subscribed.
    ///
    /// # Errors
    /// Awaiting it fails when the data cannot be encoded, when a node that should get it could not be sent to,
    /// or while the broker is not running. Failures of handlers are logged where they happen.
    pub fn emit<'a>(&'a self, event: impl Into<Cow<'a, str>>, data: impl IntoPayload) -> Emit<'a> {
        Emit::new(self, None, Spread::Emit, event.into(), data.into_payload(self.codec()))
    }

    /// Sends an event to every subscriber of every node.
    ///
    /// # Errors
    /// As [`ServiceBroker::emit`].
    pub fn broadcast<'a>(&'a self, event: impl Into<Cow<'a, str>>, data: impl IntoPayload) -> Emit<'a> {
        Emit::new(self, None, Spread::Broadcast, event.into(), data.into_payload(self.codec()))
    }

    /// Sends an event to every subscriber of this node. Awaiting it returns when they are done.
    ///
    /// # Errors
    /// When the data cannot be encoded, and, with the type `EVENT_WAITS_FOR_ITSELF`, when a handler awaits it
    /// whose own subscription is to handle it after that ([`EventDef::concurrency`](crate::EventDef::concurrency)).
    pub fn broadcast_local<'a>(&'a self, event: impl Into<Cow<'a, str>>, data: impl IntoPayload) -> Emit<'a> {
        Emit::new(self, None, Spread::Local, event.into(), data.into_payload(self.codec()))
    }

    /// This node's id.
    #[must_use]
    pub fn node_id(&self) -> &NodeId {
        &self.shared.node_id
    }

    /// The id of this run of the node; new at every start of the process.
    #[must_use]
    pub fn instance_id(&self) -> &Name {
        &self.shared.instance_id
    }

    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> &BrokerConfig {
        &self.shared.config
    }

    /// How bodies are written.
    #[must_use]
    pub fn codec(&self) -> Codec {
        self.shared().config.serializer.codec()
    }

    /// Events of the broker's own life whose name matches `pattern`: `$node.connected`,
    /// `$services.changed`, `$transporter.disconnected`, … Up to 1,024 wait to be read; above that the
    /// newest are dropped and counted.
    #[must_use]
    pub fn local_events(&self, pattern: &str) -> LocalEvents {
        self.shared.local_bus.subscribe(pattern)
    }

    /// Asks a node whether it is there; `None` when no answer came within `pingTimeout` (2 s).
    ///
    /// # Errors
    /// When the node is unknown or cannot be sent to, and when this broker is not running.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn ping(&self, node: &NodeId) -> Result<Option<PingReply>> {
        self.shared.lifecycle.must_run("ping", self.node_id())?;
        match self.shared.transit() {
            Some(transit) => transit.ping(node).await,
            None => Err(Error::disconnected()),
        }
    }

    /// Pings every available node; the answers by node id.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn ping_all(&self) -> BTreeMap<String, Option<PingReply>> {
        let snapshot = self.shared.registry.snapshot();
        let nodes: Vec<_> = snapshot.nodes().filter(|node| !node.is_local() && node.is_available()).collect();
        let pings = nodes.iter().map(|node| async move {
            (node.id().to_string(), self.ping(node.id()).await.unwrap_or_default())
        });
        futures_util::future::join_all(pings).await.into_iter().collect()
    }

    /// Names of the layers that wrap an action, outermost first; empty for an unknown one.
    #[must_use]
    pub fn layers(&self, action: &str) -> Vec<&'static str> {
        self.shared.services.layers(&self.shared.pipeline, action)
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// What this broker counts about its traffic with other nodes; all zero without a transporter.
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

/// The answer to a ping (Node's `$node.pong`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PingReply {
    /// From sending the ping to receiving the answer.
    pub elapsed: Duration,
    /// The other node's clock minus this one's, in milliseconds, as far as one can tell.
    pub time_diff_ms: f64,
}
