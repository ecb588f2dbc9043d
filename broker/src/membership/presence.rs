//! What this node has announced about itself.

use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

use super::env::Env;
use crate::discovery::Bucket;
use crate::discovery::defence::Defence;
use crate::protocol::InfoPacket;
use crate::registry::{LocalInfo, OwnWords};

/// The time between two log lines about an INFO that somebody forged in this node's name.
const FORGED_LINES: Duration = Duration::from_secs(60);

/// What this node has announced about itself, and what others say in its name.
pub(super) struct Presence {
    /// The last announcement. Without one, there is nothing to take back.
    pub(super) announced: Option<Arc<LocalInfo>>,
    /// Whether any announcement had services besides the broker's own.
    offered: bool,
    /// When changed services are announced.
    pub(super) announce_at: Option<Instant>,
    /// What is taken back while this node does not hear everything.
    pub(super) taken_back: TakenBack,
    /// What others say in this node's name.
    pub(super) defence: Defence,
    forged_lines: Bucket,
}

impl Default for Presence {
    fn default() -> Self {
        Self {
            announced: None,
            offered: false,
            announce_at: None,
            taken_back: TakenBack::default(),
            defence: Defence::default(),
            forged_lines: Bucket::new(1, FORGED_LINES),
        }
    }
}

/// What this node has taken back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum TakenBack {
    #[default]
    Nothing,
    /// Its services. Others still know it as online.
    Services,
    /// Everything: it said farewell.
    All,
}

impl Presence {
    /// Whether this node has announced itself.
    pub(super) fn is_announced(&self) -> bool {
        self.announced.is_some()
    }

    /// Whether this node has announced itself and has not taken that back.
    pub(super) fn is_there(&self) -> bool {
        self.is_announced() && self.taken_back == TakenBack::Nothing
    }

    /// Whether `info` is newer than the last announcement.
    pub(super) fn is_outdone_by(&self, info: &LocalInfo) -> bool {
        self.announced.as_ref().is_none_or(|announced| announced.seq < info.seq)
    }

    /// Whether the last announcement is newer than `info`.
    pub(super) fn is_ahead_of(&self, info: &LocalInfo) -> bool {
        self.announced.as_ref().is_some_and(|announced| announced.seq > info.seq)
    }

    /// When something here is due.
    pub(super) fn due(&self) -> impl Iterator<Item = Instant> + '_ {
        let defence = self.defence.next().map(Instant::from_std);
        self.announce_at.into_iter().chain(defence)
    }
}

impl Env<'_> {
    /// Whether this node is there and is not stopping.
    pub(super) fn is_present(&self) -> bool {
        self.state.presence.is_there() && !self.broker.shared().lifecycle.is_stopping()
    }

    /// The INFO to send to a node that asks now. On a balanced bus this is the last announcement, which
    /// leaves out services that the bus does not know of yet.
    pub(super) fn current_info(&self) -> Arc<LocalInfo> {
        match &self.state.presence.announced {
            Some(announced) if self.transit.is_balanced() => Arc::clone(announced),
            _ => self.registry().local_info(),
        }
    }

    /// Services of this node came or went: schedules an announcement. The first services that are ever
    /// offered are announced at once. Later changes are announced together.
    pub(super) fn services_changed(&mut self) {
        let (presence, now) = (&mut self.state.presence, self.now);
        // Before the first announcement there is nothing to update.
        if presence.is_announced() {
            let debounce = self.broker.config().transit.service_changed_debounce_time;
            let at = if presence.offered { now + debounce } else { now };
            presence.announce_at = Some(presence.announce_at.map_or(at, |before| before.min(at)));
        }
    }

    /// Records `info` as announced, or keeps the last announcement if that is newer, and returns it. If
    /// services have changed since, another announcement is scheduled.
    pub(super) fn note_announced(&mut self, info: Arc<LocalInfo>) -> Arc<LocalInfo> {
        let info = match self.state.presence.announced.take() {
            Some(announced) if announced.seq > info.seq => announced,
            _ => info,
        };
        self.state.presence.announced = Some(Arc::clone(&info));
        if self.registry().local_info().seq == info.seq {
            self.state.presence.announce_at = None;
            self.state.presence.offered |= self.broker.offers_services();
        } else {
            self.services_changed();
        }
        info
    }

    /// An INFO arrived under this node's own id and instance id.
    pub(super) fn heard_of_us(&mut self, info: &InfoPacket) {
        let now = self.std_now();
        match self.registry().heard_of_us(info) {
            OwnWords::Ours => {}
            OwnWords::Unsure => self.state.presence.defence.unsure(now),
            OwnWords::Forged => self.state.presence.defence.forged(info.seq, now),
        }
    }

    /// Reports that somebody else sends INFO under this node's own instance id. The log gets one line a
    /// minute.
    pub(super) fn report_forged(&mut self) {
        let instance = self.broker.instance_id().as_str();
        if self.state.presence.forged_lines.take(self.now.into_std()) {
            tracing::warn!(
                node = %self.transit.node(), instance,
                "somebody else sends INFO in this node's name and under its instance id; this node announces itself again"
            );
        }
        let data = json!({ "owner": instance, "proven": false, "reason": "forgedInfo" });
        self.broker.publish_local("$node.conflict", data);
    }
}
