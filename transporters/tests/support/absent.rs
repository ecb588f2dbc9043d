//! What every transporter must say of a server that is not there.

use ligand_transporters::{TransportError, Transporter};
use std::error::Error;
use std::sync::Arc;
use tests_support::Node;

/// A port that refuses connections and that nobody else is given, for as long as this lives.
#[derive(Debug)]
pub(crate) struct ClosedPort(tokio::net::TcpSocket);

impl ClosedPort {
    pub(crate) fn new() -> Self {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self(socket)
    }

    /// `host:port` to connect to, in vain.
    pub(crate) fn address(&self) -> String {
        self.0.local_addr().unwrap().to_string()
    }
}

/// Connects where nobody listens. `url` gets `host:port` and has to put the password `canary` into what it
/// makes of it.
pub(crate) async fn is_named_without_its_password(
    url: impl Fn(&str) -> String,
    make: impl Fn(&str) -> Arc<dyn Transporter>,
) {
    let nobody = ClosedPort::new();
    let url = url(&nobody.address());
    assert!(url.contains("canary"), "{url}");
    let error = Node::connect(&*make(&url), "", "me").await.expect_err("nobody listens");
    assert!(error.is_retryable() && matches!(error, TransportError::Connect { .. }), "{error:?}");
    let mut told = format!("{error} {error:?}");
    let mut source = error.source();
    while let Some(why) = source {
        told += &format!(" {why} {why:?}");
        source = why.source();
    }
    assert!(error.to_string().contains(&nobody.address()) && !told.contains("canary"), "{told}");
}
