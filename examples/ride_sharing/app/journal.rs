//! Observes the events: a service like any other, which records which node emitted what about which ride.
//!
//! Rides are distinguished by their request ids. The app gives each request an id. The broker puts it into
//! every event of that request, and this service shows whether it did.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ligand::{Context, Params, Result, service};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::flow::{Flow, Step};
use crate::events::{
    NotificationSent, PaymentFailed, PaymentSuccess, RideAccepted, RideCancelled, RideId, RideRequested,
    dollars,
};

/// An event, as it was observed.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) step: Step,
    pub(crate) ride: RideId,
    /// The node that emitted it.
    pub(crate) node: String,
    /// Its depth in the tree of calls and events. An event is one level deeper than its cause.
    level: u32,
    /// When it arrived here.
    pub(crate) at: Instant,
    pub(crate) what: String,
}

/// The events of each ride, shared by the service and its readers.
#[derive(Debug)]
pub(crate) struct Journal {
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    rides: HashMap<String, Vec<Seen>>,
    strays: usize,
}

impl Journal {
    pub(crate) fn new() -> Self {
        Self { state: Mutex::default(), changed: watch::Sender::new(()) }
    }

    /// Records events with this request id as those of a ride from now on.
    pub(crate) fn expect(&self, request_id: &str) {
        self.lock().rides.insert(request_id.to_owned(), Vec::new());
    }

    /// Waits until the flow of a ride is complete, or until no event has arrived for `patience`.
    pub(crate) async fn complete(&self, request_id: &str, patience: Duration) {
        let from = Instant::now();
        let mut changed = self.changed.subscribe();
        loop {
            let seen = self.seen(request_id);
            let last = seen.iter().map(|seen| seen.at).max().unwrap_or(from).max(from);
            if Flow::of(&steps(&seen)).is_complete()
                || timeout_at(last + patience, changed.changed()).await.is_err()
            {
                return;
            }
        }
    }

    /// The events of a ride so far, in causal order.
    pub(crate) fn seen(&self, request_id: &str) -> Vec<Seen> {
        let mut seen = self.lock().rides.get(request_id).cloned().unwrap_or_default();
        // Two connections have no common order.
        seen.sort_by_key(|seen| (seen.level, seen.at));
        seen
    }

    /// The number of events whose request id belongs to no ride of this run.
    pub(crate) fn strays(&self) -> usize {
        self.lock().strays
    }

    /// How often each node emitted each event.
    pub(crate) fn counts(&self) -> BTreeMap<Step, BTreeMap<String, usize>> {
        let mut counts: BTreeMap<Step, BTreeMap<String, usize>> = BTreeMap::new();
        for seen in self.lock().rides.values().flatten() {
            *counts.entry(seen.step).or_default().entry(seen.node.clone()).or_default() += 1;
        }
        counts
    }

    fn note(&self, ctx: &Context, step: Step, ride: RideId, what: String) {
        let node = ctx.node().to_string();
        let seen = Seen { step, ride, node, level: ctx.level(), at: Instant::now(), what };
        let mut state = self.lock();
        match state.rides.get_mut(&ctx.request_id().to_string()) {
            Some(ride) => ride.push(seen),
            None => state.strays += 1,
        }
        drop(state);
        self.changed.send_replace(());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The steps of events.
pub(crate) fn steps(seen: &[Seen]) -> Vec<Step> {
    seen.iter().map(|seen| seen.step).collect()
}

/// Hosts `journal`.
pub(crate) struct JournalService(pub(crate) Arc<Journal>);

#[service(name = "journal", client = false)]
impl JournalService {
    #[event("rideRequested")]
    async fn requested(&self, ctx: Context, Params(event): Params<RideRequested>) -> Result<()> {
        let what = format!("{} for {}", dollars(event.fare_cents), event.rider);
        self.0.note(&ctx, Step::Requested, event.ride, what);
        Ok(())
    }

    #[event("rideAccepted")]
    async fn accepted(&self, ctx: Context, Params(event): Params<RideAccepted>) -> Result<()> {
        self.0.note(&ctx, Step::Accepted, event.ride, format!("{} drives", event.driver));
        Ok(())
    }

    #[event("paymentSuccess")]
    async fn paid(&self, ctx: Context, Params(event): Params<PaymentSuccess>) -> Result<()> {
        self.0.note(&ctx, Step::Paid, event.ride, dollars(event.fare_cents));
        Ok(())
    }

    #[event("paymentFailed")]
    async fn declined(&self, ctx: Context, Params(event): Params<PaymentFailed>) -> Result<()> {
        self.0.note(&ctx, Step::Declined, event.ride, event.reason);
        Ok(())
    }

    #[event("rideCancelled")]
    async fn cancelled(&self, ctx: Context, Params(event): Params<RideCancelled>) -> Result<()> {
        self.0.note(&ctx, Step::Cancelled, event.ride, event.reason);
        Ok(())
    }

    #[event("notificationSent")]
    async fn notified(&self, ctx: Context, Params(event): Params<NotificationSent>) -> Result<()> {
        self.0.note(&ctx, Step::Notified, event.ride, format!("\"{}\"", event.text));
        Ok(())
    }
}
