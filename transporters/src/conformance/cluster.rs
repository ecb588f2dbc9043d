//! The nodes of one case: they connect, find each other, and are stopped.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::{Instant, timeout};

use super::node::Node;
use super::recorder::Recorder;
use super::{CaseResult, Fixture, ensure};
use crate::{Capabilities, Link, LinkOptions, Name, NodeId, PacketKind, Subscription};

static CLUSTERS: AtomicU64 = AtomicU64::new(0);

/// See the module.
pub(super) struct Cluster {
    pub(super) fixture: Fixture,
    pub(super) capabilities: Capabilities,
    pub(super) patience: Duration,
    namespace: String,
    nodes: Vec<Arc<Node>>,
}

impl Cluster {
    pub(super) fn new(fixture: Fixture, capabilities: Capabilities) -> Self {
        let number = CLUSTERS.fetch_add(1, Ordering::Relaxed);
        let namespace = format!("conformance-{}-{number}", std::process::id());
        let patience = fixture.patience;
        Self { fixture, capabilities, patience, namespace, nodes: Vec::new() }
    }

    /// Connects node number `n`. It receives its own pings in addition to `subscriptions`.
    pub(super) async fn join(&mut self, n: usize, subscriptions: &[Subscription]) -> CaseResult<Arc<Node>> {
        self.join_namespace("", n, subscriptions).await
    }

    /// The same in another namespace.
    pub(super) async fn join_namespace(
        &mut self,
        suffix: &str,
        n: usize,
        subscriptions: &[Subscription],
    ) -> CaseResult<Arc<Node>> {
        let (link, recorder) = self.link(suffix, n)?;
        let transporter = self.fixture.transporter(n);
        let live = timeout(self.patience, transporter.connect(link.clone()))
            .await
            .map_err(|_| "connecting takes too long")??;
        let addr = live.advertised_port().map(|port| Name::from(format!("127.0.0.1:{port}")));
        let node =
            Arc::new(Node { id: link.node().clone(), live, recorder, link, addr, patience: self.patience });
        // From here on, the cluster stops the node, whatever fails.
        self.nodes.push(Arc::clone(&node));
        let mut all = subscriptions.to_vec();
        all.push(Subscription::Own(PacketKind::Ping));
        node.subscribe(&all).await?;
        Ok(node)
    }

    /// Connects `count` nodes with the same subscriptions, and waits until each reaches all others.
    pub(super) async fn nodes<const N: usize>(
        &mut self,
        subscriptions: &[Subscription],
    ) -> CaseResult<[Arc<Node>; N]> {
        let mut nodes = Vec::new();
        for n in 0..N {
            nodes.push(self.join(n, subscriptions).await?);
        }
        self.meet(&nodes).await?;
        nodes.try_into().map_err(|_| "an array has its length".into())
    }

    /// Waits until each node reaches all others.
    pub(super) async fn meet(&self, nodes: &[Arc<Node>]) -> CaseResult {
        for from in nodes {
            for to in nodes.iter().filter(|to| to.id != from.id) {
                from.reach(to, PacketKind::Ping).await?;
            }
        }
        Ok(())
    }

    /// A link and its sink, for a node that the case connects by itself.
    pub(super) fn link(&self, suffix: &str, n: usize) -> CaseResult<(Link, Arc<Recorder>)> {
        let recorder = Arc::new(Recorder::default());
        let id = NodeId::new(format!("node-{n}"))?;
        let options = LinkOptions::new(id, format!("{}{suffix}", self.namespace));
        Ok((Link::new(options, Arc::clone(&recorder) as _), recorder))
    }

    /// Stops all nodes. Nothing may keep one of them alive.
    pub(super) async fn stop(self) -> CaseResult {
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

/// Waits until nobody holds the sink any more.
pub(super) async fn released(patience: Duration, recorder: &Weak<Recorder>, id: &NodeId) -> CaseResult {
    let end = Instant::now() + patience;
    while recorder.strong_count() > 0 {
        ensure!(Instant::now() < end, "something still holds {id} after it was closed and shut");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}
