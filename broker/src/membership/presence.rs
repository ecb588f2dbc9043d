//! What this node has said of itself.

use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

use super::env::Env;
use crate::discovery::Bucket;
use crate::discovery::defence::Defence;
use crate::protocol::InfoPacket;
use crate::registry::{LocalInfo, OwnWords};

/// Between two lines about INFOs that somebody forged in this node's name.
const FORGED_LINES: Duration = Duration::from_secs(60);

/// See the module.
pub(super) struct Presence {
    /// The last announcement. Without one there is nothing to take back.
    pub(super) announced: Option<Arc<LocalInfo>>,
    /// Whether that had services, beside the broker's own.
    offered: bool,
    /// When changed services are announced.
    pub(super) announce_at: Option<Instant>,
    /// What was taken back for as long as this node does not hear everything.
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

impl Presence {
    /// Whether this node has said that it is there.
    pub(super) fn is_announced(&self) -> bool {
        self.announced.is_some()
    }

    /// Whether it has, and has not taken that back.
    pub(super) fn is_there(&self) -> bool {
        self.is_announced() && self.taken_back == TakenBack::Nothing
    }

    /// Whether this is newer than what it has announced.
    pub(super) fn is_outdone_by(&self, info: &LocalInfo) -> bool {
        self.announced.as_ref().is_none_or(|announced| announced.seq < info.seq)
    }

    /// Whether it has announced something newer.
    pub(super) fn is_ahead_of(&self, info: &LocalInfo) -> bool {
        self.announced.as_ref().is_some_and(|announced| announced.seq > info.seq)
    }

    /// When something of it is to be done.
    pub(super) fn due(&self) -> impl Iterator<Item = Instant> + '_ {
        let defence = self.defence.next().map(Instant::from_std);
        self.announce_at.into_iter().chain(defence)
    }
}

impl Env<'_> {
    /// Whether this node is there, and still answers for itself.
    pub(super) fn is_present(&self) -> bool {
        self.state.presence.is_there() && !self.broker.shared().lifecycle.is_stopping()
    }

    /// What somebody is told who asks now. What the bus is to balance, and has not been told to yet, is not
    /// in it.
    pub(super) fn current_info(&self) -> Arc<LocalInfo> {
        match &self.state.presence.announced {
            Some(announced) if self.transit.is_balanced() => Arc::clone(announced),
            _ => self.registry().local_info(),
        }
    }

    /// Services of this node came or went: when that is to be announced. The first that are ever offered are
    /// announced at once, later ones together.
    pub(super) fn services_changed(&mut self) {
        let (presence, now) = (&mut self.state.presence, self.now);
        // Until the first announcement there is nothing to add to.
        if presence.is_announced() {
            let debounce = self.broker.config().transit.service_changed_debounce_time;
            let at = if presence.offered { now + debounce } else { now };
            presence.announce_at = Some(presence.announce_at.map_or(at, |before| before.min(at)));
        }
    }

    /// Everybody is told this; or what they were told, where that is newer. What has changed since it was
    /// looked at follows.
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

    /// An INFO came under this node's own id and instance.
    pub(super) fn heard_of_us(&mut self, info: &InfoPacket) {
        let now = self.std_now();
        match self.registry().heard_of_us(info) {
            OwnWords::Ours => {}
            OwnWords::Unsure => self.state.presence.defence.unsure(now),
            OwnWords::Forged => self.state.presence.defence.forged(info.seq, now),
        }
    }

    /// Says that somebody else speaks under this node's own instance id: in the log once a minute.
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
