//! A call as its caller sees it: a request that can be refined, and awaited.

use futures_util::future::BoxFuture;
use ligand_transporters::NodeId;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::any::{Any, TypeId};
use std::borrow::Cow;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context as Task, Poll};

use super::action_ref::Site;
use super::call_error::FailsAs;
use super::dispatch::{self, Attempt};
use super::{AnyCaller, ServiceBroker};
use crate::codec::{DecodeError, to_value};
use crate::config::Timeout;
use crate::context::Context;
use crate::error::{Error, Outcome, Result};
use crate::guard;
use crate::id::Id;
use crate::payload::{Absent, Payload};
use crate::service::Reply;

/// Whoever can make calls: a broker, the context of a running call, or a mock.
///
/// Typed clients take any, borrowed or owned ([`AnyCaller`]), so a test can hand them one of its own.
pub trait Caller: Send + Sync {
    /// Makes a call.
    fn dispatch(&self, call: OutgoingCall) -> BoxFuture<'_, Result<Response>>;

    /// Lets the broker's own callers skip a box; others leave it as it is.
    #[doc(hidden)]
    fn origin(&self) -> Origin<'_> {
        Origin::Other
    }
}

/// Where a call comes from.
#[doc(hidden)]
#[derive(Debug)]
pub enum Origin<'a> {
    /// A broker, perhaps in the course of another call.
    Broker(&'a ServiceBroker, Option<&'a Context>),
    /// A call site whose name has been looked up.
    Site(&'a Site),
    /// Anything else.
    Other,
}

/// A call, as data.
#[derive(Debug)]
#[non_exhaustive]
pub struct OutgoingCall {
    /// Full name of the action.
    pub action: String,
    /// Its parameters.
    pub params: Payload,
    /// What the caller asked for beside.
    pub options: CallOptions,
}

/// What a caller can ask for beside the action and its parameters.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct CallOptions {
    /// How long it may take; the action's own or the broker's default otherwise. Zero is no time at all.
    pub timeout: Option<Timeout>,
    /// The node that has to answer.
    pub node: Option<NodeId>,
    /// Added to the meta of the running call.
    pub meta: Map<String, Value>,
    /// Headers, for this one hop.
    pub headers: Map<String, Value>,
    /// Id of the tree of calls, where it comes from elsewhere (a gateway).
    pub request_id: Option<Id>,
}

/// The answer to a call with everything that came along.
#[derive(Debug)]
#[non_exhaustive]
pub struct Response {
    /// The result.
    pub body: Payload,
    /// The callee's meta, as it was after the handler.
    pub meta: Map<String, Value>,
    /// Headers that the callee set.
    pub headers: Map<String, Value>,
    /// The node that answered.
    pub node: NodeId,
}

impl Response {
    /// An answer of a mock.
    #[must_use]
    pub fn new(body: Payload, node: NodeId) -> Self {
        Self { body, meta: Map::new(), headers: Map::new(), node }
    }

    /// The result as an `R`.
    ///
    /// # Errors
    /// When it is something else.
    pub fn decode<R: DeserializeOwned + Send + 'static>(self) -> Result<R> {
        read(Reply::from(self.body), || "an action".to_owned())
    }
}

/// A call that has not been made yet: refine it, then await it.
///
/// ```
/// use std::time::Duration;
///
/// use ligand::{Context, Error, ServiceBroker, ServiceDef};
/// use serde_json::json;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let greeter = ServiceDef::builder("greeter").action("hello", |ctx: Context, name: String| async move {
///     let greeting: String = ctx.headers().get("greeting").unwrap_or_else(|| "Hello".to_owned());
///     ctx.meta().set("greeted", &name)?;
///     Ok::<_, Error>(format!("{greeting} {name}!"))
/// });
/// let broker = ServiceBroker::builder().service(greeter).build()?;
/// broker.start().await?;
///
/// // What comes back is what is asked for.
/// let text: String = broker.call("greeter.hello", "Ada").timeout(Duration::from_secs(2)).await?;
/// assert_eq!(text, "Hello Ada!");
///
/// // With all that came along.
/// let answer = broker.call("greeter.hello", "Bob").header("greeting", "Servus").raw().await?;
/// assert_eq!(answer.meta["greeted"], json!("Bob"));
/// assert_eq!(answer.decode::<String>()?, "Servus Bob!");
/// # broker.stop().await?;
/// # Ok(()) }
/// ```
///
/// # Cancel safety
/// Dropping the future gives the call up: its pending entry goes at once, a local handler is dropped
/// at its await point, a remote one runs to its deadline and its answer is ignored.
#[must_use = "a call does nothing until awaited"]
pub struct Call<'a, R, By = ByClient> {
    caller: AnyCaller<'a>,
    action: Cow<'a, str>,
    params: Result<Payload>,
    options: Option<Box<CallOptions>>,
    result: PhantomData<fn() -> (R, By)>,
}

/// A [`Call`] of a typed client, which knows what it gives.
#[derive(Debug, Clone, Copy)]
pub enum ByClient {}

/// A [`Call`] by the action's name: what it gives is what the caller asks for, and `()` for those who ask
/// for nothing by [`Call::ignore`] or [`Call::raw`].
#[derive(Debug, Clone, Copy)]
pub enum ByName {}

impl<'a, R> Call<'a, R> {
    /// A call through any [`Caller`]. An error in `params` is what awaiting it gives.
    pub fn new(
        caller: impl Into<AnyCaller<'a>>,
        action: impl Into<Cow<'a, str>>,
        params: Result<Payload>,
    ) -> Self {
        Self { caller: caller.into(), action: action.into(), params, options: None, result: PhantomData }
    }

    /// Accepts any answer and drops it.
    pub fn ignore(self) -> Call<'a, ()> {
        self.cast()
    }

    /// Asks for the answer with everything that came along, undecoded.
    pub fn raw(self) -> RawCall<'a> {
        RawCall(self.cast())
    }
}

// Only for `()`, so that `broker.call("x", params).ignore()` leaves nothing to be inferred.
impl<'a> Call<'a, (), ByName> {
    /// Accepts any answer and drops it.
    pub fn ignore(self) -> Self {
        self
    }

    /// Asks for the answer with everything that came along, undecoded.
    pub fn raw(self) -> RawCall<'a> {
        RawCall(self.cast())
    }
}

impl<'a, R> Call<'a, R, ByName> {
    pub(crate) fn by_name(
        caller: impl Into<AnyCaller<'a>>,
        action: impl Into<Cow<'a, str>>,
        params: Result<Payload>,
    ) -> Self {
        Call::<R>::new(caller, action, params).cast()
    }
}

impl<'a, R, By> Call<'a, R, By> {
    /// How long it may take, instead of the action's or the broker's default. Never more than what is
    /// left of the running call. With zero the call is not made: it fails at once as
    /// [`ErrorKind::RequestSkipped`](crate::ErrorKind::RequestSkipped), [`Outcome::NotRun`];
    /// [`Timeout::Never`] is no limit.
    pub fn timeout(mut self, timeout: impl Into<Timeout>) -> Self {
        self.options().timeout = Some(timeout.into());
        self
    }

    /// The node that has to answer.
    pub fn node(mut self, node: &NodeId) -> Self {
        self.options().node = Some(node.clone());
        self
    }

    /// Adds a value to the meta. One that cannot be written as JSON fails the call, which is not made then.
    pub fn meta(mut self, key: &str, value: impl Serialize) -> Self {
        if let Some(value) = self.written("meta value", key, &value) {
            self.options().meta.insert(key.to_owned(), value);
        }
        self
    }

    /// Adds a header. One that cannot be written as JSON fails the call, which is not made then.
    pub fn header(mut self, key: &str, value: impl Serialize) -> Self {
        if let Some(value) = self.written("header", key, &value) {
            self.options().headers.insert(key.to_owned(), value);
        }
        self
    }

    /// A value as JSON; the first that cannot be written is what awaiting fails with.
    fn written(&mut self, what: &str, key: &str, value: &impl Serialize) -> Option<Value> {
        match to_value(format_args!("the {what} '{key}' of the call of '{}'", self.action), value) {
            Ok(value) => Some(value),
            Err(error) => {
                if self.params.is_ok() {
                    self.params = Err(error);
                }
                None
            }
        }
    }

    /// The id of the tree of calls, where it comes from elsewhere.
    pub fn request_id(mut self, id: impl Into<Id>) -> Self {
        self.options().request_id = Some(id.into());
        self
    }

    /// Several options at once, replacing those set so far.
    pub fn with(mut self, options: CallOptions) -> Self {
        self.options = Some(Box::new(options));
        self
    }

    pub(crate) fn cast<S, To>(self) -> Call<'a, S, To> {
        let Self { caller, action, params, options, .. } = self;
        Call { caller, action, params, options, result: PhantomData }
    }

    fn options(&mut self) -> &mut CallOptions {
        self.options.get_or_insert_default()
    }

    fn start(self) -> Started<'a> {
        let params = match self.params {
            Ok(params) => params,
            Err(error) => return Started::Broker(Err(error.with_outcome(Outcome::NotRun))),
        };
        match self.caller.get().origin() {
            Origin::Broker(broker, parent) => Started::Broker(dispatch::begin(
                broker,
                parent,
                &self.action,
                params,
                self.options.as_deref(),
            )),
            Origin::Site(site) => Started::Broker(site.begin(params, self.options.as_deref())),
            Origin::Other => {
                let options = self.options.map(|options| *options).unwrap_or_default();
                let call = OutgoingCall { action: self.action.into_owned(), params, options };
                Started::Other(self.caller.dispatch(call))
            }
        }
    }
}

impl<R, By> fmt::Debug for Call<'_, R, By> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("action", &self.action).finish_non_exhaustive()
    }
}

enum Started<'a> {
    /// Kept as it was made: to take it apart here would be to copy it.
    Broker(Result<Attempt>),
    Other(BoxFuture<'a, Result<Response>>),
}

/// A call under way.
pub struct CallFuture<'a, R, E = Error> {
    started: Started<'a>,
    result: PhantomData<fn() -> (R, E)>,
}

impl<R, E> fmt::Debug for CallFuture<'_, R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallFuture").finish_non_exhaustive()
    }
}

impl<'a, R: DeserializeOwned + Send + 'static, By: FailsAs> IntoFuture for Call<'a, R, By> {
    type Output = Result<R, By::Error>;
    type IntoFuture = CallFuture<'a, R, By::Error>;
    fn into_future(self) -> Self::IntoFuture {
        CallFuture { started: self.start(), result: PhantomData }
    }
}

impl<R: DeserializeOwned + Send + 'static, E: From<Error>> Future for CallFuture<'_, R, E> {
    type Output = Result<R, E>;
    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Result<R, E>> {
        let answer = match &mut self.started {
            Started::Broker(Err(error)) => Poll::Ready(Err(error.clone())),
            Started::Broker(Ok(attempt)) => {
                attempt.poll_reply(task).map(|reply| read(reply?, || attempt.context().name().to_string()))
            }
            Started::Other(call) => call.as_mut().poll(task).map(|response| response?.decode()),
        };
        answer.map_err(E::from)
    }
}

/// A call whose answer is wanted with everything that came along.
#[must_use = "a call does nothing until awaited"]
#[derive(Debug)]
pub struct RawCall<'a>(Call<'a, ()>);

/// A [`RawCall`] under way.
pub struct RawCallFuture<'a>(Started<'a>);

impl fmt::Debug for RawCallFuture<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawCallFuture").finish_non_exhaustive()
    }
}

impl<'a> IntoFuture for RawCall<'a> {
    type Output = Result<Response>;
    type IntoFuture = RawCallFuture<'a>;
    fn into_future(self) -> RawCallFuture<'a> {
        RawCallFuture(self.0.start())
    }
}

impl Future for RawCallFuture<'_> {
    type Output = Result<Response>;
    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Result<Response>> {
        match &mut self.0 {
            Started::Broker(Err(error)) => Poll::Ready(Err(error.clone())),
            Started::Broker(Ok(attempt)) => {
                attempt.poll_reply(task).map(|reply| Ok(attempt.response(reply?)))
            }
            Started::Other(call) => call.as_mut().poll(task),
        }
    }
}

/// A reply as an `R`; `()` accepts any answer.
fn read<R: DeserializeOwned + 'static>(reply: Reply, action: impl FnOnce() -> String) -> Result<R> {
    let read = guard::run(|| {
        if TypeId::of::<R>() == TypeId::of::<()>() {
            drop(reply);
            let nothing: Box<dyn Any> = Box::new(());
            return Ok(*nothing.downcast().expect("the type ids were compared two lines above"));
        }
        reply.body.take_or(Absent::Null)
    });
    let wrong = |why: &dyn fmt::Display| {
        Error::codec(format_args!("the answer of '{}' is not what was asked for: {why}", action()))
    };
    match read {
        Ok(read) => read.map_err(|error: DecodeError| wrong(&error)),
        Err(panicked) => Err(wrong(&panicked)),
    }
}
