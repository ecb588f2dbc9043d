//! What the tests against real servers share.
#![allow(dead_code, unused_imports, reason = "not every target uses all of it")]

pub(crate) mod absent;
pub(crate) mod held;
pub(crate) mod proxy;
pub(crate) mod slow;
pub(crate) mod standstill;
pub(crate) mod tls;
mod translation;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ligand_transporters::conformance::{self, Fixture};
use ligand_transporters::{NodeId, Transporter};

pub(crate) use absent::is_named_without_its_password;
pub(crate) use proxy::Proxy;
pub(crate) use tests_support::servers::url;

/// `host:port` in a URL such as `nats://127.0.0.1:4222`.
pub(crate) fn address(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    rest.split(['/', '?', ',']).next().unwrap_or(rest)
}

/// The same URL with another `host:port`.
pub(crate) fn at(url: &str, address_: &str) -> String {
    url.replacen(address(url), address_, 1)
}

/// Runs the conformance suite against a server. Each node has a proxy of its own in front of it, which
/// breaks and restores the connection.
pub(crate) async fn conforms(
    url: &str,
    make: impl Fn(&str) -> Arc<dyn Transporter> + Send + Sync + Clone + 'static,
) {
    conforms_behind(Proxy::start, url, make).await;
}

/// The same with another kind of proxy.
pub(crate) async fn conforms_behind(
    proxy: fn(&str) -> Proxy,
    url: &str,
    make: impl Fn(&str) -> Arc<dyn Transporter> + Send + Sync + Clone + 'static,
) {
    let url = url.to_owned();
    conformance::run(|| {
        let (url, make) = (url.clone(), make.clone());
        // Nodes by the order in which they were made; the suite names them `node-<n>` likewise.
        let proxies: Arc<Mutex<HashMap<usize, Proxy>>> = Arc::default();
        let of = |id: &NodeId| id.as_str().rsplit('-').next().and_then(|n| n.parse::<usize>().ok());
        let (cut, restored) = (Arc::clone(&proxies), Arc::clone(&proxies));
        Fixture::new(move |node| {
            let mut proxies = proxies.lock().unwrap();
            let proxy = proxies.entry(node).or_insert_with(|| proxy(address(&url)));
            make(&at(&url, &proxy.address()))
        })
        .with_patience(Duration::from_secs(20))
        .with_break(
            move |id| cut.lock().unwrap()[&of(id).unwrap()].cut(),
            move |id| restored.lock().unwrap()[&of(id).unwrap()].restore(),
        )
    })
    .await;
}
