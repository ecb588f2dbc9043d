//! Opens sessions with NATS servers.

use async_nats::{ConnectError, ConnectErrorKind, ConnectOptions, ReconnectToServer, ServerAddr, Subject};
use async_trait::async_trait;
use rustls::ClientConfig;
use std::error::Error as StdError;
use std::fmt;
use std::future::ready;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::options::NatsOptions;
use super::session::NatsSession;
use super::signals::Signals;
use super::subjects::subject;
use crate::bus::{Client, Port, Server, TlsOptions};
use crate::{Link, PacketKind, Route, Topics, TransportError};

/// The address to which the library reconnects instead of a server that it has lost. Nothing ever listens
/// there.
const NOWHERE: &str = "nats://127.0.0.1:0";

/// The largest number of messages that may wait in one subscription, whatever the limits say.
const MAX_CAPACITY: usize = 1 << 20;

/// Messages that the library accepts before a publisher has to wait for it.
const COMMANDS: usize = 1024;

pub(super) struct NatsClient {
    options: NatsOptions,
    servers: Vec<Server>,
    /// The name under which the server lists this node.
    name: String,
    /// Whether a server has required TLS although the configuration does not ask for it.
    unasked: AtomicBool,
}

impl NatsClient {
    pub(super) fn new(options: NatsOptions, link: &Link) -> Self {
        let servers = options.servers();
        let name = options.name.clone().unwrap_or_else(|| link.node().to_string());
        Self { options, servers, name, unasked: AtomicBool::new(false) }
    }

    fn asks_for_tls(&self, server: &Server) -> bool {
        server.scheme == "tls" || self.options.wants_tls()
    }

    /// The TLS configuration. The files are read each time, because certificates are replaced now and then.
    async fn tls(&self) -> Result<ClientConfig, TransportError> {
        let tls = self.options.tls.clone();
        let read = tokio::task::spawn_blocking(move || tls.client_config()).await;
        read.map_err(|error| TransportError::Config(format!("TLS: {error}")))?
    }

    fn library(&self, server: &Server, port: &Port) -> ConnectOptions {
        let limits = port.limits();
        // Twice as much as a reader admits. The reader thus reaches its limit first, and it knows what to
        // drop first.
        let capacity = limits.receive_frames.saturating_mul(2).clamp(1, MAX_CAPACITY);
        // The library asks first at the start, and again to replace a connection that is lost.
        let asked = Arc::new(AtomicBool::new(false));
        let options = ConnectOptions::new()
            .name(&self.name)
            .connection_timeout(limits.connect_timeout)
            .subscription_capacity(capacity)
            .client_capacity(COMMANDS)
            .ping_interval(self.ping_interval())
            .ignore_discovered_servers()
            .require_tls(self.asks_for_tls(server))
            // 0 would mean no limit.
            .max_reconnects(1)
            .reconnect_to_server_callback(move |servers, _| {
                let number = usize::from(asked.swap(true, Ordering::Relaxed));
                let addr = servers.get(number).map(|server| server.addr.clone());
                ready(addr.map(|addr| ReconnectToServer { addr, delay: Some(Duration::ZERO) }))
            });
        let options = match &self.options.inbox_prefix {
            Some(prefix) => options.custom_inbox_prefix(prefix),
            None => options,
        };
        if self.options.tls_first { options.tls_first() } else { options }
    }

    /// The time between pings. After three pings without an answer, the library gives the connection up, with
    /// everything that it still holds. The result is short enough that this happens before frames have been
    /// held for longer than `maxHold`.
    fn ping_interval(&self) -> Duration {
        let most = self.options.limits.max_hold * 3 / 10;
        self.options.ping_interval.min(most).max(Duration::from_millis(10))
    }

    async fn identified(
        &self,
        library: ConnectOptions,
        server: &Server,
    ) -> Result<ConnectOptions, TransportError> {
        let NatsOptions { user_creds, nkey, token, .. } = &self.options;
        if let Some(file) = user_creds {
            let read = library.credentials_file(file).await;
            return read.map_err(|error| TransportError::Config(format!("no NATS credentials: {error}")));
        }
        if let Some(nkey) = nkey {
            return Ok(library.nkey(nkey.clone()));
        }
        if let Some(token) = token {
            return Ok(library.token(token.clone()));
        }
        Ok(match self.options.login(server) {
            Some((user, Some(password))) => library.user_and_password(user, password),
            Some((token, None)) => library.token(token),
            None => library,
        })
    }

    async fn connect(
        &self,
        server: &Server,
        port: &Port,
        tls: ClientConfig,
    ) -> Result<NatsSession, ConnectFailed> {
        let address = |url: &str| {
            let address = url.parse::<ServerAddr>();
            address.map_err(|error| TransportError::Config(format!("`{url}` is no NATS server: {error}")))
        };
        let addresses = vec![address(&server.to_string())?, address(NOWHERE)?];
        let signals = Signals::new(port.clone());
        let callback = signals.callback();
        let library = self.identified(self.library(server, port), server).await?;
        let library = library.tls_client_config(tls).event_callback(move |event| {
            callback(event);
            ready(())
        });
        let client = library.connect(addresses).await?;
        Ok(NatsSession::new(client, port.clone(), signals))
    }
}

/// An attempt to connect failed.
enum ConnectFailed {
    Here(TransportError),
    Library(ConnectError),
}

impl From<TransportError> for ConnectFailed {
    fn from(error: TransportError) -> Self {
        Self::Here(error)
    }
}

impl From<ConnectError> for ConnectFailed {
    fn from(error: ConnectError) -> Self {
        Self::Library(error)
    }
}

impl ConnectFailed {
    fn into_error(self, server: &Server) -> TransportError {
        let error = match self {
            Self::Here(error) => return error,
            Self::Library(error) => error,
        };
        match error.kind() {
            ConnectErrorKind::AuthorizationViolation => {
                TransportError::Config(format!("{server} does not accept these credentials"))
            }
            ConnectErrorKind::Authentication => {
                TransportError::Config(format!("the credentials for {server} cannot be used: {error}"))
            }
            _ => match tls_error(&error) {
                Some(why) => TransportError::Config(format!("no TLS with {server}: {why}")),
                None => TransportError::connect(server.to_string(), error),
            },
        }
    }

    fn is_tls(&self) -> bool {
        matches!(self, Self::Library(error) if tls_error(error).is_some())
    }
}

/// The TLS error behind a failed attempt, if there is one.
fn tls_error(error: &ConnectError) -> Option<&rustls::Error> {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = next {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let found = inner.and_then(|inner| inner.downcast_ref()).or_else(|| error.downcast_ref());
        if found.is_some() {
            return found;
        }
        next = error.source();
    }
    None
}

#[async_trait]
impl Client for NatsClient {
    type Topic = Subject;
    type Session = NatsSession;

    fn topic(&self, topics: &Topics, to: &Route, kind: PacketKind) -> Result<Subject, &'static str> {
        subject(topics.to(to, kind))
    }

    fn servers(&self) -> usize {
        self.servers.len()
    }

    fn server(&self, number: usize) -> String {
        self.servers.get(number).map(ToString::to_string).unwrap_or_default()
    }

    async fn open(&self, number: usize, port: &Port) -> Result<NatsSession, TransportError> {
        let Some(server) = self.servers.get(number) else {
            return Err(TransportError::Config("there is no NATS server to connect to".to_owned()));
        };
        if !self.asks_for_tls(server) && !self.unasked.load(Ordering::Relaxed) {
            // The first attempt trusts no certificates, which fails only if the server requires TLS. Loading
            // the certificates that the system trusts takes a while, and most servers do not need them.
            let nobody = TlsOptions::trusting_nobody()?;
            match self.connect(server, port, nobody).await {
                Err(why) if why.is_tls() => self.unasked.store(true, Ordering::Relaxed),
                done => return done.map_err(|why| why.into_error(server)),
            }
        }
        let tls = self.tls().await?;
        self.connect(server, port, tls).await.map_err(|why| why.into_error(server))
    }
}

impl fmt::Debug for NatsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsClient").field("options", &self.options).finish_non_exhaustive()
    }
}
