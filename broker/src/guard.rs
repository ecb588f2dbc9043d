//! Guards for user code: a panic in it becomes an error.
//!
//! User code may panic when it is called, when its future is polled, and when what it holds is dropped. Such
//! a panic must not end a task of this crate, unwind into unrelated code, or leave anything half done. This
//! table lists where it is caught:
//!
//! | whose code | where | what becomes of a panic |
//! |---|---|---|
//! | handlers, with the `Deserialize` of what they take and the drops of what they hold | `handler.rs`, `Watch` | the call fails as `HANDLER_PANIC`; an event's is logged |
//! | functions that layers made | [`Guarded`], by whoever polls it: `broker/running.rs`, `service/run.rs`, `broker/emit.rs` | the same |
//! | handlers that are given up | [`Guarded`], by whoever polls it: `broker/running.rs`, `service/run.rs` | the same |
//! | `Layer`, its `action` and `event` | `layer/pipeline.rs` | the start fails; a call to another node is refused |
//! | `Layer`, its `around` | the same | calls of that name are refused |
//! | `Layer`, its `name`, `emit`, `outgoing`, `incoming`, `created`, `service_creating`, `service_created` | the same | the broker is not built, or the service not taken in |
//! | functions that layers made of bytes | the same | the packet is not sent, or dropped and counted |
//! | `Layer`, its other phases of a life | the same | the start fails, the stop goes on and tells it |
//! | `started` and `stopped` hooks | `broker/hosted.rs` | the same |
//! | work given to a `ServiceCx` | `service/cx.rs` | logged; periodic work runs again |
//! | `Serialize` of parameters, results and events | `payload.rs` | the value cannot be encoded |
//! | `Deserialize` of an answer | `broker/call.rs` | the answer cannot be decoded |
//! | `FromActionError` of a service's error | `broker/call_error.rs` | the error is `CallError::Other`; logged |
//! | transporters | `broker/lifecycle.rs`, and `transit/inbound.rs` for readers | the start fails; a reader continues |
//! | the future given to `run_until` | `broker/lifecycle.rs` | the broker is stopped, then the panic continues |
//!
//! A `Caller` that a user implements, `IntoPayload`, and the closures of a builder run within a call that the
//! user makes, before anything of this crate has begun. Their panics reach the user, as from any other
//! function.

use futures_util::future::BoxFuture;
use ligand_transporters::Name;
use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context as Task, Poll};

use crate::context::Context;
use crate::error::{Error, ErrorKind, Outcome};

/// The text of a panic.
#[derive(Debug)]
pub(crate) struct Panicked(String);

impl Panicked {
    pub(crate) fn of(panic: Box<dyn Any + Send>) -> Self {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        discard(panic);
        Self(text.unwrap_or_else(|| "no text".to_owned()))
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// An error for this node. It contains the text.
    pub(crate) fn into_error(self) -> Error {
        let message = self.to_string();
        Error::with_kind(ErrorKind::HandlerPanic, serde_json::Value::Null).with_message(message)
    }

    /// The error of a call or an event. The text stays on this node. A remote caller learns that the handler
    /// panicked, but not why.
    pub(crate) fn of_handler(&self, cx: &Context) -> Error {
        self.log("handler panicked", None, cx);
        Self::told().with_outcome(Outcome::Ran)
    }

    /// Like [`Panicked::of_handler`], for a layer that panicked. It may not have called the handler.
    pub(crate) fn around_handler(&self, cx: &Context) -> Error {
        self.log("a layer around a handler panicked", None, cx);
        Self::told().with_outcome(Outcome::MayHaveRun)
    }

    /// As [`Panicked::around_handler`], where it is not known what was handled, since no layer wraps it.
    pub(crate) fn around_anything(&self) -> Error {
        tracing::error!(panic = self.text(), "a layer around a handler panicked");
        Self::told().with_outcome(Outcome::MayHaveRun)
    }

    /// Logs one line that names the user code.
    pub(crate) fn log(&self, what: &'static str, layer: Option<&'static str>, cx: &Context) {
        let (service, request_id, panic) = (service_of(cx), cx.request_id(), self.text());
        let service = service.as_deref();
        if cx.spread().is_some() {
            tracing::error!(service, event = %cx.name(), request_id = %request_id, layer, panic, "{what}");
        } else {
            tracing::error!(service, action = %cx.name(), request_id = %request_id, layer, panic, "{what}");
        }
    }

    fn told() -> Error {
        Error::with_kind(ErrorKind::HandlerPanic, serde_json::Value::Null)
            .with_message("the handler panicked")
    }
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it panicked: {}", self.0)
    }
}

/// The service of a call or an event. Around the pick, no endpoint has been chosen yet, but all endpoints of
/// an action belong to services of one name.
fn service_of(cx: &Context) -> Option<Name> {
    cx.service().cloned().or_else(|| {
        if cx.spread().is_some() {
            return None;
        }
        let snapshot = cx.broker().shared().registry.load();
        let action = snapshot.action(cx.name())?;
        action.endpoints(&snapshot).next().map(|(_, action)| action.service.clone())
    })
}

/// Runs something of the user's.
#[inline]
pub(crate) fn run<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(work)).map_err(Panicked::of)
}

/// Drops a user's value.
pub(crate) fn discard<T>(value: T) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        tracing::error!("a value panicked when it was dropped");
        // Dropping the payload of a panic may panic again. So this one is leaked.
        std::mem::forget(panic);
    }
}

/// Drops what a handler holds, in place.
pub(crate) fn discard_pinned<T>(mut value: Pin<&mut Option<T>>, cx: &Context) {
    if let Err(panicked) = run(|| value.set(None)) {
        panicked.log("a value panicked when it was dropped", None, cx);
    }
}

/// A future of user code. Making it, polling it and dropping it never unwinds.
pub(crate) struct Guarded<'a, T>(State<'a, T>);

enum State<'a, T> {
    Runs(BoxFuture<'a, T>),
    /// Made by a function of this crate. It does not panic by itself, unless it is dropped before its end.
    Ours(BoxFuture<'a, T>),
    /// Making it panicked. It is boxed, so that other calls do not carry its size.
    Unmade(Box<Panicked>),
    Done,
}

impl<'a, T> Guarded<'a, T> {
    pub(crate) fn new(future: impl Future<Output = T> + Send + 'a) -> Self {
        Self(State::Runs(Box::pin(future)))
    }

    #[inline]
    pub(crate) fn made(make: impl FnOnce() -> BoxFuture<'a, T>) -> Self {
        Self(match run(make) {
            Ok(future) => State::Runs(future),
            Err(panicked) => State::Unmade(Box::new(panicked)),
        })
    }

    /// Like [`Guarded::made`] if a layer may have made the function. Otherwise the function belongs to this
    /// crate.
    #[inline]
    pub(crate) fn begun(layered: bool, make: impl FnOnce() -> BoxFuture<'a, T>) -> Self {
        if layered { Self::made(make) } else { Self(State::Ours(make())) }
    }

    /// Distinguishes it from all others that live at the same time.
    #[inline]
    pub(crate) fn address(&self) -> usize {
        match &self.0 {
            State::Runs(future) | State::Ours(future) => std::ptr::from_ref(&**future).cast::<()>().addr(),
            State::Unmade(_) | State::Done => 0,
        }
    }
}

impl<T> Future for Guarded<'_, T> {
    type Output = Result<T, Panicked>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Self::Output> {
        let state = &mut self.0;
        let polled = catch_unwind(AssertUnwindSafe(|| match state {
            State::Runs(future) | State::Ours(future) => {
                let polled = future.as_mut().poll(task);
                if polled.is_ready() {
                    *state = State::Done;
                }
                polled.map(Ok)
            }
            State::Unmade(_) => match std::mem::replace(state, State::Done) {
                State::Unmade(panicked) => Poll::Ready(Err(*panicked)),
                State::Runs(_) | State::Ours(_) | State::Done => Poll::Pending,
            },
            State::Done => Poll::Pending,
        }));
        polled.unwrap_or_else(|panic| {
            self.end();
            Poll::Ready(Err(Panicked::of(panic)))
        })
    }
}

impl<T> Guarded<'_, Result<T, Error>> {
    /// Polls a handler. What is of ours is spared the guard; a panic of layers becomes the error that `told` makes.
    #[inline]
    pub(crate) fn poll_handler(
        &mut self,
        told: impl FnOnce(&Panicked) -> Error,
        task: &mut Task<'_>,
    ) -> Poll<Result<T, Error>> {
        if let State::Ours(future) = &mut self.0 {
            let polled = future.as_mut().poll(task);
            if polled.is_ready() {
                self.0 = State::Done;
            }
            return polled;
        }
        self.poll_guarded(task).map(|result| result.unwrap_or_else(|panicked| Err(told(&panicked))))
    }

    /// Polls a future that layers made. It is a function of its own, so that calls without layers stay small.
    #[inline(never)]
    fn poll_guarded(&mut self, task: &mut Task<'_>) -> Poll<Result<Result<T, Error>, Panicked>> {
        Pin::new(self).poll(task)
    }
}

impl<T> Guarded<'_, T> {
    #[inline]
    fn end(&mut self) {
        if let State::Runs(_) | State::Ours(_) = &self.0 {
            discard(std::mem::replace(&mut self.0, State::Done));
        }
    }
}

impl<T> Drop for Guarded<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    fn poll<T>(future: &mut Guarded<'_, T>) -> Poll<Result<T, String>> {
        let polled = Pin::new(future).poll(&mut Task::from_waker(Waker::noop()));
        polled.map_err(|panicked| panicked.text().to_owned())
    }

    /// Panics when it is dropped.
    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }

    #[test]
    fn a_future_that_panics_when_it_is_made_polled_or_dropped_unwinds_nowhere() {
        let mut unmade = Guarded::<()>::made(|| panic!("made"));
        assert_eq!(poll(&mut unmade), Poll::Ready(Err("made".to_owned())));
        let mut polled = Guarded::<()>::new(async { panic!("polled") });
        assert_eq!(poll(&mut polled), Poll::Ready(Err("polled".to_owned())));
        let mut twice = Guarded::<()>::new(async {
            let _bomb = Bomb;
            std::future::pending().await
        });
        assert_eq!(poll(&mut twice), Poll::Pending);
        drop(twice);
        let mut at_the_end = Guarded::new(async {
            let _bomb = Bomb;
            5
        });
        assert_eq!(poll(&mut at_the_end), Poll::Ready(Err("dropped".to_owned())));
    }

    #[test]
    fn what_a_panic_carries_may_panic_as_well() {
        let panicked = run(|| std::panic::panic_any(Bomb)).unwrap_err();
        assert_eq!(panicked.to_string(), "it panicked: no text");
    }
}
