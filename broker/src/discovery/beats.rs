//! Which nodes are alive, judged by the names of the beats that were found (protocol chapter 11.1).
//!
//! A beat's name has everything that is usually needed: its node, the process of that node, and its current
//! INFO. If a node is not known, or if another INFO of it is known, its INFO is fetched. A node without a
//! beat is gone. This is as in Node, with three exceptions, because a store can forget:
//!
//! * If the store was out of reach, or turned out to have lost records, no node is gone until `timeout` has
//!   passed. Before that, the others may not have written their records again.
//! * A node whose packets arrived a moment ago (`silence`) is not gone.
//! * A process that says farewell leaves a beat behind for a moment. That beat does not bring it back.
//!
//! Exactly the nodes that the registry knows are watched, because the registry owns the table of nodes. There
//! is no clock and no I/O here: the driver passes in what was found, and `now`.

use ligand_transporters::{Name, NodeId};
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use super::record_names::Beat;

/// A process that said farewell removes its beats at once. If a beat stays longer than this, the process is
/// alive and somebody else spoke in its name.
const LEAVING: Duration = Duration::from_secs(2);
/// How many beats of one node are considered. A node has one, and for a moment two.
const BEATS_OF_ONE: usize = 8;

/// Which nodes are online according to the last scan.
#[derive(Debug, Clone)]
pub(crate) struct BeatLiveness {
    own: NodeId,
    timeout: Duration,
    silence: Duration,
    /// Until this time no node is declared gone.
    forbearing: Option<Instant>,
    peers: HashMap<NodeId, Peer>,
}

#[derive(Debug, Clone)]
struct Peer {
    online: bool,
    /// When its last packet arrived.
    packet: Option<Instant>,
    /// For an offline node: when it went offline, or when its last packet after that arrived.
    last: Instant,
    /// Its beats in the last scan.
    beats: Vec<(Name, u64)>,
    /// When it said farewell, and the beginning of its instance id.
    left: Option<(Instant, Name)>,
}

/// What the registry knows of a node that is online.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) instance: Name,
    pub(crate) seq: u64,
}

/// The result of a scan. Each list is in order of the ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Nodes whose INFO must be fetched.
    pub(crate) fetch: Vec<NodeId>,
    /// Nodes that are still online.
    pub(crate) alive: Vec<NodeId>,
    /// Nodes that are offline from now on.
    pub(crate) gone: Vec<NodeId>,
}

impl BeatLiveness {
    /// `own` is this node. `timeout` is how long beats last. `silence` is for how long a packet proves that a
    /// node without a beat is alive.
    pub(crate) fn new(own: NodeId, timeout: Duration, silence: Duration) -> Self {
        Self { own, timeout, silence, forbearing: None, peers: HashMap::new() }
    }

    /// An INFO brought the node online, or an online node sent one.
    pub(crate) fn online(&mut self, node: &NodeId, now: Instant) {
        match self.peers.get_mut(node) {
            Some(peer) => {
                peer.online = true;
                peer.left = None;
                peer.last = peer.last.max(now);
            }
            None => {
                let peer = Peer { online: true, packet: None, last: now, beats: Vec::new(), left: None };
                self.peers.insert(node.clone(), peer);
            }
        }
    }

    /// Forgets everything about the node.
    pub(crate) fn forget(&mut self, node: &NodeId) {
        self.peers.remove(node);
    }

    /// The last sign of life of a node. For an offline node it is not before the moment at which it went
    /// offline.
    pub(crate) fn last_heard(&self, node: &NodeId) -> Option<Instant> {
        self.peers.get(node).map(|peer| peer.last)
    }

    /// All nodes that are watched, and whether they are online, in order of their ids.
    #[cfg(test)]
    pub(crate) fn all(&self) -> BTreeMap<NodeId, bool> {
        self.peers.iter().map(|(node, peer)| (node.clone(), peer.online)).collect()
    }

    /// A packet arrived from the node. Returns whether it is known as online.
    pub(crate) fn heard(&mut self, node: &NodeId, now: Instant) -> bool {
        self.peers.get_mut(node).is_some_and(|peer| {
            peer.packet = peer.packet.max(Some(now));
            peer.last = peer.last.max(now);
            peer.online
        })
    }

    /// The node said farewell. `instance` is the process that did.
    pub(crate) fn left(&mut self, node: &NodeId, instance: Name, now: Instant) {
        if let Some(peer) = self.peers.get_mut(node) {
            peer.online = false;
            peer.last = peer.last.max(now);
            peer.left = Some((now, instance));
        }
    }

    /// The store was out of reach, or has lost records.
    pub(crate) fn forbear(&mut self, now: Instant) {
        self.forbearing = now.checked_add(self.timeout);
    }

    /// Applies a scan. `known` returns what the registry has about a node that is online. `room` is for how
    /// many strangers it has room. A scan without any beat says nothing.
    pub(crate) fn scanned(
        &mut self,
        beats: &[Beat],
        known: impl Fn(&NodeId) -> Option<Known>,
        room: usize,
        now: Instant,
    ) -> Verdict {
        let mut verdict = Verdict::default();
        if beats.is_empty() {
            return verdict;
        }
        let mut present: BTreeMap<&NodeId, Vec<(Name, u64)>> = BTreeMap::new();
        for beat in beats.iter().filter(|beat| beat.node != self.own) {
            let of_node = present.entry(&beat.node).or_default();
            if of_node.len() < BEATS_OF_ONE {
                of_node.push((beat.instance.clone(), beat.seq));
            }
        }
        let mut strangers = 0;
        for (node, beats) in &present {
            match self.peers.get_mut(*node) {
                Some(peer) => match peer.hear(beats, known(node), now) {
                    Heard::Alive => verdict.alive.push((*node).clone()),
                    Heard::Changed => verdict.fetch.push((*node).clone()),
                    Heard::Leaving => {}
                },
                None if strangers < room => {
                    strangers += 1;
                    verdict.fetch.push((*node).clone());
                }
                None => {}
            }
        }
        if self.forbearing.is_some_and(|until| now < until) {
            return verdict;
        }
        self.forbearing = None;
        for (node, peer) in &mut self.peers {
            let silent = |packet| now.saturating_duration_since(packet) > self.silence;
            if peer.online && peer.packet.is_none_or(silent) && !present.contains_key(node) {
                peer.online = false;
                peer.last = now;
                verdict.gone.push(node.clone());
            }
        }
        verdict.gone.sort();
        verdict
    }
}

enum Heard {
    Alive,
    Changed,
    Leaving,
}

impl Peer {
    fn hear(&mut self, beats: &[(Name, u64)], known: Option<Known>, now: Instant) -> Heard {
        let of = |beat: &(Name, u64), instance: &str| instance.starts_with(beat.0.as_str());
        let before = std::mem::replace(&mut self.beats, beats.to_vec());
        if let Some((at, instance)) = &self.left
            && now.saturating_duration_since(*at) <= LEAVING
            && beats.iter().all(|beat| of(beat, instance))
        {
            return Heard::Leaving;
        }
        let Some(known) = known.filter(|_| self.online) else { return Heard::Changed };
        let current = |beat: &&(Name, u64)| beat.1 == known.seq && of(beat, &known.instance);
        // An old beat may linger beside the current one. The second time, it says nothing new.
        let news = beats.iter().filter(|beat| !current(beat)).any(|beat| !before.contains(beat));
        if beats.iter().any(|beat| current(&beat)) && !news { Heard::Alive } else { Heard::Changed }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(30);
    const SILENCE: Duration = Duration::from_secs(10);
    const ROOM: usize = 10_000;

    fn node(id: &str) -> NodeId {
        NodeId::new(id).unwrap()
    }

    fn beat(id: &str, instance: &str, seq: u64) -> Beat {
        Beat { node: node(id), instance: instance.into(), seq }
    }

    fn own() -> Beat {
        beat("own", "00000000", 1)
    }

    fn liveness() -> BeatLiveness {
        BeatLiveness::new(node("own"), TIMEOUT, SILENCE)
    }

    fn secs(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    /// What the registry says that knows one process and one INFO of each node.
    fn known(instance: &'static str, seq: u64) -> impl Fn(&NodeId) -> Option<Known> {
        move |_| Some(Known { instance: instance.into(), seq })
    }

    fn ids(nodes: &[&str]) -> Vec<NodeId> {
        nodes.iter().map(|id| node(id)).collect()
    }

    #[test]
    fn a_stranger_is_fetched_until_its_info_came_and_then_lives_by_its_beats() {
        let (now, mut liveness) = (Instant::now(), liveness());
        let a = beat("a", "12345678", 1);
        for _ in 0..2 {
            assert_eq!(liveness.scanned(std::slice::from_ref(&a), |_| None, ROOM, now).fetch, ids(&["a"]));
        }
        liveness.online(&node("a"), now);
        let known = known("12345678-rest", 1);
        for second in 0..100 {
            let verdict = liveness.scanned(std::slice::from_ref(&a), &known, ROOM, now + secs(second));
            assert_eq!(verdict, Verdict { alive: ids(&["a"]), ..Verdict::default() });
        }
        let verdict = liveness.scanned(&[own()], &known, ROOM, now + secs(100));
        assert_eq!(verdict.gone, ids(&["a"]));
        assert!(liveness.scanned(&[own()], &known, ROOM, now + secs(101)).gone.is_empty(), "once");
    }

    #[test]
    fn another_process_or_another_info_is_fetched() {
        let (now, mut liveness) = (Instant::now(), liveness());
        liveness.online(&node("a"), now);
        let known = known("12345678-rest", 3);
        for (instance, seq) in [("12345678", 4), ("12345678", 2), ("87654321", 3)] {
            let verdict = liveness.scanned(&[beat("a", instance, seq)], &known, ROOM, now);
            assert_eq!((verdict.fetch, verdict.alive), (ids(&["a"]), ids(&[])), "{instance} {seq}");
        }
    }

    #[test]
    fn an_old_beat_beside_the_current_one_is_looked_at_once() {
        let (now, mut liveness) = (Instant::now(), liveness());
        liveness.online(&node("a"), now);
        let both = [beat("a", "11111111", 9), beat("a", "22222222", 1)];
        let old = known("11111111-x", 9);
        assert_eq!(liveness.scanned(&both[..1], &old, ROOM, now).alive, ids(&["a"]));
        assert_eq!(liveness.scanned(&both, &old, ROOM, now).fetch, ids(&["a"]), "restarted");
        let new = known("22222222-x", 1);
        assert_eq!(liveness.scanned(&both, &new, ROOM, now).alive, ids(&["a"]));
        assert_eq!(liveness.scanned(&both[1..], &new, ROOM, now).alive, ids(&["a"]));
    }

    #[test]
    fn a_scan_without_any_beat_says_nothing() {
        let (now, mut liveness) = (Instant::now(), liveness());
        liveness.online(&node("a"), now);
        assert_eq!(liveness.scanned(&[], |_| None, ROOM, now + secs(999)), Verdict::default());
    }

    #[test]
    fn nobody_is_gone_while_the_others_may_not_have_written_again() {
        let (now, mut liveness) = (Instant::now(), liveness());
        liveness.online(&node("a"), now);
        liveness.online(&node("b"), now);
        liveness.forbear(now);
        assert_eq!(liveness.scanned(&[own()], |_| None, ROOM, now + secs(29)).gone, ids(&[]));
        let back = [own(), beat("b", "12345678", 1)];
        assert_eq!(liveness.scanned(&back, known("12345678", 1), ROOM, now + secs(30)).gone, ids(&["a"]));
    }

    #[test]
    fn nobody_is_gone_whose_packets_still_come() {
        let (now, mut liveness) = (Instant::now(), liveness());
        liveness.online(&node("a"), now);
        for second in 0..100 {
            liveness.heard(&node("a"), now + secs(second));
            assert_eq!(liveness.scanned(&[own()], |_| None, ROOM, now + secs(second)).gone, ids(&[]));
        }
        assert_eq!(liveness.scanned(&[own()], |_| None, ROOM, now + secs(109)).gone, ids(&[]));
        assert_eq!(liveness.scanned(&[own()], |_| None, ROOM, now + secs(110)).gone, ids(&["a"]));
    }

    #[test]
    fn a_farewell_is_not_taken_back_by_a_beat_that_lingers_and_a_new_process_is() {
        let (now, mut liveness) = (Instant::now(), liveness());
        liveness.online(&node("a"), now);
        liveness.left(&node("a"), "12345678-x".into(), now);
        let lingering = [beat("a", "12345678", 2)];
        assert_eq!(liveness.scanned(&lingering, |_| None, ROOM, now + secs(2)), Verdict::default());
        assert_eq!(liveness.scanned(&[beat("a", "99999999", 1)], |_| None, ROOM, now).fetch, ids(&["a"]));
        assert_eq!(
            liveness.scanned(&lingering, |_| None, ROOM, now + secs(3)).fetch,
            ids(&["a"]),
            "it lives after all"
        );
    }

    #[test]
    fn no_more_strangers_are_fetched_than_there_is_room_for() {
        let (now, mut liveness) = (Instant::now(), liveness());
        liveness.online(&node("a"), now);
        let beats = ["a", "b", "c", "d"].map(|id| beat(id, "12345678", 1));
        for room in 0..3 {
            let fetch = liveness.scanned(&beats, |_| None, room, now).fetch;
            assert_eq!(fetch, ids(&["a", "b", "c"][..=room]), "who is known needs none");
        }
    }

    #[test]
    fn an_offline_node_is_last_heard_when_it_went_or_when_a_packet_came_since() {
        let (now, mut liveness) = (Instant::now(), liveness());
        liveness.online(&node("a"), now);
        liveness.left(&node("a"), "x".into(), now + secs(5));
        assert_eq!(liveness.last_heard(&node("a")), Some(now + secs(5)));
        liveness.heard(&node("a"), now + secs(7));
        assert_eq!(liveness.last_heard(&node("a")), Some(now + secs(7)));
        liveness.forget(&node("a"));
        assert_eq!(liveness.last_heard(&node("a")), None);
    }

    /// A peer and the store, as they really are: what the scan makes of them.
    #[derive(Debug, Clone)]
    enum Step {
        Wait(u64),
        Beat(usize),
        Change(usize),
        Restart(usize),
        Delete(usize),
        Flush,
        Scan,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (1..10_u64).prop_map(Step::Wait),
            (0..3_usize).prop_map(Step::Beat),
            (0..3_usize).prop_map(Step::Change),
            (0..3_usize).prop_map(Step::Restart),
            (0..3_usize).prop_map(Step::Delete),
            Just(Step::Flush),
            Just(Step::Scan),
            Just(Step::Scan),
        ]
    }

    proptest! {
        #[test]
        fn what_is_known_follows_the_store(steps in prop::collection::vec(step(), 1..200)) {
            let mut now = Instant::now();
            let mut liveness = liveness();
            // Each peer's truth, its beats in the store with their ends, and what the registry has of it.
            let mut truth = [(0_u64, 1_u64); 3];
            let mut store: BTreeMap<(usize, u64, u64), Instant> = BTreeMap::new();
            let mut registry: [Option<Known>; 3] = Default::default();
            let id = |peer: usize| node(&format!("n{peer}"));
            let instance = |run: u64| format!("{run:08}-long");
            for step in steps {
                match step {
                    Step::Wait(seconds) => now += secs(seconds),
                    Step::Beat(peer) => {
                        let (run, seq) = truth[peer];
                        store.retain(|key, _| key.0 != peer || key.1 != run);
                        store.insert((peer, run, seq), now + TIMEOUT);
                    }
                    Step::Change(peer) => truth[peer].1 += 1,
                    Step::Restart(peer) => truth[peer] = (truth[peer].0 + 1, 1),
                    Step::Delete(peer) => store.retain(|key, _| key.0 != peer),
                    Step::Flush => {
                        store.clear();
                        liveness.forbear(now);
                    }
                    Step::Scan => {
                        store.retain(|_, end| *end > now);
                        let found: Vec<_> = store
                            .keys()
                            .map(|(peer, run, seq)| beat(&format!("n{peer}"), &instance(*run)[..8], *seq))
                            .chain([own()])
                            .collect();
                        let of = |asked: &NodeId| (0..3).find(|peer| id(*peer) == *asked);
                        let view = registry.clone();
                        let known = |asked: &NodeId| of(asked).and_then(|peer| view[peer].clone());
                        let verdict = liveness.scanned(&found, known, ROOM, now);
                        for gone in &verdict.gone {
                            let peer = of(gone).unwrap();
                            prop_assert!(registry[peer].take().is_some(), "gone twice");
                            prop_assert!(store.keys().all(|key| key.0 != peer), "gone with a beat");
                        }
                        for fetched in &verdict.fetch {
                            // Its INFO is whatever it wrote last.
                            let Some(peer) = of(fetched) else { continue };
                            let (run, seq) = truth[peer];
                            registry[peer] = Some(Known { instance: instance(run).into(), seq });
                            liveness.online(fetched, now);
                        }
                        for peer in 0..3 {
                            let (run, seq) = truth[peer];
                            if store.contains_key(&(peer, run, seq)) {
                                let is = Known { instance: instance(run).into(), seq };
                                prop_assert_eq!(registry[peer].clone(), Some(is), "not followed");
                            }
                        }
                    }
                }
            }
        }
    }
}
