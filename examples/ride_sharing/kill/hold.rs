//! The layer that lets a replica be killed in the middle of its work.
//!
//! The ride to be cut off is marked in its meta, which travels along with every event of that ride. In front of
//! the payment service this layer finds the mark, says which node holds the ride, and never lets go: the process
//! is killed instead, before it can emit anything.

use std::sync::Arc;

use ligand::layer::{Layer, WrappedEvent};
use ligand::{EventFn, Params, Result, service};
use tokio::sync::mpsc;

use crate::events::RIDE_ACCEPTED;

/// The key of the mark in the meta.
pub(super) const MARK: &str = "holdForKill";

/// The event that says who holds the ride.
const HELD: &str = "demo.held";

/// Wraps the subscription to `rideAccepted`. All others stay as they are.
pub(super) struct Hold;

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

/// Hears which node holds the ride, beside the app.
pub(super) struct Holds(pub(super) mpsc::Sender<String>);

#[service(name = "holds", client = false)]
impl Holds {
    #[event("demo.held")]
    async fn held(&self, Params(node): Params<String>) -> Result<()> {
        // Whoever kills may have left already.
        let _ = self.0.try_send(node);
        Ok(())
    }
}
