//! Users and sessions in their database.

use sqlx::{Result, SqlitePool};

#[derive(Debug, Clone)]
pub(crate) struct UserStore(pub(crate) SqlitePool);

impl UserStore {
    pub(crate) const TABLES: &str = "
        CREATE TABLE IF NOT EXISTS users (name TEXT PRIMARY KEY, password_hash TEXT NOT NULL);
        CREATE TABLE IF NOT EXISTS sessions (token TEXT PRIMARY KEY, name TEXT NOT NULL REFERENCES users);
    ";

    /// Returns whether the name was free.
    pub(super) async fn insert(&self, name: &str, hash: &str) -> Result<bool> {
        let insert = sqlx::query("INSERT INTO users VALUES (?, ?) ON CONFLICT DO NOTHING");
        Ok(insert.bind(name).bind(hash).execute(&self.0).await?.rows_affected() == 1)
    }

    pub(super) async fn hash_of(&self, name: &str) -> Result<Option<String>> {
        let find = sqlx::query_scalar("SELECT password_hash FROM users WHERE name = ?");
        find.bind(name).fetch_optional(&self.0).await
    }

    pub(super) async fn open_session(&self, token: &str, name: &str) -> Result<()> {
        let insert = sqlx::query("INSERT INTO sessions VALUES (?, ?)");
        insert.bind(token).bind(name).execute(&self.0).await.map(drop)
    }

    pub(super) async fn session(&self, token: &str) -> Result<Option<String>> {
        let find = sqlx::query_scalar("SELECT name FROM sessions WHERE token = ?");
        find.bind(token).fetch_optional(&self.0).await
    }
}
