//! The network as users and tests see it, and its transporter.

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

/// A message bus within this process. Clones are the same network.
///
/// Faults apply to frames that are sent afterwards. Frames that are already on their way arrive. Faults name
/// nodes by their ids, in all namespaces, and may be set before a node exists. They never apply to frames
/// that a node sends to itself.
#[derive(Debug, Clone)]
pub struct Network {
    hub: Arc<Hub>,
}

/// Counts frames that were accepted, but did not arrive normally.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Frames for which there was no node or no subscription.
    pub unrouted: u64,
    /// Copies of broadcasts to nodes whose queue was full.
    pub overflowed: u64,
    /// Frames that were lost by a partition or at random.
    pub lost: u64,
    /// Frames that arrived twice.
    pub duplicated: u64,
}

impl Network {
    /// A new network with the default options.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Options::default())
    }

    /// A new network with this seed for its faults.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self::with(Options { seed, ..Options::default() })
    }

    /// A new network with these options.
    #[must_use]
    pub fn with(options: Options) -> Self {
        Self { hub: Arc::new(Hub::new(None, options)) }
    }

    /// The network of `memory://name` in this process. If nobody uses it, it is made with the default
    /// options. It ends with its last `Network`, [`Memory`] and connection.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { hub: named::hub(name) }
    }

    /// A transporter that connects to this network. Any number of nodes may share it.
    #[must_use]
    pub fn transporter(&self) -> Memory {
        Memory { hub: Arc::clone(&self.hub) }
    }

    /// The ids of the nodes on this network, cut off or not.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeId> {
        self.hub.nodes()
    }

    /// The counts so far.
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

    /// Drops all frames between two nodes, until [`Network::repair`].
    pub fn partition(&self, a: impl AsRef<str>, b: impl AsRef<str>) {
        self.both_ways(a.as_ref(), b.as_ref(), |weather, from, to| weather.cut(from, to, true));
    }

    /// Drops all frames from one node to another, until [`Network::repair`]. The opposite direction still
    /// works.
    pub fn cut(&self, from: impl AsRef<str>, to: impl AsRef<str>) {
        let (from, to) = (Name::from(from.as_ref()), Name::from(to.as_ref()));
        self.hub.change_weather(|weather| weather.cut(&from, &to, true));
    }

    /// Undoes [`Network::partition`] and [`Network::cut`] between two nodes, in both directions.
    pub fn repair(&self, a: impl AsRef<str>, b: impl AsRef<str>) {
        self.both_ways(a.as_ref(), b.as_ref(), |weather, from, to| weather.cut(from, to, false));
    }

    /// Undoes every partition and cut, and releases every hold. Random [`Faults`] and crashed nodes do not
    /// change.
    pub fn repair_all(&self) {
        self.hub.change_weather(Weather::repair_all);
        self.hub.release(Weather::held);
    }

    /// Holds back the frames between two nodes, in both directions, until [`Network::release`]. They count
    /// towards the bounds of their receivers' queues.
    pub fn hold(&self, a: impl AsRef<str>, b: impl AsRef<str>) {
        self.both_ways(a.as_ref(), b.as_ref(), Weather::hold);
    }

    /// Delivers the frames between two nodes that were held back, in the order in which they were sent.
    pub fn release(&self, a: impl AsRef<str>, b: impl AsRef<str>) {
        let (a, b) = (Name::from(a.as_ref()), Name::from(b.as_ref()));
        self.hub.release(|_| vec![(a.clone(), b.clone()), (b, a)]);
    }

    /// Breaks the connection of a node. The frames that wait for it are lost, it can neither send nor
    /// receive, and the other nodes are not notified. The node itself is notified ([`Link::down`]), its sends
    /// fail with [`SendError::Disconnected`](crate::SendError::Disconnected), and it cannot connect again.
    pub fn crash(&self, node: impl AsRef<str>) {
        self.hub.crash(&Name::from(node.as_ref()));
    }

    /// Undoes [`Network::crash`]. The node is notified ([`Link::up`]), and has to subscribe again.
    pub fn restore(&self, node: impl AsRef<str>) {
        self.hub.restore(&Name::from(node.as_ref()));
    }

    /// Takes a subscription away from a node and refuses it until [`Network::allow`], like a server whose
    /// permissions change. If the node has the subscription, it is notified ([`Link::deaf`]), and has to
    /// subscribe again ([`Link::up`]).
    pub fn deny(&self, node: impl AsRef<str>, subscription: Subscription) {
        self.hub.deny(&Name::from(node.as_ref()), subscription);
    }

    /// Undoes [`Network::deny`] for a node. The node has to subscribe again itself.
    pub fn allow(&self, node: impl AsRef<str>) {
        self.hub.allow(&Name::from(node.as_ref()));
    }

    /// Sets random faults between all nodes. They replace those set before. `Faults::default()` ends them.
    pub fn set_faults(&self, faults: Faults) {
        self.hub.change_weather(|weather| weather.set_everywhere(faults));
    }

    /// Sets random faults in one direction between two nodes. They replace the faults that apply everywhere.
    /// `None` ends this exception.
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
    /// [`TransportError::Config`] if the name contains anything except letters, digits and `-_.`.
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
