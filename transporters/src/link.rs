//! The link between a transporter and its node.

use bytes::Bytes;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::lane::{Batch, Lanes, Source};
use crate::locks::Mutex;
use crate::log_lines::LogLines;
use crate::{Name, NodeId, PacketKind, Topics, TransportError};

/// Receives what a transporter reports. The broker implements it. A test implements only the methods that it
/// needs.
///
///
/// No method may wait: the transporter calls each of them from its own tasks.
pub trait Sink: fmt::Debug + Send + Sync + 'static {
    /// Handles frames in order, until [`Batch::next`] returns `None` or the sink has done enough for one
    /// turn. Then the lane flushes what has been sent in the meantime, and calls this again.
    fn deliver(&self, batch: &mut Batch<'_>);

    /// Frames that `send` accepted, but of which not a single byte was written.
    fn unsent(&self, tokens: &[u64]) {
        let _ = tokens;
    }

    /// The first bytes on a new connection to a peer (the payload of TCP's GOSSIP_HELLO).
    fn greeting(&self, to: &NodeId) -> Option<Bytes> {
        let _ = to;
        None
    }

    /// The transporter has connected, for the first time or again.
    fn up(&self, how: Up) {
        let _ = how;
    }

    /// The connection is lost. The transporter tries to restore it.
    fn down(&self, why: &TransportError) {
        let _ = why;
    }

    /// The server refused a subscription or a publish that this node had accepted. It refused it later, or
    /// after a reconnect. The connection itself continues. `why` names the topic if the server does.
    fn refused(&self, why: &TransportError) {
        let _ = why;
    }

    /// This node does not receive everything that it has subscribed to. The server has taken something away
    /// during the connection, or refuses it after a reconnect. `why` names it, and [`Sink::refused`] has
    /// reported it.
    ///
    ///
    /// For a short time the node can still send, and answer running requests. A message server's transporter
    /// then gives up the session, and calls [`Sink::up`] when all subscriptions exist again. A transporter
    /// without sessions (the in-memory network) calls [`Sink::up`] at once, and the node has to subscribe
    /// again itself.
    fn deaf(&self, why: &TransportError) {
        let _ = why;
    }

    /// A received frame was dropped, because too many frames were waiting to be handled.
    fn dropped(&self, kind: PacketKind) {
        let _ = kind;
    }

    /// A peer may be reachable at `addr` (`host:port`). It need not be alive.
    fn sighted(&self, node: &NodeId, addr: &Name, source: Option<SocketAddr>) {
        let _ = (node, addr, source);
    }

    /// The connection *to* a peer broke, or could not be opened.
    fn lost(&self, node: &NodeId, why: &TransportError) {
        let _ = (node, why);
    }
}

/// Whether a connection is new or restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Up {
    /// The first connection since `connect`.
    First,
    /// A connection after [`Link::down`].
    Again,
}

/// Options of a [`Link`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LinkOptions {
    /// The id of the node.
    pub node: NodeId,
    /// The namespace. Empty if there is none.
    pub namespace: String,
    /// If a delivery makes no progress for this long, another task continues to read (default: 5 ms).
    pub patience: Duration,
}

impl LinkOptions {
    /// Options with their defaults.
    #[must_use]
    pub fn new(node: NodeId, namespace: impl Into<String>) -> Self {
        Self { node, namespace: namespace.into(), patience: Duration::from_millis(5) }
    }
}

/// The link from a transporter to its node. It is cheap to clone, and owns every task that the transporter
/// spawns.
#[derive(Clone)]
pub struct Link {
    inner: Arc<Inner>,
}

struct Inner {
    options: LinkOptions,
    topics: Topics,
    sink: Arc<dyn Sink>,
    lanes: Arc<Lanes>,
    cancel: CancellationToken,
    tracker: TaskTracker,
    runtime: Handle,
    log_lines: Mutex<LogLines>,
}

impl Link {
    /// A link to `sink`. It must be made within a tokio runtime. The tasks of the transporter run on that
    /// runtime.
    #[must_use]
    pub fn new(options: LinkOptions, sink: Arc<dyn Sink>) -> Self {
        let topics = Topics::new(&options.namespace, options.node.clone());
        let lanes = Lanes::new(options.patience);
        let cancel = CancellationToken::new();
        let (tracker, runtime) = (TaskTracker::new(), Handle::current());
        let log_lines = Mutex::default();
        Self { inner: Arc::new(Inner { options, topics, sink, lanes, cancel, tracker, runtime, log_lines }) }
    }

    /// The id of the node.
    #[must_use]
    pub fn node(&self) -> &NodeId {
        &self.inner.options.node
    }

    /// The namespace of the node. Empty if there is none.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.inner.options.namespace
    }

    /// The topic names of this node.
    #[must_use]
    pub fn topics(&self) -> &Topics {
        &self.inner.topics
    }

    /// Spawns a task that reads batches from `source` and delivers them, until the source ends or the link is
    /// closed.
    pub fn read(&self, source: impl Source) {
        self.inner.lanes.start(self, Box::new(source));
    }

    /// Runs the watchdog: if a handler blocks a reader for longer than the patience in the options, another
    /// task continues to read. Run it on a thread that runs no user code. It ends with the link.
    ///
    /// # Cancel safety
    /// If the future is dropped, the watchdog stops. No frame is lost, but a blocked reader is not relieved
    /// any more.
    pub async fn watchdog(&self) {
        let cancel = self.inner.cancel.clone();
        let lanes = Arc::clone(&self.inner.lanes);
        tokio::select! {
            () = cancel.cancelled() => {}
            () = lanes.watch() => {}
        }
    }

    /// See [`Sink::unsent`].
    pub fn unsent(&self, tokens: &[u64]) {
        if !tokens.is_empty() {
            self.inner.sink.unsent(tokens);
        }
    }

    /// See [`Sink::greeting`].
    #[must_use]
    pub fn greeting(&self, to: &NodeId) -> Option<Bytes> {
        self.inner.sink.greeting(to)
    }

    /// See [`Sink::up`].
    pub fn up(&self, how: Up) {
        self.inner.sink.up(how);
    }

    /// See [`Sink::down`].
    pub fn down(&self, why: &TransportError) {
        self.inner.sink.down(why);
    }

    /// See [`Sink::refused`].
    pub fn refused(&self, why: &TransportError) {
        self.inner.sink.refused(why);
    }

    /// See [`Sink::deaf`].
    pub fn deaf(&self, why: &TransportError) {
        self.inner.sink.deaf(why);
    }

    /// See [`Sink::dropped`].
    pub fn dropped(&self, kind: PacketKind) {
        self.inner.sink.dropped(kind);
    }

    /// See [`Sink::sighted`]. `source` is the address of the sender of a datagram, or of the other end of a
    /// connection. It is `None` for peers from the configuration.
    pub fn sighted(&self, node: &NodeId, addr: &Name, source: Option<SocketAddr>) {
        self.inner.sink.sighted(node, addr, source);
    }

    /// See [`Sink::lost`].
    pub fn lost(&self, node: &NodeId, why: &TransportError) {
        self.inner.sink.lost(node, why);
    }

    /// Spawns a task that is cancelled when the link is closed. It runs on the runtime in which the link was
    /// made, whichever thread calls this.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let cancel = self.inner.cancel.clone();
        let task = async move {
            tokio::select! {
                () = cancel.cancelled() => {}
                () = task => {}
            }
        };
        self.inner.tracker.spawn_on(task, &self.inner.runtime);
    }

    /// Whether to log a message that may repeat. For each cause, one line a second is logged. `Some` says how
    /// many lines have been left out since the last one. `None` means that this line is left out. Use it for
    /// messages that repeat while a server is away:
    ///
    /// ```no_run
    /// # fn one_of_many(link: &ligand_transporters::Link) {
    /// if let Some(left_out) = link.log_line("the server is slow") {
    ///     tracing::warn!(left_out = (left_out > 0).then_some(left_out), "the server is slow");
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn log_line(&self, cause: &'static str) -> Option<u64> {
        let mut lines = self.inner.log_lines.lock();
        lines.take(cause, tokio::time::Instant::now().into_std())
    }

    /// Waits until the link is closed.
    pub async fn closed(&self) {
        self.inner.cancel.cancelled().await;
    }

    /// Whether the link has been closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.inner.cancel.is_cancelled()
    }

    /// Cancels all tasks of the transporter without waiting, for a node that is dropped without a stop.
    pub fn abandon(&self) {
        self.inner.cancel.cancel();
        self.inner.tracker.close();
        self.inner.lanes.forget();
    }

    /// Cancels all tasks of the transporter and waits for them.
    ///
    /// # Cancel safety
    /// The tasks end even if this future is dropped.
    pub async fn shut(&self) {
        self.inner.cancel.cancel();
        self.inner.tracker.close();
        self.inner.tracker.wait().await;
        self.inner.lanes.forget();
    }

    pub(crate) fn sink(&self) -> &dyn Sink {
        &*self.inner.sink
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("node", self.node()).field("namespace", &self.namespace()).finish()
    }
}
