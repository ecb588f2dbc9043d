//! Nodes that have gone: the calls that wait for them, and what the log is told.

use ligand_transporters::NodeId;
use std::time::Duration;
use tokio::time::Instant;

use super::env::Env;
use crate::discovery::vanished::Vanished;
use crate::transit::Mark;

/// After a node has gone, answers that it sent before may still be on their way through a reader. So
/// long they are given before the calls that wait for it are failed.
const GRACE: Duration = Duration::from_millis(50);
/// A node that said farewell had answered everything before. Over a message server an answer goes another way
/// than the farewell, and on a busy machine waits behind others that the farewell does not wait behind.
const FAREWELL_GRACE: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Departures {
    /// Nodes whose waiting calls are failed at that time.
    to_fail: Vec<(Instant, NodeId, Mark)>,
    vanished: Vanished,
}

impl Departures {
    /// When something of it is to be done.
    pub(super) fn due(&self) -> impl Iterator<Item = Instant> + '_ {
        self.to_fail.iter().map(|(at, ..)| *at)
    }

    /// The node is there after all, as the same process.
    pub(super) fn forgive(&mut self, node: &NodeId) {
        self.to_fail.retain(|(_, lost, _)| lost != node);
    }

    /// A node has gone without a word. The log is told by [`Env::log_departures`].
    pub(super) fn vanished(&mut self, node: NodeId) {
        self.vanished.note(node);
    }
}

impl Env<'_> {
    /// Fails the calls that wait for a node now, once its last answers had time to come through.
    pub(super) fn fail_calls_soon(&mut self, node: NodeId) {
        self.fail_calls_after(GRACE, node);
    }

    /// The same, of a node that said farewell.
    pub(super) fn fail_calls_after_farewell(&mut self, node: NodeId) {
        self.fail_calls_after(FAREWELL_GRACE, node);
    }

    fn fail_calls_after(&mut self, grace: Duration, node: NodeId) {
        self.state.departures.to_fail.push((self.now + grace, node, self.transit.mark()));
    }

    pub(super) fn fail_calls_due(&mut self) {
        let (transit, now) = (self.transit, self.now);
        self.state.departures.to_fail.retain(|(at, node, then)| {
            if now < *at {
                return true;
            }
            let failed = transit.fail_node(node, *then);
            if failed > 0 {
                tracing::debug!(node = %node, failed, "calls to a lost node failed");
            }
            false
        });
    }

    /// Tells the log of nodes that have vanished, in a line a second.
    pub(super) fn log_departures(&mut self) {
        match self.state.departures.vanished.due(self.now.into_std()) {
            None => {}
            Some((node, 1)) => tracing::warn!(node, "node disconnected unexpectedly"),
            Some((nodes, count)) => tracing::warn!(nodes, count, "nodes disconnected unexpectedly"),
        }
    }
}
