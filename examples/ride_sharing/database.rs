//! Each service has its own database: a file, or memory that the replicas of one process share.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

/// How long a replica waits while another one writes to the same file.
const BUSY: Duration = Duration::from_secs(5);

/// A database that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the database `{}`: {why} (the directory has to be one that this user can write to)", path.display())]
pub(crate) struct DatabaseError {
    path: PathBuf,
    why: String,
}

/// Opens `<directory>/<service>.db`, or a database in memory if there is no directory, and creates its
/// tables.
pub(crate) async fn open(
    directory: Option<&Path>,
    service: &str,
    tables: &str,
) -> Result<SqlitePool, DatabaseError> {
    let path = directory.map(|directory| directory.join(format!("{service}.db")));
    let failed = |why: String| DatabaseError { path: path.clone().unwrap_or_else(|| ":memory:".into()), why };
    let pool = match &path {
        Some(path) => {
            let parent = path.parent().unwrap_or(path);
            std::fs::create_dir_all(parent).map_err(|error| failed(error.to_string()))?;
            SqlitePoolOptions::new().max_connections(4).connect_with(file(path)).await
        }
        // Every connection to `:memory:` is a separate database, so there may be only one.
        None => {
            let options = SqliteConnectOptions::new().in_memory(true);
            let pool = SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
            pool.connect_with(options).await
        }
    };
    let pool = pool.map_err(|error| failed(error.to_string()))?;
    // The version is written so that a read-only file is noticed now, and not at the first ride.
    for statement in [tables, "PRAGMA user_version = 1"] {
        sqlx::raw_sql(statement).execute(&pool).await.map_err(|error| failed(error.to_string()))?;
    }
    Ok(pool)
}

fn file(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(BUSY)
}
