//! One connection that speaks RESP.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, ProtocolVersion, PushInfo, RedisConnectionInfo, RedisError, Value};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use crate::TransportError;

/// Commands that may wait for the connection's task.
const COMMANDS: usize = 64;

/// How a connection identifies itself, and the database that it uses.
#[derive(Clone, Default)]
pub(super) struct Identity {
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) name: String,
    pub(super) db: u32,
}

/// A connection. It lives until its session ends, or until all its clones are dropped.
#[derive(Clone)]
pub(super) struct Line {
    connection: MultiplexedConnection,
    /// Grows with everything that arrives, as far as it is counted.
    heard: Arc<AtomicU64>,
    limit: Duration,
}

impl Line {
    /// Greets the server and logs in. What the server sends without being asked goes to `push`. The caller
    /// must drive the future that is returned: the connection ends when it ends.
    pub(super) async fn open(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        identity: &Identity,
        limit: Duration,
        push: Option<impl Fn(PushInfo) + Send + Sync + 'static>,
    ) -> Result<(Self, BoxFuture<'static, ()>), RedisError> {
        let mut info = RedisConnectionInfo::default()
            .set_protocol(ProtocolVersion::RESP3)
            .set_db(identity.db.into())
            .set_lib_name("ligand", env!("CARGO_PKG_VERSION"));
        if let Some(user) = &identity.user {
            info = info.set_username(user);
        }
        if let Some(password) = &identity.password {
            info = info.set_password(password);
        }
        let heard = Arc::new(AtomicU64::new(0));
        // Each wait has its own limit here.
        let mut config =
            AsyncConnectionConfig::new().set_response_timeout(None).set_pipeline_buffer_size(COMMANDS);
        if let Some(push) = push {
            let heard = Arc::clone(&heard);
            config = config.set_push_sender(move |info| {
                heard.fetch_add(1, Ordering::Relaxed);
                push(info);
                Ok::<(), ()>(())
            });
        }
        let (connection, driver) = MultiplexedConnection::new_with_config(&info, stream, config).await?;
        Ok((Self { connection, heard, limit }, driver.boxed()))
    }

    /// Tells the server the name of the connection.
    pub(super) async fn name(&self, identity: &Identity) -> Result<(), RedisError> {
        let mut command = redis::cmd("CLIENT");
        // It does not matter if the server does not allow this.
        self.ask(command.arg("SETNAME").arg(&identity.name)).await.map(drop)
    }

    pub(super) fn connection(&self) -> MultiplexedConnection {
        self.connection.clone()
    }

    /// Returns the answer to a command, which may be an error of the server. If nothing arrives on the
    /// connection for too long, the connection counts as lost.
    pub(super) async fn ask(&self, command: &Cmd) -> Result<Value, RedisError> {
        let mut connection = self.connection.clone();
        self.patient(connection.send_packed_command(command)).await
    }

    /// Waits for the answer to something that has been handed over, as [`Self::ask`] does.
    pub(super) async fn patient<T>(
        &self,
        answer: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, RedisError> {
        let mut answer = std::pin::pin!(answer);
        loop {
            let before = self.heard.load(Ordering::Relaxed);
            match timeout(self.limit, &mut answer).await {
                Ok(answer) => {
                    self.heard.fetch_add(1, Ordering::Relaxed);
                    return answer;
                }
                Err(_) if self.heard.load(Ordering::Relaxed) != before => {}
                Err(_) => return Err(RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut))),
            }
        }
    }

    /// Checks that the server is there.
    pub(super) async fn ping(&self) -> Result<(), TransportError> {
        self.ask(&redis::cmd("PING")).await.map(drop).map_err(|why| self.lost(&why))
    }

    /// The error that reports the connection as lost.
    pub(super) fn lost(&self, why: &RedisError) -> TransportError {
        TransportError::Lost(if why.is_timeout() {
            format!("the server gave no answer for {:?}", self.limit)
        } else {
            why.to_string()
        })
    }
}

/// The texts in a list, of any kind of text.
pub(super) fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) | Value::Set(items) => items.iter().filter_map(text).collect(),
        _ => Vec::new(),
    }
}

pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text.clone()),
        _ => None,
    }
}
