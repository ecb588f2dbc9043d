//! Records in Redis that nodes share. The Redis discoverer reads and writes them (protocol chapter 11.1).
//!
//! This is not a transporter. It is in this crate because this crate contains the clients of servers, so that
//! the broker names none of them. It sees keys, values, and how long they last. The broker knows what the
//! records mean.

mod options;

use bytes::Bytes;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, ServerErrorKind,
};
use std::fmt;
use std::time::{Duration, Instant};

use crate::{LogLine, TransportError};
use options::RedisKvOptions;

/// The longest wait for a connection, and for the answer to one command.
const PATIENCE: Duration = Duration::from_secs(5);
/// The number of keys in one command.
const BATCH: usize = 100;

/// The location of the records.
#[derive(Clone)]
pub struct RedisKv {
    client: Client,
    shown: String,
}

/// A connection to the records. A command that fails may make it unusable. Drop it then.
pub struct RedisRecords {
    connection: MultiplexedConnection,
    shown: String,
    /// Limits the log lines about too many records.
    too_many: LogLine,
}

impl RedisKv {
    /// Makes it from a URL such as `redis://user:password@host:6379/0`, or from an object with options of
    /// `ioredis`. Null means the server on this host.
    ///
    /// # Errors
    /// [`TransportError::Config`] names the mistake, without secrets.
    pub fn new(redis: &serde_json::Value) -> Result<Self, TransportError> {
        let options = RedisKvOptions::read(redis)?;
        let shown = options.to_string();
        Ok(Self { client: options.client()?, shown })
    }

    /// Connects and authenticates, within 5 s.
    ///
    /// # Errors
    /// [`TransportError::Connect`], or [`TransportError::Refused`] if the credentials are wrong.
    ///
    /// # Cancel safety
    /// If the future is dropped, there is no connection.
    pub async fn connect(&self) -> Result<RedisRecords, TransportError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        // The client's own limit does not cover its greeting.
        let connected = tokio::time::timeout(2 * PATIENCE, connecting).await;
        let connected =
            connected.unwrap_or_else(|_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()));
        match connected {
            Ok(connection) => {
                Ok(RedisRecords { connection, shown: self.shown.clone(), too_many: LogLine::default() })
            }
            Err(error) if error.kind() == ErrorKind::AuthenticationFailed => {
                Err(TransportError::Refused { topic: self.shown.clone(), source: error.into() })
            }
            Err(error) => Err(TransportError::connect(self.shown.clone(), error)),
        }
    }
}

/// Every command waits at most 5 s for its answer. If the future of a command is dropped, the server may or
/// may not have executed it.
impl RedisRecords {
    /// Writes a record that lasts for `ttl`, in whole seconds.
    ///
    /// # Errors
    /// If the server cannot be reached, or refuses.
    pub async fn put(&mut self, key: &str, value: &[u8], ttl: Duration) -> Result<(), TransportError> {
        let mut command = Cmd::new();
        command.arg("SETEX").arg(key).arg(seconds(ttl)).arg(value);
        self.ask(&command).await
    }

    /// In one step: removes `old`, writes `key`, and makes `kept` last for `kept_ttl` from now. Returns
    /// whether `kept` existed.
    ///
    /// # Errors
    /// If the server cannot be reached, or refuses.
    pub async fn replace(
        &mut self,
        old: Option<&str>,
        key: &str,
        value: &[u8],
        ttl: Duration,
        kept: (&str, Duration),
    ) -> Result<bool, TransportError> {
        let mut step = Pipeline::new();
        step.atomic();
        if let Some(old) = old {
            step.cmd("DEL").arg(old).ignore();
        }
        step.cmd("SETEX").arg(key).arg(seconds(ttl)).arg(value).ignore();
        step.cmd("EXPIRE").arg(kept.0).arg(seconds(kept.1));
        let answer: Result<(i64,), _> = step.query_async(&mut self.connection).await;
        answer.map(|(there,)| there == 1).map_err(|error| self.failed(error))
    }

    /// Reads the values of records. `None` for each record that does not exist.
    ///
    /// # Errors
    /// If the server cannot be reached, or refuses.
    pub async fn get(&mut self, keys: &[String]) -> Result<Vec<Option<Bytes>>, TransportError> {
        let mut values = Vec::with_capacity(keys.len());
        for keys in keys.chunks(BATCH) {
            let mut command = Cmd::new();
            command.arg("MGET").arg(keys);
            values.extend(self.ask::<Vec<Option<Bytes>>>(&command).await?);
        }
        Ok(values)
    }

    /// The names of all records that begin with `prefix`, each once, in no particular order. The server is
    /// asked for about `batch` names at a time. At most `most` names are read.
    ///
    /// # Errors
    /// If the server cannot be reached, or refuses.
    pub async fn names(
        &mut self,
        prefix: &str,
        batch: usize,
        most: usize,
    ) -> Result<Vec<String>, TransportError> {
        let pattern = format!("{}*", escaped(prefix));
        let mut names = std::collections::HashSet::new();
        let mut cursor = 0_u64;
        loop {
            let mut command = Cmd::new();
            command.arg("SCAN").arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(batch);
            let (next, found): (u64, Vec<Vec<u8>>) = self.ask(&command).await?;
            // No node of a cluster writes names that are not UTF-8.
            names.extend(found.into_iter().filter_map(|name| String::from_utf8(name).ok()));
            if names.len() > most {
                if let Some(left_out) = self.too_many.take(Instant::now()) {
                    let left_out = (left_out > 0).then_some(left_out);
                    tracing::warn!(most, left_out, "more records than can be read: the rest is left out");
                }
                return Ok(names.into_iter().take(most).collect());
            }
            if next == 0 {
                return Ok(names.into_iter().collect());
            }
            cursor = next;
        }
    }

    /// Removes records.
    ///
    /// # Errors
    /// If the server cannot be reached, or refuses.
    pub async fn delete(&mut self, keys: &[String]) -> Result<(), TransportError> {
        for keys in keys.chunks(BATCH) {
            let mut command = Cmd::new();
            command.arg("DEL").arg(keys);
            self.ask::<()>(&command).await?;
        }
        Ok(())
    }

    async fn ask<T: FromRedisValue>(&mut self, command: &Cmd) -> Result<T, TransportError> {
        let answer = command.query_async(&mut self.connection).await;
        answer.map_err(|error| self.failed(error))
    }

    fn failed(&self, error: RedisError) -> TransportError {
        match error.kind() {
            // The server is stopping or starting.
            ErrorKind::Server(ServerErrorKind::BusyLoading | ServerErrorKind::MasterDown) => {
                TransportError::Lost(format!("{}: {error}", self.shown))
            }
            ErrorKind::Server(_) | ErrorKind::Extension => {
                TransportError::Refused { topic: self.shown.clone(), source: error.into() }
            }
            _ => TransportError::Lost(format!("{}: {error}", self.shown)),
        }
    }
}

/// Whole seconds, at least one.
fn seconds(ttl: Duration) -> u64 {
    ttl.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX).max(1)
}

/// Escapes the characters that have a meaning in patterns.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '^' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// The server, without credentials.
impl fmt::Display for RedisKv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for RedisKv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedisKv").field(&self.shown).finish()
    }
}

impl fmt::Debug for RedisRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedisRecords").field(&self.shown).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_of_patterns_stand_for_themselves() {
        assert_eq!(escaped("MOL-a.b_c-DSCVR-BEAT:"), "MOL-a.b_c-DSCVR-BEAT:");
        assert_eq!(escaped(r"a*b?[c]\"), r"a\*b\?\[c\]\\");
    }

    #[test]
    fn a_record_lasts_whole_seconds_and_never_none() {
        assert_eq!(seconds(Duration::ZERO), 1);
        assert_eq!(seconds(Duration::from_millis(1500)), 2);
        assert_eq!(seconds(Duration::from_secs(30)), 30);
    }
}
