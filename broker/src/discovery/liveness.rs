//! Who is alive on a message bus, told from the packets that come.
//!
//! A node is watched from the INFO that brings it online until it is silent for too long. Any packet
//! counts as a sign of life, not only a HEARTBEAT as in Node, so a node is never reported gone
//! while its packets arrive. "Too long" is the configured timeout, or [`BEATS`] of the peer's own
//! heartbeat intervals where those are longer: nothing announces the interval, so it is learned from what
//! arrives (moleculer-go beats every 5 s, Node every 10 s, and both can be configured).
//!
//! Nodes that went offline stay listed until they are cleaned up. No clock: the driver passes `now`, and
//! calls [`Liveness::expire`] about once a second.

use ligand_transporters::NodeId;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// So many of its own intervals a peer may be silent.
const BEATS: u32 = 3;
/// A learned interval stretches the timeout at most this often.
const STRETCH: u32 = 10;
/// Beats closer together than this are copies; nobody configures less than a second.
const SHORTEST: Duration = Duration::from_millis(900);
/// How many of the last intervals count. The shortest of them does, so one pause teaches nothing.
const REMEMBERED: usize = 3;

/// Whether we know the node that a packet came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Online.
    Online,
    /// Known but offline: ask it for its INFO.
    Offline,
    /// Never seen, or forgotten: ask it for its INFO.
    Unknown,
}

/// Heartbeat membership.
#[derive(Debug, Clone)]
pub(crate) struct Liveness {
    timeout: Duration,
    clean_after: Duration,
    max_nodes: usize,
    peers: HashMap<NodeId, Peer>,
    /// Whether some of them may be offline.
    any_offline: bool,
}

#[derive(Debug, Clone)]
struct Peer {
    online: bool,
    /// Last sign of life; for an offline node at least the moment at which it went.
    last: Instant,
    beat: Option<Instant>,
    gaps: [Option<Duration>; REMEMBERED],
}

impl Liveness {
    /// `timeout` is `heartbeatTimeout`, `clean_after` is `cleanOfflineNodesTimeout`. At most `max_nodes`
    /// are watched: of those that are offline the one that was silent longest makes room, and
    /// [`Liveness::online`] refuses more where none is.
    pub(crate) fn new(timeout: Duration, clean_after: Duration, max_nodes: usize) -> Self {
        Self { timeout, clean_after, max_nodes, peers: HashMap::new(), any_offline: false }
    }

    /// An INFO brought the node online, or the node is online and sent one. `false` when the table is full.
    pub(crate) fn online(&mut self, node: &NodeId, now: Instant) -> bool {
        if let Some(peer) = self.peers.get_mut(node) {
            peer.online = true;
            peer.last = peer.last.max(now);
            return true;
        }
        let room = self.peers.len() < self.max_nodes || self.make_room();
        if room {
            let peer = Peer { online: true, last: now, beat: None, gaps: [None; REMEMBERED] };
            self.peers.insert(node.clone(), peer);
        }
        room
    }

    /// Forgets the offline node that was silent longest. Looks at every node, but not when a look a moment
    /// ago found none: only [`Liveness::expire`] and [`Liveness::offline`] make more.
    fn make_room(&mut self) -> bool {
        if !self.any_offline {
            return false;
        }
        let offline = self.peers.iter().filter(|(_, peer)| !peer.online);
        let oldest = offline.min_by_key(|(_, peer)| peer.last).map(|(node, _)| node.clone());
        self.any_offline = oldest.is_some();
        oldest.is_some_and(|node| self.peers.remove(&node).is_some())
    }

    /// A packet of any kind came from the node.
    pub(crate) fn heard(&mut self, node: &NodeId, now: Instant) -> Heard {
        let Some(peer) = self.peers.get_mut(node) else { return Heard::Unknown };
        peer.last = peer.last.max(now);
        if peer.online { Heard::Online } else { Heard::Offline }
    }

    /// A HEARTBEAT came from the node: as [`Liveness::heard`], and its interval is learned.
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

    /// The node is another process now: what was learned of the old one does not hold.
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
            self.any_offline = true;
        }
    }

    /// Nothing is to be remembered of the node.
    pub(crate) fn forget(&mut self, node: &NodeId) {
        self.peers.remove(node);
    }

    /// Online nodes that have been silent for too long, in order of their ids. They are offline from now on.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<NodeId> {
        let timeout = self.timeout;
        let mut gone = Vec::new();
        for (node, peer) in &mut self.peers {
            if peer.online && now.saturating_duration_since(peer.last) > peer.allowed(timeout) {
                peer.online = false;
                peer.last = now;
                self.any_offline = true;
                gone.push(node.clone());
            }
        }
        gone.sort();
        gone
    }

    /// Nodes that have been offline and silent for the clean-up time, in order of their ids. They are
    /// forgotten.
    pub(crate) fn clean(&mut self, now: Instant) -> Vec<NodeId> {
        let limit = self.clean_after;
        let old = |peer: &Peer| !peer.online && now.saturating_duration_since(peer.last) > limit;
        let mut forgotten: Vec<_> =
            self.peers.extract_if(|_, peer| old(peer)).map(|(node, _)| node).collect();
        forgotten.sort();
        forgotten
    }

    /// How long the node may be silent.
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
        Liveness::new(TIMEOUT, Duration::from_secs(600), 10_000)
    }

    fn secs(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    #[test]
    fn a_silent_node_expires_once_after_the_timeout() {
        let (now, a) = (Instant::now(), node("a"));
        let mut live = liveness();
        assert!(live.online(&a, now));
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
    fn an_offline_node_is_cleaned_up_once_it_has_been_silent_for_long() {
        let (now, a) = (Instant::now(), node("a"));
        let mut live = liveness();
        live.online(&a, now);
        live.offline(&a, now);
        live.heard(&a, now + secs(300));
        assert!(live.clean(now + secs(700)).is_empty());
        assert_eq!(live.clean(now + secs(901)), std::slice::from_ref(&a));
        assert_eq!(live.heard(&a, now + secs(902)), Heard::Unknown);
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

    #[test]
    fn a_full_table_refuses_newcomers() {
        let now = Instant::now();
        let mut live = Liveness::new(TIMEOUT, secs(600), 2);
        assert!(live.online(&node("a"), now) && live.online(&node("b"), now));
        assert!(!live.online(&node("c"), now));
        assert!(live.online(&node("a"), now));
    }

    #[test]
    fn in_a_full_table_the_longest_silent_offline_node_makes_room() {
        let now = Instant::now();
        let mut live = Liveness::new(TIMEOUT, secs(600), 3);
        for (n, id) in ["a", "b", "c"].into_iter().enumerate() {
            live.online(&node(id), now);
            live.offline(&node(id), now + secs(10 - n as u64));
        }
        assert!(live.online(&node("c"), now + secs(20)));
        assert!(live.online(&node("d"), now + secs(20)));
        assert_eq!(live.heard(&node("b"), now + secs(20)), Heard::Unknown);
        assert_eq!(live.heard(&node("a"), now + secs(20)), Heard::Offline);
        assert!(live.online(&node("e"), now + secs(20)) && !live.online(&node("f"), now + secs(20)));
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
