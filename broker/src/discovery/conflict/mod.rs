//! Another node seems to use our node id.
//!
//! Two processes with one id take turns in being known, and each gets answers meant for the other. Node ends
//! the process that receives a foreign INFO under its id, so one forged packet is enough. Here such a packet
//! is only [`Evidence`]. It leads to a [`Probe`]: a connection to where the evidence points, a HELLO, and a
//! PING with a nonce. The result decides:
//!
//! * The PING arrives at this node: the address is our own, seen from elsewhere. There is no conflict.
//! * A PONG with the nonce arrives: we do not answer our own nonces, so another node did. There is a
//!   conflict.
//! * The connection fails: it was an earlier run of ours that is gone. There is no conflict.
//! * Nothing happens: a Node process takes a packet from its own id for its own and drops it. So this may be
//!   a conflict that cannot be proven. It is logged as a warning.
//!
//! Before this node is announced, its start waits for the answers, for at most [`Options::wait`] after the
//! first evidence. A proven conflict refuses the start ([`Conflict::start`]). Without evidence, the start
//! does not wait. On a bus it probes without evidence, before it takes anything that is meant for its id. A
//! later conflict is reported ([`Conflict::poll`]), and the node keeps its identity and goes on. Everything
//! is bounded: owners, open probes, and reports per minute.

mod echoes;
mod owners;
#[cfg(test)]
mod tests;

use ligand_transporters::Name;
use std::time::{Duration, Instant};

use super::limit::Bucket;
use echoes::Echoes;
use owners::{Owners, State};

/// The settings for conflicts.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Whether a probe needs an address to connect to (TCP). On a bus it goes to our own topic.
    pub(crate) addressed: bool,
    /// On a bus: how long another owner may take to answer after our own copy of the last probe came back (60
    /// ms). If four times the slowest echo is longer, that applies. A server that collects small packets, as
    /// mosquitto does, may give the owner its copy up to 40 ms after ours, once the owner's machine has
    /// confirmed what came before.
    pub(crate) after_echo: Duration,
    /// How long a probe may stay without answer, and how long a start may wait (500 ms).
    pub(crate) wait: Duration,
    /// The shortest time between two reports of owners that answered, and between two of other owners (60 s).
    pub(crate) report_every: Duration,
    /// The shortest time between two probes of one owner (10 s).
    pub(crate) probe_every: Duration,
    /// How many owners are remembered, which also limits the open probes (64).
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

/// A packet that would not exist if we were the only node with our id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Evidence {
    /// The kind of packet.
    pub(crate) source: Source,
    /// The `host:port` at which its author can be reached.
    pub(crate) address: Option<Name>,
    /// The instance id of its author.
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
    /// No packet: on a bus, a start probes without evidence.
    Start,
}

/// A PING to send. Its id is the nonce.
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
    /// Check again when something happens, or at this time.
    Wait(Instant),
    /// Fail, naming this owner of the id.
    Refuse {
        /// The owner's address, or else its instance id.
        owner: Name,
    },
}

/// A report for the log, the metrics and a local event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    /// The other owner's address, or else its instance id.
    pub(crate) owner: Name,
    /// Whether it answered. If not, it may be a Node process, which cannot answer.
    pub(crate) proven: bool,
    /// The evidence that caused the probe.
    pub(crate) source: Source,
    /// How many other owners there are to which the same applies, and which were not reported yet.
    pub(crate) others: usize,
}

/// The state of all conflicts.
#[derive(Debug, Clone)]
pub(crate) struct Conflict {
    options: Options,
    instance: Name,
    owners: Owners,
    first_probe: Option<Instant>,
    echoes: Echoes,
    /// `proven` limits the reports of owners that answered, and `silent` those of other owners. Whoever
    /// invents owners that do not answer must not silence the report of one that does.
    proven: Bucket,
    silent: Bucket,
}

/// The key of an owner whose address and instance id are unknown.
const UNNAMED: &str = "another node on this bus";

impl Conflict {
    /// A state in which nothing is known yet. `instance` is our own instance id.
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

    /// Probes on a bus before there is any evidence, because whoever has our id receives what is sent to it.
    /// A second call begins anew, because what was sent before may have been lost.
    pub(crate) fn probe_bus(&mut self, nonce: Name, now: Instant) -> Option<Probe> {
        self.owners.forget_unprompted();
        self.claimed();
        self.evidence(&Evidence { source: Source::Start, address: None, instance: None }, nonce, now)
    }

    /// Takes evidence. The probe, if there is one, uses `nonce`, which must be unguessable.
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

    /// A PING arrived from our own id. Returns `true` if it is our own probe that came back, which gets no
    /// answer. Returns `false` if another node probes us. It gets a PONG at the address in the HELLO before
    /// it.
    pub(crate) fn pinged(&mut self, nonce: &str, now: Instant) -> bool {
        if self.options.addressed {
            return self.owners.settle(nonce, State::Cleared);
        }
        // On a bus our PING always comes back to us, and does not tell who else got it. But it shows how fast
        // the bus is: any other receiver has answered after a few times as long.
        let ours = self.owners.awaits(nonce);
        if ours {
            self.echoes.came(now);
        }
        ours
    }

    /// The id is ours now. Later evidence has its own time to be answered.
    pub(crate) fn claimed(&mut self) {
        self.first_probe = None;
        self.echoes = Echoes::default();
    }

    /// Whether to send the same probe again, which has just come back.
    pub(crate) fn asks_again(&mut self) -> bool {
        self.echoes.asks_again()
    }

    /// The id of the PONG to ourselves that is sent with a PING of this id.
    pub(crate) fn echo(nonce: &str) -> Name {
        echoes::of(nonce)
    }

    /// The PING that such a PONG was sent with. The PONG arrives as fast as the PING reaches another node
    /// with our id.
    pub(crate) fn echo_of<'a>(&mut self, nonce: &'a str, now: Instant) -> Option<&'a str> {
        let asked = echoes::source(nonce).filter(|asked| self.owners.awaits(asked))?;
        self.echoes.came(now);
        Some(asked)
    }

    /// A PONG arrived. Returns `true` if it answers a probe, and so proves a conflict.
    pub(crate) fn ponged(&mut self, nonce: &str) -> bool {
        self.owners.settle(nonce, State::Proven)
    }

    /// It was not possible to connect to an address that was probed, or the connection ended without an
    /// answer.
    pub(crate) fn unreachable(&mut self, address: &str) {
        self.owners.clear(address);
    }

    /// What a start should do once everything else is complete.
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

    /// Gives up probes that nobody answered, and returns what to report. However many owners there seem to
    /// be, there is one report of those that answered, and one of the others, in each
    /// [`Options::report_every`]. Call this about every second, and once after a start went on.
    pub(crate) fn poll(&mut self, now: Instant) -> Vec<Report> {
        let Options { wait, report_every, .. } = self.options;
        self.owners.give_up(wait, now);
        let proven = self.owners.report(&State::Proven, report_every, || self.proven.take(now), now);
        let silent = self.owners.report(&State::Silent, report_every, || self.silent.take(now), now);
        proven.into_iter().chain(silent).collect()
    }
}
