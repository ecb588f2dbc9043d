//! Nodes of one case: they connect, send, and are taken down again.

use bytes::Bytes;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::{Instant, timeout};

use super::recorder::{PROBE, Recorder};
use super::{Failure, Fixture, Outcome};
use crate::{
    Capabilities, Connection, FrameBuf, Link, LinkOptions, Name, NodeId, PacketKind, Route, SendError,
    Subscription,
};

/// How often a probe is sent anew while it does not arrive.
const PROBE_AGAIN: Duration = Duration::from_millis(100);

static CLUSTERS: AtomicU64 = AtomicU64::new(0);
static PROBES: AtomicU64 = AtomicU64::new(0);

/// See the module.
pub(super) struct Cluster {
    pub(super) fixture: Fixture,
    pub(super) capabilities: Capabilities,
    pub(super) patience: Duration,
    namespace: String,
    nodes: Vec<Arc<Node>>,
}

/// A connected node.
pub(super) struct Node {
    pub(super) id: NodeId,
    pub(super) live: Arc<dyn Connection>,
    pub(super) recorder: Arc<Recorder>,
    link: Link,
    addr: Option<Name>,
    patience: Duration,
}

impl Cluster {
    pub(super) fn new(fixture: Fixture, capabilities: Capabilities) -> Self {
        let number = CLUSTERS.fetch_add(1, Ordering::Relaxed);
        let namespace = format!("conformance-{}-{number}", std::process::id());
        let patience = fixture.patience;
        Self { fixture, capabilities, patience, namespace, nodes: Vec::new() }
    }

    /// Connects node number `n`. Besides `subscriptions` it receives pings of its own.
    pub(super) async fn join(&mut self, n: usize, subscriptions: &[Subscription]) -> Outcome<Arc<Node>> {
        self.join_namespace("", n, subscriptions).await
    }

    /// The same in a namespace beside the others'.
    pub(super) async fn join_namespace(
        &mut self,
        suffix: &str,
        n: usize,
        subscriptions: &[Subscription],
    ) -> Outcome<Arc<Node>> {
        let (link, recorder) = self.link(suffix, n)?;
        let transporter = self.fixture.transporter(n);
        let live = timeout(self.patience, transporter.connect(link.clone()))
            .await
            .map_err(|_| "connecting takes too long")??;
        let addr = live.advertised_port().map(|port| Name::from(format!("127.0.0.1:{port}")));
        let node =
            Arc::new(Node { id: link.node().clone(), live, recorder, link, addr, patience: self.patience });
        // From here on the cluster takes it down, whatever fails.
        self.nodes.push(Arc::clone(&node));
        let mut all = subscriptions.to_vec();
        all.push(Subscription::Own(PacketKind::Ping));
        node.subscribe(&all).await?;
        Ok(node)
    }

    /// `count` nodes with the same subscriptions, each of which reaches each other.
    pub(super) async fn nodes<const N: usize>(
        &mut self,
        subscriptions: &[Subscription],
    ) -> Outcome<[Arc<Node>; N]> {
        let mut nodes = Vec::new();
        for n in 0..N {
            nodes.push(self.join(n, subscriptions).await?);
        }
        self.meet(&nodes).await?;
        nodes.try_into().map_err(|_| "an array has its length".into())
    }

    /// Waits until each node reaches each other.
    pub(super) async fn meet(&self, nodes: &[Arc<Node>]) -> Outcome {
        for from in nodes {
            for to in nodes.iter().filter(|to| to.id != from.id) {
                from.reach(to, PacketKind::Ping).await?;
            }
        }
        Ok(())
    }

    /// A link and its sink, for a node that the case connects by itself.
    pub(super) fn link(&self, suffix: &str, n: usize) -> Outcome<(Link, Arc<Recorder>)> {
        let recorder = Arc::new(Recorder::default());
        let id = NodeId::new(format!("node-{n}"))?;
        let options = LinkOptions::new(id, format!("{}{suffix}", self.namespace));
        Ok((Link::new(options, Arc::clone(&recorder) as _), recorder))
    }

    /// Takes every node down. Nothing may be left that holds on to one.
    pub(super) async fn stop(self) -> Outcome {
        let mut stopped = Ok(());
        for node in self.nodes {
            let recorder = Arc::downgrade(&node.recorder);
            let id = node.id.clone();
            stopped = stopped.and(node.stop().await);
            drop(node);
            stopped = stopped.and(released(self.patience, &recorder, &id).await);
        }
        stopped
    }
}

/// Waits until nobody holds a sink any more.
pub(super) async fn released(patience: Duration, recorder: &Weak<Recorder>, id: &NodeId) -> Outcome {
    let end = Instant::now() + patience;
    while recorder.strong_count() > 0 {
        super::ensure!(Instant::now() < end, "something still holds {id} after it was closed and shut");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

impl Node {
    /// The way to this node.
    pub(super) fn route(&self) -> Route {
        Route::Node { id: self.id.clone(), addr: self.addr.clone() }
    }

    pub(super) fn send(&self, to: &Route, kind: PacketKind, payload: &[u8]) -> Result<(), SendError> {
        self.send_named(to, kind, 0, payload)
    }

    pub(super) fn send_named(
        &self,
        to: &Route,
        kind: PacketKind,
        token: u64,
        payload: &[u8],
    ) -> Result<(), SendError> {
        let mut write = |frame: &mut FrameBuf<'_>| {
            frame.buf().extend_from_slice(payload);
            Ok(())
        };
        self.live.send(to, kind, token, &mut write)
    }

    /// Sends a payload as a body that may be spliced.
    pub(super) fn splice(&self, to: &Route, kind: PacketKind, payload: &Bytes) -> Result<(), SendError> {
        let mut write = |frame: &mut FrameBuf<'_>| {
            frame.splice(payload);
            Ok(())
        };
        self.live.send(to, kind, 0, &mut write)
    }

    /// Sends, waiting for room while there is none.
    pub(super) async fn push(&self, to: &Route, kind: PacketKind, payload: &[u8]) -> Outcome {
        let end = Instant::now() + self.patience;
        loop {
            match self.send(to, kind, payload) {
                Ok(()) => return Ok(()),
                Err(SendError::Full) if Instant::now() < end => {
                    // It may not come true, or be true at once: the loop has its own bound.
                    let _ = timeout(self.patience, self.live.room(to)).await;
                    tokio::task::yield_now().await;
                }
                Err(error) => return Err(format!("{} cannot send: {error}", self.id).into()),
            }
        }
    }

    /// Sends probes to a node until one arrives.
    pub(super) async fn reach(&self, to: &Node, kind: PacketKind) -> Outcome {
        let number = PROBES.fetch_add(1, Ordering::Relaxed);
        let payload = [PROBE, &number.to_le_bytes()].concat();
        let end = Instant::now() + self.patience;
        loop {
            self.push(&to.route(), kind, &payload).await?;
            let arrived = to.until_for(PROBE_AGAIN, "a probe arrives", |log| log.probes.contains(&number));
            if arrived.await.is_ok() {
                return Ok(());
            }
            super::ensure!(Instant::now() < end, "{} does not reach {} with {kind:?}", self.id, to.id);
        }
    }

    pub(super) async fn subscribe(&self, to: &[Subscription]) -> Outcome {
        within(self.patience, "subscribing", self.live.subscribe(to)).await
    }

    pub(super) async fn unsubscribe(&self, from: &[Subscription]) -> Outcome {
        within(self.patience, "unsubscribing", self.live.unsubscribe(from)).await
    }

    pub(super) async fn close(&self) -> Outcome {
        within(self.patience, "closing", self.live.close()).await
    }

    /// Waits until the node has been told something.
    pub(super) async fn until(
        &self,
        what: &str,
        condition: impl FnMut(&super::recorder::Log) -> bool,
    ) -> Outcome {
        self.until_for(self.patience, what, condition).await
    }

    async fn until_for(
        &self,
        patience: Duration,
        what: &str,
        condition: impl FnMut(&super::recorder::Log) -> bool,
    ) -> Outcome {
        let waited = self.recorder.until(patience, what, condition).await;
        waited.map_err(|why| format!("{} at {}", why, self.id).into())
    }

    /// Waits for `count` frames of a kind; there may be more.
    pub(super) async fn receives(&self, kind: PacketKind, count: usize) -> Outcome {
        let result = self.until("frames arrive", |log| log.of(kind).count() >= count).await;
        let have = self.recorder.log().of(kind).count();
        result.map_err(|why| format!("{why}: {have} of {count} {kind:?}").into())
    }

    /// Waits for a text, then compares all texts of that kind with what is expected.
    pub(super) async fn receives_exactly(&self, kind: PacketKind, texts: &[&str]) -> Outcome {
        if let Some(last) = texts.last() {
            let seen = |log: &super::recorder::Log| log.of(kind).any(|payload| payload == last.as_bytes());
            self.until(&format!("`{last}` arrives"), seen).await?;
        }
        let have = self.recorder.texts(kind);
        super::ensure!(have == texts, "{} received {have:?} instead of {texts:?}", self.id);
        Ok(())
    }

    /// Closes the connection and ends its tasks.
    pub(super) async fn stop(&self) -> Outcome {
        self.recorder.open();
        // A case may have broken it on purpose; that it ends is what counts here.
        let closed = timeout(self.patience, self.live.close()).await;
        let shut = timeout(self.patience, self.link.shut()).await;
        closed.map(drop).and(shut).map_err(|_| Failure::from(format!("{} does not end", self.id)))
    }
}

async fn within(
    patience: Duration,
    what: &str,
    doing: impl Future<Output = Result<(), crate::TransportError>>,
) -> Outcome {
    Ok(timeout(patience, doing).await.map_err(|_| format!("{what} takes longer than {patience:?}"))??)
}
