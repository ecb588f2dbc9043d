//! Who runs a handler of a service, so that the service can go once nobody does.
//!
//! Each handler enters before it begins and leaves when it has ended; that is one atomic addition each. A
//! gate that is closed lets nobody in any more. Whoever has closed it waits for those that are still inside,
//! and in the end *cuts* them: those in tasks of their own, and those that a caller in this process polls.

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

/// Set once nobody may enter any more.
const CLOSED: usize = 1;
/// Set while somebody waits for the end of those inside, and others may still enter.
const WATCHED: usize = 2;
/// Above them is the number of those inside.
const ONE: usize = 4;

/// See the module.
pub(crate) struct Gate {
    whose: u64,
    name: Name,
    version: Option<ServiceVersion>,
    state: AtomicUsize,
    /// Told when somebody leaves a closed gate.
    left: Notify,
    /// Cancelled when handlers in tasks of their own are cut: with this service, or with all of the broker.
    cut: CancellationToken,
    inside: Mutex<Inside>,
}

/// What is known of those inside that have to wait.
#[derive(Default)]
struct Inside {
    /// This service, not the broker, has waited for long enough.
    cut: bool,
    /// Those that wait for the cut to be over, by [`Place::run`].
    spared: Vec<usize>,
    /// Callers in this process.
    seats: Vec<Option<Waker>>,
    free: Vec<usize>,
}

/// The place among the callers that wait, if taken.
#[derive(Debug, Default)]
pub(crate) struct Seat(Option<usize>);

impl Gate {
    /// `cut` is cancelled when the broker cuts what runs.
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

    /// By which its handlers are known in a [`Chain`](chain::Chain).
    #[inline]
    pub(crate) fn whose(&self) -> u64 {
        self.whose
    }

    #[inline]
    pub(crate) fn place(&self, run: usize) -> Place {
        Place { whose: self.whose, run }
    }

    /// Lets one handler in; `false` where none may begin any more.
    #[inline]
    pub(crate) fn enter(&self) -> bool {
        let closed = self.state.fetch_add(ONE, Ordering::AcqRel) & CLOSED != 0;
        if closed {
            self.leave();
        }
        !closed
    }

    /// One that was let in has ended.
    #[inline]
    pub(crate) fn leave(&self) {
        if self.state.fetch_sub(ONE, Ordering::AcqRel) & (CLOSED | WATCHED) != 0 {
            self.left.notify_waiters();
        }
    }

    /// As [`Gate::enter`]; leaves by itself.
    pub(crate) fn entered(self: &Arc<Self>) -> Option<Entered> {
        self.enter().then(|| Entered(Arc::clone(self)))
    }

    /// What belongs to a handler that is inside, and may outlive it; leaves by itself.
    pub(crate) fn entered_again(self: &Arc<Self>) -> Entered {
        self.state.fetch_add(ONE, Ordering::AcqRel);
        Entered(Arc::clone(self))
    }

    /// Nobody enters from now on.
    pub(crate) fn close(&self) {
        self.state.fetch_or(CLOSED, Ordering::AcqRel);
    }

    /// Resolves when nobody is inside, though others may enter meanwhile. For one at a time.
    pub(crate) async fn idle(&self) {
        self.state.fetch_or(WATCHED, Ordering::AcqRel);
        let _unwatched = Unwatched(self);
        self.drained(0).await;
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state.load(Ordering::Acquire) & CLOSED != 0
    }

    /// How many are inside.
    pub(crate) fn running(&self) -> usize {
        self.state.load(Ordering::Acquire) / ONE
    }

    /// Resolves when no more than `but` are inside. For a closed or a watched gate only.
    pub(crate) async fn drained(&self, but: usize) {
        loop {
            let left = self.left.notified();
            if self.running() <= but {
                return;
            }
            left.await;
        }
    }

    /// Cuts everybody inside but those `spared`.
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

    /// Resolves when handlers in tasks of their own are cut; [`Gate::cuts`] tells whether this one is.
    pub(crate) async fn cutting(&self) {
        self.cut.cancelled().await;
    }

    /// Whether handlers in tasks of their own are cut.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut.is_cancelled()
    }

    /// Whether a handler in a task of its own is cut when others are.
    pub(crate) fn cuts(&self, run: usize) -> bool {
        !self.inside().spared.contains(&run)
    }

    /// Whether a handler that its caller polls is cut. If not, the caller is woken when it is.
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

    /// The caller does not wait any more.
    #[inline]
    pub(crate) fn vacate(&self, seat: &mut Seat) {
        if let Some(at) = seat.0.take() {
            self.free(at);
        }
    }

    fn free(&self, at: usize) {
        let mut inside = self.inside();
        // After a cut there are none left.
        if let Some(taken) = inside.seats.get_mut(at) {
            *taken = None;
            inside.free.push(at);
        }
    }

    /// The answer of a handler that was cut, in the shape that makes Node name the service (`errors.js`,
    /// `GracefulStopTimeoutError`).
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

/// Ends the watch of a gate, whether or not it has seen the end.
struct Unwatched<'a>(&'a Gate);

impl Drop for Unwatched<'_> {
    fn drop(&mut self) {
        self.0.state.fetch_and(!WATCHED, Ordering::AcqRel);
    }
}

/// One handler inside, until dropped.
#[derive(Debug)]
pub(crate) struct Entered(Arc<Gate>);

impl Entered {
    /// For a handler that was let in before.
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
        // Given up half-way it leaves nothing behind.
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
