//! The nodes of a set: how they are started, and who of them reaches whom.

use ligand::{ServiceBroker, ServiceDef};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::checks::{Checks, rows};
use crate::js::{Js, Version};
use crate::node::{Place, start};
use crate::place::Cluster;
use crate::servers;
use crate::services::{Heard, mail, note, rs, shared};
use crate::sets::Set;

/// Two stock nodes and one of ours that know each other.
pub(crate) struct Nodes {
    pub(crate) place: Place,
    pub(crate) rust: ServiceBroker,
    pub(crate) heard: Heard,
    pub(crate) js: [Js; 2],
}

/// A subscription to what is meant for ours; each stock node has one too.
fn inbox(heard: &Heard) -> ServiceDef {
    ServiceDef::builder("inbox").event("to.rust", note(heard, "inbox")).build()
}

impl Nodes {
    /// Starts them and waits until each knows the services of all whom it reaches.
    pub(crate) async fn meet(set: &Set) -> Result<Self, String> {
        static SETS: AtomicU32 = AtomicU32::new(0);
        let number = SETS.fetch_add(1, Ordering::Relaxed);
        let namespace = format!("matrix-{}-{number}", std::process::id());
        let cluster = Cluster::new(&["rust", "rust-2", "js-1", "js-2"]);
        let (url, transporter) = match servers::bus(set) {
            Some(server) => (server.url()?, json!(server.url()?)),
            None => (cluster.url().to_owned(), cluster.js_options("")["transporter"].clone()),
        };
        let mut options = json!({
            "namespace": namespace,
            "transporter": transporter,
            "serializer": set.serializer,
            "heartbeatInterval": 1,
            "heartbeatTimeout": 3,
            "disableBalancer": set.is_balanced_by_bus(),
            "registry": { "preferLocal": !set.spreads() },
        });
        if let Some(server) = servers::discoverer(set) {
            options["registry"]["discoverer"] = json!(server.url()?);
        }
        let layers: Value = set.layers().iter().map(crate::layers::Layer::theirs).collect();
        let js = |name: &str, version: Version| {
            let mut options = options.clone();
            options["nodeID"] = json!(name);
            Js::layered(version, options, &["js", "shared", "mail", "inbox"], layers.clone())
        };
        let place = Place { set: *set, namespace, url };
        let heard = Heard::default();
        let services = vec![rs(), shared(), mail(&heard), inbox(&heard)];
        let [first, second] = set.versions;
        let (rust, first, second) =
            tokio::join!(start("rust", &place, services), js("js-1", first), js("js-2", second));
        let nodes = Self { place, rust: rust?, heard, js: [first, second] };
        nodes.know_each_other().await;
        Ok(nodes)
    }

    async fn know_each_other(&self) {
        for js in &self.js {
            for node in self.reached_by(js).into_iter().filter(|node| *node != js.name) {
                let own = if node == "rust" { "v3.rs" } else { "v2.js" };
                let names = [own, "shared", "mail", "inbox"];
                js.ask(json!({ "do": "waitForServicesOf", "node": node, "names": names })).await;
            }
        }
        let all = async || {
            let services = self.services().await;
            let knows = |node: &str, name: &str| {
                services.iter().any(|service| service["nodeID"] == node && service["fullName"] == name)
            };
            let names = ["v2.js", "shared", "mail", "inbox"];
            self.js.iter().all(|js| names.iter().all(|name| knows(&js.name, name))).then_some(())
        };
        Checks::default().until("ours knows the others", all).await;
    }

    /// With their versions.
    pub(crate) fn stock(&self) -> impl Iterator<Item = (&Js, Version)> {
        self.js.iter().zip(self.place.set.versions)
    }

    pub(crate) fn everybody() -> BTreeSet<&'static str> {
        BTreeSet::from(["js-1", "js-2", "rust"])
    }

    /// Whose services a stock node can use, its own among them.
    pub(crate) fn reached_by<'a>(&self, js: &'a Js) -> BTreeSet<&'a str> {
        let mut names: BTreeSet<&str> = Self::everybody();
        if self.place.set.is_mixed() {
            names.retain(|name| *name == "rust" || *name == js.name);
        }
        names
    }

    /// Who gets a share of what a stock node calls and emits.
    pub(crate) fn shared_by<'a>(&self, js: &'a Js) -> BTreeSet<&'a str> {
        if self.place.set.spreads() { self.reached_by(js) } else { BTreeSet::from([js.name.as_str()]) }
    }

    /// All services of all nodes, as ours knows them.
    pub(crate) async fn services(&self) -> Vec<Value> {
        let all = self.rust.call::<Value>("$node.services", json!({ "grouping": false }));
        let all = all.node(self.rust.node_id()).await.expect("our own answer");
        rows(&all).to_vec()
    }
}
