//! Nodes that have gone: when the calls that wait for them fail, and what is logged.

use ligand_transporters::NodeId;
use std::time::Duration;
use tokio::time::Instant;

use super::env::Env;
use crate::discovery::vanished::Vanished;
use crate::transit::Mark;

/// When a node has gone, answers that it sent before may still be in a reader. The calls that wait for it
/// fail after this long, so that those answers can arrive.
const GRACE: Duration = Duration::from_millis(50);
/// A node that said farewell had answered everything before. With a message server, answers and the farewell
/// take different routes. On a busy machine, answers may wait behind other packets while the farewell does
/// not.
const FAREWELL_GRACE: Duration = Duration::from_secs(1);

/// Nodes that have gone, and that are not dealt with yet.
#[derive(Debug, Default)]
pub(super) struct Departures {
    /// Nodes, and the time at which the calls that wait for them fail.
    to_fail: Vec<(Instant, NodeId, Mark)>,
    vanished: Vanished,
}

impl Departures {
    /// When something here is due.
    pub(super) fn due(&self) -> impl Iterator<Item = Instant> + '_ {
        self.to_fail.iter().map(|(at, ..)| *at)
    }

    /// The node is still there, as the same process, so its calls do not fail.
    pub(super) fn forgive(&mut self, node: &NodeId) {
        self.to_fail.retain(|(_, lost, _)| lost != node);
    }

    /// A node has gone without a farewell. [`Env::log_departures`] logs it.
    pub(super) fn vanished(&mut self, node: NodeId) {
        self.vanished.note(node);
    }
}

impl Env<'_> {
    /// Fails the calls that wait for a node now, once its last answers have had time to arrive.
    pub(super) fn fail_calls_soon(&mut self, node: NodeId) {
        self.fail_calls_after(GRACE, node);
    }

    /// The same for a node that said farewell.
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

    /// Logs the nodes that have vanished, at most one line a second.
    pub(super) fn log_departures(&mut self) {
        match self.state.departures.vanished.due(self.now.into_std()) {
            None => {}
            Some((node, 1)) => tracing::warn!(node, "node disconnected unexpectedly"),
            Some((nodes, count)) => tracing::warn!(nodes, count, "nodes disconnected unexpectedly"),
        }
    }
}
