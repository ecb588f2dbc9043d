//! Logs which protocol versions the other nodes speak.

use ligand_transporters::NodeId;

use super::env::Env;
use crate::discovery::LinePerSender;
use crate::discovery::versions::VersionsHeard;
use crate::protocol::ProtocolVersion;

/// What was heard, and what was logged about it.
#[derive(Debug, Default)]
pub(super) struct Versions {
    heard: VersionsHeard,
    wrong_lines: LinePerSender,
}

impl Env<'_> {
    /// A packet arrived with a version that is not accepted. Logs it once a minute for each sender.
    pub(super) fn wrong_version(&mut self, sender: &NodeId, ver: &str) {
        let now = self.std_now();
        let Versions { heard, wrong_lines } = &mut self.state.versions;
        heard.heard(false, now);
        if wrong_lines.take(Some(sender), now) {
            tracing::warn!(
                node = %sender,
                ver = %ver.escape_debug().to_string().chars().take(32).collect::<String>(),
                own = self.transit.own_version().as_str(),
                "packets of another protocol version are ignored"
            );
        }
    }

    /// A packet of a known version was handled.
    pub(super) fn seen_version(&mut self, sender: &NodeId, version: ProtocolVersion) {
        let (registry, now) = (self.registry(), self.std_now());
        let snapshot = registry.load();
        let node = snapshot.node_by_id(sender.as_str());
        if node.is_some_and(|node| !node.is_local() && node.client().kind != "rust") {
            self.state.versions.heard.heard(version == self.transit.own_version(), now);
        }
        drop(snapshot);
        registry.seen_version(sender.as_str(), version);
    }

    /// Logs once that this node and all others do not understand each other.
    pub(super) fn tell_of_versions(&mut self) {
        let (own, now) = (self.transit.own_version(), self.std_now());
        if !self.transit.speaks_both() && self.state.versions.heard.is_time_to_tell(now) {
            tracing::warn!(
                own = own.as_str(),
                other = own.other().as_str(),
                "all other nodes speak the other protocol version and ignore what this one broadcasts, unless their version check is off: set `protocol` to theirs, or to \"both\""
            );
        }
    }
}
