//! Nodes with a log, and peers of bare sockets.

use bytes::{Buf as _, Bytes, BytesMut};
use ligand_transporters::tcp::{Tcp, TcpConnection};
use ligand_transporters::{
    Batch, Connection, Link, LinkOptions, Name, NodeId, PacketKind, Route, SendError, Sink, TransportError,
    Up,
};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A test that waits longer than this has failed.
const LIMIT: Duration = Duration::from_secs(20);

/// Waits for a future, but not for ever.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.expect("what was waited for did not happen")
}

/// Looks again and again until the condition holds.
pub(crate) async fn eventually(mut condition: impl FnMut() -> bool) {
    within(async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

/// What a node was told.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) frames: Vec<(PacketKind, Bytes)>,
    pub(crate) unsent: Vec<u64>,
    pub(crate) lost: Vec<(NodeId, String)>,
    pub(crate) sighted: Vec<(String, String, Option<SocketAddr>)>,
    pub(crate) ups: Vec<Up>,
}

impl Heard {
    /// Frames that are no gossip.
    pub(crate) fn data(&self) -> Vec<Bytes> {
        let data = self.frames.iter().filter(|(kind, _)| !kind.is_control());
        data.map(|(_, payload)| payload.clone()).collect()
    }
}

#[derive(Debug)]
pub(crate) struct Log {
    greeting: Option<Bytes>,
    heard: Mutex<Heard>,
    changed: watch::Sender<()>,
}

impl Log {
    fn change(&self, change: impl FnOnce(&mut Heard)) {
        change(&mut self.heard.lock().unwrap());
        self.changed.send_modify(|()| {});
    }
}

impl Sink for Log {
    fn deliver(&self, batch: &mut Batch<'_>) {
        while let Some(frame) = batch.next() {
            assert!(frame.peer.is_some());
            self.change(|heard| heard.frames.push((frame.kind, frame.payload)));
        }
    }

    fn unsent(&self, tokens: &[u64]) {
        self.change(|heard| heard.unsent.extend_from_slice(tokens));
    }

    fn greeting(&self, _to: &NodeId) -> Option<Bytes> {
        self.greeting.clone()
    }

    fn up(&self, how: Up) {
        self.change(|heard| heard.ups.push(how));
    }

    fn sighted(&self, node: &NodeId, addr: &Name, source: Option<SocketAddr>) {
        self.change(|heard| heard.sighted.push((node.to_string(), addr.to_string(), source)));
    }

    fn lost(&self, node: &NodeId, why: &TransportError) {
        self.change(|heard| heard.lost.push((node.clone(), why.to_string())));
    }
}

/// A node on loopback, without UDP unless asked for.
pub(crate) struct Node {
    pub(crate) connection: Arc<TcpConnection>,
    pub(crate) link: Link,
    log: Arc<Log>,
}

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
        let greeting = Some(Bytes::from(format!("hello from {id}")));
        let log = Arc::new(Log { greeting, heard: Mutex::default(), changed: watch::Sender::new(()) });
        let link = Link::new(LinkOptions::new(NodeId::new(id).unwrap(), namespace), log.clone());
        let connection = tcp.open(link.clone()).await?;
        Ok(Self { connection, link, log })
    }

    pub(crate) fn port(&self) -> u16 {
        self.connection.local_addr().port()
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port()))
    }

    /// How others reach it.
    pub(crate) fn route(&self) -> Route {
        route(self.link.node().as_str(), self.addr())
    }

    pub(crate) fn send(
        &self,
        to: &Route,
        kind: PacketKind,
        token: u64,
        payload: &[u8],
    ) -> Result<(), SendError> {
        self.connection.send(to, kind, token, &mut |frame| {
            frame.buf().extend_from_slice(payload);
            Ok(())
        })
    }

    pub(crate) fn request(&self, to: &Route, token: u64, payload: &[u8]) -> Result<(), SendError> {
        self.send(to, PacketKind::Request, token, payload)
    }

    /// What it has been told so far.
    pub(crate) fn heard<T>(&self, look: impl FnOnce(&Heard) -> T) -> T {
        look(&self.log.heard.lock().unwrap())
    }

    /// Waits until the condition holds for what it has been told.
    pub(crate) async fn until(&self, mut condition: impl FnMut(&Heard) -> bool) {
        let mut changes = self.log.changed.subscribe();
        within(async {
            while !self.heard(&mut condition) {
                changes.changed().await.unwrap();
            }
        })
        .await;
    }

    pub(crate) async fn stop(&self) {
        self.connection.close().await.unwrap();
        within(self.link.shut()).await;
    }
}

pub(crate) fn route(id: &str, addr: SocketAddr) -> Route {
    Route::Node { id: NodeId::foreign(id).unwrap(), addr: Some(addr.to_string().into()) }
}

/// The whole frame with this type and payload.
pub(crate) fn frame(code: u8, payload: &[u8]) -> Vec<u8> {
    let [a, b, c, d] = u32::try_from(payload.len() + 6).unwrap().to_be_bytes();
    let mut frame = vec![a ^ b ^ c ^ d ^ code, a, b, c, d, code];
    frame.extend_from_slice(payload);
    frame
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
        let (stream, from) = within(self.listener.accept()).await.unwrap();
        Inbound { stream, from, buf: BytesMut::new() }
    }
}

pub(crate) struct Inbound {
    stream: TcpStream,
    pub(crate) from: SocketAddr,
    buf: BytesMut,
}

impl Inbound {
    /// The next frame; `None` at the end of the stream.
    pub(crate) async fn frame(&mut self) -> Option<(u8, Bytes)> {
        loop {
            if let Some(&[_, a, b, c, d, code]) = self.buf.first_chunk() {
                let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap();
                if self.buf.len() >= length {
                    let mut frame = self.buf.split_to(length);
                    frame.advance(6);
                    return Some((code, frame.freeze()));
                }
            }
            match within(self.stream.read_buf(&mut self.buf)).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// Says something on a connection on which nobody should.
    pub(crate) async fn shout(&mut self, bytes: &[u8]) {
        within(self.stream.write_all(bytes)).await.unwrap();
    }
}

/// Connects, writes, and returns the connection.
pub(crate) async fn raw(to: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(to).await.unwrap();
    within(stream.write_all(bytes)).await.unwrap();
    stream
}

/// Waits until the other side has closed.
pub(crate) async fn closed(stream: &mut TcpStream) {
    let mut rest = [0; 64];
    match within(stream.read(&mut rest)).await {
        Ok(0) | Err(_) => {}
        Ok(bytes) => panic!("{bytes} bytes came, where the end was expected"),
    }
}
