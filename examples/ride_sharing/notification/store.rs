//! Notifications in their database.

use sqlx::{Result, SqlitePool};

use crate::events::RideId;

#[derive(Debug, Clone)]
pub(crate) struct NotificationStore(pub(crate) SqlitePool);

impl NotificationStore {
    pub(crate) const TABLES: &str = "
        CREATE TABLE IF NOT EXISTS notifications (
            ride INTEGER PRIMARY KEY, rider TEXT NOT NULL, text TEXT NOT NULL
        );
    ";

    /// Stores a notification. Returns whether there was none for this ride.
    pub(super) async fn insert(&self, ride: RideId, rider: &str, text: &str) -> Result<bool> {
        let insert = sqlx::query("INSERT INTO notifications VALUES (?, ?, ?) ON CONFLICT DO NOTHING");
        Ok(insert.bind(ride).bind(rider).bind(text).execute(&self.0).await?.rows_affected() == 1)
    }
}
