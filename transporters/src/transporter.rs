//! The two traits that a transporter implements.

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::{Link, Name, PacketKind, Route, SendError, Subscription, TransportError, WriteFrame};

/// The configuration of a way to move frames. Opening it returns a live connection.
///
/// # Implementing one
///
/// This is a complete transporter that reaches only itself:
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
/// `transporters/tests` shows how to run the conformance suite on it (feature `conformance`).
#[async_trait]
pub trait Transporter: fmt::Debug + Send + Sync + 'static {
    /// The scheme of its URLs, such as `tcp`.
    fn scheme(&self) -> &'static str;

    /// The server or servers that it connects to, as a URL without credentials, for logs and errors.
    fn url(&self) -> String {
        format!("{}://", self.scheme())
    }

    /// What the transporter can do.
    fn capabilities(&self) -> Capabilities;

    /// How its nodes learn of each other, if they do so by gossip.
    fn peering(&self) -> Peering {
        Peering::default()
    }

    /// Opens the connection. If it breaks later, the transporter reconnects by itself, and reports that by
    /// [`Link::down`] and [`Link::up`].
    ///
    /// # Errors
    /// If the server or the socket cannot be opened. [`TransportError::is_retryable`] says whether the caller
    /// may try again.
    ///
    /// # Cancel safety
    /// Dropping the future has to release everything that was opened. Tasks that were spawned with
    /// [`Link::spawn`] end with the link.
    async fn connect(&self, link: Link) -> Result<Arc<dyn Connection>, TransportError>;
}

/// A live connection, until [`Connection::close`].
#[async_trait]
pub trait Connection: fmt::Debug + Send + Sync + 'static {
    /// The port under which other nodes reach this one, for INFO packets. `None` on a bus.
    fn advertised_port(&self) -> Option<u16> {
        None
    }

    /// The address and the port on which it accepts connections of other nodes. `None` if it accepts none.
    fn listens_on(&self) -> Option<SocketAddr> {
        None
    }

    /// Starts to receive. A subscription that exists already has no effect.
    ///
    /// # Errors
    /// [`TransportError::Subscribe`] if the server refuses.
    async fn subscribe(&self, to: &[Subscription]) -> Result<(), TransportError>;

    /// Stops receiving. Unknown subscriptions are ignored.
    ///
    /// # Errors
    /// [`TransportError::Subscribe`] if the server refuses.
    async fn unsubscribe(&self, from: &[Subscription]) -> Result<(), TransportError>;

    /// Appends one frame to the send buffer, and returns without waiting.
    ///
    ///
    /// `write` writes the packet directly into that buffer. `token` identifies the frame in a later
    /// [`Link::unsent`]. 0 means that nobody needs to know. Frames to one destination are sent in the order
    /// of these calls.
    ///
    /// # Errors
    /// After any error, nothing of this frame is sent, and what `write` has appended is removed.
    fn send(
        &self,
        to: &Route,
        kind: PacketKind,
        token: u64,
        write: &mut WriteFrame<'_>,
    ) -> Result<(), SendError>;

    /// Waits until there may be room for `to` again after [`SendError::Full`]. It returns at once if that is
    /// unknown.
    fn room<'a>(&'a self, to: &'a Route) -> BoxFuture<'a, ()> {
        let _ = to;
        Box::pin(std::future::ready(()))
    }

    /// Sends the frames that were accepted, within the transporter's own time limit, and disconnects. Calling
    /// it again has no effect.
    ///
    /// # Errors
    /// If frames that were accepted could not be sent.
    async fn close(&self) -> Result<(), TransportError>;
}

/// The capabilities of a transporter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Whether the bus can balance requests and events (`disableBalancer`).
    pub balanced: bool,
    /// If the bus balances events, whether a subscription with wildcards gets the events that match it
    /// (default: true). With AMQP it does not: its queues have literal names, so such a subscription gets
    /// nothing (protocol chapter 3.5), and the broker logs a warning.
    pub balanced_wildcards: bool,
    /// Whether one frame can be sent to all nodes.
    pub broadcast: bool,
    /// Whether its frames carry an [`Ack`](crate::Ack).
    pub acks: bool,
    /// If two processes have the same node id, whether each packet for that id reaches only one of them
    /// (default: false, each gets a copy). This is so if inboxes are queues with the name of the node, as with
    /// AMQP. A start that checks whether its id is in use must not empty the owner's inbox then.
    pub shared_inboxes: bool,
    /// How nodes learn of each other.
    pub membership: Membership,
    /// The size of the largest frame in bytes, if there is a limit. Sending a larger one fails.
    pub max_frame: Option<usize>,
}

impl Capabilities {
    /// The capabilities of a message bus: broadcasts, heartbeats, no balancing.
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

    /// The capabilities of direct connections between nodes: no broadcasts, and membership by gossip.
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

    /// The same capabilities with a limit for frames.
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
    /// Pairs of nodes exchange GOSSIP packets. The transporter reports peers that appear or disappear.
    Gossip,
}

/// Options of a transporter that the node applies, for [`Membership::Gossip`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peering {
    /// The host name that is announced to other nodes. `None` means the name of the host.
    pub hostname: Option<Name>,
    /// Whether a peer is reached by its host name instead of its first address (default: true).
    pub use_hostname: bool,
    /// The time between two rounds of gossip (default: 2 s).
    pub gossip_period: Duration,
    /// Whether gossip is logged (default: false).
    pub log_gossip: bool,
}

impl Default for Peering {
    fn default() -> Self {
        Self { hostname: None, use_hostname: true, gossip_period: Duration::from_secs(2), log_gossip: false }
    }
}
