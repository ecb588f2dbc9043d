//! Nodes that know only one address learn of all others from whoever lives there.

use ligand::Value;
use serde_json::json;

use crate::harness::{Cluster, Js, Version, rs, rust_node, services_of, until, with_both_versions};

with_both_versions! { a_third_node_is_learned_of_by_gossip }

/// Nobody has been told of the pair `rust` and `far`: they meet through `middle`.
async fn a_third_node_is_learned_of_by_gossip(version: Version) {
    let all = Cluster::new(&["middle", "far", "rust"]);
    let (far, rust) = (all.only(&["middle", "far"]), all.only(&["middle", "rust"]));
    let (_middle, far, rust) = tokio::join!(
        Js::start(version, all.only(&["middle"]).js_options("middle"), &[]),
        Js::start(version, far.js_options("far"), &["js"]),
        rust_node(&rust, "rust", vec![rs()]),
    );
    far.ask(json!({ "do": "waitForServicesOf", "node": "rust", "names": ["v3.rs"] })).await;
    until("it is learned of", async || {
        services_of(&rust, "far").await.contains(&"v2.js".to_owned()).then_some(())
    })
    .await;
    assert_eq!(far.call("v3.rs.echo", json!(1)).await, Ok(json!(1)));
    assert_eq!(rust.call::<Value>("v2.js.node", json!({})).await.unwrap(), "far");
    rust.stop().await.unwrap();
}
