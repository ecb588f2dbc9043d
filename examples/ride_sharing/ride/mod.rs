//! The ride service: accepts requests, assigns drivers, and records the outcome of each ride.
//!
//! Events can be lost and, after a failure, arrive twice. So each step moves a ride from one status to the
//! next in one statement, and only the handler whose statement did this continues.

mod store;
mod tariff;

use ligand::{Context, Params, Result, ResultExt as _, service};
use serde::{Deserialize, Serialize};

use crate::events::{
    PaymentFailed, PaymentSuccess, Place, RIDE_ACCEPTED, RIDE_CANCELLED, RIDE_REQUESTED, RideAccepted,
    RideCancelled, RideId, RideRequested,
};
use crate::user::UsersClient;

pub(crate) use store::RideStore;

/// Hosts `rides`.
pub(crate) struct Rides {
    store: RideStore,
}

/// An accepted ride request.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Booking {
    pub(crate) ride: RideId,
    pub(crate) fare_cents: i64,
}

impl Rides {
    pub(crate) fn new(store: RideStore) -> Self {
        Self { store }
    }
}

#[service(name = "rides", depends_on = ["users"])]
impl Rides {
    /// Accepts a ride request for the user of the session.
    #[action]
    async fn request(
        &self,
        ctx: Context,
        token: String,
        from: Place,
        to: Place,
        card: String,
    ) -> Result<Booking> {
        let rider = UsersClient::new(&ctx).whois(token).await?;
        let fare_cents = tariff::fare(from, to);
        let ride = self.store.insert(&rider, from, to, fare_cents).await.or_internal("storing the ride")?;
        ctx.emit(RIDE_REQUESTED, &RideRequested { ride, rider, card, from, fare_cents }).await?;
        Ok(Booking { ride, fare_cents })
    }

    /// The status of a ride: `requested`, `accepted`, `paid` or `cancelled`.
    #[action]
    async fn status(&self, ride: RideId) -> Result<Option<String>> {
        self.store.status(ride).await.or_internal("looking up the ride")
    }

    #[event("rideRequested")]
    async fn assign_driver(&self, ctx: Context, Params(asked): Params<RideRequested>) -> Result<()> {
        let RideRequested { ride, rider, card, from, fare_cents } = asked;
        let Some(driver) = self.store.accept(ride, from).await.or_internal("assigning a driver")? else {
            return Ok(());
        };
        ctx.emit(RIDE_ACCEPTED, &RideAccepted { ride, rider, card, fare_cents, driver }).await
    }

    #[event("paymentSuccess")]
    async fn confirm(&self, Params(paid): Params<PaymentSuccess>) -> Result<()> {
        self.store.settle(paid.ride, "paid").await.or_internal("confirming the ride").map(drop)
    }

    #[event("paymentFailed")]
    async fn cancel(&self, ctx: Context, Params(failed): Params<PaymentFailed>) -> Result<()> {
        let PaymentFailed { ride, rider, reason } = failed;
        if self.store.settle(ride, "cancelled").await.or_internal("cancelling the ride")? {
            ctx.emit(RIDE_CANCELLED, &RideCancelled { ride, rider, reason }).await?;
        }
        Ok(())
    }
}
