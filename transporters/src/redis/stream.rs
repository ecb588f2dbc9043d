//! Opens sockets, with TLS if it is configured.
//!
//! The library could open its own sockets. But it would use the process-wide provider of cryptography, if
//! there is exactly one, and it cannot choose the version of IP.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::RedisOptions;
use crate::TransportError;
use crate::bus::Server;

/// A stream of bytes in both directions.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send + Sync {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + Sync> Stream for S {}

/// Opens sockets.
pub(super) struct Dialer {
    options: Arc<RedisOptions>,
    #[cfg(feature = "redis-tls")]
    tls: Option<tokio_rustls::TlsConnector>,
}

impl Dialer {
    /// Reads the files that TLS needs, if it is needed.
    pub(super) fn new(options: &Arc<RedisOptions>) -> Result<Self, TransportError> {
        Ok(Self {
            #[cfg(feature = "redis-tls")]
            tls: if options.is_secure() || options.is_secure_sentinel() {
                Some(Arc::new(options.tls.client_config()?).into())
            } else {
                None
            },
            options: Arc::clone(options),
        })
    }

    pub(super) async fn dial(&self, server: &Server, secure: bool) -> io::Result<Box<dyn Stream>> {
        let socket = self.socket(server).await?;
        if secure { self.encrypted(server, socket).await } else { Ok(Box::new(socket)) }
    }

    async fn socket(&self, server: &Server) -> io::Result<TcpStream> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address of that family");
        for address in tokio::net::lookup_host((server.host.as_str(), server.port)).await? {
            let wanted = match self.options.family {
                4 => address.is_ipv4(),
                6 => address.is_ipv6(),
                _ => true,
            };
            if wanted {
                match self.connect(address).await {
                    Ok(socket) => return Ok(socket),
                    Err(why) => last = why,
                }
            }
        }
        Err(last)
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(self.options.no_delay)?;
        let time = self.options.keep_alive;
        let keep_alive = socket2::TcpKeepalive::new().with_time(time).with_interval(time);
        // If this fails, asking whether the server is there serves the same purpose.
        let _ = socket2::SockRef::from(&socket).set_tcp_keepalive(&keep_alive);
        Ok(socket)
    }

    #[cfg(feature = "redis-tls")]
    async fn encrypted(&self, server: &Server, socket: TcpStream) -> io::Result<Box<dyn Stream>> {
        let name = self.options.tls_server_name.clone().unwrap_or_else(|| server.host.clone());
        let name = rustls::pki_types::ServerName::try_from(name).map_err(io::Error::other)?;
        let tls = self.tls.as_ref().ok_or_else(|| io::Error::other("TLS is not configured"))?;
        Ok(Box::new(tls.connect(name, socket).await?))
    }

    #[cfg(not(feature = "redis-tls"))]
    #[allow(clippy::unused_async, clippy::unused_self, reason = "the other one is none without the feature")]
    async fn encrypted(&self, _server: &Server, _socket: TcpStream) -> io::Result<Box<dyn Stream>> {
        // The check of the options has already refused this.
        Err(io::Error::other("TLS is not compiled in"))
    }
}
