//! A call under way: who polls it, what it counts for, and how it ends.

use futures_util::future::BoxFuture;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll};
use tokio::task::JoinHandle;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::chain::{self, Stacked};
use crate::context::{At, Context};
use crate::error::{Error, Result};
use crate::guard::Guarded;
use crate::handler::crashed;
use crate::service::{Entered, Gate, Reply, Run, Seat, poll_seated};

/// See the module. All methods are given the context that the call was begun with.
pub(super) enum Running {
    /// Its service goes: nothing was begun.
    Refused(Error),
    InPlace(InPlace),
    Task(JoinHandle<Result<Reply>>),
    Done,
}

/// A call that is polled by its caller. If its handler is here, it counts at its service until its end.
pub(super) struct InPlace {
    future: Guarded<'static, Result<Reply>>,
    /// From the first time that it had to wait, if its handler is here.
    waits: Option<Box<Waits>>,
}

/// What a handler that has to wait counts for. One that never waits cannot be met by a stop or a removal.
struct Waits {
    /// Of the broker, which stops once it has ended.
    _counted: Option<TaskTrackerToken>,
    seat: Seat,
}

impl Running {
    /// Lets a function of the chain begin. A handler of this node has entered its service.
    #[inline]
    pub(super) fn begin(cx: &Context, make: impl FnOnce() -> BoxFuture<'static, Result<Reply>>) -> Self {
        let layered = cx.broker().shared().pipeline.wraps_actions();
        Self::InPlace(InPlace { future: Guarded::begun(layered, make), waits: None })
    }

    #[inline]
    pub(super) fn poll(&mut self, cx: &Context, task: &mut Task<'_>) -> Poll<Result<Reply>> {
        if let Self::InPlace(InPlace { future, waits }) = self {
            let gate = local_gate(cx);
            let place = gate.map(|gate| gate.place(future.address()));
            if let Some(_depth) = Stacked::try_enter(place) {
                let count = || {
                    Box::new(Waits { _counted: cx.broker().shared().count_called(), seat: Seat::default() })
                };
                return poll_seated(
                    gate,
                    future,
                    || &mut waits.get_or_insert_with(count).seat,
                    |panicked| panicked.around_handler(cx),
                    task,
                );
            }
            self.go_on_in_task(cx);
        }
        self.poll_elsewhere(cx, task)
    }

    #[cold]
    fn poll_elsewhere(&mut self, cx: &Context, task: &mut Task<'_>) -> Poll<Result<Reply>> {
        match self {
            Self::Task(handle) => Pin::new(handle)
                .poll(task)
                .map(|joined| joined.unwrap_or_else(|failed| Err(crashed(cx, failed)))),
            Self::Refused(error) => Poll::Ready(Err(error.clone())),
            Self::InPlace(_) | Self::Done => panic!("a call was polled after it was ready"),
        }
    }

    /// There is no room left on this stack.
    fn go_on_in_task(&mut self, cx: &Context) {
        if let Self::InPlace(_) = self
            && let Self::InPlace(InPlace { future, waits }) = std::mem::replace(self, Self::Done)
        {
            let gate = local_gate(cx);
            if let (Some(gate), Some(mut waits)) = (gate, waits) {
                gate.vacate(&mut waits.seat);
            }
            let run = Run::new(gate.map(Entered::already), future, Some(cx.clone()));
            *self = Self::Task(cx.broker().shared().tracker.spawn(run.finish(chain::chain())));
        }
    }

    /// Nobody waits for it any more.
    #[inline]
    pub(super) fn give_up(&mut self, cx: &Context) {
        match self {
            Self::Done => return,
            Self::Refused(_) => {}
            Self::InPlace(_) => cx.cancel(),
            Self::Task(handle) => {
                handle.abort();
                cx.cancel();
            }
        }
        self.end(cx);
    }

    /// Lets go of what ran.
    pub(super) fn end(&mut self, cx: &Context) {
        let entered = match self {
            Self::InPlace(InPlace { waits, .. }) => local_gate(cx).inspect(|gate| {
                if let Some(waits) = waits {
                    gate.vacate(&mut waits.seat);
                }
            }),
            _ => None,
        };
        *self = Self::Done;
        if let Some(gate) = entered {
            gate.leave();
        }
    }
}

/// Where a call counts while its handler runs, if that is here.
#[inline]
fn local_gate(cx: &Context) -> Option<&Arc<Gate>> {
    match cx.at() {
        At::Local(action) => action.gate.as_ref(),
        _ => None,
    }
}
