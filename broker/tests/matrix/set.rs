//! Runs one set: its nodes meet, every feature is tried, and each becomes a cell.

use futures_util::FutureExt as _;
use ligand::ServiceBroker;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, TcpListener};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::checks::Checks;
use crate::features;
use crate::js::{Js, Version};
use crate::node::start;
use crate::services::{Heard, mail, rs, shared};
use crate::sets::Set;

/// A feature is given up after this long.
const FEATURE: Duration = Duration::from_secs(90);

/// What a node has to know to join a set; nodes in processes of their own get it as text.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) version: Version,
    pub(crate) serializer: String,
    pub(crate) namespace: String,
    pub(crate) url: String,
}

impl Place {
    pub(crate) fn written(&self) -> String {
        let old = self.version == Version::V014;
        json!({ "old": old, "serializer": self.serializer, "namespace": self.namespace, "url": self.url })
            .to_string()
    }

    pub(crate) fn read(text: &str) -> Self {
        let value: Value = serde_json::from_str(text).expect("what `written` wrote");
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        Self {
            version: if value["old"] == true { Version::V014 } else { Version::V015 },
            serializer: text("serializer"),
            namespace: text("namespace"),
            url: text("url"),
        }
    }
}

/// The nodes of a set.
pub(crate) struct Nodes {
    pub(crate) place: Place,
    pub(crate) rust: ServiceBroker,
    pub(crate) heard: Heard,
    pub(crate) js: [Js; 2],
}

/// How a feature went.
#[derive(Debug)]
pub(crate) enum Cell {
    /// So many comparisons, all as expected.
    Green(usize),
    /// Why not.
    Red(String),
    /// Stock nodes do not have it.
    NotApplicable,
}

/// A set and its cells, in the order of [`features::ALL`].
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) set: Set,
    pub(crate) cells: Vec<Cell>,
}

pub(crate) async fn run(set: &Set) -> Row {
    let met = AssertUnwindSafe(meet(set)).catch_unwind().await.unwrap_or_else(|panic| Err(said(&*panic)));
    let mut nodes = match met {
        Ok(nodes) => nodes,
        Err(why) => {
            let cells = features::ALL.iter().map(|_| Cell::Red(format!("the nodes do not meet: {why}")));
            return Row { set: *set, cells: cells.collect() };
        }
    };
    let mut cells = Vec::new();
    for feature in features::ALL {
        if !(feature.applies)(set) {
            cells.push(Cell::NotApplicable);
            continue;
        }
        let mut checks = Checks::default();
        let trying = AssertUnwindSafe((feature.run)(&mut nodes, &mut checks)).catch_unwind();
        cells.push(match tokio::time::timeout(FEATURE, trying).await {
            Ok(Ok(())) => Cell::Green(checks.0),
            Ok(Err(panic)) => Cell::Red(said(&*panic)),
            Err(_) => Cell::Red(format!("not within {FEATURE:?}")),
        });
    }
    // What the nodes have to say at their end is in the cells already.
    let _ = nodes.rust.stop().await;
    Row { set: *set, cells }
}

async fn meet(set: &Set) -> Result<Nodes, String> {
    static SETS: AtomicU32 = AtomicU32::new(0);
    let number = SETS.fetch_add(1, Ordering::Relaxed);
    let names = ["rust", "rust-2", "js-1", "js-2"];
    let ports: Vec<_> = names.iter().map(|name| ((*name).to_owned(), free_port())).collect();
    let (url, transporter) = set.place(&ports)?;
    let namespace = format!("matrix-{}-{number}", std::process::id());
    let place = Place {
        version: set.version,
        serializer: set.serializer.to_owned(),
        namespace: namespace.clone(),
        url,
    };
    let options = |name: &str| {
        json!({
            "nodeID": name,
            "namespace": namespace,
            "transporter": transporter,
            "serializer": set.serializer,
            "heartbeatInterval": 1,
            "heartbeatTimeout": 3,
        })
    };
    let heard = Heard::default();
    let services = ["js", "shared", "mail"];
    let (rust, first, second) = tokio::join!(
        start("rust", &place, vec![rs(), shared(), mail(&heard)]),
        Js::start(set.version, options("js-1"), &services),
        Js::start(set.version, options("js-2"), &services),
    );
    let nodes = Nodes { place, rust: rust?, heard, js: [first, second] };
    nodes.know_each_other().await?;
    Ok(nodes)
}

impl Nodes {
    /// Waits until every node knows the services of all.
    async fn know_each_other(&self) -> Result<(), String> {
        for js in &self.js {
            let others =
                self.js.iter().map(|other| (other.name.as_str(), "v2.js")).chain([("rust", "v3.rs")]);
            for (node, service) in others.filter(|(node, _)| *node != js.name) {
                let names = [service, "shared", "mail"];
                js.ask(json!({ "do": "waitForServicesOf", "node": node, "names": names })).await;
            }
        }
        let known = async {
            loop {
                let all = self.services().await;
                let knows = |node: &str, name: &str| {
                    all.iter().any(|service| service["nodeID"] == node && service["fullName"] == name)
                };
                if self
                    .js
                    .iter()
                    .all(|js| ["v2.js", "shared", "mail"].iter().all(|name| knows(&js.name, name)))
                {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(crate::PATIENCE, known)
            .await
            .map_err(|_| "ours does not know the others".to_owned())
    }

    /// All services of all nodes, as ours knows them.
    pub(crate) async fn services(&self) -> Vec<Value> {
        let all: Value =
            self.rust.call("$node.services", json!({ "grouping": false })).await.expect("our own answer");
        crate::checks::rows(&all).to_vec()
    }
}

/// A port that nobody listens on, outside of those that the system hands out.
fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let begin = std::process::id().wrapping_mul(89) % 8_000;
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(12_000 + (begin + step) % 8_000).expect("below 20000");
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a message").to_owned()
}
