//! What every kind of membership has to remember.

use ligand_transporters::NodeId;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

use super::defence::Defence;
use super::limit::{Bucket, LinePerSender};
use super::vanished::Vanished;
use crate::broker::ServiceBroker;
use crate::protocol::InfoPacket;
use crate::registry::{LocalInfo, OwnWords};
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
    /// What this node has said of itself, once it has. Before that it has nothing to take back.
    pub(super) told: Option<Arc<LocalInfo>>,
    /// Whether that had services, beside the broker's own.
    pub(super) offered: bool,
    /// What it has taken back for as long as it does not hear everything.
    pub(super) taken_back: TakenBack,
    /// What others say in this node's name.
    pub(super) defence: Defence,
    forged_lines: Bucket,
    vanished: Vanished,
}

impl Default for Chores {
    fn default() -> Self {
        Self {
            to_fail: Vec::new(),
            announce_at: None,
            wrong_versions: LinePerSender::default(),
            told: None,
            offered: false,
            taken_back: TakenBack::default(),
            defence: Defence::default(),
            forged_lines: Bucket::new(1, FORGED_LINES),
            vanished: Vanished::default(),
        }
    }
}

/// What a node has taken back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum TakenBack {
    #[default]
    Nothing,
    /// Its services, not yet that it is there.
    Services,
    /// That it is there.
    All,
}

impl Chores {
    /// Whether this node has said that it is there.
    pub(super) fn announced(&self) -> bool {
        self.told.is_some()
    }

    /// Whether it has, and has not taken that back.
    pub(super) fn is_there(&self) -> bool {
        self.announced() && self.taken_back == TakenBack::Nothing
    }

    /// Whether it is there, and still answers for itself.
    pub(super) fn is_present(&self, broker: &ServiceBroker) -> bool {
        self.is_there() && !broker.shared().lifecycle.is_stopping()
    }

    /// What somebody is told who asks now. What the bus is to balance, and has not been told to yet, is not
    /// in it.
    pub(super) fn for_asker(&self, transit: &Transit, broker: &ServiceBroker) -> Arc<LocalInfo> {
        match &self.told {
            Some(told) if transit.is_balanced() => Arc::clone(told),
            _ => broker.shared().registry.local_info(),
        }
    }

    /// Services of this node came or went: when that is to be announced. The first that are ever offered are
    /// announced at once, later ones together.
    pub(super) fn changed(&mut self, broker: &ServiceBroker, now: Instant) {
        // Until the first announcement there is nothing to add to.
        if self.announced() {
            let debounce = broker.config().transit.service_changed_debounce_time;
            let at = if self.offered { now + debounce } else { now };
            self.announce_at = Some(self.announce_at.map_or(at, |before| before.min(at)));
        }
    }

    /// Everybody is told this; or what they were told, where that is newer. What has changed since it was
    /// looked at follows.
    pub(super) fn tell(
        &mut self,
        broker: &ServiceBroker,
        info: Arc<LocalInfo>,
        now: Instant,
    ) -> Arc<LocalInfo> {
        let info = match self.told.take() {
            Some(told) if told.seq > info.seq => told,
            _ => info,
        };
        self.told = Some(Arc::clone(&info));
        if broker.shared().registry.local_info().seq == info.seq {
            self.announce_at = None;
            self.offered |= broker.offers_services();
        } else {
            self.changed(broker, now);
        }
        info
    }

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

    /// A node has gone without a word. The log is told by [`Chores::log`].
    pub(crate) fn vanished(&mut self, node: NodeId) {
        self.vanished.note(node);
    }

    /// Tells the log of nodes that have vanished, in a line a second.
    pub(super) fn log(&mut self, now: Instant) {
        match self.vanished.due(now.into_std()) {
            None => {}
            Some((node, 1)) => tracing::warn!(node, "node disconnected unexpectedly"),
            Some((nodes, count)) => tracing::warn!(nodes, count, "nodes disconnected unexpectedly"),
        }
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
