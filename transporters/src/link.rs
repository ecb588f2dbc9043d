//! What a transporter is given by the node it works for.

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

/// Where a transporter's facts go. Implemented by the broker; a test implements what it looks at.
///
/// No method waits: each is called from the transporter's own tasks.
pub trait Sink: fmt::Debug + Send + Sync + 'static {
    /// Works off frames in order, until [`Batch::next`] returns `None` or the sink has done enough for
    /// one turn; the lane then flushes what was sent meanwhile and calls again.
    fn deliver(&self, batch: &mut Batch<'_>);

    /// Frames that were accepted by `send`, of which not one byte was written.
    fn unsent(&self, tokens: &[u64]) {
        let _ = tokens;
    }

    /// First bytes on a new connection to a peer (TCP's GOSSIP_HELLO payload).
    fn greeting(&self, to: &NodeId) -> Option<Bytes> {
        let _ = to;
        None
    }

    /// Connected, for the first time or again.
    fn up(&self, how: Up) {
        let _ = how;
    }

    /// The connection is gone; the transporter tries to get it back.
    fn down(&self, why: &TransportError) {
        let _ = why;
    }

    /// The server refused a subscription or a publish after it had been accepted here: it said so later,
    /// or of what was restored after a reconnect. The connection itself stands. `why` names the topic where
    /// the server does.
    fn refused(&self, why: &TransportError) {
        let _ = why;
    }

    /// This node does not hear all that it has subscribed to: the server has taken something away while the
    /// connection stands, or does not give it back after a reconnect. `why` names it, and has been reported by
    /// [`Sink::refused`].
    ///
    /// What there is to say can be said for a while, and requests that run can be answered: a message server
    /// then gives up the session, and [`Sink::up`] follows when everything is subscribed to again. Without a
    /// session to give up (the in-memory network), [`Sink::up`] follows at once, and the node has to subscribe
    /// again itself.
    fn deaf(&self, why: &TransportError) {
        let _ = why;
    }

    /// A frame that arrived was given up because too many waited to be handled.
    fn dropped(&self, kind: PacketKind) {
        let _ = kind;
    }

    /// A peer may be reachable at `addr` (`host:port`). No promise that it is alive.
    fn sighted(&self, node: &NodeId, addr: &Name, source: Option<SocketAddr>) {
        let _ = (node, addr, source);
    }

    /// The connection *to* a peer broke, or could not be made.
    fn lost(&self, node: &NodeId, why: &TransportError) {
        let _ = (node, why);
    }
}

/// Whether a connection is new or restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Up {
    /// The first time since `connect`.
    First,
    /// After [`Link::down`].
    Again,
}

/// Options of a [`Link`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LinkOptions {
    /// Id of the node.
    pub node: NodeId,
    /// Namespace; empty for none.
    pub namespace: String,
    /// A delivery that stands still for this long lets another task read on (default 5 ms).
    pub patience: Duration,
}

impl LinkOptions {
    /// Options with defaults.
    #[must_use]
    pub fn new(node: NodeId, namespace: impl Into<String>) -> Self {
        Self { node, namespace: namespace.into(), patience: Duration::from_millis(5) }
    }
}

/// A transporter's way back to its node: cheap to clone, owns every task the transporter starts.
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
    /// A link to `sink`. Must be made inside a tokio runtime, which then runs the transporter's tasks.
    #[must_use]
    pub fn new(options: LinkOptions, sink: Arc<dyn Sink>) -> Self {
        let topics = Topics::new(&options.namespace, options.node.clone());
        let lanes = Lanes::new(options.patience);
        let cancel = CancellationToken::new();
        let (tracker, runtime) = (TaskTracker::new(), Handle::current());
        let log_lines = Mutex::default();
        Self { inner: Arc::new(Inner { options, topics, sink, lanes, cancel, tracker, runtime, log_lines }) }
    }

    /// Id of the node.
    #[must_use]
    pub fn node(&self) -> &NodeId {
        &self.inner.options.node
    }

    /// Namespace of the node; empty for none.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.inner.options.namespace
    }

    /// Topic names of this node.
    #[must_use]
    pub fn topics(&self) -> &Topics {
        &self.inner.topics
    }

    /// Starts a task that reads batches from `source` and delivers them, until the source ends or the
    /// link is closed.
    pub fn read(&self, source: impl Source) {
        self.inner.lanes.start(self, Box::new(source));
    }

    /// Runs the watchdog: where one handler blocks a reader for longer than the patience of the
    /// options, another task reads on. To be driven from a thread that runs no user code; ends with
    /// the link.
    ///
    /// # Cancel safety
    /// Nothing is lost by dropping it.
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

    /// See [`Sink::sighted`]. `source` is the address a datagram or connection came from, `None` for
    /// peers named by the configuration.
    pub fn sighted(&self, node: &NodeId, addr: &Name, source: Option<SocketAddr>) {
        self.inner.sink.sighted(node, addr, source);
    }

    /// See [`Sink::lost`].
    pub fn lost(&self, node: &NodeId, why: &TransportError) {
        self.inner.sink.lost(node, why);
    }

    /// Starts a task that is cancelled when the link is closed. It runs on the runtime in which the link
    /// was made, whichever thread this is called from.
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

    /// Whether to log something that may repeat, for this cause: a line a second. How many were left out since
    /// the last one; `None` leaves this one out. What repeats while a server is away goes by this:
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

    /// Resolves when the link is being closed.
    pub async fn closed(&self) {
        self.inner.cancel.cancelled().await;
    }

    /// Whether the link is being closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.inner.cancel.is_cancelled()
    }

    /// Ends every task of the transporter, without waiting: for a node that is dropped without a stop.
    pub fn abandon(&self) {
        self.inner.cancel.cancel();
        self.inner.tracker.close();
        self.inner.lanes.forget();
    }

    /// Ends every task of the transporter and waits for them.
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
