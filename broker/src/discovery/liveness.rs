//! Which nodes are alive on a message bus, judged by the packets that arrive.
//!
//! A node is watched from the INFO that brings it online until it has been silent for too long. Any packet
//! counts as a sign of life, not only a HEARTBEAT as in Node. So a node is never reported gone while its
//! packets arrive. "Too long" is the configured timeout, or [`BEATS`] of the peer's own heartbeat intervals
//! if that is longer. No packet announces the interval, so it is learned from the heartbeats that arrive
//! (moleculer-go beats every 5 s, Node every 10 s, and both can be configured).
//!
//! Exactly the nodes that the registry knows are watched, because the registry owns the table of nodes. What
//! it forgets must be forgotten here. There is no clock here: the driver passes in `now`, and calls
//! [`Liveness::expire`] about once a second.

use ligand_transporters::NodeId;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// For how many of its own intervals a peer may be silent.
const BEATS: u32 = 3;
/// A learned interval makes the timeout at most this many times as long.
const STRETCH: u32 = 10;
/// Beats closer together than this are copies, because nobody configures less than a second.
const SHORTEST: Duration = Duration::from_millis(900);
/// How many of the last intervals count. The shortest of them is used, so that one pause changes nothing.
const REMEMBERED: usize = 3;

/// Whether we know the node that a packet came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// The node is online.
    Online,
    /// The node is known but offline: ask it for its INFO.
    Offline,
    /// The node was never seen, or was forgotten: ask it for its INFO.
    Unknown,
}

/// Membership by heartbeats.
#[derive(Debug, Clone)]
pub(crate) struct Liveness {
    timeout: Duration,
    peers: HashMap<NodeId, Peer>,
}

#[derive(Debug, Clone)]
struct Peer {
    online: bool,
    /// The last sign of life. For an offline node it is not before the moment at which it went offline.
    last: Instant,
    beat: Option<Instant>,
    gaps: [Option<Duration>; REMEMBERED],
}

impl Liveness {
    /// `timeout` is `heartbeatTimeout`.
    pub(crate) fn new(timeout: Duration) -> Self {
        Self { timeout, peers: HashMap::new() }
    }

    /// An INFO brought the node online, or an online node sent one.
    pub(crate) fn online(&mut self, node: &NodeId, now: Instant) {
        match self.peers.get_mut(node) {
            Some(peer) => {
                peer.online = true;
                peer.last = peer.last.max(now);
            }
            None => {
                let peer = Peer { online: true, last: now, beat: None, gaps: [None; REMEMBERED] };
                self.peers.insert(node.clone(), peer);
            }
        }
    }

    /// A packet of any kind arrived from the node.
    pub(crate) fn heard(&mut self, node: &NodeId, now: Instant) -> Heard {
        let Some(peer) = self.peers.get_mut(node) else { return Heard::Unknown };
        peer.last = peer.last.max(now);
        if peer.online { Heard::Online } else { Heard::Offline }
    }

    /// A HEARTBEAT arrived from the node. This is as [`Liveness::heard`], and also learns the node's
    /// interval.
    pub(crate) fn beat(&mut self, node: &NodeId, now: Instant) -> Heard {
        if let Some(peer) = self.peers.get_mut(node) {
            match peer.beat.map(|last| now.saturating_duration_since(last)) {
                Some(gap) if gap < SHORTEST => {}
                gap => {
                    peer.beat = Some(now);
                    if gap.is_some() {
                        peer.gaps.rotate_right(1);
                        peer.gaps[0] = gap;
                    }
                }
            }
        }
        self.heard(node, now)
    }

    /// The node is now another process, so what was learned about the old one no longer holds.
    pub(crate) fn replaced(&mut self, node: &NodeId) {
        if let Some(peer) = self.peers.get_mut(node) {
            peer.beat = None;
            peer.gaps = [None; REMEMBERED];
        }
    }

    /// The node said farewell, or is gone for another reason.
    pub(crate) fn offline(&mut self, node: &NodeId, now: Instant) {
        if let Some(peer) = self.peers.get_mut(node) {
            peer.online = false;
            peer.last = peer.last.max(now);
        }
    }

    /// Forgets everything about the node.
    pub(crate) fn forget(&mut self, node: &NodeId) {
        self.peers.remove(node);
    }

    /// Returns online nodes that have been silent for too long, in order of their ids. They are offline from
    /// now on.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<NodeId> {
        let timeout = self.timeout;
        let mut gone = Vec::new();
        for (node, peer) in &mut self.peers {
            if peer.online && now.saturating_duration_since(peer.last) > peer.allowed(timeout) {
                peer.online = false;
                peer.last = now;
                gone.push(node.clone());
            }
        }
        gone.sort();
        gone
    }

    /// The last sign of life of a node. For an offline node it is not before the moment at which it went
    /// offline.
    pub(crate) fn last_heard(&self, node: &NodeId) -> Option<Instant> {
        self.peers.get(node).map(|peer| peer.last)
    }

    /// All nodes that are watched, and whether they are online, in order of their ids.
    #[cfg(test)]
    pub(crate) fn all(&self) -> std::collections::BTreeMap<NodeId, bool> {
        self.peers.iter().map(|(node, peer)| (node.clone(), peer.online)).collect()
    }

    /// How long the node may be silent.
    #[cfg(test)]
    pub(crate) fn allowed(&self, node: &NodeId) -> Duration {
        self.peers.get(node).map_or(self.timeout, |peer| peer.allowed(self.timeout))
    }
}

impl Peer {
    fn allowed(&self, timeout: Duration) -> Duration {
        let interval = self.gaps.iter().flatten().min().copied().unwrap_or_default();
        interval.saturating_mul(BEATS).clamp(timeout, timeout.saturating_mul(STRETCH))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TIMEOUT: Duration = Duration::from_secs(30);

    fn node(id: &str) -> NodeId {
        NodeId::new(id).unwrap()
    }

    fn liveness() -> Liveness {
        Liveness::new(TIMEOUT)
    }

    fn secs(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    #[test]
    fn a_silent_node_expires_once_after_the_timeout() {
        let (now, a) = (Instant::now(), node("a"));
        let mut live = liveness();
        live.online(&a, now);
        assert!(live.expire(now + secs(30)).is_empty());
        assert_eq!(live.expire(now + secs(31)), std::slice::from_ref(&a));
        assert!(live.expire(now + secs(99)).is_empty());
        assert_eq!(live.heard(&a, now + secs(99)), Heard::Offline);
    }

    #[test]
    fn unknown_and_forgotten_nodes_are_told_apart_from_offline_ones() {
        let (now, a) = (Instant::now(), node("a"));
        let mut live = liveness();
        assert_eq!(live.beat(&a, now), Heard::Unknown);
        live.online(&a, now);
        assert_eq!(live.beat(&a, now), Heard::Online);
        live.offline(&a, now);
        assert_eq!(live.beat(&a, now), Heard::Offline);
        live.forget(&a);
        assert_eq!(live.beat(&a, now), Heard::Unknown);
    }

    #[test]
    fn an_offline_node_is_last_heard_when_it_went_or_when_a_packet_came_since() {
        let (now, a) = (Instant::now(), node("a"));
        let mut live = liveness();
        live.online(&a, now);
        live.offline(&a, now + secs(5));
        assert_eq!(live.last_heard(&a), Some(now + secs(5)));
        live.heard(&a, now + secs(300));
        assert_eq!(live.last_heard(&a), Some(now + secs(300)));
        live.forget(&a);
        assert_eq!((live.last_heard(&a), live.heard(&a, now)), (None, Heard::Unknown));
    }

    #[test]
    fn a_peer_that_beats_once_a_minute_is_lost_at_most_once() {
        let (start, a) = (Instant::now(), node("a"));
        let mut live = liveness();
        live.online(&a, start);
        let mut lost = 0;
        for second in 0..1_800 {
            let now = start + secs(second);
            if second % 60 == 0 && live.beat(&a, now) == Heard::Offline {
                live.online(&a, now);
            }
            lost += live.expire(now).len();
        }
        assert_eq!(lost, 1);
        assert_eq!(live.allowed(&a), secs(180));
    }

    #[test]
    fn one_pause_and_copies_of_beats_teach_nothing() {
        let (start, a) = (Instant::now(), node("a"));
        let mut live = liveness();
        live.online(&a, start);
        for second in [10, 20, 30, 100, 110] {
            live.beat(&a, start + secs(second));
        }
        assert_eq!(live.allowed(&a), TIMEOUT);
        for second in [170, 230, 290] {
            live.beat(&a, start + secs(second));
            live.beat(&a, start + secs(second) + Duration::from_millis(5));
        }
        assert_eq!(live.allowed(&a), secs(180));
        live.replaced(&a);
        assert_eq!(live.allowed(&a), TIMEOUT);
    }

    proptest! {
        #[test]
        fn a_node_whose_packets_arrive_every_third_of_the_timeout_never_expires(
            gaps in prop::collection::vec((1u64..=10_000, any::<bool>()), 1..200),
        ) {
            let (mut now, a) = (Instant::now(), node("a"));
            let mut live = liveness();
            live.online(&a, now);
            for (ms, beat) in gaps {
                let next = now + Duration::from_millis(ms);
                while now < next {
                    now = next.min(now + secs(1));
                    prop_assert!(live.expire(now).is_empty());
                }
                let heard = if beat { live.beat(&a, now) } else { live.heard(&a, now) };
                prop_assert_eq!(heard, Heard::Online);
            }
        }

        #[test]
        fn silence_ends_every_node_within_ten_timeouts_and_not_before_one(
            beats in prop::collection::vec(1u64..=600, 0..20),
        ) {
            let (mut now, a) = (Instant::now(), node("a"));
            let mut live = liveness();
            live.online(&a, now);
            for seconds in beats {
                now += secs(seconds);
                live.beat(&a, now);
            }
            live.online(&a, now);
            prop_assert!(live.expire(now + TIMEOUT).is_empty());
            prop_assert_eq!(live.expire(now + TIMEOUT * STRETCH + secs(1)), [a]);
        }
    }
}
