//! Rides and drivers in their database.

use sqlx::{Result, SqlitePool};

use crate::events::{Place, RideId};

#[derive(Debug, Clone)]
pub(crate) struct RideStore(pub(crate) SqlitePool);

impl RideStore {
    pub(crate) const TABLES: &str = "
        CREATE TABLE IF NOT EXISTS drivers (
            name TEXT PRIMARY KEY, lat REAL NOT NULL, lon REAL NOT NULL, rides INTEGER NOT NULL DEFAULT 0
        );
        INSERT OR IGNORE INTO drivers (name, lat, lon) VALUES
            ('Ara', 37.5665, 126.9780), ('Bo', 37.4979, 127.0276), ('Chul', 37.5563, 126.9236),
            ('Dami', 37.5133, 127.1002), ('Eun', 37.5796, 126.9770), ('Gil', 37.5326, 127.0246),
            ('Hana', 37.5172, 126.9020), ('In', 37.6176, 127.0750);
        CREATE TABLE IF NOT EXISTS rides (
            id INTEGER PRIMARY KEY AUTOINCREMENT, rider TEXT NOT NULL, status TEXT NOT NULL,
            from_lat REAL NOT NULL, from_lon REAL NOT NULL, to_lat REAL NOT NULL, to_lon REAL NOT NULL,
            fare_cents INTEGER NOT NULL, driver TEXT REFERENCES drivers
        );
    ";

    pub(super) async fn insert(
        &self,
        rider: &str,
        from: Place,
        to: Place,
        fare_cents: i64,
    ) -> Result<RideId> {
        let insert = sqlx::query_scalar(
            "INSERT INTO rides (rider, status, from_lat, from_lon, to_lat, to_lon, fare_cents)
             VALUES (?, 'requested', ?, ?, ?, ?, ?) RETURNING id",
        );
        let insert = insert.bind(rider).bind(from.lat).bind(from.lon).bind(to.lat).bind(to.lon);
        insert.bind(fare_cents).fetch_one(&self.0).await
    }

    /// Assigns a driver to a ride without one: of the drivers with the fewest rides, the nearest. `None` if
    /// the ride is not waiting for a driver.
    pub(super) async fn accept(&self, ride: RideId, from: Place) -> Result<Option<String>> {
        let accept = sqlx::query_scalar(
            "UPDATE rides SET status = 'accepted', driver = (
                 SELECT name FROM drivers
                 ORDER BY drivers.rides, (lat - ?) * (lat - ?) + (lon - ?) * (lon - ?) LIMIT 1
             ) WHERE id = ? AND status = 'requested' RETURNING driver",
        );
        let accept = accept.bind(from.lat).bind(from.lat).bind(from.lon).bind(from.lon).bind(ride);
        let mut transaction = self.0.begin_with("BEGIN IMMEDIATE").await?;
        let driver: Option<String> = accept.fetch_optional(&mut *transaction).await?;
        if let Some(driver) = &driver {
            let count = sqlx::query("UPDATE drivers SET rides = rides + 1 WHERE name = ?");
            count.bind(driver).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(driver)
    }

    /// Ends an accepted ride. Returns whether this call ended it.
    pub(super) async fn settle(&self, ride: RideId, status: &str) -> Result<bool> {
        let settle = sqlx::query("UPDATE rides SET status = ? WHERE id = ? AND status = 'accepted'");
        Ok(settle.bind(status).bind(ride).execute(&self.0).await?.rows_affected() == 1)
    }

    pub(super) async fn status(&self, ride: RideId) -> Result<Option<String>> {
        let find = sqlx::query_scalar("SELECT status FROM rides WHERE id = ?");
        find.bind(ride).fetch_optional(&self.0).await
    }
}
