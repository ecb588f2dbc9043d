//! The state of a broker: whether it is ready, whether its transporter is connected, which nodes are there.

use super::lifecycle::Stage;
use super::{NodeWaitError, ServiceBroker};
use crate::config::Timeout;

/// The state of a broker's connection to its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransporterState {
    /// There is no transporter: the broker is alone.
    Absent,
    /// The broker has not been started.
    Idle,
    /// The first connection is being made.
    Connecting,
    /// Packets are sent and received.
    Connected,
    /// The connection is lost, or the server does not let this node receive everything. The transporter tries
    /// again. Until then, calls to other nodes fail as `Disconnected`.
    Disconnected,
    /// The broker is stopped.
    Closed,
}

impl ServiceBroker {
    /// Whether this node is in service, for a readiness probe: it has started, is not stopping, and its
    /// transporter, if it has one, is connected. It is `false` before `start`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let broker = ligand::ServiceBroker::builder().transporter("memory://doc-ready").build()?;
    /// assert!(!broker.is_ready());
    /// broker.start().await?;
    /// assert!(broker.is_ready());
    /// broker.stop().await?;
    /// assert!(!broker.is_ready());
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let connected =
            matches!(self.transporter_state(), TransporterState::Absent | TransporterState::Connected);
        connected && self.shared().lifecycle.is_staying()
    }

    /// The current state of the connection to the cluster. To learn of changes, read
    /// [`local_events`](Self::local_events) of `$transporter.*`.
    #[must_use]
    pub fn transporter_state(&self) -> TransporterState {
        let shared = self.shared();
        if shared.transporter.is_none() {
            return TransporterState::Absent;
        }
        match (shared.lifecycle.state(), shared.transit()) {
            (Stage::Stopped, _) => TransporterState::Closed,
            (_, Some(transit)) if transit.is_connected() => TransporterState::Connected,
            (Stage::Built, _) => TransporterState::Idle,
            (Stage::Starting, _) => TransporterState::Connecting,
            (Stage::Running | Stage::Stopping, _) => TransporterState::Disconnected,
        }
    }

    /// Waits until all these nodes are available, for at most `dependencyTimeout` of the configuration. It
    /// works before `start`, too.
    ///
    /// # Errors
    /// [`NodeWaitError`] names the missing nodes.
    ///
    /// # Cancel safety
    /// If the future is dropped, it leaves nothing behind.
    pub async fn wait_for_nodes(&self, nodes: &[&str]) -> Result<(), NodeWaitError> {
        self.wait_for_nodes_within(nodes, self.shared().config.dependency_timeout).await
    }

    /// Like [`ServiceBroker::wait_for_nodes`], with the given limit. With zero it checks once.
    ///
    /// # Errors
    /// [`NodeWaitError`] names the missing nodes.
    ///
    /// # Cancel safety
    /// If the future is dropped, it leaves nothing behind.
    pub async fn wait_for_nodes_within(
        &self,
        nodes: &[&str],
        timeout: impl Into<Timeout>,
    ) -> Result<(), NodeWaitError> {
        // Subscribed before the first check, so that no change is missed.
        let mut changed = self.local_events("$node.*");
        let wait = async { while !self.absent(nodes).is_empty() && changed.recv().await.is_some() {} };
        match timeout.into() {
            Timeout::Never => wait.await,
            Timeout::After(timeout) => {
                // The check below shows which nodes are missing.
                let _ = tokio::time::timeout(timeout, wait).await;
            }
        }
        match self.absent(nodes) {
            missing if missing.is_empty() => Ok(()),
            missing => Err(NodeWaitError { missing }),
        }
    }

    /// Those of these nodes that are not available. This node itself is available from its start on.
    fn absent(&self, nodes: &[&str]) -> Vec<String> {
        let snapshot = self.shared().registry.load();
        let is_there = |id: &str| snapshot.node_by_id(id).is_some_and(|node| node.is_available());
        nodes.iter().filter(|id| !is_there(id)).map(|id| (*id).to_owned()).collect()
    }
}
