//! The two traits a transporter implements.

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::{Link, Name, PacketKind, Route, SendError, Subscription, TransportError, WriteFrame};

/// The configuration of one way to move frames. Opening it yields a live value.
///
/// # Implementing one
///
/// A transporter that reaches only itself, whole:
///
/// ```
/// use async_trait::async_trait;
/// use futures_util::future::BoxFuture;
/// use ligand_transporters::*;
/// use std::sync::Arc;
/// use tokio::sync::mpsc;
///
/// #[derive(Debug)]
/// struct Mirror;
///
/// #[derive(Debug)]
/// struct Live { queue: mpsc::Sender<Frame> }
///
/// struct Inbox(mpsc::Receiver<Frame>);
///
/// #[async_trait]
/// impl Source for Inbox {
///     async fn next(&mut self, batch: &mut Vec<Frame>) -> bool {
///         self.0.recv_many(batch, 64).await > 0
///     }
/// }
///
/// #[async_trait]
/// impl Transporter for Mirror {
///     fn scheme(&self) -> &'static str { "mirror" }
///     fn capabilities(&self) -> Capabilities { Capabilities::bus() }
///     async fn connect(&self, link: Link) -> Result<Arc<dyn Connection>, TransportError> {
///         let (queue, inbox) = mpsc::channel(1024);
///         link.read(Inbox(inbox));
///         link.up(Up::First);
///         Ok(Arc::new(Live { queue }))
///     }
/// }
///
/// #[async_trait]
/// impl Connection for Live {
///     async fn subscribe(&self, _to: &[Subscription]) -> Result<(), TransportError> { Ok(()) }
///     async fn unsubscribe(&self, _from: &[Subscription]) -> Result<(), TransportError> { Ok(()) }
///     fn send(&self, _to: &Route, kind: PacketKind, _token: u64, write: &mut WriteFrame<'_>) -> Result<(), SendError> {
///         let frame = Frame::new(kind, collect(write, 1 << 20)?);
///         self.queue.try_send(frame).map_err(|_| SendError::Full)
///     }
///     async fn close(&self) -> Result<(), TransportError> { Ok(()) }
/// }
///
/// # use std::sync::Mutex;
/// # #[derive(Debug, Default)] struct Log(Mutex<Vec<Frame>>);
/// # impl Sink for Log {
/// #     fn deliver(&self, batch: &mut Batch<'_>) { while let Some(f) = batch.next() { self.0.lock().unwrap().push(f) } }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let log = Arc::new(Log::default());
/// # let link = Link::new(LinkOptions::new(NodeId::new("me")?, ""), log.clone());
/// let live = Mirror.connect(link).await?;
/// let me = Route::Node { id: NodeId::new("me")?, addr: None };
/// live.send(&me, PacketKind::Ping, 1, &mut |frame| {
///     frame.buf().extend_from_slice(b"{}");
///     Ok(())
/// })?;
/// # while log.0.lock().unwrap().is_empty() { tokio::task::yield_now().await }
/// # assert_eq!(&log.0.lock().unwrap()[0].payload[..], b"{}");
/// # Ok(()) }
/// ```
///
/// `transporters/tests` shows how to run the conformance suite (feature `conformance`) against it.
#[async_trait]
pub trait Transporter: fmt::Debug + Send + Sync + 'static {
    /// The scheme of its URLs, for example `tcp`.
    fn scheme(&self) -> &'static str;

    /// Which server or servers it connects to, as a URL without credentials, for logs and errors.
    fn url(&self) -> String {
        format!("{}://", self.scheme())
    }

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// How its nodes want to know each other, where they do so by gossip.
    fn peering(&self) -> Peering {
        Peering::default()
    }

    /// Opens it. Later drops and reconnects are its own business: it reports them by [`Link::down`]
    /// and [`Link::up`].
    ///
    /// # Errors
    /// When the server or socket cannot be opened; [`TransportError::is_retryable`] says whether the
    /// caller may try again.
    ///
    /// # Cancel safety
    /// Dropping the future must release everything that was opened. What was spawned with
    /// [`Link::spawn`] ends with the link.
    async fn connect(&self, link: Link) -> Result<Arc<dyn Connection>, TransportError>;
}

/// A connection that exists, until [`Connection::close`].
#[async_trait]
pub trait Connection: fmt::Debug + Send + Sync + 'static {
    /// The port under which other nodes reach this one, for INFO packets; `None` on a bus.
    fn advertised_port(&self) -> Option<u16> {
        None
    }

    /// The address and port on which it accepts connections of other nodes; `None` where it accepts none.
    fn listens_on(&self) -> Option<SocketAddr> {
        None
    }

    /// Starts receiving. Subscribing to what is subscribed already is a no-op.
    ///
    /// # Errors
    /// [`TransportError::Subscribe`] when the server refuses.
    async fn subscribe(&self, to: &[Subscription]) -> Result<(), TransportError>;

    /// Stops receiving. Unknown subscriptions are ignored.
    ///
    /// # Errors
    /// [`TransportError::Subscribe`] when the server refuses.
    async fn unsubscribe(&self, from: &[Subscription]) -> Result<(), TransportError>;

    /// Appends one frame to the send buffer and returns; never waits.
    ///
    /// `write` puts the packet straight into that buffer. `token` names the frame in a later
    /// [`Link::unsent`]; 0 means that nobody wants to know. Frames to one destination leave in the
    /// order of these calls.
    ///
    /// # Errors
    /// On any error nothing of this frame is sent, and what `write` appended is taken back.
    fn send(
        &self,
        to: &Route,
        kind: PacketKind,
        token: u64,
        write: &mut WriteFrame<'_>,
    ) -> Result<(), SendError>;

    /// Resolves when `to` may have room again after [`SendError::Full`]; at once where unknown.
    fn room<'a>(&'a self, to: &'a Route) -> BoxFuture<'a, ()> {
        let _ = to;
        Box::pin(std::future::ready(()))
    }

    /// Flushes what was accepted, within the transporter's own bound, and disconnects. Idempotent.
    ///
    /// # Errors
    /// When frames that were accepted could not be sent.
    async fn close(&self) -> Result<(), TransportError>;
}

/// What a transporter can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// It can balance requests and events by itself (`disableBalancer`).
    pub balanced: bool,
    /// Where it balances events, a subscription with wildcards gets those that match it (default true).
    /// AMQP's does not: its queues have literal names, so such a subscription gets nothing (protocol
    /// chapter 3.5), and the broker warns.
    pub balanced_wildcards: bool,
    /// It can send one frame to everybody.
    pub broadcast: bool,
    /// Its frames carry an [`Ack`](crate::Ack).
    pub acks: bool,
    /// Of two processes with one node id, each packet for that id reaches only one (default false: each gets
    /// a copy of its own). So it is where inboxes are queues that are named for the node, as AMQP's are. A
    /// start that looks whether its id is taken must not empty the owner's inbox there.
    pub shared_inboxes: bool,
    /// How nodes learn of each other.
    pub membership: Membership,
    /// Largest frame in bytes, where there is a limit. A larger one fails at the sender.
    pub max_frame: Option<usize>,
}

impl Capabilities {
    /// A message bus: broadcasts, heartbeats, no balancing of its own.
    #[must_use]
    pub const fn bus() -> Self {
        Self {
            balanced: false,
            balanced_wildcards: true,
            broadcast: true,
            acks: false,
            shared_inboxes: false,
            membership: Membership::Heartbeat,
            max_frame: None,
        }
    }

    /// Direct connections between nodes: no broadcasts, membership by gossip.
    #[must_use]
    pub const fn peer_to_peer() -> Self {
        Self {
            balanced: false,
            balanced_wildcards: true,
            broadcast: false,
            acks: false,
            shared_inboxes: false,
            membership: Membership::Gossip,
            max_frame: None,
        }
    }

    /// The same with a largest frame.
    #[must_use]
    pub const fn with_max_frame(mut self, bytes: usize) -> Self {
        self.max_frame = Some(bytes);
        self
    }
}

/// How nodes learn of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Membership {
    /// DISCOVER, INFO, HEARTBEAT and DISCONNECT are broadcast.
    Heartbeat,
    /// GOSSIP packets between pairs of nodes; the transporter reports peers it sights and loses.
    Gossip,
}

/// Options of a transporter that its node follows, for [`Membership::Gossip`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peering {
    /// Host name that other nodes are told; without one, that of the host.
    pub hostname: Option<Name>,
    /// Whether a peer is reached by its host name rather than by its first address (default true).
    pub use_hostname: bool,
    /// Time between rounds of gossip (default 2 s).
    pub gossip_period: Duration,
    /// Whether gossip is logged (default false).
    pub log_gossip: bool,
}

impl Default for Peering {
    fn default() -> Self {
        Self { hostname: None, use_hostname: true, gossip_period: Duration::from_secs(2), log_gossip: false }
    }
}
