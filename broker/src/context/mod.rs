//! The context of a call: what a handler knows about it, and how the handler makes further calls.

mod deadline;
mod extensions;
mod meta;

use futures_util::future::BoxFuture;
use ligand_transporters::{Name, NodeId};
use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::broker::{
    ByName, Call, CallFrom, Caller, Emit, Origin, OutgoingCall, Response, ServiceBroker, Spread,
};
use crate::deadlines::Timer;
use crate::error::{Error, Result};
use crate::id::{Id, LazyId};
use crate::payload::IntoPayload;
use crate::protocol::PacketId;
use crate::registry::{Action, EventSub, Node};

pub(crate) use deadline::Deadline;
pub use extensions::Extensions;
pub(crate) use meta::Bag;
pub use meta::{Headers, Meta};

/// The context of one call or event: ids, meta, headers, deadline, and `call`, `emit`, `broadcast`.
///
/// It is owned and cheap to clone, so closures, spawned tasks and clients can keep it.
///
/// ```
/// use ligand::{Context, Result, ServiceBroker, service};
/// use serde_json::json;
///
/// struct Trips;
///
/// #[service(name = "trips")]
/// impl Trips {
///     #[action]
///     async fn book(&self, ctx: Context, rider: u64) -> Result<String> {
///         // Meta comes from the caller, goes to nested calls, and comes back.
///         let zone: String = ctx.meta().get("zone").unwrap_or_default();
///         // No nested call gets more time than this one has left.
///         let price: u32 = ctx.call("trips.price", json!({ "rider": rider })).await?;
///         ctx.emit("trip.booked", json!({ "rider": rider, "price": price })).await?;
///         Ok(format!("{zone}: {price}"))
///     }
///
///     #[action]
///     async fn price(&self, ctx: Context, rider: u64) -> Result<u32> {
///         assert_eq!((ctx.level(), ctx.caller().map(|caller| caller.as_str())), (2, Some("trips")));
///         Ok(rider as u32 * 10)
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let broker = ServiceBroker::builder().service(Trips).build()?;
/// broker.start().await?;
/// assert_eq!(TripsClient::new(&broker).book(7).meta("zone", "north").await?, "north: 70");
/// # broker.stop().await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Context {
    inner: Arc<Inner>,
    /// The endpoint that this handle was made for, if any.
    at: At,
}

/// The endpoint whose handler gets a context.
#[derive(Clone)]
pub(crate) enum At {
    /// No endpoint has been chosen yet. In a handle, it is the endpoint for which the context was made.
    Unpicked,
    /// An action of this node.
    Local(Arc<Action>),
    /// An action of another node.
    Remote(Arc<Node>, Arc<Action>),
    /// An action of the node that the bus chooses.
    Bus(Arc<Action>),
    /// A subscription of this node.
    Event(Arc<EventSub>),
}

struct Inner {
    broker: ServiceBroker,
    /// Most calls know their endpoint from the beginning. Then no copy of the context has to store it.
    made_for: At,
    scope: Scope,
    response_headers: Bag,
    cancel: OnceLock<CancellationToken>,
    extensions: Extensions,
}

/// The content of a context. It is written once per call, so what only few calls need is stored in
/// [`Descent`].
pub(crate) struct Scope {
    /// `None` means the name of the action for which the context was made.
    pub(crate) name: Option<Name>,
    pub(crate) id: LazyId,
    pub(crate) level: u32,
    pub(crate) tracing: Option<bool>,
    /// Whether an answer to a request with this id may still arrive. Then the next request needs another id.
    pub(crate) awaited: AtomicBool,
    /// How an event is distributed. `None` for a call.
    pub(crate) spread: Option<Spread>,
    pub(crate) meta: Bag,
    pub(crate) headers: Bag,
    pub(crate) deadline: Deadline,
    /// `None` for the root of a tree of calls that begins on this node, and is for no particular node.
    pub(crate) descent: Option<Box<Descent>>,
}

/// Where a call or an event comes from, and whom it is for.
#[derive(Default)]
pub(crate) struct Descent {
    /// `None` for the root: its own id is the id of the tree.
    pub(crate) request_id: Option<Id>,
    pub(crate) parent_id: Option<Id>,
    pub(crate) caller: Option<Name>,
    /// The node that made the call. `None` for this node.
    pub(crate) from: Option<NodeId>,
    /// The node that has to answer, if the caller has named one.
    pub(crate) pinned: Option<NodeId>,
    /// The groups that an event is for. Empty means all groups.
    pub(crate) groups: Vec<Name>,
}

impl Scope {
    /// The root of a tree of calls.
    #[inline]
    pub(crate) fn root(name: Option<Name>) -> Self {
        Self {
            name,
            id: LazyId::default(),
            level: 1,
            tracing: None,
            awaited: AtomicBool::new(false),
            spread: None,
            meta: Bag::default(),
            headers: Bag::default(),
            deadline: Deadline::after(None),
            descent: None,
        }
    }

    /// A nested call (protocol chapter 6.1).
    pub(crate) fn child(name: Option<Name>, parent: &Context) -> Self {
        let descent = Descent {
            request_id: Some(parent.request_id()),
            parent_id: Some(parent.id()),
            caller: parent.service().cloned(),
            ..Descent::default()
        };
        Self {
            level: parent.level().saturating_add(1),
            tracing: parent.scope().tracing,
            meta: parent.scope().meta.copy(),
            descent: Some(Box::new(descent)),
            ..Self::root(name)
        }
    }

    /// The root of a tree of calls, or a call nested in `parent`.
    pub(crate) fn within(parent: Option<&Context>, name: Option<Name>) -> Self {
        match parent {
            Some(parent) => Self::child(name, parent),
            None => Self::root(name),
        }
    }

    pub(crate) fn descent_mut(&mut self) -> &mut Descent {
        self.descent.get_or_insert_default()
    }

    pub(crate) fn request_id(&self) -> Option<&Id> {
        self.descent.as_ref()?.request_id.as_ref()
    }

    pub(crate) fn pinned(&self) -> Option<&NodeId> {
        self.descent.as_ref()?.pinned.as_ref()
    }
}

impl Context {
    /// A context for a handler, or for an endpoint that is chosen later. The latter needs a name.
    #[inline]
    pub(crate) fn new(broker: ServiceBroker, made_for: At, scope: Scope) -> Self {
        let inner = Inner {
            broker,
            made_for,
            scope,
            response_headers: Bag::default(),
            cancel: OnceLock::new(),
            extensions: Extensions::default(),
        };
        Self { inner: Arc::new(inner), at: At::Unpicked }
    }

    /// The context of the same call or event, for another handler.
    #[inline]
    pub(crate) fn handed_to(&self, at: At) -> Self {
        Self { inner: Arc::clone(&self.inner), at }
    }

    /// The same context without its endpoint. This is cheaper than a clone.
    #[inline]
    pub(crate) fn without_place(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), at: At::Unpicked }
    }

    #[inline]
    pub(crate) fn at(&self) -> &At {
        match &self.at {
            At::Unpicked => &self.inner.made_for,
            at => at,
        }
    }

    #[inline]
    pub(crate) fn scope(&self) -> &Scope {
        &self.inner.scope
    }

    pub(crate) fn response_headers(&self) -> &Bag {
        &self.inner.response_headers
    }

    /// The id of this call or event.
    #[must_use]
    pub fn id(&self) -> Id {
        self.scope().id.get().clone()
    }

    /// The id for a request. It is that of the context, unless an answer to an earlier request with that id
    /// may still arrive.
    ///
    /// A layer may call `next` again while the first call is running, or after that call was given up.
    pub(crate) fn request_packet_id(&self) -> PacketId {
        let own = self.scope().id.get().bits();
        own.filter(|_| !self.scope().awaited.swap(true, Ordering::Relaxed)).unwrap_or_else(PacketId::random)
    }

    /// A request with this id has been answered, or was not sent. No answer to it can arrive any more.
    pub(crate) fn is_over(&self, request: PacketId) {
        if self.scope().id.get().bits() == Some(request) {
            self.scope().awaited.store(false, Ordering::Relaxed);
        }
    }

    /// The id of the whole tree of calls that this call belongs to.
    #[must_use]
    pub fn request_id(&self) -> Id {
        self.scope().request_id().cloned().unwrap_or_else(|| self.id())
    }

    /// The id of the call that made this one.
    #[must_use]
    pub fn parent_id(&self) -> Option<Id> {
        self.scope().descent.as_ref()?.parent_id.clone()
    }

    /// The depth in the tree of calls. The root has 1.
    #[must_use]
    pub fn level(&self) -> u32 {
        self.scope().level
    }

    /// The full name of the service that made the call, if a service made it.
    #[must_use]
    pub fn caller(&self) -> Option<&Name> {
        self.scope().descent.as_ref()?.caller.as_ref()
    }

    /// The node that made the call.
    #[must_use]
    pub fn node(&self) -> &NodeId {
        let from = self.scope().descent.as_ref().and_then(|descent| descent.from.as_ref());
        from.unwrap_or_else(|| self.broker().node_id())
    }

    /// The full name of the action, or the name of the event (never a pattern).
    #[must_use]
    pub fn name(&self) -> &Name {
        static NAMELESS: Name = Name::from_static("");
        match (&self.scope().name, &self.inner.made_for) {
            (Some(name), _) => name,
            (None, At::Local(action) | At::Remote(_, action) | At::Bus(action)) => &action.name,
            // A context without an endpoint, or for several of them, always has a name.
            (None, At::Unpicked | At::Event(_)) => &NAMELESS,
        }
    }

    /// The full name of the service whose handler has this context.
    #[must_use]
    pub fn service(&self) -> Option<&Name> {
        match self.at() {
            At::Local(action) | At::Remote(_, action) | At::Bus(action) => Some(&action.service),
            At::Event(sub) => Some(&sub.service),
            At::Unpicked => None,
        }
    }

    /// For events: the groups that the sender has named. Empty means all groups.
    #[must_use]
    pub fn event_groups(&self) -> &[Name] {
        self.scope().descent.as_ref().map_or(&[], |descent| &descent.groups)
    }

    /// For events: whether every subscriber gets the event, instead of one in each group.
    #[must_use]
    pub fn is_broadcast(&self) -> bool {
        self.scope().spread.is_some_and(|spread| spread != Spread::Emit)
    }

    /// For events: who gets it. `None` for a call.
    #[must_use]
    pub fn spread(&self) -> Option<Spread> {
        self.scope().spread
    }

    /// For calls: the node that was picked to run the action, which may be this one. `None` around the pick, and
    /// where the message server picks.
    #[must_use]
    pub fn picked_node(&self) -> Option<&NodeId> {
        match self.at() {
            At::Local(_) => Some(self.broker().node_id()),
            At::Remote(node, _) => Some(node.id()),
            At::Unpicked | At::Bus(_) | At::Event(_) => None,
        }
    }

    /// The broker this handler runs on.
    #[must_use]
    pub fn broker(&self) -> &ServiceBroker {
        &self.inner.broker
    }

    /// The meta: values that travel to nested calls, and are merged back when they return.
    #[must_use]
    pub fn meta(&self) -> Meta<'_> {
        Meta(&self.scope().meta)
    }

    /// The headers of this call, and of its response.
    #[must_use]
    pub fn headers(&self) -> Headers<'_> {
        Headers { request: &self.scope().headers, response: &self.inner.response_headers }
    }

    /// The deadline of this call. Nested calls never get more time.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.scope().deadline.at()
    }

    /// The time that is left until the deadline. `None` means that there is no deadline.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        self.scope().deadline.remaining()
    }

    /// Waits until nobody needs the result any more: the caller gave up, the deadline passed, or the node
    /// stops. The handler itself is dropped at that moment, so this is for tasks that it has spawned.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub async fn cancelled(&self) {
        self.cancel_token().cancelled().await;
    }

    /// The same condition as a token.
    #[must_use]
    pub fn cancel_token(&self) -> &CancellationToken {
        self.inner.cancel.get_or_init(|| self.broker().shared().cancel.child_token())
    }

    /// Typed values that accompany the context within this process.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        &self.inner.extensions
    }

    /// Makes a nested call. It inherits the request id, the meta, the level and the deadline. The callee's
    /// meta is merged into that of this context.
    pub fn call<'a, R>(
        &'a self,
        action: impl Into<Cow<'a, str>>,
        params: impl IntoPayload,
    ) -> Call<'a, R, ByName> {
        Call::by_name(self, action.into(), params.into_payload(self.broker().codec()))
    }

    /// Like [`Context::call`], but if a handler in this process takes the same type, the parameters are moved
    /// to it.
    pub fn call_typed<'a, R, P>(&'a self, action: impl Into<Cow<'a, str>>, params: P) -> Call<'a, R, ByName>
    where
        P: serde::Serialize + Send + 'static,
    {
        Call::by_name(self, action.into(), Ok(crate::payload::Payload::typed(params)))
    }

    /// Emits an event within this call. See [`ServiceBroker::emit`].
    pub fn emit<'a>(&'a self, event: impl Into<Cow<'a, str>>, data: impl IntoPayload) -> Emit<'a> {
        Emit::new(
            self.broker(),
            Some(self),
            Spread::Emit,
            event.into(),
            data.into_payload(self.broker().codec()),
        )
    }

    /// Broadcasts an event within this call. See [`ServiceBroker::broadcast`].
    pub fn broadcast<'a>(&'a self, event: impl Into<Cow<'a, str>>, data: impl IntoPayload) -> Emit<'a> {
        let data = data.into_payload(self.broker().codec());
        Emit::new(self.broker(), Some(self), Spread::Broadcast, event.into(), data)
    }

    /// A timer for the deadline.
    pub(crate) fn timer(&self) -> Timer {
        self.timer_within(self.remaining())
    }

    /// Like [`Context::timer`], for callers that have just read the remaining time.
    pub(crate) fn timer_within(&self, remaining: Option<Duration>) -> Timer {
        self.broker().shared().deadlines.timer(self.deadline().zip(remaining))
    }

    /// The error of a call that was given up at its deadline. It names the node that should have answered, if
    /// that is known. When the callee gives up, Node names the caller instead (protocol chapter 6.2).
    pub(crate) fn timed_out(&self, callee: Option<&NodeId>) -> Error {
        Error::timed_out(self.name(), callee, self.scope().deadline.timeout())
    }

    #[inline]
    pub(crate) fn cancel(&self) {
        if let Some(token) = self.inner.cancel.get() {
            token.cancel();
        }
    }
}

impl Caller for Context {
    fn dispatch(&self, call: OutgoingCall) -> BoxFuture<'_, Result<Response>> {
        self.broker().dispatch_from(Some(self), call)
    }

    fn origin(&self) -> Origin<'_> {
        Origin(CallFrom::Broker(self.broker(), Some(self)))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // This was the last handle, so nobody waits for a result any more.
        if let Some(token) = self.cancel.get() {
            token.cancel();
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Meta and headers may contain customers' data.
        f.debug_struct("Context")
            .field("name", self.name())
            .field("level", &self.level())
            .field("node", self.node())
            .finish_non_exhaustive()
    }
}
