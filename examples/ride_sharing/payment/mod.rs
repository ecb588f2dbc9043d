//! The payment service: charges the card of an accepted ride, once.

mod bank;
mod store;

use ligand::{Context, Params, Result, ResultExt as _, service};

use crate::events::{PAYMENT_FAILED, PAYMENT_SUCCESS, PaymentFailed, PaymentSuccess, RideAccepted};

pub(crate) use store::PaymentStore;

/// Hosts `payments`.
pub(crate) struct Payments {
    store: PaymentStore,
}

impl Payments {
    pub(crate) fn new(store: PaymentStore) -> Self {
        Self { store }
    }
}

#[service(name = "payments")]
impl Payments {
    #[event("rideAccepted")]
    async fn charge(&self, ctx: Context, Params(accepted): Params<RideAccepted>) -> Result<()> {
        let RideAccepted { ride, rider, card, fare_cents, driver } = accepted;
        // The handler that stores the payment first charges the card. A second delivery of the event finds it
        // there.
        if !self.store.begin(ride, fare_cents).await.or_internal("storing the payment")? {
            return Ok(());
        }
        let answer = bank::charge(&card, fare_cents);
        let outcome = if answer.is_ok() { "paid" } else { "declined" };
        self.store.end(ride, outcome).await.or_internal("storing the payment")?;
        match answer {
            Ok(()) => ctx.emit(PAYMENT_SUCCESS, &PaymentSuccess { ride, rider, driver, fare_cents }).await,
            Err(bank::Declined(reason)) => {
                ctx.emit(PAYMENT_FAILED, &PaymentFailed { ride, rider, reason: reason.to_owned() }).await
            }
        }
    }
}
