//! Nodes with a log, and peers of bare sockets.

use bytes::Bytes;
use ligand_transporters::tcp::{Tcp, TcpConnection};
use ligand_transporters::{NodeId, PacketKind, Route, SendError, TransportError};
use std::net::SocketAddr;
use std::ops::Deref;
use tests_support::tcp::read;
use tests_support::{Recorder, within};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A node on loopback, without UDP unless asked for.
pub(crate) struct Node(tests_support::Node<TcpConnection>);

pub(crate) fn loopback() -> Tcp {
    Tcp::new().bind([127, 0, 0, 1]).udp_discovery(false)
}

impl Node {
    pub(crate) async fn start(id: &str) -> Self {
        Self::open(id, "", loopback()).await.unwrap()
    }

    pub(crate) async fn start_with(id: &str, tcp: Tcp) -> Self {
        Self::open(id, "", tcp).await.unwrap()
    }

    pub(crate) async fn open(id: &str, namespace: &str, tcp: Tcp) -> Result<Self, TransportError> {
        let recorder = Recorder::default().greeting(format!("hello from {id}"));
        let node = tests_support::Node::over(recorder, namespace, id, |link| tcp.open(link)).await?;
        Ok(Self(node))
    }

    pub(crate) fn port(&self) -> u16 {
        self.live.local_addr().port()
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port()))
    }

    /// How others reach it.
    pub(crate) fn route(&self) -> Route {
        route(self.link.node().as_str(), self.addr())
    }

    pub(crate) fn request(&self, to: &Route, token: u64, payload: &[u8]) -> Result<(), SendError> {
        self.send_named(to, PacketKind::Request, token, payload)
    }
}

impl Deref for Node {
    type Target = tests_support::Node<TcpConnection>;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.log(|log| log.anonymous), 0, "over TCP each frame comes from a peer");
        }
    }
}

pub(crate) fn route(id: &str, addr: SocketAddr) -> Route {
    Route::Node { id: NodeId::foreign(id).unwrap(), addr: Some(addr.to_string().into()) }
}

/// A peer of bare sockets, which reads only when it is told to.
pub(crate) struct Peer {
    listener: TcpListener,
}

impl Peer {
    pub(crate) async fn start() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    pub(crate) fn route(&self, id: &str) -> Route {
        route(id, self.listener.local_addr().unwrap())
    }

    pub(crate) async fn accept(&self) -> Inbound {
        let (stream, from) = within("somebody connects", self.listener.accept()).await.unwrap();
        Inbound { stream, from }
    }
}

pub(crate) struct Inbound {
    stream: TcpStream,
    pub(crate) from: SocketAddr,
}

impl Inbound {
    /// The next frame; `None` at the end of the stream.
    pub(crate) async fn frame(&mut self) -> Option<(u8, Bytes)> {
        let frame = within("a frame comes, or the end", read(&mut self.stream)).await;
        frame.map(|(code, payload)| (code, payload.into()))
    }

    /// Says something on a connection on which nobody should.
    pub(crate) async fn shout(&mut self, bytes: &[u8]) {
        within("it is written", self.stream.write_all(bytes)).await.unwrap();
    }
}

/// Connects, writes, and returns the connection.
pub(crate) async fn raw(to: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(to).await.unwrap();
    within("it is written", stream.write_all(bytes)).await.unwrap();
    stream
}

/// Waits until the other side has closed.
pub(crate) async fn closed(stream: &mut TcpStream) {
    let mut rest = [0; 64];
    match within("the other side closes", stream.read(&mut rest)).await {
        Ok(0) | Err(_) => {}
        Ok(bytes) => panic!("{bytes} bytes came, where the end was expected"),
    }
}
