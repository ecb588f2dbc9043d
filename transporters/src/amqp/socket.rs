//! Opens the socket of a session here, so that it can be cut here.

use lapin::uri::AMQPUri;
use lapin::{AsyncTcpStream, ConnectionProperties, ErrorKind};
use std::io;
use std::net::Shutdown;
use std::sync::Arc;

use crate::TransportError;
use crate::bus::Server;
use crate::locks::Mutex;

/// Cuts the connection when it is dropped. So does each clone.
///
/// On a close, the client library waits for the server's answer. A server that stands still never gives one.
/// The library would also send everything that it still holds as soon as such a server continues.
#[derive(Debug, Clone)]
pub(super) struct Cut(Arc<std::net::TcpStream>);

impl Cut {
    /// Creates a second handle of a socket.
    fn of(socket: &tokio::net::TcpStream) -> io::Result<Self> {
        // The system discards what it still holds when the last handle is dropped.
        socket.set_zero_linger()?;
        #[cfg(unix)]
        let handle = std::os::fd::AsFd::as_fd(socket).try_clone_to_owned()?;
        #[cfg(windows)]
        let handle = std::os::windows::io::AsSocket::as_socket(socket).try_clone_to_owned()?;
        Ok(Self(Arc::new(handle.into())))
    }
}

impl Drop for Cut {
    fn drop(&mut self) {
        // An error means that the connection is already cut.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// Turns a connection into one with TLS.
#[cfg(feature = "amqp-tls")]
pub(super) type Tls = lapin::tcp::RustlsConnector;
/// This build has no TLS.
#[cfg(not(feature = "amqp-tls"))]
pub(super) type Tls = std::convert::Infallible;

/// Connects and logs in.
///
/// # Errors
/// [`TransportError::Refused`] if trying again cannot help: the server does not know the user or the virtual
/// host.
///
/// # Cancel safety
/// If the future is dropped, what was opened is closed.
pub(super) async fn connect(
    server: &Server,
    uri: AMQPUri,
    properties: ConnectionProperties,
    tls: Option<(&Tls, &str)>,
) -> Result<(lapin::Connection, Cut), TransportError> {
    let failed = |error: lapin::Error| told(server, error);
    let broken = |error: io::Error| TransportError::connect(server.to_string(), error);
    let runtime = lapin::runtime::default_runtime().map_err(failed)?;
    let addresses = tokio::net::lookup_host((server.host.as_str(), server.port)).await.map_err(broken)?;
    let stream = AsyncTcpStream::connect(&runtime, addresses.collect::<Vec<_>>()).await.map_err(broken)?;
    let cut = match &stream {
        AsyncTcpStream::Plain(socket) => Cut::of(socket.get_ref()).map_err(broken)?,
        _ => return Err(broken(io::Error::other("the client library began with TLS by itself"))),
    };
    let stream = match tls {
        None => stream,
        #[cfg(feature = "amqp-tls")]
        Some((tls, name)) => stream.into_rustls(tls, name).await.map_err(broken)?,
        #[cfg(not(feature = "amqp-tls"))]
        Some((none, _)) => match *none {},
    };
    // The library asks only once, because its own recovery is off.
    let stream = Mutex::new(Some(stream));
    let take = async move |_, _| {
        let stream = stream.lock().take();
        stream.ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected).into())
    };
    let connection = lapin::Connection::connector(uri, runtime, take, properties).await;
    Ok((connection.map_err(failed)?, cut))
}

/// The error for what the server said during the login.
fn told(server: &Server, error: lapin::Error) -> TransportError {
    if let ErrorKind::ProtocolError(said) = error.kind() {
        let message = said.get_message().as_str();
        // 403 ACCESS_REFUSED, and those cases of 530 NOT_ALLOWED that are about virtual hosts.
        if said.get_id() == 403 || (said.get_id() == 530 && message.contains("vhost")) {
            return TransportError::refused(server.to_string(), message.to_owned());
        }
    }
    TransportError::connect(server.to_string(), error)
}
