//! Somebody else seems to use our node id.
//!
//! Two processes under one id take turns in being known, and each gets answers meant for the other. Node
//! ends the process that receives a foreign INFO under its id; one forged packet is enough. Here a
//! packet is only [`Evidence`]. It leads to a [`Probe`]: a connection to where the evidence points, HELLO,
//! and a PING with a nonce. What comes back decides:
//!
//! * the PING arrives at ourselves: the address is our own, seen from elsewhere. No conflict.
//! * a PONG with the nonce: we do not answer our own nonces, so somebody else did. Conflict.
//! * the connection fails: an earlier run of ours, since gone. No conflict.
//! * nothing: a Node process takes a packet from its own id for its own and drops it, so this may be a
//!   conflict that cannot be proven. A warning.
//!
//! Before this node is announced, its start waits for the answers, at most [`Options::wait`] after the first
//! evidence, and is refused by a proven conflict ([`Conflict::start`]). Without evidence it does not
//! wait. On a bus it asks without evidence, before it takes anything that is meant for its id. Later a
//! conflict is reported ([`Conflict::poll`]) and the node keeps its identity and goes on.
//! Everything is bounded: owners, open probes, and reports per minute.

use ligand_transporters::Name;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::limit::Bucket;

/// Numbers that govern conflicts.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Whether a probe needs an address to connect to (TCP). On a bus it goes to our own topic.
    pub(crate) addressed: bool,
    /// On a bus: how long another owner may take to answer after our own copy of the last probe came back, or
    /// four times as long as the slowest took (60 ms). A server that collects small packets (mosquitto does) gives the
    /// owner its copy up to 40 ms after ours, when the owner's machine has confirmed what came before.
    pub(crate) after_echo: Duration,
    /// How long a probe may stay without answer, and a start may wait (500 ms).
    pub(crate) wait: Duration,
    /// Shortest time between two reports of owners that answered, and between two of others (60 s).
    pub(crate) report_every: Duration,
    /// Shortest time between two probes of one owner (10 s).
    pub(crate) probe_every: Duration,
    /// Owners remembered, and with them the open probes (64).
    pub(crate) max_owners: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            addressed: true,
            after_echo: Duration::from_millis(60),
            wait: Duration::from_millis(500),
            report_every: Duration::from_secs(60),
            probe_every: Duration::from_secs(10),
            max_owners: 64,
        }
    }
}

/// A packet that would not exist if we were the only one with our id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Evidence {
    /// What kind of packet.
    pub(crate) source: Source,
    /// `host:port` at which its author can be reached.
    pub(crate) address: Option<Name>,
    /// Instance id of its author.
    pub(crate) instance: Option<Name>,
}

/// Where evidence comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// A GOSSIP_HELLO from our id.
    Hello,
    /// A UDP announcement of our id.
    Datagram,
    /// A gossip packet or row about our id.
    GossipRow,
    /// The configuration names another address for our id.
    Configured,
    /// An INFO of our id.
    Info,
    /// None: on a bus a start asks without being asked for.
    Start,
}

/// A PING to send, its id being the nonce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Probe {
    /// Where to connect to; `None` on a bus.
    pub(crate) address: Option<Name>,
    /// The id of the PING.
    pub(crate) nonce: Name,
}

/// What a start should do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Start {
    /// Go on.
    Go,
    /// Look again when something happens, or at this time.
    Wait(Instant),
    /// Fail, naming this owner of the id.
    Refuse {
        /// Its address, else its instance id.
        owner: Name,
    },
}

/// Something for the log, the metrics and a local event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    /// The other's address, else its instance id.
    pub(crate) owner: Name,
    /// Whether it answered. If not, it may be a Node process, which cannot.
    pub(crate) proven: bool,
    /// What made us look.
    pub(crate) source: Source,
    /// How many others there are of whom the same can be said, and of whom nothing was said yet.
    pub(crate) others: usize,
}

/// The state of all that.
#[derive(Debug, Clone)]
pub(crate) struct Conflict {
    options: Options,
    instance: Name,
    owners: BTreeMap<Name, Owner>,
    first_probe: Option<Instant>,
    echoes: Echoes,
    /// Of owners that answered, and of others: who makes up owners that do not must not keep quiet about one
    /// that does.
    proven: Bucket,
    silent: Bucket,
}

/// What came back over a bus of what we sent to ourselves. One that is slow for another owner is slow for us
/// sooner or later; so it is asked several times, each time when the question before has come back. That also
/// makes our machine confirm what came, for which some servers wait before they send the answer on.
#[derive(Debug, Clone, Default)]
struct Echoes {
    asked: Option<Instant>,
    rounds: u32,
    slowest: Duration,
    /// When the last one came.
    done: Option<Instant>,
    /// Whether to ask once more.
    again: bool,
}

/// So often is asked.
const ROUNDS: u32 = 3;

impl Echoes {
    fn came(&mut self, now: Instant) {
        let Some(asked) = self.asked.filter(|_| self.rounds < ROUNDS) else { return };
        self.rounds += 1;
        self.slowest = self.slowest.max(now.saturating_duration_since(asked));
        self.asked = Some(now);
        self.again = self.rounds < ROUNDS;
        self.done = (self.rounds == ROUNDS).then_some(now);
    }
}

#[derive(Debug, Clone)]
struct Owner {
    source: Source,
    state: State,
    probed: Instant,
    reported: Option<Instant>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Asked {
        nonce: Name,
    },
    /// It was ourselves, or nobody.
    Cleared,
    Silent,
    Proven,
}

impl Owner {
    fn awaits(&self, nonce: &str) -> bool {
        matches!(&self.state, State::Asked { nonce: asked } if asked == nonce)
    }
}

/// The key of an owner that gave neither address nor instance.
const UNNAMED: &str = "another node on this bus";
/// What makes the id of a PONG to ourselves of that of a PING. It tells how fast a bus is on which our own
/// copy of the PING may never come ([`Capabilities::shared_inboxes`](ligand_transporters::Capabilities)).
const ECHO: &str = "-echo";

impl Conflict {
    /// Nothing known yet. `instance` is our own instance id.
    pub(crate) fn new(instance: Name, options: Options) -> Self {
        let reports = Bucket::new(1, options.report_every);
        Self {
            options,
            instance,
            owners: BTreeMap::new(),
            first_probe: None,
            echoes: Echoes::default(),
            proven: reports.clone(),
            silent: reports,
        }
    }

    /// Asks on a bus before anything speaks for a conflict: whoever has our id receives what is sent to it.
    /// Asked once more, it begins anew: what was sent before may have been lost.
    pub(crate) fn probe_bus(&mut self, nonce: Name, now: Instant) -> Option<Probe> {
        self.owners.retain(|_, owner| owner.source != Source::Start || owner.state == State::Proven);
        self.claimed();
        self.evidence(&Evidence { source: Source::Start, address: None, instance: None }, nonce, now)
    }

    /// Takes a hint. The probe, if there is one, uses `nonce`, which must be unguessable.
    pub(crate) fn evidence(&mut self, evidence: &Evidence, nonce: Name, now: Instant) -> Option<Probe> {
        let ours = evidence.instance.as_ref().is_some_and(|instance| *instance == self.instance);
        if ours || (self.options.addressed && evidence.address.is_none()) {
            return None;
        }
        let named = evidence.address.as_ref().or(evidence.instance.as_ref());
        let key = named.cloned().unwrap_or(Name::from_static(UNNAMED));
        let mut reported = None;
        if let Some(owner) = self.owners.get(&key) {
            let recent = now.saturating_duration_since(owner.probed) < self.options.probe_every;
            if recent || matches!(owner.state, State::Asked { .. }) {
                return None;
            }
            reported = owner.reported;
        } else if !self.make_room() {
            return None;
        }
        let state = State::Asked { nonce: nonce.clone() };
        self.owners.insert(key, Owner { source: evidence.source, state, probed: now, reported });
        self.first_probe.get_or_insert(now);
        self.echoes.asked.get_or_insert(now);
        Some(Probe { address: evidence.address.clone(), nonce })
    }

    /// A PING came from our own id. `true`: it is a probe of ours that came back to us, and gets no answer.
    /// `false`: somebody probes us, and gets a PONG at the address of the HELLO before it.
    pub(crate) fn pinged(&mut self, nonce: &str, now: Instant) -> bool {
        if self.options.addressed {
            return self.settle(nonce, State::Cleared);
        }
        // On a bus it always comes back to us, and says nothing about who else got it. But it shows how
        // fast the bus is: whoever else got it has answered after a few times as long.
        let ours = self.owners.values().any(|owner| owner.awaits(nonce));
        if ours {
            self.echoes.came(now);
        }
        ours
    }

    /// The id stands. Whatever comes up later has its own time to be answered.
    pub(crate) fn claimed(&mut self) {
        self.first_probe = None;
        self.echoes = Echoes::default();
    }

    /// Whether the probe that has just come back is to be sent once more.
    pub(crate) fn asks_again(&mut self) -> bool {
        std::mem::take(&mut self.echoes.again)
    }

    /// The id of the PONG to ourselves that goes out with a PING of this id.
    pub(crate) fn echo(nonce: &str) -> Name {
        format!("{nonce}{ECHO}").into()
    }

    /// The PING with which such a PONG went out. It comes as fast as the PING reaches whoever else has our id.
    pub(crate) fn echo_of<'a>(&mut self, nonce: &'a str, now: Instant) -> Option<&'a str> {
        let asked = nonce.strip_suffix(ECHO)?;
        if !self.owners.values().any(|owner| owner.awaits(asked)) {
            return None;
        }
        self.echoes.came(now);
        Some(asked)
    }

    /// A PONG came. `true` if it answers a probe, and so proves a conflict.
    pub(crate) fn ponged(&mut self, nonce: &str) -> bool {
        self.settle(nonce, State::Proven)
    }

    /// An address that was probed could not be connected to, or the connection ended without an answer.
    pub(crate) fn unreachable(&mut self, address: &str) {
        if let Some(owner) = self.owners.get_mut(address)
            && matches!(owner.state, State::Asked { .. })
        {
            owner.state = State::Cleared;
        }
    }

    /// What a start that is otherwise done should do.
    pub(crate) fn start(&self, now: Instant) -> Start {
        let proven = self.owners.iter().find(|(_, owner)| owner.state == State::Proven);
        if let Some((owner, _)) = proven {
            return Start::Refuse { owner: owner.clone() };
        }
        let open = self.owners.values().any(|owner| matches!(owner.state, State::Asked { .. }));
        let until = self.first_probe.and_then(|first| {
            let longest = first.checked_add(self.options.wait)?;
            let patience = (self.echoes.slowest * 4).max(self.options.after_echo);
            let answered = self.echoes.done.and_then(|at| at.checked_add(patience));
            Some(answered.map_or(longest, |answered| longest.min(answered)))
        });
        match until {
            Some(until) if open && now < until => Start::Wait(until),
            _ => Start::Go,
        }
    }

    /// Gives up probes that nobody answered, and returns what is worth telling: however many owners there
    /// seem to be, one report of those that answered and one of the others every
    /// [`Options::report_every`]. To be called about every second, and once when a start went on.
    pub(crate) fn poll(&mut self, now: Instant) -> Vec<Report> {
        for owner in self.owners.values_mut() {
            let waited = now.saturating_duration_since(owner.probed);
            // Silence to the question that a start asks unprompted is what everybody hopes for.
            if matches!(owner.state, State::Asked { .. }) && waited >= self.options.wait {
                owner.state = if owner.source == Source::Start { State::Cleared } else { State::Silent };
            }
        }
        [State::Proven, State::Silent].into_iter().filter_map(|state| self.report(&state, now)).collect()
    }

    /// One report of all owners in this state of whom something is to be told. Those that the rate keeps back
    /// are told of with the next.
    fn report(&mut self, state: &State, now: Instant) -> Option<Report> {
        let (options, is_proven) = (&self.options, *state == State::Proven);
        let lines = if is_proven { &mut self.proven } else { &mut self.silent };
        let mut news = self.owners.iter_mut().filter(|(_, owner)| {
            // Told of this probe already, or of an earlier one not long ago.
            let quiet = owner.reported.is_some_and(|at| {
                at >= owner.probed || now.saturating_duration_since(at) < options.report_every
            });
            owner.state == *state && !quiet
        });
        let (key, owner) = news.next().filter(|_| lines.take(now))?;
        let mut report = Report { owner: key.clone(), proven: is_proven, source: owner.source, others: 0 };
        owner.reported = Some(now);
        for (_, owner) in news {
            owner.reported = Some(now);
            report.others += 1;
        }
        Some(report)
    }

    fn settle(&mut self, nonce: &str, state: State) -> bool {
        match self.owners.values_mut().find(|owner| owner.awaits(nonce)) {
            Some(owner) => {
                owner.state = state;
                true
            }
            None => false,
        }
    }

    /// Forgets the owner that was probed longest ago, unless all are still being asked.
    fn make_room(&mut self) -> bool {
        if self.owners.len() < self.options.max_owners {
            return true;
        }
        let settled = self.owners.iter().filter(|(_, owner)| !matches!(owner.state, State::Asked { .. }));
        match settled.min_by_key(|(_, owner)| owner.probed).map(|(key, _)| key.clone()) {
            Some(key) => self.owners.remove(&key).is_some(),
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conflict() -> Conflict {
        Conflict::new("me-1".into(), Options::default())
    }

    fn hello(address: &str) -> Evidence {
        Evidence { source: Source::Hello, address: Some(address.into()), instance: None }
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_start_without_evidence_does_not_wait() {
        assert_eq!(conflict().start(Instant::now()), Start::Go);
    }

    #[test]
    fn a_start_waits_half_a_second_for_an_answer_and_fails_naming_the_owner() {
        let now = Instant::now();
        let mut conflict = conflict();
        let probe = conflict.evidence(&hello("vm:4000"), "n1".into(), now).unwrap();
        assert_eq!(probe, Probe { address: Some("vm:4000".into()), nonce: "n1".into() });
        assert_eq!(conflict.start(now), Start::Wait(now + ms(500)));
        assert!(!conflict.ponged("guess"));
        assert!(conflict.ponged("n1"));
        assert_eq!(conflict.start(now + ms(20)), Start::Refuse { owner: "vm:4000".into() });
    }

    #[test]
    fn more_evidence_does_not_lengthen_the_wait() {
        let now = Instant::now();
        let mut conflict = conflict();
        conflict.evidence(&hello("vm:1"), "n1".into(), now).unwrap();
        conflict.evidence(&hello("vm:2"), "n2".into(), now + ms(400)).unwrap();
        assert_eq!(conflict.start(now + ms(450)), Start::Wait(now + ms(500)));
        assert_eq!(conflict.start(now + ms(500)), Start::Go);
    }

    #[test]
    fn our_own_answer_is_no_conflict() {
        let now = Instant::now();
        let mut conflict = conflict();
        conflict.evidence(&hello("127.0.0.1:4000"), "n1".into(), now).unwrap();
        assert!(conflict.pinged("n1", now), "it is our own probe and must not be answered");
        assert_eq!(conflict.start(now), Start::Go);
        assert!(!conflict.ponged("n1"), "it is settled");
        assert_eq!(conflict.poll(now + ms(5000)), []);
    }

    #[test]
    fn a_probe_of_somebody_else_is_answered() {
        assert!(!conflict().pinged("theirs", Instant::now()));
    }

    #[test]
    fn evidence_with_our_own_instance_or_without_an_address_is_none() {
        let mut conflict = conflict();
        let mut row = hello("vm:4000");
        row.instance = Some("me-1".into());
        assert_eq!(conflict.evidence(&row, "n".into(), Instant::now()), None);
        let bare = Evidence { source: Source::GossipRow, address: None, instance: None };
        assert_eq!(conflict.evidence(&bare, "n".into(), Instant::now()), None);
    }

    #[test]
    fn an_earlier_run_of_ours_that_is_gone_is_no_conflict() {
        let now = Instant::now();
        let mut conflict = conflict();
        conflict.evidence(&hello("vm:3999"), "n1".into(), now).unwrap();
        conflict.unreachable("vm:4000");
        assert_eq!(conflict.start(now), Start::Wait(now + ms(500)), "that was another address");
        conflict.unreachable("vm:3999");
        assert_eq!(conflict.start(now), Start::Go);
        assert_eq!(conflict.poll(now + ms(5000)), []);
    }

    #[test]
    fn an_owner_that_cannot_answer_is_a_warning_after_the_wait() {
        let now = Instant::now();
        let mut conflict = conflict();
        conflict.evidence(&hello("vm:4000"), "n1".into(), now).unwrap();
        assert_eq!(conflict.poll(now + ms(499)), []);
        assert_eq!(conflict.start(now + ms(500)), Start::Go);
        let report = Report { owner: "vm:4000".into(), proven: false, source: Source::Hello, others: 0 };
        assert_eq!(conflict.poll(now + ms(500)), [report]);
        assert_eq!(conflict.poll(now + ms(501)), []);
    }

    #[test]
    fn a_later_conflict_is_reported_once_a_minute_however_many_owners_there_are() {
        let start = Instant::now();
        let mut conflict = conflict();
        let mut reports = Vec::new();
        for second in 0..180 {
            let now = start + ms(1000 * second);
            for owner in ["vm:1", "vm:2"] {
                let nonce = format!("{owner}-{second}");
                if conflict.evidence(&hello(owner), nonce.clone().into(), now).is_some() {
                    assert!(conflict.ponged(&nonce));
                }
            }
            reports.extend(conflict.poll(now));
        }
        assert_eq!(reports.len(), 3, "{reports:?}");
        assert!(reports.iter().all(|report| report.proven && report.others == 1));
    }

    #[test]
    fn a_bus_is_probed_before_ready_and_silence_there_is_good() {
        let now = Instant::now();
        let options = Options { addressed: false, ..Options::default() };
        let mut conflict = Conflict::new("me-1".into(), options);
        assert_eq!(conflict.probe_bus("n1".into(), now).unwrap().address, None);
        assert_eq!(conflict.start(now), Start::Wait(now + ms(500)));
        assert_eq!(conflict.start(now + ms(500)), Start::Go);
        assert_eq!(conflict.poll(now + ms(500)), []);

        let info = Evidence { source: Source::Info, address: None, instance: Some("other".into()) };
        assert!(conflict.evidence(&info, "n2".into(), now + ms(600)).is_some());
        assert!(conflict.pinged("n2", now), "our own copy of the probe");
        assert!(conflict.ponged("n2"), "and the answer of the other who got one");
        assert_eq!(conflict.start(now + ms(650)), Start::Refuse { owner: "other".into() });
    }

    #[test]
    fn a_fast_bus_makes_for_a_short_wait() {
        let now = Instant::now();
        let mut conflict = Conflict::new("me-1".into(), Options { addressed: false, ..Options::default() });
        conflict.probe_bus("n1".into(), now).unwrap();
        for (at, again) in [(2, true), (4, true), (6, false), (8, false)] {
            assert_eq!(conflict.start(now + ms(5)), Start::Wait(now + ms(if at < 8 { 500 } else { 66 })));
            assert!(conflict.pinged("n1", now + ms(at)));
            assert_eq!(conflict.asks_again(), again, "after {at} ms");
        }
        assert_eq!(conflict.start(now + ms(66)), Start::Go);
    }

    #[test]
    fn a_bus_that_is_slow_once_makes_for_a_longer_wait() {
        let now = Instant::now();
        let mut conflict = Conflict::new("me-1".into(), Options { addressed: false, ..Options::default() });
        conflict.probe_bus("n1".into(), now).unwrap();
        for at in [1, 41, 42] {
            conflict.pinged("n1", now + ms(at));
        }
        assert_eq!(conflict.start(now + ms(50)), Start::Wait(now + ms(42 + 160)));
    }

    #[test]
    fn where_the_probe_itself_never_comes_back_its_echo_tells_how_fast_the_bus_is() {
        let now = Instant::now();
        let mut conflict = Conflict::new("me-1".into(), Options { addressed: false, ..Options::default() });
        conflict.probe_bus("n1".into(), now).unwrap();
        assert_eq!((conflict.echo_of("n1", now), conflict.echo_of("n2-echo", now)), (None, None));
        assert_eq!(conflict.start(now), Start::Wait(now + ms(500)));
        for at in [20, 40, 60] {
            assert_eq!(conflict.echo_of(&Conflict::echo("n1"), now + ms(at)), Some("n1"));
        }
        assert!(conflict.echo_of(&Conflict::echo("n1"), now + ms(400)).is_some(), "one more changes nothing");
        assert_eq!(conflict.start(now + ms(60)), Start::Wait(now + ms(140)));
        assert_eq!(conflict.start(now + ms(140)), Start::Go);
        assert!(conflict.ponged("n1"), "the answer itself still counts");
        assert!(matches!(conflict.start(now + ms(150)), Start::Refuse { .. }));
    }

    #[test]
    fn a_bus_that_was_lost_is_probed_anew() {
        let now = Instant::now();
        let mut conflict = Conflict::new("me-1".into(), Options { addressed: false, ..Options::default() });
        conflict.probe_bus("n1".into(), now).unwrap();
        assert!(conflict.pinged("n1", now + ms(1)));
        let later = now + ms(50);
        assert_eq!(conflict.probe_bus("n2".into(), later).unwrap().nonce, "n2");
        assert_eq!(conflict.start(later), Start::Wait(later + ms(500)));
        assert!(!conflict.ponged("n1") && conflict.ponged("n2"));
        conflict.probe_bus("n3".into(), later);
        assert!(matches!(conflict.start(later), Start::Refuse { .. }), "what was proven stays so");
    }

    #[test]
    fn evidence_against_an_id_that_stands_has_its_own_time() {
        let now = Instant::now();
        let mut conflict = Conflict::new("me-1".into(), Options { addressed: false, ..Options::default() });
        conflict.probe_bus("n1".into(), now).unwrap();
        for _ in 0..3 {
            conflict.pinged("n1", now);
        }
        assert_eq!(conflict.start(now + ms(60)), Start::Go);
        conflict.claimed();
        let later = now + ms(100);
        let info = Evidence { source: Source::Info, address: None, instance: Some("other".into()) };
        conflict.evidence(&info, "n2".into(), later).unwrap();
        assert_eq!(conflict.start(later), Start::Wait(later + ms(500)));
    }

    #[test]
    fn owners_that_change_share_one_report_and_do_not_hide_one_that_answers() {
        let start = Instant::now();
        let options = Options { addressed: false, ..Options::default() };
        let mut conflict = Conflict::new("me-1".into(), options);
        let mut reports = Vec::new();
        for second in 0..120 {
            let now = start + ms(1000 * second);
            let info =
                Evidence { source: Source::Info, address: None, instance: Some(format!("i{second}").into()) };
            let nonce = format!("n{second}");
            conflict.evidence(&info, nonce.clone().into(), now).unwrap();
            if second == 30 {
                assert!(conflict.ponged(&nonce));
            }
            reports.extend(conflict.poll(now + ms(500)).into_iter().map(|r| (second, r.proven, r.others)));
        }
        assert_eq!(reports, [(0, false, 0), (30, true, 0), (60, false, 58)]);
    }

    #[test]
    fn floods_of_evidence_stay_bounded() {
        let now = Instant::now();
        let mut conflict = conflict();
        let probes = (0..10_000)
            .filter(|i| conflict.evidence(&hello(&format!("vm:{i}")), format!("{i}").into(), now).is_some());
        assert_eq!(probes.count(), 64);
        assert_eq!(conflict.poll(now + ms(600)).iter().map(|report| report.others).collect::<Vec<_>>(), [63]);
        for i in 0..10_000 {
            let _ = conflict.evidence(&hello(&format!("xm:{i}")), format!("{i}").into(), now + ms(700));
        }
        assert_eq!(conflict.owners.len(), 64);
    }
}
