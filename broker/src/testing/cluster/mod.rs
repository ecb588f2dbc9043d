//! Several nodes on a network that a test can break.

mod agreement;
mod node;

use futures_util::future::join_all;
use ligand_transporters::locks::{Mutex, MutexGuard};
use ligand_transporters::memory::{Faults, Network};
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use crate::broker::{BrokerBuilder, ServiceBroker};
use crate::config::BrokerConfig;
use crate::service::ServiceDef;

use agreement::Ways;
use node::{ClusterNode, Setup};

/// The longest wait of [`Cluster::settle`], on the clock of the test.
const PATIENCE: Duration = Duration::from_secs(300);
/// How often it checks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Several nodes in one process, on a network that a test can break.
///
/// In a test with paused time, minutes of heartbeats pass in milliseconds. The same seed gives the same
/// faults.
///
/// ```
/// use ligand::testing::Cluster;
/// use ligand::{Context, ServiceDef};
/// use std::time::Duration;
///
/// fn math() -> ServiceDef {
///     ServiceDef::builder("math")
///         .action("where", |cx: Context, ()| async move { Ok::<_, ligand::Error>(cx.broker().node_id().to_string()) })
///         .build()
/// }
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> ligand::Result<()> {
/// let cluster = Cluster::seeded(7).node("a", []).node("b", [math()]).node("c", [math()]).start().await;
///
/// cluster.partition("a", "b");
/// cluster.advance(Duration::from_secs(31)).await;
///
/// for _ in 0..10 {
///     assert_eq!(cluster.at("a").call::<String>("math.where", ()).await?, "c");
/// }
/// # Ok(()) }
/// ```
///
/// # Panics
/// Methods that take the name of a node panic if there is no such node.
#[must_use = "nothing runs until `start`"]
pub struct Cluster {
    network: Network,
    nodes: Vec<ClusterNode>,
    ways: Mutex<Ways>,
    setup: Vec<Setup>,
}

impl Cluster {
    /// A cluster without nodes, with this seed for its faults.
    pub fn seeded(seed: u64) -> Self {
        Self {
            network: Network::seeded(seed),
            nodes: Vec::new(),
            ways: Mutex::new(Ways::default()),
            setup: Vec::new(),
        }
    }

    /// A cluster without nodes, on the given network.
    pub fn on(network: Network) -> Self {
        Self { network, ..Self::seeded(0) }
    }

    /// Adds a node with its services. For a type with `#[service]`, pass
    /// [`into_service_def()`](crate::IntoServiceDef::into_service_def).
    pub fn node(self, name: &str, services: impl IntoIterator<Item = ServiceDef>) -> Self {
        self.node_with(name, services, |builder| builder)
    }

    /// Adds a node with further configuration. The function runs again at every restart.
    pub fn node_with(
        mut self,
        name: &str,
        services: impl IntoIterator<Item = ServiceDef>,
        setup: impl Fn(BrokerBuilder) -> BrokerBuilder + Send + Sync + 'static,
    ) -> Self {
        assert!(self.nodes.iter().all(|node| node.name() != name), "there are two nodes `{name}`");
        self.nodes.push(ClusterNode::new(name, services.into_iter().collect(), Box::new(setup)));
        self
    }

    /// Changes the configuration of every node with a function.
    pub fn configure(mut self, change: impl Fn(&mut BrokerConfig) + Send + Sync + 'static) -> Self {
        let change = std::sync::Arc::new(change);
        self.setup.push(Box::new(move |builder| {
            let change = std::sync::Arc::clone(&change);
            builder.configure(move |config| change(config))
        }));
        self
    }

    /// Starts all nodes, and waits until they know each other.
    ///
    /// # Panics
    /// If a node does not start.
    pub async fn start(mut self) -> Self {
        let (network, setup) = (&self.network, &self.setup);
        join_all(self.nodes.iter_mut().map(|node| node.start(network, setup))).await;
        self.settle().await;
        self
    }

    /// The broker of a node. After a crash, it is the broker that crashed.
    #[must_use]
    pub fn at(&self, node: &str) -> &ServiceBroker {
        self.find(node).broker()
    }

    /// The network, for everything that has no method here.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Lets time pass. With paused time, everything that is due in between happens, in order.
    pub async fn advance(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// Waits until every running node knows exactly the running nodes that it can reach, with their current
    /// services.
    ///
    /// # Panics
    /// If that takes more than five minutes.
    pub async fn settle(&self) {
        let from = tokio::time::Instant::now();
        while let Some(disagreement) = self.disagreement() {
            assert!(from.elapsed() < PATIENCE, "the cluster does not settle: {disagreement}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Drops all frames between two nodes, until [`Cluster::repair`].
    pub fn partition(&self, a: &str, b: &str) {
        self.cut(a, b);
        self.cut(b, a);
    }

    /// Drops all frames from one node to another. The opposite direction still works.
    pub fn cut(&self, from: &str, to: &str) {
        self.ways().cut.insert((self.checked(from), self.checked(to)));
        self.network.cut(from, to);
    }

    /// Undoes [`Cluster::partition`] and [`Cluster::cut`] between two nodes.
    pub fn repair(&self, a: &str, b: &str) {
        self.ways().cut.retain(|way| !joins(way, a, b));
        self.network.repair(a, b);
    }

    /// Holds back the frames between two nodes, until [`Cluster::release`].
    pub fn hold(&self, a: &str, b: &str) {
        self.ways().held.insert((self.checked(a), self.checked(b)));
        self.network.hold(a, b);
    }

    /// Delivers the frames between two nodes that were held back.
    pub fn release(&self, a: &str, b: &str) {
        self.ways().held.retain(|way| !joins(way, a, b));
        self.network.release(a, b);
    }

    /// Sets random faults between all nodes from now on.
    pub fn faults(&self, faults: Faults) {
        self.network.set_faults(faults);
    }

    /// Disconnects a node without a farewell, as if its machine had lost power. Waiting handlers are dropped.
    /// [`Cluster::at`] still returns its broker, which can reach no other node.
    pub fn crash(&mut self, node: &str) {
        self.network.crash(node);
        self.find_mut(node).crash();
    }

    /// Starts a node again, as another process with the same name and services. A node that has not crashed
    /// crashes first.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn restart(&mut self, node: &str) {
        self.crash(node);
        let Self { network, nodes, setup, .. } = self;
        let node = nodes.iter_mut().find(|known| known.name() == node).expect("`crash` has found it");
        node.bury().await;
        network.restore(node.name());
        node.start(network, setup).await;
    }

    /// Stops a node gracefully.
    ///
    /// # Panics
    /// If something fails during the stop.
    pub async fn stop(&mut self, node: &str) {
        let node = self.find_mut(node);
        if let Err(error) = node.broker().stop().await {
            panic!("node `{}` did not stop well: {error}", node.name());
        }
        node.gone = true;
    }

    fn disagreement(&self) -> Option<String> {
        agreement::check(&self.running(), &self.ways()).err()
    }

    fn running(&self) -> Vec<&ServiceBroker> {
        self.nodes.iter().filter(|node| !node.gone).map(ClusterNode::broker).collect()
    }

    fn find(&self, name: &str) -> &ClusterNode {
        let found = self.nodes.iter().find(|node| node.name() == name);
        found.unwrap_or_else(|| panic!("there is no node `{name}` in this cluster"))
    }

    fn find_mut(&mut self, name: &str) -> &mut ClusterNode {
        let found = self.nodes.iter_mut().find(|node| node.name() == name);
        found.unwrap_or_else(|| panic!("there is no node `{name}` in this cluster"))
    }

    fn checked(&self, name: &str) -> String {
        self.find(name).name().to_owned()
    }

    fn ways(&self) -> MutexGuard<'_, Ways> {
        self.ways.lock()
    }
}

fn joins((from, to): &(String, String), a: &str, b: &str) -> bool {
    BTreeSet::from([from.as_str(), to.as_str()]) == BTreeSet::from([a, b])
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.nodes.iter().map(ClusterNode::name).collect();
        f.debug_struct("Cluster").field("nodes", &names).finish_non_exhaustive()
    }
}
