//! A running call: who polls it, what it counts for, and how it ends.

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

/// See the module. All methods take the context with which the call was started.
pub(super) enum Running {
    /// Its service is being removed. Nothing was started.
    Refused(Error),
    InPlace(InPlace),
    Task(JoinHandle<Result<Reply>>),
    Done,
}

/// A call that its caller polls. If its handler is on this node, the call counts for the service until it
/// ends.
pub(super) struct InPlace {
    future: Guarded<'static, Result<Reply>>,
    /// Set when a local handler has to wait for the first time.
    waits: Option<Box<Waits>>,
}

/// What a waiting handler counts for. A handler that never waits does not need this, because no stop or
/// removal can happen meanwhile.
struct Waits {
    /// The broker's count. A stop waits for it.
    _counted: Option<TaskTrackerToken>,
    seat: Seat,
}

impl Running {
    /// Starts a function of the chain. A handler of this node has entered its service.
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

    /// Moves the call into a task, because there is no room left on this stack.
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

    /// Called when nobody waits for the call any more.
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

    /// Drops what ran.
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

/// The gate at which a call counts while its handler runs, if the handler is on this node.
#[inline]
fn local_gate(cx: &Context) -> Option<&Arc<Gate>> {
    match cx.at() {
        At::Local(action) => action.gate.as_ref(),
        _ => None,
    }
}
