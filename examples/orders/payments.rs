//! Payments: at most one charge for each key, and at most one refund of it.

use ligand::{ActionError, service};
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

use super::ledger::{Ledger, Standing};
use super::money::Cents;
use super::output::Output;

/// How long a stopping node waits for the bank.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Charge {
    pub(crate) id: String,
    pub(crate) amount: Cents,
}

#[derive(Debug, thiserror::Error, ActionError)]
pub(crate) enum PaymentError {
    #[error("the card was declined: {amount} is above its limit of {limit}")]
    #[action_error(code = 402)]
    CardDeclined { amount: Cents, limit: Cents },
    #[error("the charge {key} was refunded before")]
    #[action_error(code = 409)]
    Refunded { key: String },
    #[error("the key {key} was used for a charge of {charged}, not of {amount}")]
    #[action_error(code = 409)]
    KeyReused { key: String, charged: Cents, amount: Cents },
    #[error("no more charges are taken")]
    #[action_error(code = 503)]
    NoRoom,
    #[error("the bank had not answered when this node stopped, and nothing was charged")]
    #[action_error(code = 503, retryable)]
    Stopping,
}

#[derive(Debug)]
pub(crate) struct Payments {
    state: Mutex<State>,
    /// How long the bank takes for a charge.
    bank: Duration,
    stopping: watch::Sender<bool>,
    output: Output,
}

#[derive(Debug)]
struct State {
    limit: Cents,
    charges: Ledger<Charge>,
    made: u32,
}

impl Payments {
    /// Payments with cards that have this limit, and a bank that takes this long.
    pub(crate) fn new(limit: Cents, bank: Duration, output: Output) -> Self {
        Self {
            state: Mutex::new(State { limit, charges: Ledger::new(), made: 0 }),
            bank,
            stopping: watch::Sender::new(false),
            output,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[service(name = "payments", error = PaymentError)]
impl Payments {
    /// Charges once for each key. A repeated call with the same key returns the same charge.
    #[action(rest = "POST /charge", rename(user_id = "userId"))]
    async fn charge(&self, key: String, user_id: u32, amount: Cents) -> Result<Charge, PaymentError> {
        self.output.line("payments", format_args!("asks the bank for {amount} of user {user_id}, key {key}"));
        let mut stopping = self.stopping.subscribe();
        tokio::select! {
            () = tokio::time::sleep(self.bank) => {}
            () = patience_over(&mut stopping) => return Err(PaymentError::Stopping),
        }
        let charged = self.lock().charge(&key, amount);
        match &charged {
            Ok((charge, true)) => {
                self.output.line("payments", format_args!("{} charged as {}", charge.amount, charge.id))
            }
            Ok((charge, false)) => {
                self.output.line("payments", format_args!("charged before, as {}", charge.id))
            }
            Err(error) => self.output.line("payments", error),
        }
        charged.map(|(charge, _)| charge)
    }

    /// Refunds the charge of a key, if there is one. Returns the amount. It may be repeated.
    #[action]
    async fn refund(&self, key: String) -> ligand::Result<Cents> {
        let refunded = self.lock().charges.undo(key.clone());
        let amount = refunded.map(|charge| charge.amount).unwrap_or_default();
        self.output.line("payments", format_args!("refunded {amount}, key {key}"));
        Ok(amount)
    }

    /// All charges that were not refunded.
    #[action]
    async fn taken(&self) -> ligand::Result<Cents> {
        Ok(Cents(self.lock().charges.effects().map(|charge| charge.amount.0).sum()))
    }

    #[event("$broker.stopping")]
    async fn hurry(&self) -> ligand::Result<()> {
        self.stopping.send_replace(true);
        Ok(())
    }
}

impl State {
    /// The charge of a key, and whether it is new.
    fn charge(&mut self, key: &str, amount: Cents) -> Result<(Charge, bool), PaymentError> {
        match self.charges.standing(key) {
            Standing::New => {}
            Standing::Done(charge) if charge.amount == amount => return Ok((charge, false)),
            Standing::Done(charge) => {
                return Err(PaymentError::KeyReused { key: key.to_owned(), charged: charge.amount, amount });
            }
            Standing::Undone => return Err(PaymentError::Refunded { key: key.to_owned() }),
            Standing::Full => return Err(PaymentError::NoRoom),
        }
        if amount > self.limit {
            return Err(PaymentError::CardDeclined { amount, limit: self.limit });
        }
        self.made += 1;
        let charge = Charge { id: format!("payment-{}", self.made), amount };
        self.charges.done(key.to_owned(), charge.clone());
        Ok((charge, true))
    }
}

async fn patience_over(stopping: &mut watch::Receiver<bool>) {
    // The sender lives as long as the service, so this wait cannot fail while a handler of the service runs.
    let _ = stopping.wait_for(|stopping| *stopping).await;
    tokio::time::sleep(PATIENCE).await;
}
