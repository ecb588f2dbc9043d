//! The nodes of one case: they start, meet, and are stopped again.

use ligand::transport::Membership;
use ligand::{ServiceBroker, ServiceDef};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use tests_support::try_until;
use tokio::runtime::{Builder, Runtime};

use super::Outcome;
use super::fixture::Fixture;

/// A condition that has not come true by then never will.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// See the module.
pub(super) struct Cluster {
    fixture: Fixture,
    nodes: Vec<Node>,
}

/// A node, and its runtime where it has one of its own.
struct Node {
    broker: ServiceBroker,
    runtime: Option<Runtime>,
}

impl Cluster {
    pub(super) fn new(fixture: Fixture) -> Self {
        Self { fixture, nodes: Vec::new() }
    }

    /// Whether the bus balances.
    pub(super) fn is_balanced(&self) -> bool {
        self.fixture.balanced
    }

    /// Whether who listens to a pattern gets what is emitted: where the bus balances, it may not know any.
    pub(super) fn matches_patterns(&self) -> bool {
        !self.is_balanced() || self.fixture.transporter(0).capabilities().balanced_wildcards
    }

    /// Node number `n` with these services, not yet started.
    pub(super) fn build(
        &self,
        n: usize,
        services: impl IntoIterator<Item = ServiceDef>,
    ) -> Outcome<ServiceBroker> {
        let balanced = self.fixture.balanced;
        let mut builder = ServiceBroker::builder()
            .namespace(&self.fixture.namespace)
            .node_id(format!("node-{n}"))
            .transporter(self.fixture.transporter(n))
            .serializer(self.fixture.serializer)
            .request_timeout(PATIENCE)
            .configure(move |config| {
                config.disable_balancer = balanced;
                // A crash on a bus shows by silence; nobody has to wait for half a minute here.
                config.heartbeat_interval = Duration::from_millis(250);
                config.heartbeat_timeout = Duration::from_secs(3);
                config.transit.service_changed_debounce_time = Duration::from_millis(20);
                config.registry.prefer_local = false;
            });
        for service in services {
            builder = builder.service(service);
        }
        Ok(builder.build()?)
    }

    /// Starts node number `n`.
    pub(super) async fn start(
        &mut self,
        n: usize,
        services: impl IntoIterator<Item = ServiceDef>,
    ) -> Outcome<ServiceBroker> {
        let broker = self.build(n, services)?;
        self.nodes.push(Node { broker: broker.clone(), runtime: None });
        broker.start().await?;
        Ok(broker)
    }

    /// Starts node number `n` on a runtime of its own, so that it can crash.
    pub(super) async fn start_apart(
        &mut self,
        n: usize,
        services: impl IntoIterator<Item = ServiceDef>,
    ) -> Outcome<ServiceBroker> {
        let broker = self.build(n, services)?;
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let started = runtime.spawn({
            let broker = broker.clone();
            async move { broker.start().await }
        });
        self.nodes.push(Node { broker: broker.clone(), runtime: Some(runtime) });
        started.await??;
        Ok(broker)
    }

    /// Starts one node per list of services, and waits until each knows all others.
    pub(super) async fn start_all<const N: usize>(
        &mut self,
        services: [Vec<ServiceDef>; N],
    ) -> Outcome<[ServiceBroker; N]> {
        let mut brokers = Vec::new();
        for (n, services) in services.into_iter().enumerate() {
            brokers.push(self.start(n, services).await?);
        }
        meet(&brokers).await?;
        brokers.try_into().map_err(|_| "an array has its length".into())
    }

    /// Starts one node per list of services, all at the same time.
    pub(super) async fn start_together<const N: usize>(
        &mut self,
        services: [Vec<ServiceDef>; N],
    ) -> Outcome<[ServiceBroker; N]> {
        let mut brokers = Vec::new();
        for (n, services) in services.into_iter().enumerate() {
            let broker = self.build(n, services)?;
            self.nodes.push(Node { broker: broker.clone(), runtime: None });
            brokers.push(broker);
        }
        futures_util::future::try_join_all(brokers.iter().map(ServiceBroker::start)).await?;
        brokers.try_into().map_err(|_| "an array has its length".into())
    }

    /// Takes a node that was started apart from the world without a word.
    pub(super) async fn crash(&mut self, broker: &ServiceBroker) -> Outcome {
        self.fixture.crash(broker.node_id());
        let own = |node: &Node| node.broker.instance_id() == broker.instance_id();
        if let Some(at) = self.nodes.iter().position(own)
            && let Some(runtime) = self.nodes.remove(at).runtime
        {
            // Waits until the tasks are gone, and the sockets with them; which blocks.
            tokio::task::spawn_blocking(move || runtime.shutdown_timeout(PATIENCE)).await?;
        }
        Ok(())
    }

    /// Lets a node with the id of a crashed one in.
    pub(super) fn make_way(&self, broker: &ServiceBroker) {
        self.fixture.restore(broker.node_id());
    }

    /// Whether a start asks by itself who has its id: what is for an id goes to whoever has subscribed.
    pub(super) fn asks_for_its_id(&self) -> bool {
        self.fixture.transporter(0).capabilities().membership == Membership::Heartbeat
    }

    /// Whether a server takes its time before a new node hears anything.
    pub(super) fn connects_slowly(&self) -> bool {
        self.fixture.transporter(0).scheme() == "kafka"
    }

    /// The largest frame, where there is a limit.
    pub(super) fn max_frame(&self) -> Option<usize> {
        self.fixture.transporter(0).capabilities().max_frame
    }

    /// Nobody waits for an answer any more.
    pub(super) async fn settled(&self) -> Outcome {
        for Node { broker, .. } in &self.nodes {
            let what = format!("{} has no call waiting", broker.node_id());
            try_until(&what, async || broker.stats().pending == 0).await?;
        }
        Ok(())
    }

    pub(super) async fn stop(self) -> Outcome {
        let stops = self.nodes.into_iter().map(|node| async move {
            let stopped = node.broker.stop().await;
            if let Some(runtime) = node.runtime {
                runtime.shutdown_background();
            }
            stopped
        });
        for stopped in futures_util::future::join_all(stops).await {
            stopped?;
        }
        Ok(())
    }
}

/// Ids of the nodes that a node sees as available, itself included.
pub(super) async fn seen_by(broker: &ServiceBroker) -> BTreeSet<String> {
    let list: Value = broker.call("$node.list", json!({})).node(broker.node_id()).await.unwrap_or_default();
    let nodes = list.as_array().cloned().unwrap_or_default();
    let available = nodes.iter().filter(|node| node["available"] == true);
    available.filter_map(|node| node["id"].as_str().map(str::to_owned)).collect()
}

/// Services that a node sees as offered, with the node of each.
async fn offers_seen_by(broker: &ServiceBroker, only_local: bool) -> BTreeSet<String> {
    let params = json!({ "onlyLocal": only_local, "onlyAvailable": true, "grouping": false });
    let list: Value = broker.call("$node.services", params).node(broker.node_id()).await.unwrap_or_default();
    let rows = list.as_array().into_iter().flatten();
    rows.map(|row| format!("{} at {}", row["fullName"], row["nodeID"])).collect()
}

/// Waits until each of these nodes sees exactly these, and all that they offer.
pub(super) async fn meet(brokers: &[ServiceBroker]) -> Outcome {
    let all: BTreeSet<String> = brokers.iter().map(|broker| broker.node_id().to_string()).collect();
    let mut offers = BTreeSet::new();
    for broker in brokers {
        offers.extend(offers_seen_by(broker, true).await);
    }
    for broker in brokers {
        let what = format!("{} sees {all:?}", broker.node_id());
        try_until(&what, async || seen_by(broker).await == all).await?;
        let what = format!("{} sees {offers:?}", broker.node_id());
        try_until(&what, async || offers_seen_by(broker, false).await == offers).await?;
    }
    Ok(())
}
