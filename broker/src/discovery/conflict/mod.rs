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

mod echoes;
mod owners;
#[cfg(test)]
mod tests;

use ligand_transporters::Name;
use std::time::{Duration, Instant};

use super::limit::Bucket;
use echoes::Echoes;
use owners::{Owners, State};

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
    owners: Owners,
    first_probe: Option<Instant>,
    echoes: Echoes,
    /// Of owners that answered, and of others: who makes up owners that do not must not keep quiet about one
    /// that does.
    proven: Bucket,
    silent: Bucket,
}

/// The key of an owner that gave neither address nor instance.
const UNNAMED: &str = "another node on this bus";

impl Conflict {
    /// Nothing known yet. `instance` is our own instance id.
    pub(crate) fn new(instance: Name, options: Options) -> Self {
        let reports = Bucket::new(1, options.report_every);
        Self {
            owners: Owners::new(options.max_owners),
            options,
            instance,
            first_probe: None,
            echoes: Echoes::default(),
            proven: reports.clone(),
            silent: reports,
        }
    }

    /// Asks on a bus before anything speaks for a conflict: whoever has our id receives what is sent to it.
    /// Asked once more, it begins anew: what was sent before may have been lost.
    pub(crate) fn probe_bus(&mut self, nonce: Name, now: Instant) -> Option<Probe> {
        self.owners.forget_unprompted();
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
        let every = self.options.probe_every;
        if !self.owners.ask(key, evidence.source, nonce.clone(), every, now) {
            return None;
        }
        self.first_probe.get_or_insert(now);
        self.echoes.asked(now);
        Some(Probe { address: evidence.address.clone(), nonce })
    }

    /// A PING came from our own id. `true`: it is a probe of ours that came back to us, and gets no answer.
    /// `false`: somebody probes us, and gets a PONG at the address of the HELLO before it.
    pub(crate) fn pinged(&mut self, nonce: &str, now: Instant) -> bool {
        if self.options.addressed {
            return self.owners.settle(nonce, State::Cleared);
        }
        // On a bus it always comes back to us, and says nothing about who else got it. But it shows how
        // fast the bus is: whoever else got it has answered after a few times as long.
        let ours = self.owners.awaits(nonce);
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
        self.echoes.asks_again()
    }

    /// The id of the PONG to ourselves that goes out with a PING of this id.
    pub(crate) fn echo(nonce: &str) -> Name {
        echoes::of(nonce)
    }

    /// The PING with which such a PONG went out. It comes as fast as the PING reaches whoever else has our id.
    pub(crate) fn echo_of<'a>(&mut self, nonce: &'a str, now: Instant) -> Option<&'a str> {
        let asked = echoes::source(nonce).filter(|asked| self.owners.awaits(asked))?;
        self.echoes.came(now);
        Some(asked)
    }

    /// A PONG came. `true` if it answers a probe, and so proves a conflict.
    pub(crate) fn ponged(&mut self, nonce: &str) -> bool {
        self.owners.settle(nonce, State::Proven)
    }

    /// An address that was probed could not be connected to, or the connection ended without an answer.
    pub(crate) fn unreachable(&mut self, address: &str) {
        self.owners.clear(address);
    }

    /// What a start that is otherwise done should do.
    pub(crate) fn start(&self, now: Instant) -> Start {
        if let Some(owner) = self.owners.proven() {
            return Start::Refuse { owner: owner.clone() };
        }
        let until = self.first_probe.and_then(|first| {
            let longest = first.checked_add(self.options.wait)?;
            let answered = self.echoes.answered_by(self.options.after_echo);
            Some(answered.map_or(longest, |answered| longest.min(answered)))
        });
        match until {
            Some(until) if self.owners.are_asked() && now < until => Start::Wait(until),
            _ => Start::Go,
        }
    }

    /// Gives up probes that nobody answered, and returns what is worth telling: however many owners there
    /// seem to be, one report of those that answered and one of the others every
    /// [`Options::report_every`]. To be called about every second, and once when a start went on.
    pub(crate) fn poll(&mut self, now: Instant) -> Vec<Report> {
        let Options { wait, report_every, .. } = self.options;
        self.owners.give_up(wait, now);
        let proven = self.owners.report(&State::Proven, report_every, || self.proven.take(now), now);
        let silent = self.owners.report(&State::Silent, report_every, || self.silent.take(now), now);
        proven.into_iter().chain(silent).collect()
    }
}
