//! Payments in their database.

use sqlx::{Result, SqlitePool};

use crate::events::RideId;

#[derive(Debug, Clone)]
pub(crate) struct PaymentStore(pub(crate) SqlitePool);

impl PaymentStore {
    pub(crate) const TABLES: &str = "
        CREATE TABLE IF NOT EXISTS payments (
            ride INTEGER PRIMARY KEY, cents INTEGER NOT NULL, outcome TEXT NOT NULL
        );
    ";

    /// Stores a payment. Returns whether it was new.
    pub(super) async fn begin(&self, ride: RideId, cents: i64) -> Result<bool> {
        let insert = sqlx::query("INSERT INTO payments VALUES (?, ?, 'begun') ON CONFLICT DO NOTHING");
        Ok(insert.bind(ride).bind(cents).execute(&self.0).await?.rows_affected() == 1)
    }

    pub(super) async fn end(&self, ride: RideId, outcome: &str) -> Result<()> {
        let update = sqlx::query("UPDATE payments SET outcome = ? WHERE ride = ?");
        update.bind(outcome).bind(ride).execute(&self.0).await.map(drop)
    }
}
