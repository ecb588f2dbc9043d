//! A layer with which a replica can be killed in the middle of its work.
//!
//! With `--kill`, the app marks the third ride in its meta, which travels with every event of that ride. In
//! front of the payment service, this layer finds the mark, reports which node holds the ride, and never
//! continues. The process is then killed before it can emit anything.

use std::sync::Arc;

use ligand::{EventDef, EventFn};

use crate::events::RIDE_ACCEPTED;

/// The key of the mark in the meta.
pub(crate) const MARK: &str = "holdForKill";

/// The event that reports which node holds the ride.
pub(crate) const HELD: &str = "demo.held";

/// Wraps the subscription to `rideAccepted`. All others stay as they are.
pub(crate) fn layer(def: &EventDef, next: EventFn) -> EventFn {
    if *def.pattern() != RIDE_ACCEPTED {
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
