//! Opens sessions with one of the servers.

use async_trait::async_trait;
use lapin::ConnectionProperties;
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo, SASLMechanism};
use std::fmt;
use std::sync::Arc;

use super::AmqpOptions;
use super::ledger::Handled;
use super::session::AmqpSession;
use super::socket::{self, Tls};
use super::topology::Destination;
use crate::bus::{Client, Port, Server};
use crate::{NodeId, PacketKind, Route, Topics, TransportError};

/// The servers, and how to reach them.
pub(super) struct AmqpClient {
    options: Arc<AmqpOptions>,
    servers: Vec<Server>,
    /// The name of this node in the server's list of connections.
    name: String,
    tls: Option<Tls>,
    handled: Arc<Handled>,
}

impl AmqpClient {
    /// # Errors
    /// [`TransportError::Config`] if a file for TLS cannot be read, or if `amqps://` is not compiled in.
    pub(super) fn new(options: AmqpOptions, node: &NodeId) -> Result<Self, TransportError> {
        let servers = options.servers();
        let tls = if servers.iter().any(is_secure) { Some(connector(&options)?) } else { None };
        let name = format!("ligand {node}");
        Ok(Self { options: Arc::new(options), servers, name, tls, handled: Arc::default() })
    }

    fn uri(&self, server: &Server) -> AMQPUri {
        let external = self
            .options
            .external_login
            .unwrap_or(self.options.tls.certificate_file.is_some() && server.user.is_none());
        let guest = || "guest".to_owned();
        AMQPUri {
            scheme: if is_secure(server) { AMQPScheme::AMQPS } else { AMQPScheme::AMQP },
            authority: AMQPAuthority {
                userinfo: AMQPUserInfo {
                    username: server.user.clone().unwrap_or_else(guest),
                    password: server.password.clone().unwrap_or_else(guest),
                },
                host: server.host.clone(),
                port: server.port,
            },
            vhost: server.path.clone().unwrap_or_else(|| "/".to_owned()),
            query: AMQPQueryString {
                frame_max: self.options.frame_max,
                channel_max: None,
                heartbeat: Some(self.options.heartbeat_seconds()),
                connection_timeout: None,
                auth_mechanism: Some(if external { SASLMechanism::External } else { SASLMechanism::Plain }),
            },
        }
    }
}

fn is_secure(server: &Server) -> bool {
    server.scheme == "amqps"
}

#[cfg(feature = "amqp-tls")]
fn connector(options: &AmqpOptions) -> Result<Tls, TransportError> {
    Ok(options.tls.client_config()?.into())
}

#[cfg(not(feature = "amqp-tls"))]
fn connector(_options: &AmqpOptions) -> Result<Tls, TransportError> {
    Err(TransportError::Config("amqps:// needs the feature `amqp-tls` of ligand".to_owned()))
}

#[async_trait]
impl Client for AmqpClient {
    type Topic = Destination;
    type Session = AmqpSession;

    fn topic(&self, topics: &Topics, to: &Route, kind: PacketKind) -> Result<Destination, &'static str> {
        Destination::of(topics, to, kind)
    }

    fn servers(&self) -> usize {
        self.servers.len()
    }

    fn server(&self, number: usize) -> String {
        self.servers.get(number).map(ToString::to_string).unwrap_or_default()
    }

    async fn open(&self, server: usize, port: &Port) -> Result<AmqpSession, TransportError> {
        let Some(server) = self.servers.get(server) else { return Err(TransportError::Closed) };
        let properties =
            ConnectionProperties::default().with_connection_name(self.name.clone().into_bytes().into());
        let name = self.options.server_name.as_deref().unwrap_or(&server.host);
        let tls = self.tls.as_ref().filter(|_| is_secure(server)).map(|tls| (tls, name));
        let (connection, cut) = socket::connect(server, self.uri(server), properties, tls).await?;
        AmqpSession::begin(connection, cut, Arc::clone(&self.options), port, Arc::clone(&self.handled))
            .await
            .map_err(|error| TransportError::connect(server.to_string(), error))
    }
}

impl fmt::Debug for AmqpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AmqpClient").field("servers", &self.servers).finish_non_exhaustive()
    }
}
