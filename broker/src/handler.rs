//! Type-erased handlers: one type for all actions, and one for all subscriptions.
//!
//! The erased future does everything that a call needs, in one allocation: it reads the parameters, runs the
//! user's code, catches its panics, and gives up at the deadline. It reads no clock and sets no timer before
//! the user's code has to wait.

use futures_util::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::any::TypeId;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context as Task, Poll};
use tokio::task::JoinError;
use tracing::Span;

use crate::codec::DecodeError;
use crate::context::Context;
use crate::deadlines::Timer;
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::guard::{self, Panicked};
use crate::payload::Payload;
use crate::service::{EventData, Reply};

/// An action as the broker runs it: local, remote, wrapped by layers, all the same type.
pub type ActionFn = Arc<dyn Fn(Context, Payload) -> BoxFuture<'static, Result<Reply>> + Send + Sync>;

/// A subscription as the broker runs it, or the way out of an event.
pub type EventFn = Arc<dyn Fn(Context, Payload) -> BoxFuture<'static, Result<()>> + Send + Sync>;

/// What runs an action, with its layers.
pub(crate) struct Chains {
    /// Around the choice of an endpoint, if any layer wraps that.
    pub(crate) around: Option<ActionFn>,
    /// Runs it at the endpoint that was chosen.
    pub(crate) run: ActionFn,
}

pub(crate) fn action<P, R, E, Fut>(run: impl Fn(Context, P) -> Fut + Send + Sync + 'static) -> ActionFn
where
    P: DeserializeOwned + Send + 'static,
    R: Serialize + Send + 'static,
    E: Into<Error>,
    Fut: Future<Output = Result<R, E>> + Send + 'static,
{
    let run = Arc::new(run);
    Arc::new(move |cx, payload| {
        let run = Arc::clone(&run);
        Box::pin(async move {
            let mut watch = Watch::over(&cx);
            let mut work = pin!(Some(async {
                match payload.take::<P>() {
                    Ok(params) => run(cx, params).await.map(reply).map_err(raised),
                    Err(error) => Err(invalid(&cx, error)),
                }
            }));
            poll_fn(|task| watch.poll(work.as_mut(), task)).await
        })
    })
}

pub(crate) fn action_raw<E, Fut>(run: impl Fn(Context, Payload) -> Fut + Send + Sync + 'static) -> ActionFn
where
    E: Into<Error>,
    Fut: Future<Output = Result<Reply, E>> + Send + 'static,
{
    let run = Arc::new(run);
    Arc::new(move |cx, payload| {
        let run = Arc::clone(&run);
        Box::pin(async move {
            let mut watch = Watch::over(&cx);
            let mut work = pin!(Some(async { run(cx, payload).await.map_err(raised) }));
            poll_fn(|task| watch.poll(work.as_mut(), task)).await
        })
    })
}

pub(crate) fn action_blocking<P, R, E>(
    run: impl Fn(Context, P) -> Result<R, E> + Send + Sync + 'static,
) -> ActionFn
where
    P: DeserializeOwned + Send + 'static,
    R: Serialize + Send + 'static,
    E: Into<Error>,
{
    let run = Arc::new(run);
    Arc::new(move |cx, payload| {
        let run = Arc::clone(&run);
        Box::pin(async move {
            let mut watch = Watch::over(&cx);
            let mut work = pin!(Some(async {
                let params = payload.take::<P>().map_err(|error| invalid(&cx, error))?;
                let about = cx.clone();
                // Blocking code cannot be cancelled. Its thread ends when it returns, even if the caller has
                // given up. Tokio's pool bounds the number of such threads.
                let work = tokio::task::spawn_blocking(move || run(cx, params).map_err(raised));
                match work.await {
                    Ok(result) => result.map(reply),
                    Err(failed) => Err(crashed(&about, failed)),
                }
            }));
            poll_fn(|task| watch.poll(work.as_mut(), task)).await
        })
    })
}

pub(crate) fn event<P, E, Fut>(run: impl Fn(Context, P) -> Fut + Send + Sync + 'static) -> EventFn
where
    P: EventData,
    E: Into<Error>,
    Fut: Future<Output = Result<(), E>> + Send + 'static,
{
    let run = Arc::new(run);
    Arc::new(move |cx, payload| {
        let run = Arc::clone(&run);
        Box::pin(async move {
            let mut watch = Watch::over_event(&cx);
            let mut work = pin!(Some(async {
                match P::from_payload(payload) {
                    Ok(data) => run(cx, data).await.map_err(Into::into),
                    Err(error) => Err(invalid(&cx, error)),
                }
            }));
            poll_fn(|task| watch.poll(work.as_mut(), task)).await
        })
    })
}

/// An error that a handler returned. Even if the error says `NotRun` about a call that the handler made, the
/// handler itself ran.
fn raised(error: impl Into<Error>) -> Error {
    error.into().with_outcome(Outcome::Ran)
}

/// Makes a reply from a result. `()` means no result: `undefined` in Node, instead of null.
fn reply<R: Serialize + Send + 'static>(result: R) -> Reply {
    if TypeId::of::<R>() == TypeId::of::<()>() { Reply::empty() } else { Reply::typed(result) }
}

/// Runs any work like a handler, until it is done, panics, or its deadline passes.
pub(crate) async fn guarded<T>(cx: Context, work: impl Future<Output = Result<T>> + Send) -> Result<T> {
    let mut watch = Watch::over(&cx);
    let mut work = pin!(Some(work));
    poll_fn(|task| watch.poll(work.as_mut(), task)).await
}

/// What is kept of a call or an event while its handler has the context. If the handler is dropped before its
/// end, nobody waits for its result any more, and this informs the tasks that it has spawned.
struct Watch {
    cx: Context,
    span: Option<Box<Span>>,
    timer: Option<Timer>,
    done: bool,
}

impl Watch {
    #[inline]
    fn over(cx: &Context) -> Self {
        Self::keeping(cx.without_place(), cx)
    }

    /// The same for an event, which shares one context among several handlers.
    #[inline]
    fn over_event(cx: &Context) -> Self {
        Self::keeping(cx.clone(), cx)
    }

    #[inline]
    fn keeping(kept: Context, cx: &Context) -> Self {
        Self { cx: kept, span: crate::telemetry::span(cx), timer: None, done: false }
    }

    /// Polls a handler. It is ready when the handler is done, panics, or has passed its deadline. Then
    /// everything that the handler still holds is dropped, which may panic as well.
    ///
    /// It borrows the work in place. If the work were moved in, the call's future would contain it twice.
    #[inline]
    fn poll<T>(
        &mut self,
        mut work: Pin<&mut Option<impl Future<Output = Result<T>> + Send>>,
        task: &mut Task<'_>,
    ) -> Poll<Result<T>> {
        let Self { cx, span, timer, done } = self;
        let _entered = span.as_deref().map(Span::enter);
        let polled = guard::run(|| work.as_mut().as_pin_mut().map_or(Poll::Pending, |work| work.poll(task)));
        let ended = match polled {
            Ok(Poll::Ready(result)) => {
                *done = true;
                return Poll::Ready(result);
            }
            Ok(Poll::Pending) => {
                let timer = timer.get_or_insert_with(|| cx.timer());
                std::task::ready!(timer.poll_passed(task));
                cx.timed_out(Some(cx.broker().node_id()))
            }
            Err(panicked) => panicked.of_handler(cx),
        };
        guard::discard_pinned(work, cx);
        Poll::Ready(Err(ended))
    }
}

impl Drop for Watch {
    #[inline]
    fn drop(&mut self) {
        if !self.done {
            self.cx.cancel();
        }
    }
}

/// The error of a handler whose task did not finish.
pub(crate) fn crashed(cx: &Context, task: JoinError) -> Error {
    match task.try_into_panic() {
        Ok(panic) => Panicked::of(panic).of_handler(cx),
        // The runtime is shutting down.
        Err(task) => Error::with_kind(ErrorKind::RequestRejected, serde_json::Value::Null)
            .with_message(task.to_string())
            .with_outcome(Outcome::MayHaveRun),
    }
}

/// Invalid parameters, worded as Node's validator does (protocol chapter 6.3).
pub(crate) fn invalid(cx: &Context, error: DecodeError) -> Error {
    let DecodeError { path, message } = error;
    if let Some(entry) = forbidden_key(cx, &path, &message) {
        return entry;
    }
    let missing = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    let (field, kind) = match missing {
        Some(field) if path.is_empty() => (field.to_owned(), "required"),
        Some(field) => (format!("{path}.{field}"), "required"),
        None => (path, expected(&message)),
    };
    let message = match field.as_str() {
        "" => message,
        field if missing.is_some() => format!("The '{field}' field is required."),
        field => format!("The '{field}' field does not fit: {message}."),
    };
    Error::validation(json!([{
        "type": kind,
        "message": message,
        "field": field,
        "nodeID": cx.node().as_str(),
        "action": cx.name().as_str(),
    }]))
}

/// An unknown member where none is allowed (`$$strict` in Node's validator).
fn forbidden_key(cx: &Context, path: &str, message: &str) -> Option<Error> {
    let rest = message.strip_prefix("unknown field `")?;
    let (key, known) =
        rest.rsplit_once("`, expected ").or_else(|| rest.rsplit_once("`, there are no fields"))?;
    // In "one of `a`, `b`", every second piece is a name.
    let known = known.split('`').skip(1).step_by(2).collect::<Vec<_>>().join(", ");
    // The path may end with the member itself.
    let object = match path.strip_suffix(key) {
        Some(above) if above.is_empty() || above.ends_with('.') => above.trim_end_matches('.'),
        _ => path,
    };
    let message = format!("The object '{object}' contains forbidden keys: '{key}'.");
    let hint = message.clone();
    let data = json!([{
        "type": "objectStrict",
        "message": message,
        "field": object,
        "expected": known,
        "actual": key,
        "nodeID": cx.node().as_str(),
        "action": cx.name().as_str(),
    }]);
    Some(Error::validation(data).with_hint(hint))
}

/// The rule of Node's validator that is closest to what serde expected.
fn expected(message: &str) -> &'static str {
    let expected = message.rsplit("expected ").next().unwrap_or_default();
    let is = |words: &[&str]| words.iter().any(|word| expected.starts_with(word));
    match () {
        () if is(&["a string", "string", "str", "a character"]) => "string",
        () if is(&["a boolean", "bool"]) => "boolean",
        () if is(&[
            "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "isize", "usize", "f32", "f64", "a number",
        ]) =>
        {
            "number"
        }
        () if is(&["a sequence", "sequence", "an array", "a tuple"]) => "array",
        () if is(&["a map", "map", "struct", "an object"]) => "object",
        () if message.starts_with("unknown variant") => "enum",
        () => "custom",
    }
}
