//! The control loop: everything about the cluster rather than about users' calls.
//!
//! It runs on a thread of its own and never runs a handler, so heartbeats, pings and farewells are in
//! time however long a handler blocks. Packets are worked off strictly in the order of their arrival.
//! What decides is plain data ([`crate::discovery`]); this loop gives it packets and the time, and does
//! what it says.

use ligand_transporters::locks::Mutex;
use ligand_transporters::{Frame, Name, NodeId, Up};
use std::fmt;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::Transit;
use crate::discovery::driver::Driver;
use crate::discovery::records::Found;
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
    Discovered(Found),
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
pub(crate) struct Control {
    packets: mpsc::Sender<Message>,
    orders: mpsc::Sender<Message>,
    inbox: Mutex<Option<Inbox>>,
    dropped: AtomicU64,
    ended: OnceLock<tokio::sync::watch::Receiver<bool>>,
}

/// The loop's end of both queues.
struct Inbox {
    packets: mpsc::Receiver<Message>,
    orders: mpsc::Receiver<Message>,
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

impl Control {
    pub(super) fn new() -> Self {
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
    pub(super) fn tell(&self, message: Message) {
        let queue = if message.is_from_peers() { &self.packets } else { &self.orders };
        if queue.try_send(message).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Resolves when what has been told so far is worked off, or the loop has gone.
    pub(super) async fn caught_up(&self) {
        let (done, reached) = oneshot::channel();
        self.tell(Message::CaughtUp(done));
        let _ = reached.await;
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Starts the loop: on a thread of its own, or as a task of this runtime.
    pub(super) fn start(
        &self,
        transit: &Arc<Transit>,
        driver: Driver,
        own_thread: bool,
    ) -> std::io::Result<()> {
        let inbox = self.inbox.lock().take();
        let Some(inbox) = inbox else { return Ok(()) };
        let (over, ended) = tokio::sync::watch::channel(false);
        let _ = self.ended.set(ended);
        let work = run(Arc::downgrade(transit), transit.link.clone(), inbox, driver, over);
        if !own_thread {
            transit.link.spawn(work);
            return Ok(());
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        std::thread::Builder::new()
            .name("ligand-control".to_owned())
            .spawn(move || runtime.block_on(work))?;
        Ok(())
    }

    /// Whether there is, or was, a loop.
    pub(super) fn has_started(&self) -> bool {
        self.ended.get().is_some()
    }

    /// Resolves when the loop has ended.
    pub(super) async fn ended(&self) {
        if let Some(ended) = self.ended.get() {
            // An error says that the loop is gone, which is what is waited for.
            let _ = ended.clone().wait_for(|over| *over).await;
        }
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").field("dropped", &self.dropped()).finish_non_exhaustive()
    }
}

/// Takes messages and watches the clock, until the link closes.
async fn run(
    transit: Weak<Transit>,
    link: ligand_transporters::Link,
    mut inbox: Inbox,
    mut driver: Driver,
    over: tokio::sync::watch::Sender<bool>,
) {
    let watchdog = link.watchdog();
    tokio::pin!(watchdog);
    let mut watching = true;
    loop {
        let next = driver.next_tick();
        let message = tokio::select! {
            biased;
            () = link.closed() => break,
            message = inbox.orders.recv() => message,
            message = inbox.packets.recv() => message,
            () = tokio::time::sleep_until(next) => None,
            () = &mut watchdog, if watching => {
                watching = false;
                continue;
            }
        };
        // Held for one turn only: the loop must not keep a forgotten broker alive.
        let Some(transit) = transit.upgrade() else { break };
        let Some(broker) = transit.broker() else { break };
        let now = Instant::now();
        // Layers of the user's see the bytes of packets; a panic there must not silence this node.
        let turn = catch_unwind(AssertUnwindSafe(|| {
            if let Some(message) = message {
                driver.take(&transit, &broker, message, now);
            }
            if now >= driver.next_tick() {
                driver.tick(&transit, &broker, now);
            }
            driver.log(&transit, now);
        }));
        if turn.is_err() {
            tracing::error!("the control loop met a panic and goes on");
        }
    }
    over.send_replace(true);
}
