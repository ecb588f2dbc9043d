//! What a handler knows of the call it serves, and its way to make further calls.

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
/// Owned and cheap to clone, so closures, spawned tasks and clients can keep it.
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
///         // Meta comes from the caller, goes along with nested calls, and comes back.
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
    /// Where it was handed to after it was made, if anywhere.
    at: At,
}

/// Whose handler a context is handed to.
#[derive(Clone)]
pub(crate) enum At {
    /// Nobody has been chosen yet; in a handed context, whomever it was made for.
    Unpicked,
    /// An action of this node.
    Local(Arc<Action>),
    /// An action of another node.
    Remote(Arc<Node>, Arc<Action>),
    /// The action of whichever node the bus chooses.
    Bus(Arc<Action>),
    /// A subscription of this node.
    Event(Arc<EventSub>),
}

struct Inner {
    broker: ServiceBroker,
    /// Most calls know their endpoint from the beginning; then no copy of the context has to.
    made_for: At,
    scope: Scope,
    response_headers: Bag,
    cancel: OnceLock<CancellationToken>,
    extensions: Extensions,
}

/// What a context is made of. It is written once per call, so what few calls have lies in [`Descent`].
pub(crate) struct Scope {
    /// `None`: that of the action that the context is made for.
    pub(crate) name: Option<Name>,
    pub(crate) id: LazyId,
    pub(crate) level: u32,
    pub(crate) tracing: Option<bool>,
    /// Whether an answer to a request with this id may still come: then another request needs another id.
    pub(crate) awaited: AtomicBool,
    /// How an event is spread; `None` for a call.
    pub(crate) spread: Option<Spread>,
    pub(crate) meta: Bag,
    pub(crate) headers: Bag,
    pub(crate) deadline: Deadline,
    /// `None`: the start of a tree of calls, made here and for nobody in particular.
    pub(crate) descent: Option<Box<Descent>>,
}

/// Where a call or event comes from, and whom it is for.
#[derive(Default)]
pub(crate) struct Descent {
    /// `None`: this is the root, its own id stands for the tree.
    pub(crate) request_id: Option<Id>,
    pub(crate) parent_id: Option<Id>,
    pub(crate) caller: Option<Name>,
    /// The node that made the call; `None` for this one.
    pub(crate) from: Option<NodeId>,
    /// The node that has to answer, if the caller named one.
    pub(crate) pinned: Option<NodeId>,
    /// The groups that an event is for; empty for all.
    pub(crate) groups: Vec<Name>,
}

impl Scope {
    /// The start of a tree of calls.
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

    /// A call made while another one is being served (protocol chapter 6.1).
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

    /// The start of a tree of calls, or what is made in the course of `parent`.
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
    /// A context for a handler, or with a name of its own for whoever will be chosen.
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

    /// The same call or event, for another handler.
    #[inline]
    pub(crate) fn handed_to(&self, at: At) -> Self {
        Self { inner: Arc::clone(&self.inner), at }
    }

    /// The same call or event, without knowing where it was handed to: cheaper than a clone.
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

    /// Id of this call or event.
    #[must_use]
    pub fn id(&self) -> Id {
        self.scope().id.get().clone()
    }

    /// The id for a request: that of the context, unless an answer to one with it may still come.
    ///
    /// A layer may call `next` again while the first call is under way, or after it was given up.
    pub(crate) fn request_packet_id(&self) -> PacketId {
        let own = self.scope().id.get().bits();
        own.filter(|_| !self.scope().awaited.swap(true, Ordering::Relaxed)).unwrap_or_else(PacketId::random)
    }

    /// A request with this id has been answered, or was not sent: nothing can come for it any more.
    pub(crate) fn is_over(&self, request: PacketId) {
        if self.scope().id.get().bits() == Some(request) {
            self.scope().awaited.store(false, Ordering::Relaxed);
        }
    }

    /// Id of the whole tree of calls that this one belongs to.
    #[must_use]
    pub fn request_id(&self) -> Id {
        self.scope().request_id().cloned().unwrap_or_else(|| self.id())
    }

    /// Id of the call in whose course this one was made.
    #[must_use]
    pub fn parent_id(&self) -> Option<Id> {
        self.scope().descent.as_ref()?.parent_id.clone()
    }

    /// Depth in the tree of calls; 1 for the root.
    #[must_use]
    pub fn level(&self) -> u32 {
        self.scope().level
    }

    /// Full name of the service that made the call, if a service made it.
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

    /// Full name of the action, or name of the event (never a pattern).
    #[must_use]
    pub fn name(&self) -> &Name {
        static NAMELESS: Name = Name::from_static("");
        match (&self.scope().name, &self.inner.made_for) {
            (Some(name), _) => name,
            (None, At::Local(action) | At::Remote(_, action) | At::Bus(action)) => &action.name,
            // Whatever is made for nobody yet, or for many, is given a name.
            (None, At::Unpicked | At::Event(_)) => &NAMELESS,
        }
    }

    /// Full name of the service whose handler this context was given to.
    #[must_use]
    pub fn service(&self) -> Option<&Name> {
        match self.at() {
            At::Local(action) | At::Remote(_, action) | At::Bus(action) => Some(&action.service),
            At::Event(sub) => Some(&sub.service),
            At::Unpicked => None,
        }
    }

    /// For events: the groups the sender meant; empty for all.
    #[must_use]
    pub fn event_groups(&self) -> &[Name] {
        self.scope().descent.as_ref().map_or(&[], |descent| &descent.groups)
    }

    /// For events: whether every subscriber gets it, and not one of each group.
    #[must_use]
    pub fn is_broadcast(&self) -> bool {
        self.scope().spread.is_some_and(|spread| spread != Spread::Emit)
    }

    /// The broker this handler runs on.
    #[must_use]
    pub fn broker(&self) -> &ServiceBroker {
        &self.inner.broker
    }

    /// Values that travel down with nested calls and come back merged.
    #[must_use]
    pub fn meta(&self) -> Meta<'_> {
        Meta(&self.scope().meta)
    }

    /// Headers of this one call, and of its response.
    #[must_use]
    pub fn headers(&self) -> Headers<'_> {
        Headers { request: &self.scope().headers, response: &self.inner.response_headers }
    }

    /// Until when the caller waits; nested calls never get more.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.scope().deadline.at()
    }

    /// What is left until the deadline; `None` without one.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        self.scope().deadline.remaining()
    }

    /// Resolves when nobody waits for the result any more: the caller gave up, the deadline passed, or
    /// the node stops. The handler itself is dropped then; this is for tasks that it started.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn cancelled(&self) {
        self.cancel_token().cancelled().await;
    }

    /// The same as a token.
    #[must_use]
    pub fn cancel_token(&self) -> &CancellationToken {
        self.inner.cancel.get_or_init(|| self.broker().shared().cancel.child_token())
    }

    /// Typed values that ride along inside this process.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        &self.inner.extensions
    }

    /// Calls an action in the course of this one: request id, meta, level and deadline go along, and
    /// what the callee put into its meta comes back into this one's.
    pub fn call<'a, R>(
        &'a self,
        action: impl Into<Cow<'a, str>>,
        params: impl IntoPayload,
    ) -> Call<'a, R, ByName> {
        Call::by_name(self, action.into(), params.into_payload(self.broker().codec()))
    }

    /// As [`Context::call`], but moves the parameters to a handler in this process that takes the same
    /// type.
    pub fn call_typed<'a, R, P>(&'a self, action: impl Into<Cow<'a, str>>, params: P) -> Call<'a, R, ByName>
    where
        P: serde::Serialize + Send + 'static,
    {
        Call::by_name(self, action.into(), Ok(crate::payload::Payload::typed(params)))
    }

    /// Emits an event in the course of this call; see [`ServiceBroker::emit`].
    pub fn emit<'a>(&'a self, event: impl Into<Cow<'a, str>>, data: impl IntoPayload) -> Emit<'a> {
        Emit::new(
            self.broker(),
            Some(self),
            Spread::Emit,
            event.into(),
            data.into_payload(self.broker().codec()),
        )
    }

    /// Broadcasts an event in the course of this call; see [`ServiceBroker::broadcast`].
    pub fn broadcast<'a>(&'a self, event: impl Into<Cow<'a, str>>, data: impl IntoPayload) -> Emit<'a> {
        let data = data.into_payload(self.broker().codec());
        Emit::new(self.broker(), Some(self), Spread::Broadcast, event.into(), data)
    }

    /// A timer for the deadline.
    pub(crate) fn timer(&self) -> Timer {
        self.timer_within(self.remaining())
    }

    /// As [`Context::timer`], for those who have just looked at what is left.
    pub(crate) fn timer_within(&self, remaining: Option<Duration>) -> Timer {
        self.broker().shared().deadlines.timer(self.deadline().zip(remaining))
    }

    /// The error of a call that was given up at its deadline. Names the node that was to answer, where it is
    /// known; Node names the caller's, where it is the callee that gives up (protocol chapter 6.2).
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
        // The last holder is gone, so nobody waits for a result any more.
        if let Some(token) = self.cancel.get() {
            token.cancel();
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Meta and headers hold customers' data.
        f.debug_struct("Context")
            .field("name", self.name())
            .field("level", &self.level())
            .field("node", self.node())
            .finish_non_exhaustive()
    }
}
