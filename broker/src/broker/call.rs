//! A call as its caller sees it: a request that can be refined, and awaited.

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

/// Whoever can make calls: a broker, the context of a running call, or a mock.
///
/// Typed clients take any, borrowed or owned ([`AnyCaller`]), so a test can hand them one of its own.
pub trait Caller: Send + Sync {
    /// Makes a call.
    fn dispatch(&self, call: OutgoingCall) -> BoxFuture<'_, Result<Response>>;

    /// Where its calls come from. A caller that passes calls on may give that of the other one, which saves a box;
    /// then [`Caller::dispatch`] does not hear of them. Any other leaves it as it is.
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
    /// A call site whose name has been looked up.
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
    /// What the caller asked for beside.
    pub options: CallOptions,
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

/// What a call can give: whatever can be read from an answer. Nobody implements it by hand.
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

/// A call that has not been made yet: refine it, then await it. It is made when it is first polled, and what is
/// said of it after that counts no more.
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
    state: State<'a>,
    result: PhantomData<fn() -> (R, By)>,
}

/// What is to be asked for.
struct Asked<'a> {
    caller: AnyCaller<'a>,
    action: Cow<'a, str>,
    params: Result<Payload>,
    options: Option<Box<CallOptions>>,
}

enum State<'a> {
    /// Taken by the first poll, which puts the next state in its place.
    New(Option<Asked<'a>>),
    /// Kept as it was made: to take it apart here would be to copy it.
    Broker(Result<Attempt>),
    Other(BoxFuture<'a, Result<Response>>),
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
        let asked = Asked { caller: caller.into(), action: action.into(), params, options: None };
        Self { state: State::New(Some(asked)), result: PhantomData }
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
    pub fn timeout(self, timeout: impl Into<Timeout>) -> Self {
        self.saying(|options| options.timeout = Some(timeout.into()))
    }

    /// The node that has to answer, by its id. What cannot be one fails the call, which is not made then.
    pub fn node(self, node: impl AsRef<str>) -> Self {
        self.saying(|options| options.set_node(node.as_ref()))
    }

    /// Adds a value to the meta. One that cannot be written as JSON fails the call, which is not made then.
    pub fn meta(self, key: &str, value: impl Serialize) -> Self {
        self.saying(|options| options.put_meta(key, &value))
    }

    /// Adds several values to the meta: the members of a map, of a struct, or of `json!({ … })`. What is no
    /// object as JSON fails the call, which is not made then.
    pub fn meta_from(self, values: impl Serialize) -> Self {
        self.saying(|options| options.put_meta_from(&values))
    }

    /// Adds a header. One that cannot be written as JSON fails the call, which is not made then.
    pub fn header(self, key: &str, value: impl Serialize) -> Self {
        self.saying(|options| options.put_header(key, &value))
    }

    /// Adds several headers, as [`Call::meta_from`] does values.
    pub fn headers_from(self, values: impl Serialize) -> Self {
        self.saying(|options| options.put_headers_from(&values))
    }

    /// The id of the tree of calls, where it comes from elsewhere.
    pub fn request_id(self, id: impl Into<Id>) -> Self {
        self.saying(|options| options.request_id = Some(id.into()))
    }

    /// Several options at once, replacing those set so far.
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
    /// Begins the call if nobody has.
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

/// A call whose answer is wanted with everything that came along.
#[must_use = "a call does nothing until awaited"]
#[derive(Debug)]
pub struct RawCall<'a>(Call<'a, ()>);

/// `.raw()` for a call by name whose type is settled, as `broker.call::<Price>(…)` does. Calls that leave it open
/// have the method themselves: no trait could settle it for them.
pub trait RawAnswer<'a>: sealed::Sealed {
    /// Asks for the answer with everything that came along, undecoded.
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
