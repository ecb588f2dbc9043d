//! The connection under a session: opened here, so that it can be cut here.

use lapin::uri::AMQPUri;
use lapin::{AsyncTcpStream, ConnectionProperties, ErrorKind};
use std::io;
use std::net::Shutdown;
use std::sync::Arc;

use crate::TransportError;
use crate::bus::Server;
use crate::locks::Mutex;

/// Cuts the connection when dropped, and so does each copy.
///
/// The client library waits until the server has answered its farewell, which a server that stands still
/// never does; and whatever it still holds it would send once such a server goes on.
#[derive(Debug, Clone)]
pub(super) struct Cut(Arc<std::net::TcpStream>);

impl Cut {
    /// A second handle of a socket.
    fn of(socket: &tokio::net::TcpStream) -> io::Result<Self> {
        // What the system still holds is thrown away with the last handle.
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
        // An error says that it is cut already.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// What makes TLS out of a connection.
#[cfg(feature = "amqp-tls")]
pub(super) type Tls = lapin::tcp::RustlsConnector;
/// There is none in this build.
#[cfg(not(feature = "amqp-tls"))]
pub(super) type Tls = std::convert::Infallible;

/// Connects and logs in.
///
/// # Errors
/// [`TransportError::Refused`] where trying again cannot help: the server does not know the user, or
/// the virtual host.
///
/// # Cancel safety
/// Dropping it closes what was opened.
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
    // The library asks once, since its own recovery is off.
    let stream = Mutex::new(Some(stream));
    let take = async move |_, _| {
        let stream = stream.lock().take();
        stream.ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected).into())
    };
    let connection = lapin::Connection::connector(uri, runtime, take, properties).await;
    Ok((connection.map_err(failed)?, cut))
}

/// What the server said at the door.
fn told(server: &Server, error: lapin::Error) -> TransportError {
    if let ErrorKind::ProtocolError(said) = error.kind() {
        let message = said.get_message().as_str();
        // 403 ACCESS_REFUSED, and of 530 NOT_ALLOWED the part that is about virtual hosts.
        if said.get_id() == 403 || (said.get_id() == 530 && message.contains("vhost")) {
            return TransportError::refused(server.to_string(), message.to_owned());
        }
    }
    TransportError::connect(server.to_string(), error)
}
