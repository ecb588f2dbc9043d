//! Whether a node that is online really is another process now.
//!
//! An INFO with another instance id means that the node was restarted, and that calls to the old process are
//! lost. On a bus nobody can prove where a packet comes from, so such an INFO is only a claim. The claim is
//! kept, and the node is asked, with a PING that has a nonce and with a DISCOVER. Whoever listens on the
//! node's own topic answers both.
//!
//! Without the echo of the nonce, the old process stays. After the echo, the old process has a moment to say
//! that it is still there: a few times as long as the echo took. Only then does an INFO of another process
//! count. If no such INFO arrives, the claim itself counts. Packets that arrive meanwhile cause the question
//! to be asked again, so a restart is noticed as soon as the new process answers.
//!
//! This keeps out senders that can publish but not listen. A sender that can also listen can pretend to be
//! any node. The message server's permissions have to prevent that.

use ligand_transporters::{Name, NodeId};
use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::protocol::InfoPacket;

/// The shortest time between two questions to one node.
const ASK_EVERY: Duration = Duration::from_secs(2);
/// How long after the echo an INFO may arrive. After that, the claim counts.
const AFTER_ECHO: Duration = Duration::from_millis(500);
/// If an INFO of another process arrived after the echo, the old process may answer for this many times as
/// long as the echo took. Both were asked at the same time.
const ECHOES: u32 = 4;
/// The shortest time that the old process has.
const LEAST: Duration = Duration::from_millis(20);
/// How many claims are kept, each with its INFO. Beyond that, a claim whose node does not answer makes room.
/// If there is none, the newcomer waits. A node that has answered is done in a moment, and must not have to
/// begin anew.
const MAX_CLAIMS: usize = 64;
/// A node that has not answered for this long makes room.
const PATIENCE: Duration = Duration::from_secs(1);

/// Claims that are being checked.
#[derive(Debug, Default)]
pub(crate) struct Succession(HashMap<NodeId, Claim>);

#[derive(Debug)]
struct Claim {
    info: Box<InfoPacket>,
    nonce: Name,
    asked: Instant,
    echoed: Option<Instant>,
    /// Whether an INFO of another process than the known one arrived after the echo.
    repeated: bool,
}

impl Claim {
    /// When the claim counts, unless the old process answers before.
    fn counts_at(&self) -> Option<Instant> {
        let echoed = self.echoed?;
        let wait = if self.repeated {
            (echoed.saturating_duration_since(self.asked) * ECHOES).clamp(LEAST, AFTER_ECHO)
        } else {
            AFTER_ECHO
        };
        Some(echoed + wait)
    }
}

/// Whether another claim can be kept.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// There is room.
    Free,
    /// There is room at the cost of this node's claim. That node must be asked who it is, so that its claim
    /// is not lost for good.
    InsteadOf(NodeId),
    /// There is no room. The node must be asked later.
    None,
}

/// What to do with an INFO.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Apply it.
    Take(Box<InfoPacket>),
    /// Keep it, and ask the node with this nonce.
    Ask(Name),
    /// Keep it. The node has been asked already.
    Wait,
}

impl Succession {
    /// An INFO arrived from a node that is online as the process `known`. `nonce` must be unguessable.
    pub(crate) fn info(
        &mut self,
        node: &NodeId,
        known: &str,
        info: Box<InfoPacket>,
        nonce: Name,
        now: Instant,
    ) -> Verdict {
        if *info.instance_id == *known {
            // The old process is there and says so.
            self.0.remove(node);
            return Verdict::Take(info);
        }
        match self.0.get_mut(node) {
            Some(claim) if claim.echoed.is_some() => {
                (claim.info, claim.repeated) = (info, true);
                Verdict::Wait
            }
            Some(claim) => {
                claim.info = info;
                self.ask_again(node, || nonce, now).map_or(Verdict::Wait, Verdict::Ask)
            }
            None => {
                let claim = Claim { info, nonce: nonce.clone(), asked: now, echoed: None, repeated: false };
                self.0.insert(node.clone(), claim);
                Verdict::Ask(nonce)
            }
        }
    }

    /// Makes room for a claim of this node. Call this before [`Succession::info`].
    pub(crate) fn make_room(&mut self, node: &NodeId, now: Instant) -> Room {
        if self.0.len() < MAX_CLAIMS || self.0.contains_key(node) {
            return Room::Free;
        }
        let silent =
            |claim: &Claim| claim.echoed.is_none() && now.saturating_duration_since(claim.asked) >= PATIENCE;
        let silent = self.0.iter().filter(|(_, claim)| silent(claim)).min_by_key(|(_, claim)| claim.asked);
        let Some(oldest) = silent.map(|(node, _)| node.clone()) else { return Room::None };
        self.0.remove(&oldest);
        Room::InsteadOf(oldest)
    }

    /// Another packet arrived from the node. Returns the nonce to ask it with, if it has not answered yet.
    pub(crate) fn ask_again(
        &mut self,
        node: &NodeId,
        nonce: impl FnOnce() -> Name,
        now: Instant,
    ) -> Option<Name> {
        let claim = self.0.get_mut(node)?;
        if claim.echoed.is_some() || now.saturating_duration_since(claim.asked) < ASK_EVERY {
            return None;
        }
        (claim.asked, claim.nonce) = (now, nonce());
        Some(claim.nonce.clone())
    }

    /// A PONG arrived from the node.
    pub(crate) fn ponged(&mut self, node: &NodeId, nonce: &str, now: Instant) {
        if let Some(claim) = self.0.get_mut(node).filter(|claim| *claim.nonce == *nonce) {
            claim.echoed.get_or_insert(now);
        }
    }

    /// The node is offline, so whatever arrives next is accepted.
    pub(crate) fn forget(&mut self, node: &NodeId) {
        self.0.remove(node);
    }

    /// When [`Succession::due`] returns something.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.0.values().filter_map(Claim::counts_at).min()
    }

    /// Returns the claims of nodes that answered and whose old process did not.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<(NodeId, Box<InfoPacket>)> {
        let due = |claim: &Claim| claim.counts_at().is_some_and(|at| now >= at);
        self.0.extract_if(|_, claim| due(claim)).map(|(node, claim)| (node, claim.info)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Client, Raw};

    fn info(instance: &str, seq: u64) -> Box<InfoPacket> {
        Box::new(InfoPacket {
            raw: Raw::empty_object(),
            services_raw: Raw::empty_object(),
            ip_list: Vec::new(),
            hostname: None,
            client: Client::default(),
            config: Raw::empty_object(),
            instance_id: instance.into(),
            metadata: Raw::empty_object(),
            seq,
            port: None,
        })
    }

    fn node() -> NodeId {
        NodeId::new("n").unwrap()
    }

    fn nonce(text: &'static str) -> Name {
        Name::from_static(text)
    }

    fn taken(verdict: Verdict) -> Option<u64> {
        match verdict {
            Verdict::Take(info) => Some(info.seq),
            _ => None,
        }
    }

    #[test]
    fn a_restart_is_taken_with_the_info_that_follows_the_echo_once_the_old_process_kept_silent() {
        let (mut claims, asked) = (Succession::default(), Instant::now());
        assert!(
            matches!(claims.info(&node(), "old", info("new", 1), nonce("x"), asked), Verdict::Ask(x) if x == "x")
        );
        assert_eq!(taken(claims.info(&node(), "old", info("new", 2), nonce("y"), asked)), None);
        let echoed = asked + Duration::from_millis(10);
        claims.ponged(&node(), "x", echoed);
        assert_eq!(taken(claims.info(&node(), "old", info("new", 3), nonce("z"), echoed)), None);
        let counts = echoed + 4 * Duration::from_millis(10);
        assert_eq!(claims.next(), Some(counts));
        assert!(claims.due(counts - Duration::from_millis(1)).is_empty());
        let due = claims.due(counts);
        assert_eq!(due.iter().map(|(_, info)| info.seq).collect::<Vec<_>>(), [3]);
        assert!(claims.0.is_empty());
    }

    #[test]
    fn the_old_process_stays_where_it_answers_after_others_in_its_name() {
        let (mut claims, now) = (Succession::default(), Instant::now());
        let _ = claims.info(&node(), "old", info("new", 1), nonce("x"), now);
        claims.ponged(&node(), "x", now);
        for seq in 2..10 {
            assert_eq!(taken(claims.info(&node(), "old", info("new", seq), nonce("y"), now)), None);
        }
        assert_eq!(taken(claims.info(&node(), "old", info("old", 7), nonce("y"), now)), Some(7));
        assert!(claims.due(now + ASK_EVERY).is_empty());
    }

    #[test]
    fn the_old_process_stays_where_it_answers() {
        let (mut claims, now) = (Succession::default(), Instant::now());
        let _ = claims.info(&node(), "old", info("new", 1), nonce("x"), now);
        claims.ponged(&node(), "x", now);
        assert_eq!(taken(claims.info(&node(), "old", info("old", 7), nonce("y"), now)), Some(7));
        assert!(claims.0.is_empty() && claims.due(now + ASK_EVERY).is_empty());
    }

    #[test]
    fn nothing_changes_without_the_echo_and_a_wrong_nonce_is_none() {
        let (mut claims, now) = (Succession::default(), Instant::now());
        let _ = claims.info(&node(), "old", info("new", 1), nonce("x"), now);
        claims.ponged(&node(), "guessed", now);
        for second in 0..3600 {
            let now = now + Duration::from_secs(second);
            assert!(claims.due(now).is_empty());
            assert_eq!(taken(claims.info(&node(), "old", info("new", 1), nonce("y"), now)), None);
        }
    }

    #[test]
    fn a_node_that_answers_and_says_nothing_else_is_what_was_claimed() {
        let (mut claims, now) = (Succession::default(), Instant::now());
        let _ = claims.info(&node(), "old", info("new", 1), nonce("x"), now);
        claims.ponged(&node(), "x", now);
        assert_eq!(claims.next(), Some(now + AFTER_ECHO));
        assert!(claims.due(now).is_empty());
        assert_eq!(claims.due(now + AFTER_ECHO).len(), 1);
    }

    #[test]
    fn packets_ask_again_but_not_more_often_than_every_two_seconds() {
        let (mut claims, now) = (Succession::default(), Instant::now());
        let _ = claims.info(&node(), "old", info("new", 1), nonce("x"), now);
        assert_eq!(claims.ask_again(&node(), || nonce("y"), now + ASK_EVERY / 2), None);
        assert_eq!(claims.ask_again(&node(), || nonce("y"), now + ASK_EVERY), Some(nonce("y")));
        claims.ponged(&node(), "x", now + ASK_EVERY);
        assert_eq!(claims.next(), None, "the first nonce has been replaced");
        assert_eq!(claims.ask_again(&NodeId::new("other").unwrap(), || nonce("z"), now), None);
    }

    #[test]
    fn a_flood_of_claims_is_bounded_and_tells_whom_it_pushes_out() {
        let (mut claims, start) = (Succession::default(), Instant::now());
        let node = |n: usize| NodeId::new(format!("n{n:03}")).unwrap();
        let at = |n: usize| start + Duration::from_millis(n as u64);
        for n in 0..MAX_CLAIMS {
            for _ in 0..2 {
                assert_eq!(claims.make_room(&node(n), at(n)), Room::Free);
                let _ = claims.info(&node(n), "old", info("new", 1), nonce("x"), at(n));
            }
        }
        // Each is given the time to answer; who has answered stays.
        let newcomer = node(MAX_CLAIMS);
        assert_eq!(claims.make_room(&newcomer, at(MAX_CLAIMS)), Room::None);
        claims.ponged(&node(0), "x", at(MAX_CLAIMS));
        assert_eq!(claims.make_room(&newcomer, start + PATIENCE), Room::None);
        assert_eq!(claims.make_room(&newcomer, at(1) + PATIENCE), Room::InsteadOf(node(1)));
        let _ = claims.info(&newcomer, "old", info("new", 1), nonce("x"), at(1) + PATIENCE);
        assert_eq!(claims.make_room(&node(1), at(1) + PATIENCE), Room::None);
        assert_eq!(claims.0.len(), MAX_CLAIMS);
    }
}
