//! Whether this node and the others cannot understand each other on a bus.
//!
//! ligand understands both versions. A Node node checks versions by default. It drops our broadcasts if their
//! version is not its own, and never learns of us (protocol chapter 1.2). All that this node can notice is
//! that none of the others uses its version. Other ligand nodes do not count, because they understand both
//! versions too.

use std::time::{Duration, Instant};

/// How long after the first packet of the other version one of ours may arrive.
const WAIT: Duration = Duration::from_secs(5);

/// Which versions were heard.
#[derive(Debug, Clone, Default)]
pub(crate) struct VersionsHeard {
    own: bool,
    other: Option<Instant>,
    told: bool,
}

impl VersionsHeard {
    /// A packet of our version, or of the other one, arrived from a node that may check versions.
    pub(crate) fn heard(&mut self, own: bool, now: Instant) {
        if own {
            self.own = true;
        } else {
            self.other.get_or_insert(now);
        }
    }

    /// Whether to report now that only the other version is heard. This is `true` once.
    pub(crate) fn is_time_to_tell(&mut self, now: Instant) -> bool {
        let due = self.other.is_some_and(|first| now.saturating_duration_since(first) >= WAIT);
        let tell = due && !self.own && !self.told;
        self.told |= tell;
        tell
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_other_version_is_told_once_and_not_at_once() {
        let (mut versions, now) = (VersionsHeard::default(), Instant::now());
        assert!(!versions.is_time_to_tell(now));
        versions.heard(false, now);
        versions.heard(false, now + WAIT);
        assert!(!versions.is_time_to_tell(now + WAIT / 2));
        assert!(versions.is_time_to_tell(now + WAIT));
        assert!(!versions.is_time_to_tell(now + WAIT * 2));
    }

    #[test]
    fn one_packet_of_our_own_version_is_enough_to_say_nothing() {
        let (mut versions, now) = (VersionsHeard::default(), Instant::now());
        versions.heard(false, now);
        versions.heard(true, now);
        assert!(!versions.is_time_to_tell(now + WAIT));
    }
}
