//! A call as its caller sees it: a request that can be refined and then awaited.

use futures_util::future::BoxFuture;
use ligand_transporters::NodeId;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::any::{Any, TypeId};
use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context as Task, Poll};

use super::action_ref::Site;
use super::call_error::FailsAs;
use super::dispatch::{self, Attempt};
use super::options::CallOptions;
use super::{AnyCaller, ServiceBroker};
use crate::codec::DecodeError;
use crate::config::Timeout;
use crate::context::Context;
use crate::error::{Error, Outcome, Result};
use crate::guard;
use crate::id::Id;
use crate::payload::{Absent, Payload};
use crate::service::Reply;

/// Something that can make calls: a broker, the context of a running call, or a mock.
///
/// Typed clients take any caller, borrowed or owned ([`AnyCaller`]). So a test can give them its own.
pub trait Caller: Send + Sync {
    /// Makes a call.
    fn dispatch(&self, call: OutgoingCall) -> BoxFuture<'_, Result<Response>>;

    /// Where its calls come from. A caller that only passes calls on to another caller may return the origin of
    /// that one. This saves a box, and [`Caller::dispatch`] is then not called. All others keep the default.
    fn origin(&self) -> Origin<'_> {
        Origin(CallFrom::Elsewhere)
    }
}

/// Where a call comes from.
#[derive(Debug)]
pub struct Origin<'a>(pub(crate) CallFrom<'a>);

/// What an [`Origin`] is.
#[derive(Debug)]
pub(crate) enum CallFrom<'a> {
    /// A broker, perhaps in the course of another call.
    Broker(&'a ServiceBroker, Option<&'a Context>),
    /// A call site that has looked the name up.
    Site(&'a Site),
    /// Anything else.
    Elsewhere,
}

/// A call, as data.
#[derive(Debug)]
#[non_exhaustive]
pub struct OutgoingCall {
    /// Full name of the action.
    pub action: String,
    /// Its parameters.
    pub params: Payload,
    /// The other options of the call: timeout, node, meta, headers and request id.
    pub options: CallOptions,
}

/// The answer to a call: the result, and what came with it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Response {
    /// The result.
    pub body: Payload,
    /// The callee's meta, as it was after the handler had run.
    pub meta: Map<String, Value>,
    /// Headers that the callee set.
    pub headers: Map<String, Value>,
    /// The node that answered.
    pub node: NodeId,
}

impl Response {
    /// An answer for a mock.
    #[must_use]
    pub fn new(body: Payload, node: NodeId) -> Self {
        Self { body, meta: Map::new(), headers: Map::new(), node }
    }

    /// Decodes the result as an `R`.
    ///
    /// # Errors
    /// When the result is not an `R`.
    pub fn decode<R: DeserializeOwned + Send + 'static>(self) -> Result<R> {
        read(Reply::from(self.body), || "an action".to_owned())
    }
}

/// What a call can return: everything that can be read from an answer. You do not implement it by hand.
#[diagnostic::on_unimplemented(
    message = "the answer of a call cannot be read as `{Self}`",
    label = "nothing says what the answer is read as, or that cannot be read",
    note = "say what it is: `let price: Price = broker.call(…).await?`, or `broker.call::<Price>(…).await?`",
    note = "`serde_json::Value` takes any answer, `.ignore()` drops it",
    note = "a type of yours has to derive `serde::Deserialize`, and own its data"
)]
pub trait Answer: DeserializeOwned + Send + 'static {}

#[diagnostic::do_not_recommend]
impl<R: DeserializeOwned + Send + 'static> Answer for R {}

/// A call that has not been made yet. Refine it, then await it. The first poll makes the call; options that
/// are set after that have no effect.
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
/// // The type of the result is the type that you ask for.
/// let text: String = broker.call("greeter.hello", "Ada").timeout(Duration::from_secs(2)).await?;
/// assert_eq!(text, "Hello Ada!");
///
/// // With the meta, the headers and the node of the answer.
/// let answer = broker.call("greeter.hello", "Bob").header("greeting", "Servus").raw().await?;
/// assert_eq!(answer.meta["greeted"], json!("Bob"));
/// assert_eq!(answer.decode::<String>()?, "Servus Bob!");
/// # broker.stop().await?;
/// # Ok(()) }
/// ```
///
/// # Cancel safety
/// Dropping the future cancels the call. Nothing waits for the answer any more. A local handler is dropped at
/// its await point. A remote handler runs until its deadline, and its answer is ignored.
#[must_use = "a call does nothing until awaited"]
pub struct Call<'a, R, By = ByClient> {
    state: State<'a>,
    result: PhantomData<fn() -> (R, By)>,
}

/// The call to make.
struct Asked<'a> {
    caller: AnyCaller<'a>,
    action: Cow<'a, str>,
    params: Result<Payload>,
    options: Option<Box<CallOptions>>,
}

enum State<'a> {
    /// The first poll takes it, and puts the next state in its place.
    New(Option<Asked<'a>>),
    /// Kept as it was returned. Taking it apart here would copy it.
    Broker(Result<Attempt>),
    Other(BoxFuture<'a, Result<Response>>),
}

/// A [`Call`] of a typed client, which knows the type of the result.
#[derive(Debug, Clone, Copy)]
pub enum ByClient {}

/// A [`Call`] by the name of the action. The caller chooses the type of the result. [`Call::ignore`] and
/// [`Call::raw`] need no type.
#[derive(Debug, Clone, Copy)]
pub enum ByName {}

impl<'a, R> Call<'a, R> {
    /// A call through any [`Caller`]. If `params` is an error, awaiting the call returns it.
    pub fn new(
        caller: impl Into<AnyCaller<'a>>,
        action: impl Into<Cow<'a, str>>,
        params: Result<Payload>,
    ) -> Self {
        let asked = Asked { caller: caller.into(), action: action.into(), params, options: None };
        Self { state: State::New(Some(asked)), result: PhantomData }
    }

    /// Accepts any result and drops it.
    pub fn ignore(self) -> Call<'a, ()> {
        self.cast()
    }

    /// Returns the whole answer, undecoded.
    pub fn raw(self) -> RawCall<'a> {
        RawCall(self.cast())
    }
}

// Only for `()`, so that the compiler has nothing to infer in `broker.call("x", params).ignore()`.
impl<'a> Call<'a, (), ByName> {
    /// Accepts any result and drops it.
    pub fn ignore(self) -> Self {
        self
    }

    /// Returns the whole answer, undecoded.
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
    /// Sets how long the call may take, instead of the default of the action or the broker. It never gets
    /// more than what is left of the running call. [`Timeout::Never`] means no limit.
    ///
    /// With zero the call is not made: it fails at once with
    /// [`ErrorKind::RequestSkipped`](crate::ErrorKind::RequestSkipped) and [`Outcome::NotRun`].
    pub fn timeout(self, timeout: impl Into<Timeout>) -> Self {
        self.saying(|options| options.timeout = Some(timeout.into()))
    }

    /// Sets the node that has to answer, by its id. If the id is invalid, the call is not made, and fails.
    pub fn node(self, node: impl AsRef<str>) -> Self {
        self.saying(|options| options.set_node(node.as_ref()))
    }

    /// Adds a value to the meta. If it cannot be written as JSON, the call is not made, and fails.
    pub fn meta(self, key: &str, value: impl Serialize) -> Self {
        self.saying(|options| options.put_meta(key, &value))
    }

    /// Adds several values to the meta: the members of a map, of a struct, or of `json!({ … })`. If the value
    /// is not an object in JSON, the call is not made, and fails.
    pub fn meta_from(self, values: impl Serialize) -> Self {
        self.saying(|options| options.put_meta_from(&values))
    }

    /// Adds a header. If it cannot be written as JSON, the call is not made, and fails.
    pub fn header(self, key: &str, value: impl Serialize) -> Self {
        self.saying(|options| options.put_header(key, &value))
    }

    /// Adds several headers, like [`Call::meta_from`] does for the meta.
    pub fn headers_from(self, values: impl Serialize) -> Self {
        self.saying(|options| options.put_headers_from(&values))
    }

    /// Sets the id of the tree of calls, if it comes from outside the cluster.
    pub fn request_id(self, id: impl Into<Id>) -> Self {
        self.saying(|options| options.request_id = Some(id.into()))
    }

    /// Sets several options at once. They replace all options set so far.
    pub fn with(self, options: CallOptions) -> Self {
        self.saying(|said| *said = options)
    }

    #[inline]
    fn saying(mut self, say: impl FnOnce(&mut CallOptions)) -> Self {
        if let State::New(Some(asked)) = &mut self.state {
            say(asked.options.get_or_insert_default());
        }
        self
    }

    pub(crate) fn cast<S, To>(self) -> Call<'a, S, To> {
        Call { state: self.state, result: PhantomData }
    }
}

impl<'a> Asked<'a> {
    fn begin(self) -> State<'a> {
        let params = match (self.params, self.options.as_ref().and_then(|options| options.wrong())) {
            (Ok(params), None) => params,
            (Ok(_), Some(wrong)) => {
                let error = wrong.of(format_args!("the call of '{}'", self.action));
                return State::Broker(Err(error.with_outcome(Outcome::NotRun)));
            }
            (Err(error), _) => return State::Broker(Err(error.with_outcome(Outcome::NotRun))),
        };
        match self.caller.get().origin().0 {
            CallFrom::Broker(broker, parent) => {
                State::Broker(dispatch::begin(broker, parent, &self.action, params, self.options.as_deref()))
            }
            CallFrom::Site(site) => State::Broker(site.begin(params, self.options.as_deref())),
            CallFrom::Elsewhere => {
                let options = self.options.map(|options| *options).unwrap_or_default();
                let call = OutgoingCall { action: self.action.into_owned(), params, options };
                State::Other(self.caller.dispatch(call))
            }
        }
    }
}

impl State<'_> {
    /// Starts the call if it has not been started.
    #[inline]
    fn begun(&mut self) -> &mut Self {
        if let State::New(asked) = self
            && let Some(asked) = asked.take()
        {
            *self = asked.begin();
        }
        self
    }
}

impl<R, By> fmt::Debug for Call<'_, R, By> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let action = match &self.state {
            State::New(Some(asked)) => &*asked.action,
            State::Broker(Ok(attempt)) => attempt.context().name(),
            _ => "",
        };
        f.debug_struct("Call").field("action", &action).finish_non_exhaustive()
    }
}

impl<R: Answer, By: FailsAs> Future for Call<'_, R, By> {
    type Output = Result<R, By::Error>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Self::Output> {
        let answer = match self.state.begun() {
            State::Broker(Err(error)) => Poll::Ready(Err(error.clone())),
            State::Broker(Ok(attempt)) => {
                attempt.poll_reply(task).map(|reply| read(reply?, || attempt.context().name().to_string()))
            }
            State::Other(call) => call.as_mut().poll(task).map(|response| response?.decode()),
            State::New(_) => unreachable!("it has begun the line above"),
        };
        answer.map_err(Into::into)
    }
}

/// A call that returns the whole answer, undecoded. [`Call::raw`] makes it.
#[must_use = "a call does nothing until awaited"]
#[derive(Debug)]
pub struct RawCall<'a>(Call<'a, ()>);

/// `.raw()` for a call by name whose result type is fixed, as in `broker.call::<Price>(…)`. A call whose type
/// is still open has its own method `raw`, because a trait could not infer the type.
pub trait RawAnswer<'a>: sealed::Sealed {
    /// Returns the whole answer, undecoded.
    fn raw(self) -> RawCall<'a>;
}

impl<'a, R> RawAnswer<'a> for Call<'a, R, ByName> {
    fn raw(self) -> RawCall<'a> {
        RawCall(self.cast())
    }
}

mod sealed {
    pub trait Sealed {}
    impl<R> Sealed for super::Call<'_, R, super::ByName> {}
}

impl Future for RawCall<'_> {
    type Output = Result<Response>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Result<Response>> {
        match self.0.state.begun() {
            State::Broker(Err(error)) => Poll::Ready(Err(error.clone())),
            State::Broker(Ok(attempt)) => attempt.poll_reply(task).map(|reply| Ok(attempt.response(reply?))),
            State::Other(call) => call.as_mut().poll(task),
            State::New(_) => unreachable!("it has begun the line above"),
        }
    }
}

/// Reads a reply as an `R`. `()` accepts any answer.
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
