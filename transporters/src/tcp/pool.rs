//! The outgoing connections: one for each peer, opened by the first frame to it.
//!
//! A peer is in the map from its first frame until its connection ends, for any reason. The next frame then
//! makes a new connection. At most `maxConnections` connections are kept. If there are more, those that have
//! sent no data frame for the longest time are closed, if no frame is waiting on them (protocol chapter 4.3).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::TcpOptions;
use super::chunk::Chunk;
use super::framing;
use super::outbox::{Outbox, OutboxLimits};
use crate::locks::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use crate::{Link, Name, NodeId, PacketKind, SendError, TransportError};

/// The number of peers to which connections may be opened at the same time. A further one is refused as
/// `Full`.
const CONNECTING: usize = 1024;

/// A peer with a connection, or with one that is being opened.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) id: NodeId,
    pub(crate) addr: Name,
    pub(crate) outbox: Outbox,
    connected: AtomicBool,
    /// When data was last sent, in nanoseconds since the pool was made.
    used: AtomicU64,
}

impl Peer {
    /// Records that data is being sent.
    pub(crate) fn use_now(&self, pool: &Pool) {
        self.used.store(pool.now(), Ordering::Relaxed);
    }
}

/// How a connection ended.
#[derive(Debug)]
pub(crate) enum End {
    /// This side closed it, and everything had been written.
    Closed,
    /// This side closed it, because the time to write the rest was over.
    Aborted,
    /// It broke, or could not be opened.
    Lost(TransportError),
}

pub(crate) struct Pool {
    link: Link,
    options: Arc<TcpOptions>,
    limits: OutboxLimits,
    runtime: Handle,
    multi_threaded: bool,
    began: Instant,
    peers: RwLock<Peers>,
    connected: AtomicUsize,
    /// Notified whenever a connection has been opened or has failed.
    settled: Notify,
    abort: CancellationToken,
    tasks: TaskTracker,
    /// The number of frames that this side gave up when it closed. Frames that a peer did not accept because
    /// it left are not counted: that is not a failed close.
    left: AtomicUsize,
}

struct Peers {
    open: bool,
    by_id: HashMap<NodeId, Arc<Peer>>,
}

impl Pool {
    /// A pool that opens its connections on the current runtime.
    pub(crate) fn new(link: Link, options: Arc<TcpOptions>) -> Arc<Self> {
        let runtime = Handle::current();
        let limits = OutboxLimits {
            bytes: options.send_buffer_bytes,
            frames: options.send_buffer_frames,
            packet: options.largest_packet(),
        };
        Arc::new(Self {
            link,
            options,
            limits,
            multi_threaded: runtime.runtime_flavor() == RuntimeFlavor::MultiThread,
            runtime,
            began: Instant::now(),
            peers: RwLock::new(Peers { open: true, by_id: HashMap::new() }),
            connected: AtomicUsize::new(0),
            settled: Notify::new(),
            abort: CancellationToken::new(),
            tasks: TaskTracker::new(),
            left: AtomicUsize::new(0),
        })
    }

    /// The peer to send to, if there is a connection or one is being opened.
    pub(crate) fn peer(&self, id: &NodeId) -> Option<Arc<Peer>> {
        self.read().by_id.get(id).map(Arc::clone)
    }

    /// Waits until a frame to that peer may be accepted again.
    pub(crate) async fn room(&self, id: &NodeId) {
        if let Some(peer) = self.peer(id) {
            return peer.outbox.room().await;
        }
        loop {
            let mut settled = std::pin::pin!(self.settled.notified());
            settled.as_mut().enable();
            if self.connecting(&self.read()) < CONNECTING {
                return;
            }
            settled.await;
        }
    }

    /// The peer, and whether it is new. A new peer has to be launched.
    pub(crate) fn add(&self, id: &NodeId, addr: &Name) -> Result<(Arc<Peer>, bool), SendError> {
        let mut peers = self.write();
        if !peers.open || self.link.is_closed() {
            return Err(SendError::Disconnected);
        }
        if self.connecting(&peers) >= CONNECTING {
            return Err(SendError::Full);
        }
        let entry = match peers.by_id.entry(id.clone()) {
            Entry::Occupied(entry) => return Ok((Arc::clone(entry.get()), false)),
            Entry::Vacant(entry) => entry,
        };
        let peer = Arc::new(Peer {
            id: id.clone(),
            addr: addr.clone(),
            outbox: Outbox::new(self.limits),
            connected: AtomicBool::new(false),
            used: AtomicU64::new(self.now()),
        });
        entry.insert(Arc::clone(&peer));
        Ok((peer, true))
    }

    /// Runs the writer of a new peer, on the runtime on which the pool was made.
    pub(crate) fn launch<W: Future<Output = ()> + Send + 'static>(
        &self,
        writer: impl FnOnce(TaskTrackerToken) -> W,
    ) {
        // The thread of the caller may have no runtime.
        let _context = self.runtime.enter();
        self.link.spawn(writer(self.tasks.token()));
    }

    fn connecting(&self, peers: &Peers) -> usize {
        peers.by_id.len().saturating_sub(self.connected.load(Ordering::Relaxed))
    }

    /// Removes a peer whose connection has ended, unless a new one has replaced it.
    pub(crate) fn forget(&self, peer: &Arc<Peer>) {
        let mut peers = self.write();
        if peers.by_id.get(&peer.id).is_some_and(|known| Arc::ptr_eq(known, peer)) {
            peers.by_id.remove(&peer.id);
        }
    }

    // What the writers need.

    pub(crate) fn options(&self) -> &TcpOptions {
        &self.options
    }

    pub(crate) fn is_multi_threaded(&self) -> bool {
        self.multi_threaded
    }

    pub(crate) async fn aborted(&self) {
        self.abort.cancelled().await;
    }

    /// The first frame on a new connection.
    pub(crate) fn hello(&self, to: &NodeId) -> Option<Chunk> {
        let payload = self.link.greeting(to)?;
        let mut chunk = Chunk::default();
        let mut draft = chunk.begin();
        draft.frame_buf().splice(&payload);
        let code = framing::code_of(PacketKind::GossipHello)?;
        draft.commit(code, 0).then_some(chunk)
    }

    pub(crate) fn connected(&self, peer: &Peer) {
        peer.connected.store(true, Ordering::Relaxed);
        self.connected.fetch_add(1, Ordering::Relaxed);
        self.settled.notify_waiters();
        peer.use_now(self);
        tracing::debug!(node = %peer.id, addr = %peer.addr, "connected to peer");
        self.trim();
    }

    /// Closes idle connections while there are more than `maxConnections`.
    pub(crate) fn trim(&self) {
        let max = self.options.max_connections.max(1);
        let mut excess = self.connected.load(Ordering::Relaxed).saturating_sub(max);
        if excess == 0 {
            return;
        }
        let mut peers: Vec<_> = {
            let peers = self.read();
            let connected = peers.by_id.values().filter(|peer| peer.connected.load(Ordering::Relaxed));
            connected.map(|peer| (peer.used.load(Ordering::Relaxed), Arc::clone(peer))).collect()
        };
        // Connections that were closed a moment ago may still be counted.
        excess = excess.min(peers.len().saturating_sub(max));
        peers.sort_by_key(|(used, _)| *used);
        // The connection that was used last stays in any case.
        peers.pop();
        for (_, peer) in peers {
            if excess == 0 {
                break;
            }
            if peer.outbox.close_if_idle() {
                self.forget(&peer);
                excess -= 1;
            }
        }
    }

    /// Called when a connection has ended. Nothing of it is left afterwards.
    pub(crate) fn ended(&self, peer: &Arc<Peer>, chunk: &mut Chunk, end: End) {
        self.forget(peer);
        peer.outbox.close();
        if peer.connected.swap(false, Ordering::Relaxed) {
            self.connected.fetch_sub(1, Ordering::Relaxed);
        }
        self.settled.notify_waiters();
        let mut left = chunk.frames_left();
        let mut unsent: Vec<u64> = chunk.unsent().collect();
        peer.outbox.take(chunk);
        left += chunk.frames();
        unsent.extend(chunk.unsent());
        if matches!(end, End::Aborted) {
            self.left.fetch_add(left, Ordering::Relaxed);
        }
        // First report the frames that certainly did not arrive, then the peer, and so all others.
        self.link.unsent(&unsent);
        if let End::Lost(error) = end {
            tracing::debug!(node = %peer.id, %error, "connection to peer ended");
            self.link.lost(&peer.id, &error);
        }
    }

    // Closing.

    /// Accepts no more frames. The writers end when they have written theirs.
    pub(crate) fn close(&self) {
        let peers: Vec<_> = {
            let mut peers = self.write();
            peers.open = false;
            peers.by_id.values().cloned().collect()
        };
        for peer in peers {
            peer.outbox.close();
        }
        self.tasks.close();
    }

    /// Waits until all writers have ended, after [`Self::close`].
    pub(crate) async fn finished(&self) {
        self.tasks.wait().await;
    }

    /// Aborts the writers.
    pub(crate) fn abort(&self) {
        self.abort.cancel();
    }

    /// The number of frames that could not be written before closing. The next call returns zero.
    pub(crate) fn left(&self) -> usize {
        self.left.swap(0, Ordering::Relaxed)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn read(&self) -> RwLockReadGuard<'_, Peers> {
        self.peers.read()
    }

    fn write(&self) -> RwLockWriteGuard<'_, Peers> {
        self.peers.write()
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("connected", &self.connected).finish_non_exhaustive()
    }
}
