//! A node without a broker. It connects, sends, and records what it is told.

use bytes::Bytes;
use ligand_transporters::{
    Ack, Batch, Connection, Frame, FrameBuf, Link, LinkOptions, Name, NodeId, PacketKind, Route, SendError,
    Sink, Subscription, TransportError, Transporter, Up,
};
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::wait::PATIENCE;

/// What a node has been told. Each list has the order in which things arrived.
#[derive(Debug, Default)]
pub struct Log {
    pub frames: Vec<(PacketKind, Bytes)>,
    /// The number of frames for which the peer is not known, as on a bus.
    pub anonymous: usize,
    /// Acknowledgements that have not been given yet, see [`Recorder::keeping_acks`].
    pub acks: Vec<Ack>,
    pub ups: Vec<Up>,
    /// The reason of each loss. The next two lists also contain reasons.
    pub downs: Vec<String>,
    pub refused: Vec<String>,
    pub deaf: Vec<String>,
    pub dropped: Vec<PacketKind>,
    /// Tokens of frames that were certainly not sent.
    pub unsent: Vec<u64>,
    /// Peers whose connection broke, and why.
    pub lost: Vec<(NodeId, String)>,
    /// Nodes with their address, and the source of that information.
    pub sighted: Vec<(String, String, Option<SocketAddr>)>,
}

impl Log {
    /// Payloads of events, requests and responses.
    pub fn data(&self) -> Vec<Bytes> {
        let data = self.frames.iter().filter(|(kind, _)| !kind.is_control());
        data.map(|(_, payload)| payload.clone()).collect()
    }

    /// Payloads of one kind, as text.
    pub fn texts(&self, kind: PacketKind) -> Vec<String> {
        let of_kind = self.frames.iter().filter(|(one, _)| *one == kind);
        of_kind.map(|(_, payload)| String::from_utf8_lossy(payload).into_owned()).collect()
    }
}

/// The sink of a [`Node`].
#[derive(Debug, Default)]
pub struct Recorder {
    log: Mutex<Log>,
    changed: watch::Sender<()>,
    greeting: Option<Bytes>,
    keeps_acks: bool,
}

impl Recorder {
    /// Keeps acknowledgements for the test to give. By default they are given as soon as a frame is recorded.
    #[must_use]
    pub fn keeping_acks(mut self) -> Self {
        self.keeps_acks = true;
        self
    }

    /// Sends this first to every peer that it connects to.
    #[must_use]
    pub fn greeting(mut self, greeting: impl Into<Bytes>) -> Self {
        self.greeting = Some(greeting.into());
        self
    }

    fn note(&self, write: impl FnOnce(&mut Log)) {
        write(&mut self.log.lock().unwrap());
        self.changed.send_replace(());
    }
}

impl Sink for Recorder {
    fn deliver(&self, batch: &mut Batch<'_>) {
        while let Some(Frame { kind, payload, peer, ack, .. }) = batch.next() {
            self.note(|log| {
                log.frames.push((kind, payload));
                log.anonymous += usize::from(peer.is_none());
                log.acks.extend(ack.filter(|_| self.keeps_acks));
            });
        }
    }

    fn greeting(&self, _to: &NodeId) -> Option<Bytes> {
        self.greeting.clone()
    }

    fn up(&self, how: Up) {
        self.note(|log| log.ups.push(how));
    }

    fn down(&self, why: &TransportError) {
        self.note(|log| log.downs.push(why.to_string()));
    }

    fn refused(&self, why: &TransportError) {
        self.note(|log| log.refused.push(why.to_string()));
    }

    fn deaf(&self, why: &TransportError) {
        self.note(|log| log.deaf.push(why.to_string()));
    }

    fn dropped(&self, kind: PacketKind) {
        self.note(|log| log.dropped.push(kind));
    }

    fn unsent(&self, tokens: &[u64]) {
        self.note(|log| log.unsent.extend_from_slice(tokens));
    }

    fn lost(&self, node: &NodeId, why: &TransportError) {
        self.note(|log| log.lost.push((node.clone(), why.to_string())));
    }

    fn sighted(&self, node: &NodeId, addr: &Name, source: Option<SocketAddr>) {
        self.note(|log| log.sighted.push((node.to_string(), addr.to_string(), source)));
    }
}

/// The route to a node on a bus.
pub fn to(id: &str) -> Route {
    Route::Node { id: NodeId::new(id).unwrap(), addr: None }
}

/// A connected node.
pub struct Node<C: ?Sized = dyn Connection> {
    pub live: Arc<C>,
    pub link: Link,
    recorder: Arc<Recorder>,
}

impl Node {
    /// Connects a node.
    ///
    /// # Errors
    /// Those of [`Transporter::connect`].
    pub async fn connect(
        transporter: &dyn Transporter,
        namespace: &str,
        id: &str,
    ) -> Result<Self, TransportError> {
        Self::recording(Recorder::default(), transporter, namespace, id).await
    }

    /// Connects a node with a recorder that has special settings.
    ///
    /// # Errors
    /// Those of [`Transporter::connect`].
    pub async fn recording(
        recorder: Recorder,
        transporter: &dyn Transporter,
        namespace: &str,
        id: &str,
    ) -> Result<Self, TransportError> {
        Self::over(recorder, namespace, id, |link| transporter.connect(link)).await
    }
}

impl<C: Connection + ?Sized> Node<C> {
    /// Creates a node over the connection that `connect` makes of its link.
    ///
    /// # Errors
    /// Those of `connect`.
    pub async fn over<F: Future<Output = Result<Arc<C>, TransportError>>>(
        recorder: Recorder,
        namespace: &str,
        id: &str,
        connect: impl FnOnce(Link) -> F,
    ) -> Result<Self, TransportError> {
        let recorder = Arc::new(recorder);
        let link =
            Link::new(LinkOptions::new(NodeId::new(id).unwrap(), namespace), Arc::clone(&recorder) as _);
        let live = connect(link.clone()).await?;
        Ok(Self { live, link, recorder })
    }

    /// Subscribes the node to more.
    ///
    /// # Errors
    /// Those of [`Connection::subscribe`].
    pub async fn subscribe(&self, to: &[Subscription]) -> Result<(), TransportError> {
        self.live.subscribe(to).await
    }

    /// Subscribes the node, or fails the test.
    pub async fn listens(self, to: &[Subscription]) -> Self {
        self.subscribe(to).await.unwrap();
        self
    }

    /// The route to this node on a bus.
    pub fn route(&self) -> Route {
        Route::Node { id: self.link.node().clone(), addr: None }
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// Those of [`Connection::send`].
    pub fn send(
        &self,
        to: &Route,
        kind: PacketKind,
        payload: &(impl AsRef<[u8]> + ?Sized),
    ) -> Result<(), SendError> {
        self.send_named(to, kind, 0, payload)
    }

    /// Sends a frame with a token. The node is told the token if the frame was not sent.
    ///
    /// # Errors
    /// Those of [`Connection::send`].
    pub fn send_named(
        &self,
        to: &Route,
        kind: PacketKind,
        token: u64,
        payload: &(impl AsRef<[u8]> + ?Sized),
    ) -> Result<(), SendError> {
        let payload = payload.as_ref();
        self.live.send(to, kind, token, &mut |frame: &mut FrameBuf<'_>| {
            frame.buf().extend_from_slice(payload);
            Ok(())
        })
    }

    /// What the node has been told so far. A test may remove what it has seen.
    pub fn log<T>(&self, look: impl FnOnce(&mut Log) -> T) -> T {
        look(&mut self.recorder.log.lock().unwrap())
    }

    /// The payloads of one kind that have arrived, as text.
    pub fn texts(&self, kind: PacketKind) -> Vec<String> {
        self.log(|log| log.texts(kind))
    }

    /// Waits until what the node has been told meets a condition.
    ///
    /// # Panics
    /// If that does not happen in time. The message shows everything that the node was told.
    pub async fn until(&self, what: &str, holds: impl Fn(&Log) -> bool) {
        self.find(what, |log| holds(log).then_some(())).await;
    }

    /// Waits until something is found in what the node has been told, and returns it.
    ///
    /// # Panics
    /// If it is not found in time. The message shows everything that the node was told.
    pub async fn find<T>(&self, what: &str, mut look: impl FnMut(&mut Log) -> Option<T>) -> T {
        let mut changed = self.recorder.changed.subscribe();
        let looking = async {
            loop {
                if let Some(found) = self.log(&mut look) {
                    return found;
                }
                changed.changed().await.unwrap();
            }
        };
        let found = timeout(PATIENCE, looking).await;
        found.unwrap_or_else(|_| {
            let told: String = self.log(|log| format!("{log:?}")).chars().take(4000).collect();
            panic!("waited {PATIENCE:?} in vain: {what}; `{}` was told {told}", self.link.node())
        })
    }

    /// Disconnects and ends every task.
    pub async fn stop(&self) {
        self.live.close().await.unwrap();
        self.link.shut().await;
    }
}

impl<C: ?Sized> fmt::Debug for Node<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("id", self.link.node()).finish_non_exhaustive()
    }
}
