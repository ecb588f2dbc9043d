//! The layer that lets a replica be killed in the middle of its work.
//!
//! With `--kill`, the app marks the third ride in its meta, which travels along with every event of that
//! ride. In front of the payment service this layer finds the mark, says which node holds the ride, and never
//! lets go: the process is killed instead, before it can emit anything.

use std::sync::Arc;

use ligand::EventFn;
use ligand::layer::{Layer, WrappedEvent};

use crate::events::RIDE_ACCEPTED;

/// The key of the mark in the meta.
pub(crate) const MARK: &str = "holdForKill";

/// The event that says who holds the ride.
pub(crate) const HELD: &str = "demo.held";

/// Wraps the subscription to `rideAccepted`; all others stay as they are.
pub(crate) struct Hold;

impl Layer for Hold {
    fn name(&self) -> &'static str {
        "hold"
    }

    fn event(&self, event: &WrappedEvent<'_>, next: EventFn) -> EventFn {
        if *event.def().pattern() != RIDE_ACCEPTED {
            return next;
        }
        Arc::new(move |ctx, payload| {
            if ctx.meta().get::<bool>(MARK) != Some(true) {
                return next(ctx, payload);
            }
            Box::pin(async move {
                ctx.emit(HELD, ctx.broker().node_id().as_str()).await?;
                std::future::pending().await
            })
        })
    }
}
