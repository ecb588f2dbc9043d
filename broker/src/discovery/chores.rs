//! What every kind of membership has to remember.

use ligand_transporters::NodeId;
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

use super::defence::Defence;
use super::limit::{Bucket, LinePerSender};
use crate::broker::ServiceBroker;
use crate::protocol::InfoPacket;
use crate::registry::OwnWords;
use crate::transit::{Mark, Transit};

/// After a node has gone, answers that it sent before may still be on their way through a reader. So
/// long they are given before the calls that wait for it are failed.
const GRACE: Duration = Duration::from_millis(50);
/// A node that said farewell had answered everything before. Over a message server an answer goes another way
/// than the farewell, and on a busy machine waits behind others that the farewell does not wait behind.
const FAREWELL_GRACE: Duration = Duration::from_secs(1);

/// Between two lines about INFOs that somebody forged in this node's name.
const FORGED_LINES: Duration = Duration::from_secs(60);

/// See the module.
pub(crate) struct Chores {
    /// Nodes whose waiting calls are failed at that time.
    to_fail: Vec<(Instant, NodeId, Mark)>,
    /// When changed services are announced.
    pub(super) announce_at: Option<Instant>,
    wrong_versions: LinePerSender,
    /// Whether this node has said that it is there. Before that it has no claim on its id, and nothing to
    /// take back.
    pub(super) announced: bool,
    /// What others say in this node's name.
    pub(super) defence: Defence,
    forged_lines: Bucket,
}

impl Default for Chores {
    fn default() -> Self {
        Self {
            to_fail: Vec::new(),
            announce_at: None,
            wrong_versions: LinePerSender::default(),
            announced: false,
            defence: Defence::default(),
            forged_lines: Bucket::new(1, FORGED_LINES),
        }
    }
}

impl Chores {
    /// Fails the calls that wait for a node now, once its last answers had time to come through.
    pub(crate) fn fail_later(&mut self, transit: &Transit, node: NodeId, now: Instant) {
        self.to_fail.push((now + GRACE, node, transit.mark()));
    }

    /// The same, of a node that said farewell.
    pub(crate) fn fail_after_farewell(&mut self, transit: &Transit, node: NodeId, now: Instant) {
        self.to_fail.push((now + FAREWELL_GRACE, node, transit.mark()));
    }

    /// When something of it is to be done.
    pub(super) fn due(&self) -> impl Iterator<Item = Instant> + '_ {
        let defence = self.defence.next().map(Instant::from_std);
        self.to_fail.iter().map(|(at, ..)| *at).chain(self.announce_at).chain(defence)
    }

    /// The node is there after all, as the same process.
    pub(super) fn forgive(&mut self, node: &NodeId) {
        self.to_fail.retain(|(_, lost, _)| lost != node);
    }

    pub(super) fn fail_due(&mut self, transit: &Transit, now: Instant) {
        self.to_fail.retain(|(at, node, then)| {
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

    /// An INFO came under this node's own id and instance.
    pub(super) fn heard_of_us(&mut self, broker: &ServiceBroker, info: &InfoPacket, now: Instant) {
        match broker.shared().registry.heard_of_us(info) {
            OwnWords::Ours => {}
            OwnWords::Unsure => self.defence.unsure(now.into_std()),
            OwnWords::Forged => self.defence.forged(info.seq, now.into_std()),
        }
    }

    /// Says that somebody else speaks under this node's own instance id: in the log once a minute.
    pub(super) fn report_forged(&mut self, transit: &Transit, broker: &ServiceBroker, now: Instant) {
        let instance = broker.instance_id().as_str();
        if self.forged_lines.take(now.into_std()) {
            tracing::warn!(
                node = %transit.node(), instance,
                "somebody else sends INFO in this node's name and under its instance id; this node announces itself again"
            );
        }
        let data = json!({ "owner": instance, "proven": false, "reason": "forgedInfo" });
        broker.publish_local("$node.conflict", data);
    }

    /// Says so, once a minute for each sender.
    pub(super) fn wrong_version(&mut self, transit: &Transit, sender: &NodeId, ver: &str, now: Instant) {
        if self.wrong_versions.take(Some(sender), now.into_std()) {
            tracing::warn!(
                node = %sender,
                ver = %ver.escape_debug().to_string().chars().take(32).collect::<String>(),
                own = transit.own_version().as_str(),
                "packets of another protocol version are ignored"
            );
        }
    }
}
