//! The messages of the control loop, and the way to it. This is all that the rest of the crate knows of
//! membership.

use ligand_transporters::locks::Mutex;
use ligand_transporters::{Frame, Name, NodeId, Up};
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::sync::{mpsc, oneshot, watch};

use super::records::StoreEvent;
use crate::protocol::ProtocolVersion;
use crate::registry::LocalInfo;

/// How many packets may wait for the control loop. Beyond that, they are dropped and counted. Their content
/// comes again: heartbeats and gossip are periodic, and an unknown node is asked who it is.
const PACKETS: usize = 65_536;
/// How many of this node's own facts and orders may wait. Peers cannot fill this queue: each message is one
/// connection or one decision. So in practice it is never full. A message that finds it full is counted like
/// a packet.
const ORDERS: usize = 65_536;

/// A message to the control loop.
pub(crate) enum Message {
    /// A control packet.
    Frame(Frame),
    /// A peer may be reachable at this address.
    Sighted { node: NodeId, addr: Name, source: Option<SocketAddr> },
    /// The connection to a peer broke.
    Lost { node: NodeId },
    /// An event arrived from the store of the discoverer.
    #[cfg_attr(not(feature = "discovery-redis"), allow(dead_code, reason = "there is no store without it"))]
    Discovered(StoreEvent),
    /// The transporter is connected.
    Up(Up),
    /// A data packet arrived from a node that is not known as online.
    Stranger { node: NodeId, version: ProtocolVersion },
    /// A packet arrived with a version that is not accepted.
    WrongVersion { sender: NodeId, ver: Name },
    /// Services of this node came or went.
    ServicesChanged,
    /// Notified when everything sent before this has been handled.
    CaughtUp(oneshot::Sender<()>),
    /// Find out whether another node has our id. Receives who has it, or `None` if nobody seems to.
    Claim(oneshot::Sender<Option<Name>>),
    /// Announce this node with this INFO, unless that has been done. Receives who has our id, or `None` when
    /// it is done.
    Ready(oneshot::Sender<Option<Name>>, Arc<LocalInfo>),
    /// Announce this node once more.
    Announce(Arc<LocalInfo>),
    /// A service begins to wait for others.
    Waiting,
    /// This node does not hear everything: tell the others that it has no services for now.
    TakeBack(oneshot::Sender<()>),
    /// Tell them that it is away, unless it is back already.
    Away,
    /// This node hears everything, perhaps again: announce it with this INFO.
    Back(Arc<LocalInfo>),
    /// This node is about to stop: tell the others that it has no services.
    Leaving(oneshot::Sender<()>),
    /// Say farewell.
    Farewell(oneshot::Sender<()>),
}

/// The way to the control loop.
pub(crate) struct Mailbox {
    packets: mpsc::Sender<Message>,
    orders: mpsc::Sender<Message>,
    inbox: Mutex<Option<Inbox>>,
    dropped: AtomicU64,
    ended: OnceLock<watch::Receiver<bool>>,
}

/// The receiving end of both queues.
pub(super) struct Inbox {
    pub(super) packets: mpsc::Receiver<Message>,
    pub(super) orders: mpsc::Receiver<Message>,
}

impl Message {
    /// Whether peers decide how many messages of this kind arrive.
    const fn is_from_peers(&self) -> bool {
        matches!(
            self,
            Self::Frame(_)
                | Self::Stranger { .. }
                | Self::WrongVersion { .. }
                | Self::Sighted { source: Some(_), .. }
        )
    }
}

impl Mailbox {
    pub(crate) fn new() -> Self {
        let (packets, from_peers) = mpsc::channel(PACKETS);
        let (orders, own) = mpsc::channel(ORDERS);
        let inbox = Inbox { packets: from_peers, orders: own };
        Self {
            packets,
            orders,
            inbox: Mutex::new(Some(inbox)),
            dropped: AtomicU64::new(0),
            ended: OnceLock::new(),
        }
    }

    /// Sends a message to the loop. It never waits.
    pub(crate) fn tell(&self, message: Message) {
        let queue = if message.is_from_peers() { &self.packets } else { &self.orders };
        if queue.try_send(message).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Resolves when all messages sent so far are handled, or when the loop has ended.
    pub(crate) async fn caught_up(&self) {
        let (done, reached) = oneshot::channel();
        self.tell(Message::CaughtUp(done));
        let _ = reached.await;
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Returns the receiving end, and the sender that the loop notifies when it ends. Only the first call
    /// gets them.
    pub(super) fn open(&self) -> Option<(Inbox, watch::Sender<bool>)> {
        let inbox = self.inbox.lock().take()?;
        let (over, ended) = watch::channel(false);
        let _ = self.ended.set(ended);
        Some((inbox, over))
    }

    /// Whether the loop runs or has run.
    pub(crate) fn has_started(&self) -> bool {
        self.ended.get().is_some()
    }

    /// Resolves when the loop has ended.
    pub(crate) async fn ended(&self) {
        if let Some(ended) = self.ended.get() {
            // An error means that the loop is gone, which is what this waits for.
            let _ = ended.clone().wait_for(|over| *over).await;
        }
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox").field("dropped", &self.dropped()).finish_non_exhaustive()
    }
}
