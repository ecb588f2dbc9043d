//! One node of each kind that know each other.

use ligand::config::SerializerKind;
use ligand::{BrokerBuilder, NodeId, ServiceBroker, ServiceDef};
use serde_json::{Value, json};

use super::{Cluster, Heard, Js, Version, built, mail, rs, shared};

/// A stock node `js` and a node of ours, `rust`. The log of our node is shown by the test runner, that of
/// the other one when a failed test drops it.
pub(crate) struct Pair {
    pub(crate) cluster: Cluster,
    pub(crate) js: Js,
    pub(crate) rust: ServiceBroker,
}

impl Pair {
    /// Both with all their services.
    pub(crate) async fn start(version: Version) -> Self {
        let services = vec![rs(), shared(), mail(&Heard::default())];
        Self::with(version, &["js", "shared", "mail"], services).await
    }

    pub(crate) async fn with(version: Version, js: &[&str], services: Vec<ServiceDef>) -> Self {
        Self::start_in(Cluster::new(&["rust", "js"]), version, js, services, json!([]), |builder| builder)
            .await
    }

    /// With layers on the wire: the middlewares of the stock node ([`Js::layered`]), and ours.
    pub(crate) async fn layered(
        version: Version,
        js: &[&str],
        services: Vec<ServiceDef>,
        theirs: Value,
        ours: impl FnOnce(BrokerBuilder) -> BrokerBuilder,
    ) -> Self {
        Self::start_in(Cluster::new(&["rust", "js"]), version, js, services, theirs, ours).await
    }

    /// With another serializer than JSON.
    pub(crate) async fn speaking(
        serializer: SerializerKind,
        version: Version,
        js: &[&str],
        services: Vec<ServiceDef>,
    ) -> Self {
        let cluster = Cluster::new(&["rust", "js"]).speaking(serializer);
        Self::start_in(cluster, version, js, services, json!([]), |builder| builder).await
    }

    async fn start_in(
        cluster: Cluster,
        version: Version,
        js: &[&str],
        services: Vec<ServiceDef>,
        theirs: Value,
        ours: impl FnOnce(BrokerBuilder) -> BrokerBuilder,
    ) -> Self {
        let options = cluster.js_options("js");
        let (js, rust) =
            tokio::join!(Js::layered(version, options, js, theirs), built(&cluster, "rust", services, ours));
        let pair = Self { cluster, js, rust };
        pair.meet().await;
        pair
    }

    /// Waits until each knows the other with all its services: Node announces them one by one.
    pub(crate) async fn meet(&self) {
        let of_js = names(&self.js.ask(json!({ "do": "localServices" })).await);
        let of_rust = self.rust.call::<Value>("$node.services", json!({ "onlyLocal": true })).await;
        let of_rust = names(&of_rust.expect("our own answer"));
        let known = super::until("our node knows the other", async || {
            let known = services_of(&self.rust, &self.js.name).await;
            of_js.iter().all(|name| known.contains(name)).then_some(())
        });
        let rust = self.rust.node_id().as_str();
        let command = json!({ "do": "waitForServicesOf", "node": rust, "names": of_rust });
        tokio::join!(known, self.js.ask(command));
    }

    /// Id of the stock node.
    pub(crate) fn js_id(&self) -> NodeId {
        NodeId::new(self.js.name.as_str()).expect("a valid name")
    }

    /// Stops both.
    pub(crate) async fn end(self) {
        self.rust.stop().await.expect("it stops well");
        self.js.ask(json!({ "do": "stop" })).await;
    }
}

/// Full names of the services of a node, as `broker` sees them.
pub(crate) async fn services_of(broker: &ServiceBroker, node: &str) -> Vec<String> {
    let all: Value =
        broker.call("$node.services", json!({ "grouping": false })).await.expect("our own answer");
    let all = all.as_array().cloned().unwrap_or_default();
    names(&all.into_iter().filter(|service| service["nodeID"] == node).collect())
}

fn names(services: &Value) -> Vec<String> {
    let services = services.as_array().map(Vec::as_slice).unwrap_or_default();
    services.iter().filter_map(|service| service["fullName"].as_str().map(str::to_owned)).collect()
}
