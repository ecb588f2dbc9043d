//! Runs the handlers of requests and events, and decides who polls them.
//!
//! The task that has a handler polls it once. If the handler has to wait, it continues in a task of its own,
//! or its caller polls it.

use futures_util::future::BoxFuture;
use std::future::{Future as _, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context as Task, Poll, Waker};

use super::gate::{Entered, Gate, Seat};
use crate::chain::{Chain, Chained, Place, Stacked};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::guard::{Guarded, Panicked};

/// A handler that has begun. It counts for its service until it has ended or is dropped.
pub(crate) struct Run<T> {
    future: Guarded<'static, Result<T>>,
    seat: Seat,
    /// `None` if it is counted elsewhere.
    entered: Option<Entered>,
    /// What is handled, if layers may panic around it.
    layered: Option<Context>,
}

/// The state of a handler after its first poll.
pub(crate) enum First<T> {
    /// It was not started, because its service is being removed.
    Closed,
    Done(Result<T>),
    /// It has to wait.
    Waits(Run<T>),
}

/// Whether the task that starts a handler waits for its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beneath {
    Waits,
    GoesOn,
}

/// Starts a handler, which layers may have wrapped, and polls it once.
pub(crate) fn first<T>(
    gate: Option<&Arc<Gate>>,
    beneath: Beneath,
    layered: bool,
    make: impl FnOnce() -> BoxFuture<'static, Result<T>>,
    handled: impl Fn() -> Context,
) -> First<T> {
    if gate.is_some_and(|gate| !gate.enter()) {
        return First::Closed;
    }
    let _apart = (beneath == Beneath::GoesOn).then(Stacked::apart);
    let mut future = Guarded::begun(layered, make);
    let place = gate.map(|gate| gate.place(future.address()));
    // Otherwise a handler that emits its own event would overflow the stack.
    let polled = match Stacked::try_enter(place) {
        Some(_depth) => {
            let told = |panicked: &Panicked| panicked.around_handler(&handled());
            future.poll_handler(told, &mut Task::from_waker(Waker::noop()))
        }
        None => Poll::Pending,
    };
    match polled {
        Poll::Ready(result) => {
            if let Some(gate) = gate {
                gate.leave();
            }
            First::Done(result)
        }
        Poll::Pending => {
            let layered = layered.then(handled);
            First::Waits(Run { future, seat: Seat::default(), entered: gate.map(Entered::already), layered })
        }
    }
}

impl<T> Run<T> {
    /// A handler that was let in, not yet polled. With what it handles, if layers may panic around it.
    pub(crate) fn new(
        entered: Option<Entered>,
        future: Guarded<'static, Result<T>>,
        layered: Option<Context>,
    ) -> Self {
        Self { future, seat: Seat::default(), entered, layered }
    }

    /// Its place in the chains of handlers that it waits for.
    pub(crate) fn place(&self) -> Option<Place> {
        self.entered.as_ref().map(|entered| entered.gate().place(self.future.address()))
    }

    /// Polls the handler on the stack of its caller.
    pub(crate) fn poll_in_place(&mut self, task: &mut Task<'_>) -> Poll<Result<T>> {
        let _place = self.place().map(Stacked::at);
        let Self { future, seat, entered, layered } = self;
        let told = |panicked: &Panicked| told(layered.as_ref(), panicked);
        poll_seated(entered.as_ref().map(Entered::gate), future, || seat, told, task)
    }

    /// Runs the handler in a task of its own. If `chain` is not empty, its last handler waits for this one.
    pub(crate) async fn finish(self, mut chain: Chain) -> Result<T> {
        chain.extend(self.place());
        let gate = self.entered.as_ref().map(|entered| Arc::clone(entered.gate()));
        let run = self.future.address();
        let mut work = Chained { chain, future: self };
        let Some(gate) = gate else { return work.await };
        let mut cutting = pin!(gate.cutting());
        let mut may_be_cut = true;
        poll_fn(|task| {
            if let Poll::Ready(result) = Pin::new(&mut work).poll(task) {
                return Poll::Ready(result);
            }
            if may_be_cut && cutting.as_mut().poll(task).is_ready() {
                may_be_cut = false;
                if gate.cuts(run) {
                    return Poll::Ready(Err(gate.cut_short()));
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// Polls only the handler itself. Whoever polls this also cuts it.
impl<T> std::future::Future for Run<T> {
    type Output = Result<T>;
    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Result<T>> {
        let Self { future, layered, .. } = &mut *self;
        future.poll_handler(|panicked| told(layered.as_ref(), panicked), task)
    }
}

/// The error of a handler around which a layer panicked.
fn told(handled: Option<&Context>, panicked: &Panicked) -> Error {
    handled.map_or_else(|| panicked.around_anything(), |cx| panicked.around_handler(cx))
}

impl<T> Drop for Run<T> {
    fn drop(&mut self) {
        if let Some(entered) = &self.entered {
            entered.gate().vacate(&mut self.seat);
        }
    }
}

/// Polls a handler that is cut with its service, by whoever waits for it. A panic of layers around it becomes the
/// error that `told` makes.
#[inline]
pub(crate) fn poll_seated<'a, T>(
    gate: Option<&Arc<Gate>>,
    future: &mut Guarded<'static, Result<T>>,
    seat: impl FnOnce() -> &'a mut Seat,
    told: impl FnOnce(&Panicked) -> Error,
    task: &mut Task<'_>,
) -> Poll<Result<T>> {
    let polled = future.poll_handler(told, task);
    if polled.is_pending()
        && let Some(gate) = gate
        && gate.cuts_seated(seat(), future.address(), task.waker())
    {
        return Poll::Ready(Err(gate.cut_short()));
    }
    polled
}
