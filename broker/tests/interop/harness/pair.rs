//! One node of each kind that know each other.

use ligand::{NodeId, ServiceBroker, ServiceDef};
use serde_json::json;

use super::{Cluster, Heard, Js, Version, mail, rs, rust_node, shared};

/// A stock node `js` and a node of ours, `rust`. The log of our node is shown by the test runner, that of
/// the other one when a failed test drops it.
pub(crate) struct Pair {
    pub(crate) cluster: Cluster,
    pub(crate) js: Js,
    pub(crate) rust: ServiceBroker,
    pub(crate) heard: Heard,
}

impl Pair {
    /// Both with all their services.
    pub(crate) async fn start(version: Version) -> Self {
        let heard = Heard::default();
        let services = vec![rs(), shared(), mail(&heard)];
        Self::with(version, &["js", "shared", "mail"], services, heard).await
    }

    pub(crate) async fn with(version: Version, js: &[&str], services: Vec<ServiceDef>, heard: Heard) -> Self {
        let cluster = Cluster::new(&["rust", "js"]);
        let options = cluster.js_options("js");
        let (js, rust) = tokio::join!(Js::start(version, options, js), rust_node(&cluster, "rust", services));
        let pair = Self { cluster, js, rust, heard };
        pair.meet().await;
        let offered: Vec<_> = js.iter().map(|name| if *name == "js" { "v2.js" } else { *name }).collect();
        pair.rust.wait_for(&offered).await.expect("its services are announced");
        pair
    }

    /// Waits until each knows the other with its services: Node announces them one by one.
    pub(crate) async fn meet(&self) {
        let known = async {
            super::until("our node knows the other", async || {
                let nodes = self
                    .rust
                    .call::<serde_json::Value>("$node.list", json!({}))
                    .await
                    .expect("our own answer");
                let nodes = nodes.as_array().cloned().unwrap_or_default();
                nodes.iter().any(|node| node["id"] == "js" && node["available"] == true).then_some(())
            })
            .await;
        };
        tokio::join!(known, self.js.ask(json!({ "do": "waitForNode", "node": "rust", "available": true })));
    }

    pub(crate) fn js_id(&self) -> NodeId {
        NodeId::new("js").expect("a valid name")
    }

    /// Stops both.
    pub(crate) async fn end(self) {
        self.rust.stop().await.expect("it stops well");
        self.js.ask(json!({ "do": "stop" })).await;
    }
}
