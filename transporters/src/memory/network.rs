//! What users and tests hold: the network, and a transporter of it.

use async_trait::async_trait;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::connection::Live;
use super::faults::Weather;
use super::hub::Hub;
use super::{Faults, Options, named};
use crate::scheme::Backend;
use crate::{
    Capabilities, Connection, Link, Name, NodeId, Subscription, TransportError, Transporter, TransporterUrl,
};

/// A message bus inside this process; clones are the same network.
///
/// Faults take effect for frames sent from then on; what is under way arrives. They name nodes by id,
/// in all namespaces, and may be set before a node exists. A node's way to itself knows no faults.
#[derive(Debug, Clone)]
pub struct Network {
    hub: Arc<Hub>,
}

/// What became of frames that were accepted, but did not simply arrive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Nobody was there, or nobody had subscribed.
    pub unrouted: u64,
    /// Copies of broadcasts for nodes whose queue was full.
    pub overflowed: u64,
    /// Lost by a partition or at random.
    pub lost: u64,
    /// Arrived twice.
    pub duplicated: u64,
}

impl Network {
    /// A network of its own, with defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Options::default())
    }

    /// A network of its own whose faults begin with this seed.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self::with(Options { seed, ..Options::default() })
    }

    /// A network of its own.
    #[must_use]
    pub fn with(options: Options) -> Self {
        Self { hub: Arc::new(Hub::new(None, options)) }
    }

    /// The network that `memory://name` stands for in this process, made with defaults when nobody
    /// uses it. It is gone when the last `Network`, [`Memory`] and connection of it are.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { hub: named::hub(name) }
    }

    /// A transporter that connects to this network; any number of nodes may share it.
    #[must_use]
    pub fn transporter(&self) -> Memory {
        Memory { hub: Arc::clone(&self.hub) }
    }

    /// Ids of the nodes that are part of it, cut off or not.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeId> {
        self.hub.nodes()
    }

    /// What became of frames so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let tally = &self.hub.tally;
        Counts {
            unrouted: tally.unrouted.load(Ordering::Relaxed),
            overflowed: tally.overflowed.load(Ordering::Relaxed),
            lost: tally.lost.load(Ordering::Relaxed),
            duplicated: tally.duplicated.load(Ordering::Relaxed),
        }
    }

    /// Loses every frame between two nodes, until [`Network::repair`].
    pub fn partition(&self, a: impl AsRef<str>, b: impl AsRef<str>) {
        self.both_ways(a.as_ref(), b.as_ref(), |weather, from, to| weather.cut(from, to, true));
    }

    /// Loses every frame from one node to another, until [`Network::repair`]; the way back stays open.
    pub fn cut(&self, from: impl AsRef<str>, to: impl AsRef<str>) {
        let (from, to) = (Name::from(from.as_ref()), Name::from(to.as_ref()));
        self.hub.change_weather(|weather| weather.cut(&from, &to, true));
    }

    /// Undoes [`Network::partition`] and [`Network::cut`] between two nodes, both ways.
    pub fn repair(&self, a: impl AsRef<str>, b: impl AsRef<str>) {
        self.both_ways(a.as_ref(), b.as_ref(), |weather, from, to| weather.cut(from, to, false));
    }

    /// Undoes every partition and cut, and releases every hold. Random [`Faults`] and crashed nodes
    /// stay as they are.
    pub fn repair_all(&self) {
        self.hub.change_weather(Weather::repair_all);
        self.hub.release(Weather::held);
    }

    /// Lets frames between two nodes wait, both ways, until [`Network::release`]. They count towards
    /// the bounds of their receivers' queues.
    pub fn hold(&self, a: impl AsRef<str>, b: impl AsRef<str>) {
        self.both_ways(a.as_ref(), b.as_ref(), Weather::hold);
    }

    /// Lets the frames between two nodes go on, in the order they were sent.
    pub fn release(&self, a: impl AsRef<str>, b: impl AsRef<str>) {
        let (a, b) = (Name::from(a.as_ref()), Name::from(b.as_ref()));
        self.hub.release(|_| vec![(a.clone(), b.clone()), (b, a)]);
    }

    /// Breaks the connection of a node: what waited for it is lost, nothing leaves or arrives, others
    /// hear nothing of it. The node itself is told ([`Link::down`]), its sends fail with
    /// [`SendError::Disconnected`](crate::SendError::Disconnected), and it cannot connect anew.
    pub fn crash(&self, node: impl AsRef<str>) {
        self.hub.crash(&Name::from(node.as_ref()));
    }

    /// Undoes [`Network::crash`]: the node is told ([`Link::up`]), and has to subscribe again.
    pub fn restore(&self, node: impl AsRef<str>) {
        self.hub.restore(&Name::from(node.as_ref()));
    }

    /// Takes a subscription away from a node, now and whenever it asks for it, until [`Network::allow`]: as a
    /// server does whose permissions change. The node is told ([`Link::deaf`]) if it has it, and then has to
    /// subscribe again ([`Link::up`]).
    pub fn deny(&self, node: impl AsRef<str>, subscription: Subscription) {
        self.hub.deny(&Name::from(node.as_ref()), subscription);
    }

    /// Undoes [`Network::deny`] for a node. What it has lost it has to subscribe to itself.
    pub fn allow(&self, node: impl AsRef<str>) {
        self.hub.allow(&Name::from(node.as_ref()));
    }

    /// Random faults between all nodes, in place of those set before. `Faults::default()` ends them.
    pub fn set_faults(&self, faults: Faults) {
        self.hub.change_weather(|weather| weather.set_everywhere(faults));
    }

    /// Random faults on the way from one node to another, whatever holds everywhere; `None` ends the
    /// exception.
    pub fn set_faults_between(
        &self,
        from: impl AsRef<str>,
        to: impl AsRef<str>,
        faults: impl Into<Option<Faults>>,
    ) {
        let (from, to) = (Name::from(from.as_ref()), Name::from(to.as_ref()));
        self.hub.change_weather(|weather| weather.set_between(&from, &to, faults.into()));
    }

    fn both_ways(&self, a: &str, b: &str, change: impl Fn(&mut Weather, &Name, &Name)) {
        let (a, b) = (Name::from(a), Name::from(b));
        self.hub.change_weather(|weather| {
            change(weather, &a, &b);
            change(weather, &b, &a);
        });
    }
}

impl Default for Network {
    fn default() -> Self {
        Self::new()
    }
}

/// A transporter of a [`Network`].
#[derive(Debug, Clone)]
pub struct Memory {
    hub: Arc<Hub>,
}

impl Memory {
    /// The transporter for `memory://name`, `memory://` or `memory`.
    ///
    /// # Errors
    /// [`TransportError::Config`] when the name holds something else than letters, digits and `-_.`.
    pub fn from_url(url: &str) -> Result<Self, TransportError> {
        Ok(Network::named(named::of_url(url)?).transporter())
    }

    /// The network it connects to.
    #[must_use]
    pub fn network(&self) -> Network {
        Network { hub: Arc::clone(&self.hub) }
    }
}

impl Backend for Memory {
    fn by_url(url: &TransporterUrl) -> Result<Self, TransportError> {
        match url.beside().first() {
            None => Self::from_url(url.as_str()),
            Some((key, _)) => Err(TransportError::Config(format!(
                "the memory transporter has no option `{key}`: name its network by a URL, `memory://name`"
            ))),
        }
    }
}

#[async_trait]
impl Transporter for Memory {
    fn scheme(&self) -> &'static str {
        "memory"
    }

    fn url(&self) -> String {
        format!("memory://{}", self.hub.name.as_deref().unwrap_or_default())
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { balanced: true, ..Capabilities::bus() }.with_max_frame(self.hub.options.max_frame)
    }

    async fn connect(&self, link: Link) -> Result<Arc<dyn Connection>, TransportError> {
        Ok(Arc::new(Live::open(Arc::clone(&self.hub), &link)?))
    }
}
