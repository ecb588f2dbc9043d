//! Counts the handlers of a service, so that the service can be removed when none runs.
//!
//!
//! Each handler enters the gate before it begins, and leaves it when it has ended. Each of them costs one
//! atomic addition. A closed gate lets nobody in. A removal closes the gate, waits for the handlers inside,
//! and in the end *cuts* them: those that run in tasks of their own, and those that a caller in this process
//! polls.

use ligand_transporters::Name;
use ligand_transporters::locks::{Mutex, MutexGuard};
use serde_json::json;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{ServiceDef, ServiceVersion};
use crate::chain::{self, Place};
use crate::error::{Error, ErrorKind};

/// Set when the gate is closed.
const CLOSED: usize = 1;
/// Set while somebody waits for those inside to end, and others may still enter.
const WATCHED: usize = 2;
/// The bits above count the handlers inside.
const ONE: usize = 4;

/// See the module.
pub(crate) struct Gate {
    whose: u64,
    name: Name,
    version: Option<ServiceVersion>,
    state: AtomicUsize,
    /// Notified when a handler leaves a closed gate.
    left: Notify,
    /// Cancelled when handlers in tasks of their own are cut, by this service or by the broker.
    cut: CancellationToken,
    inside: Mutex<Inside>,
}

/// What is known about the waiting handlers inside.
#[derive(Default)]
struct Inside {
    /// Set when this service, not the broker, has cut its handlers.
    cut: bool,
    /// Handlers that wait for the cut to be over, by [`Place::run`]. They are not cut.
    spared: Vec<usize>,
    /// The wakers of callers in this process.
    seats: Vec<Option<Waker>>,
    free: Vec<usize>,
}

/// The position among the callers that wait, if there is one.
#[derive(Debug, Default)]
pub(crate) struct Seat(Option<usize>);

impl Gate {
    /// Makes the gate of a service. The broker cancels `cut` when it cuts what runs.
    pub(crate) fn of(def: &ServiceDef, cut: &CancellationToken) -> Arc<Self> {
        Arc::new(Self {
            whose: chain::name(),
            name: def.name.clone(),
            version: def.version.clone(),
            state: AtomicUsize::new(0),
            left: Notify::new(),
            cut: cut.child_token(),
            inside: Mutex::default(),
        })
    }

    /// The name by which its handlers are known in a [`Chain`](chain::Chain).
    #[inline]
    pub(crate) fn whose(&self) -> u64 {
        self.whose
    }

    #[inline]
    pub(crate) fn place(&self, run: usize) -> Place {
        Place { whose: self.whose, run }
    }

    /// Lets one handler in. `false` means that the gate is closed.
    #[inline]
    pub(crate) fn enter(&self) -> bool {
        let closed = self.state.fetch_add(ONE, Ordering::AcqRel) & CLOSED != 0;
        if closed {
            self.leave();
        }
        !closed
    }

    /// Counts a handler that has ended.
    #[inline]
    pub(crate) fn leave(&self) {
        if self.state.fetch_sub(ONE, Ordering::AcqRel) & (CLOSED | WATCHED) != 0 {
            self.left.notify_waiters();
        }
    }

    /// Like [`Gate::enter`]. The handler leaves when the guard is dropped.
    pub(crate) fn entered(self: &Arc<Self>) -> Option<Entered> {
        self.enter().then(|| Entered(Arc::clone(self)))
    }

    /// Counts work that belongs to a handler inside, and may outlive it. It leaves when the guard is dropped.
    pub(crate) fn entered_again(self: &Arc<Self>) -> Entered {
        self.state.fetch_add(ONE, Ordering::AcqRel);
        Entered(Arc::clone(self))
    }

    /// Closes the gate. Nobody enters any more.
    pub(crate) fn close(&self) {
        self.state.fetch_or(CLOSED, Ordering::AcqRel);
    }

    /// Waits until nobody is inside, while others may still enter. Only one task may wait at a time.
    pub(crate) async fn idle(&self) {
        self.state.fetch_or(WATCHED, Ordering::AcqRel);
        let _unwatched = Unwatched(self);
        self.drained(0).await;
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state.load(Ordering::Acquire) & CLOSED != 0
    }

    /// The number of handlers inside.
    pub(crate) fn running(&self) -> usize {
        self.state.load(Ordering::Acquire) / ONE
    }

    /// Waits until at most `but` handlers are inside. Only for a closed or a watched gate.
    pub(crate) async fn drained(&self, but: usize) {
        loop {
            let left = self.left.notified();
            if self.running() <= but {
                return;
            }
            left.await;
        }
    }

    /// Cuts all handlers inside, except those in `spared`.
    pub(crate) fn cut(&self, spared: Vec<usize>) {
        let seats = {
            let mut inside = self.inside();
            inside.cut = true;
            inside.spared = spared;
            std::mem::take(&mut inside.seats)
        };
        self.cut.cancel();
        seats.into_iter().flatten().for_each(Waker::wake);
    }

    /// Waits until handlers in tasks of their own are cut. [`Gate::cuts`] tells whether a certain one is.
    pub(crate) async fn cutting(&self) {
        self.cut.cancelled().await;
    }

    /// Whether handlers in tasks of their own are cut.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut.is_cancelled()
    }

    /// Whether this handler, in a task of its own, is cut with the others.
    pub(crate) fn cuts(&self, run: usize) -> bool {
        !self.inside().spared.contains(&run)
    }

    /// Whether a handler that its caller polls is cut. If not, the caller is woken when that happens.
    pub(crate) fn cuts_seated(&self, seat: &mut Seat, run: usize, waker: &Waker) -> bool {
        let mut inside = self.inside();
        if inside.cut {
            return !inside.spared.contains(&run);
        }
        match seat.0.and_then(|at| inside.seats.get_mut(at)) {
            Some(Some(known)) => known.clone_from(waker),
            _ => {
                let at = inside.free.pop().unwrap_or(inside.seats.len());
                match inside.seats.get_mut(at) {
                    Some(free) => *free = Some(waker.clone()),
                    None => inside.seats.push(Some(waker.clone())),
                }
                seat.0 = Some(at);
            }
        }
        false
    }

    /// Called when the caller does not wait any more.
    #[inline]
    pub(crate) fn vacate(&self, seat: &mut Seat) {
        if let Some(at) = seat.0.take() {
            self.free(at);
        }
    }

    fn free(&self, at: usize) {
        let mut inside = self.inside();
        // After a cut there are no seats left.
        if let Some(taken) = inside.seats.get_mut(at) {
            *taken = None;
            inside.free.push(at);
        }
    }

    /// The answer of a handler that was cut, in the shape from which Node reads the service's name
    /// (`errors.js`, `GracefulStopTimeoutError`).
    pub(crate) fn cut_short(&self) -> Error {
        let service = match &self.version {
            None => json!({ "name": self.name.as_str() }),
            Some(ServiceVersion::Number(version)) => {
                json!({ "name": self.name.as_str(), "version": version })
            }
            Some(ServiceVersion::Text(version)) => {
                json!({ "name": self.name.as_str(), "version": version.as_str() })
            }
        };
        Error::with_kind(ErrorKind::GracefulStopTimeout, json!({ "service": service }))
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock()
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("service", &self.name).field("running", &self.running()).finish()
    }
}

/// Ends the watch of a gate, whether or not the gate became empty.
struct Unwatched<'a>(&'a Gate);

impl Drop for Unwatched<'_> {
    fn drop(&mut self) {
        self.0.state.fetch_and(!WATCHED, Ordering::AcqRel);
    }
}

/// One handler inside. It leaves when this is dropped.
#[derive(Debug)]
pub(crate) struct Entered(Arc<Gate>);

impl Entered {
    /// For a handler that has already entered.
    pub(crate) fn already(gate: &Arc<Gate>) -> Self {
        Self(Arc::clone(gate))
    }

    pub(crate) fn gate(&self) -> &Arc<Gate> {
        &self.0
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;
    use std::sync::atomic::AtomicBool;
    use std::task::Wake;

    fn gate() -> Arc<Gate> {
        Gate::of(&ServiceDef::builder("svc").version(2).build(), &CancellationToken::new())
    }

    #[test]
    fn whoever_waits_for_the_last_to_leave_keeps_nobody_out() {
        let gate = gate();
        let first = gate.entered().unwrap();
        let mut idle = Box::pin(gate.idle());
        assert!((&mut idle).now_or_never().is_none());
        let second = gate.entered().unwrap();
        drop(first);
        assert!((&mut idle).now_or_never().is_none());
        drop(second);
        assert!((&mut idle).now_or_never().is_some());
        drop(idle);
        // A wait that is dropped leaves nothing behind.
        let third = gate.entered().unwrap();
        assert!(gate.idle().now_or_never().is_none());
        assert_eq!(gate.state.load(Ordering::Acquire), ONE);
        drop(third);
        assert_eq!(gate.state.load(Ordering::Acquire), 0);
    }

    #[test]
    fn a_closed_gate_lets_nobody_in_and_is_drained_when_the_last_one_has_left() {
        let gate = gate();
        let (first, second) = (gate.entered().unwrap(), gate.entered().unwrap());
        gate.close();
        assert!(!gate.enter());
        assert_eq!(gate.running(), 2);
        let mut drained = Box::pin(gate.drained(0));
        assert!((&mut drained).now_or_never().is_none());
        drop(first);
        assert!((&mut drained).now_or_never().is_none());
        assert!(gate.drained(1).now_or_never().is_some(), "one of them is not waited for");
        drop(second);
        assert!((&mut drained).now_or_never().is_some());
    }

    #[derive(Default)]
    struct Flag(AtomicBool);

    impl Wake for Flag {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_cut_wakes_those_who_wait_and_spares_those_who_wait_for_it() {
        let gate = gate();
        let flags: [Arc<Flag>; 3] = Default::default();
        let mut seats: [Seat; 3] = Default::default();
        for (at, (flag, seat)) in flags.iter().zip(&mut seats).enumerate() {
            assert!(!gate.cuts_seated(seat, at, &Waker::from(Arc::clone(flag))));
        }
        gate.vacate(&mut seats[0]);
        gate.cut(vec![1]);
        let woken: Vec<_> = flags.iter().map(|flag| flag.0.load(Ordering::Relaxed)).collect();
        assert_eq!(woken, [false, true, true]);
        assert!(!gate.cuts_seated(&mut seats[1], 1, Waker::noop()));
        assert!(gate.cuts_seated(&mut seats[2], 2, Waker::noop()));
        assert!(gate.is_cut() && gate.cuts(2) && !gate.cuts(1));
        seats.iter_mut().for_each(|seat| gate.vacate(seat));
    }

    #[test]
    fn seats_are_taken_again() {
        let gate = gate();
        for _ in 0..100 {
            let mut seat = Seat::default();
            for _ in 0..3 {
                assert!(!gate.cuts_seated(&mut seat, 1, Waker::noop()));
            }
            gate.vacate(&mut seat);
        }
        assert_eq!(gate.inside().seats.len(), 1);
    }

    #[test]
    fn what_was_cut_is_told_as_node_tells_it() {
        let error = gate().cut_short();
        assert_eq!(error.data(), Some(&json!({ "service": { "name": "svc", "version": 2 } })));
        assert_eq!(error.message(), "Unable to stop 'svc' service gracefully.");
    }
}
