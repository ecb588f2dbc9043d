//! Asks a Sentinel where the master is.

use std::sync::Arc;

use super::RedisOptions;
use super::line::{Identity, Line, texts};
use super::stream::Dialer;
use crate::TransportError;
use crate::bus::{Port, Server};

/// One Sentinel. The connection is opened when the Sentinel is asked, and kept while it answers.
pub(super) struct Sentinel {
    options: Arc<RedisOptions>,
    dialer: Arc<Dialer>,
    server: Server,
    port: Port,
    line: tokio::sync::Mutex<Option<Line>>,
}

impl Sentinel {
    pub(super) fn new(
        options: &Arc<RedisOptions>,
        dialer: &Arc<Dialer>,
        server: Server,
        port: &Port,
    ) -> Self {
        let (options, dialer, port) = (Arc::clone(options), Arc::clone(dialer), port.clone());
        Self { options, dialer, server, port, line: tokio::sync::Mutex::default() }
    }

    /// Switches to another Sentinel.
    pub(super) fn turn_to(&mut self, server: Server) {
        self.server = server;
        *self.line.get_mut() = None;
    }

    /// Asks the Sentinel for the address of the master.
    pub(super) async fn master(&self) -> Result<(String, u16), TransportError> {
        let failed = |why: Box<dyn std::error::Error + Send + Sync>| {
            TransportError::connect(self.server.to_string(), why)
        };
        let name = self.options.master.as_deref().unwrap_or_default();
        let mut kept = self.line.lock().await;
        // The connection is put back only after an answer.
        let line = match kept.take() {
            Some(line) => line,
            None => self.connect().await.map_err(failed)?,
        };
        let mut question = redis::cmd("SENTINEL");
        let told = line.ask(question.arg("get-master-addr-by-name").arg(name)).await;
        let told = told.and_then(redis::Value::extract_error).map_err(|why| failed(why.into()))?;
        let address = match &texts(&told)[..] {
            [host, port] => port.parse().ok().map(|port| (host.clone(), port)),
            _ => None,
        };
        *kept = Some(line);
        address.ok_or_else(|| failed(format!("this Sentinel knows no master of the name `{name}`").into()))
    }

    async fn connect(&self) -> Result<Line, Box<dyn std::error::Error + Send + Sync>> {
        let secure = self.options.is_secure_sentinel();
        let stream = self.dialer.dial(&self.server, secure).await?;
        let identity = Identity {
            user: self.options.sentinel_username.clone(),
            password: self.options.sentinel_password.clone(),
            ..Identity::default()
        };
        let none: Option<fn(redis::PushInfo)> = None;
        let limit = self.options.command_timeout;
        let (line, driver) = Line::open(stream, &identity, limit, none).await?;
        self.port.spawn(driver);
        Ok(line)
    }
}
