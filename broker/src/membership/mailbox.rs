//! What the control loop is told, and the way to it: all that the rest of the crate knows of membership.

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

/// Packets that wait for the control loop; above that, they are dropped and counted. What they say is said
/// again: heartbeats and gossip come periodically, and a node that is not known is asked.
const PACKETS: usize = 65_536;
/// This node's own facts and orders that wait. Peers cannot fill it: each is one connection or one
/// decision, so it is never full in practice; one that finds it full is counted like a packet.
const ORDERS: usize = 65_536;

/// What the control loop is told.
pub(crate) enum Message {
    /// A control packet.
    Frame(Frame),
    /// A peer may be reachable.
    Sighted { node: NodeId, addr: Name, source: Option<SocketAddr> },
    /// The connection to a peer broke.
    Lost { node: NodeId },
    /// Something came from the store of the discoverer.
    #[cfg_attr(not(feature = "discovery-redis"), allow(dead_code, reason = "there is no store without it"))]
    Discovered(StoreEvent),
    /// The transporter is connected.
    Up(Up),
    /// A data packet came from a node that is not known as online.
    Stranger { node: NodeId, version: ProtocolVersion },
    /// A packet of a version that is not accepted.
    WrongVersion { sender: NodeId, ver: Name },
    /// Services of this node came or went.
    ServicesChanged,
    /// Told when everything that came before this has been worked off.
    CaughtUp(oneshot::Sender<()>),
    /// Find out whether another node has our id. Told when nobody seems to, or who does.
    Claim(oneshot::Sender<Option<Name>>),
    /// Announce this node so, unless that has been said. Told when it is done, or who has our id.
    Ready(oneshot::Sender<Option<Name>>, Arc<LocalInfo>),
    /// Announce this node once more.
    Announce(Arc<LocalInfo>),
    /// A service begins to wait for others.
    Waiting,
    /// This node does not hear everything: tell everybody that it has no services for now.
    TakeBack(oneshot::Sender<()>),
    /// And that it is away, unless it is back already.
    Away,
    /// It hears everything, perhaps again, and is there: announce it so.
    Back(Arc<LocalInfo>),
    /// This node is about to stop: tell everybody that it has no services.
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

/// The loop's end of both queues.
pub(super) struct Inbox {
    pub(super) packets: mpsc::Receiver<Message>,
    pub(super) orders: mpsc::Receiver<Message>,
}

impl Message {
    /// Whether peers decide how many of these come.
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

    /// Passes a message on; never waits.
    pub(crate) fn tell(&self, message: Message) {
        let queue = if message.is_from_peers() { &self.packets } else { &self.orders };
        if queue.try_send(message).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Resolves when what has been told so far is worked off, or the loop has gone.
    pub(crate) async fn caught_up(&self) {
        let (done, reached) = oneshot::channel();
        self.tell(Message::CaughtUp(done));
        let _ = reached.await;
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// The loop's end, for the first who asks, and what it is to tell when it ends.
    pub(super) fn open(&self) -> Option<(Inbox, watch::Sender<bool>)> {
        let inbox = self.inbox.lock().take()?;
        let (over, ended) = watch::channel(false);
        let _ = self.ended.set(ended);
        Some((inbox, over))
    }

    /// Whether there is, or was, a loop.
    pub(crate) fn has_started(&self) -> bool {
        self.ended.get().is_some()
    }

    /// Resolves when the loop has ended.
    pub(crate) async fn ended(&self) {
        if let Some(ended) = self.ended.get() {
            // An error says that the loop is gone, which is what is waited for.
            let _ = ended.clone().wait_for(|over| *over).await;
        }
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox").field("dropped", &self.dropped()).finish_non_exhaustive()
    }
}
