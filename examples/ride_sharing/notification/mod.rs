//! The notification service: tells the rider how the ride ended.

mod store;

use ligand::{Context, Params, Result, ResultExt as _, service};

use crate::events::{NOTIFICATION_SENT, NotificationSent, PaymentSuccess, RideCancelled, RideId, dollars};

pub(crate) use store::NotificationStore;

/// Hosts `notifications`.
pub(crate) struct Notifications {
    store: NotificationStore,
}

impl Notifications {
    pub(crate) fn new(store: NotificationStore) -> Self {
        Self { store }
    }

    /// Sends a text and emits an event. Does nothing if the rider has already been notified about this ride.
    async fn tell(&self, ctx: &Context, ride: RideId, rider: String, text: String) -> Result<()> {
        if self.store.insert(ride, &rider, &text).await.or_internal("storing the notification")? {
            ctx.emit(NOTIFICATION_SENT, &NotificationSent { ride, rider, text }).await?;
        }
        Ok(())
    }
}

#[service(name = "notifications")]
impl Notifications {
    #[event("paymentSuccess")]
    async fn tell_of_driver(&self, ctx: Context, Params(paid): Params<PaymentSuccess>) -> Result<()> {
        let text = format!("{} is on the way, {} paid", paid.driver, dollars(paid.fare_cents));
        self.tell(&ctx, paid.ride, paid.rider, text).await
    }

    #[event("rideCancelled")]
    async fn tell_of_end(&self, ctx: Context, Params(cancelled): Params<RideCancelled>) -> Result<()> {
        let text = format!("ride cancelled: {}", cancelled.reason);
        self.tell(&ctx, cancelled.ride, cancelled.rider, text).await
    }
}
