//! The Redis discoverer with stock nodes: each side learns of the other by records in Redis alone.

use ligand::Value;
use serde_json::json;
use std::time::Duration;

use crate::harness::{Cluster, Heard, Js, Version, built, mail, rs, services_of, until, with_both_versions};
use crate::redis_server::{Server, namespace};

with_both_versions! {
    both_learn_of_each_other_by_redis
    our_records_are_understood_and_theirs_read
    records_in_every_serializer_are_understood_by_both
}

/// Options of a stock node over TCP that finds nobody by itself.
fn js_options(cluster: &Cluster, discoverer: &Value, namespace: &str) -> Value {
    let mut options = cluster.js_options("js");
    options["transporter"]["options"]["urls"] = json!([]);
    options["namespace"] = json!(namespace);
    // Over TCP a stock node beats only when its services change, so the one beat has to last.
    options["heartbeatTimeout"] = json!(600);
    options["registry"] = json!({ "discoverer": discoverer });
    options
}

async fn rust(
    cluster: &Cluster,
    discoverer: &Value,
    namespace: &str,
    heard: &Heard,
) -> ligand::ServiceBroker {
    let (namespace, discoverer) = (namespace.to_owned(), discoverer.clone());
    built(cluster, "rust", vec![rs(), mail(heard)], |builder| {
        builder.transporter("tcp://?udpDiscovery=false&useHostname=false&bind=127.0.0.1").configure(
            move |config| {
                config.namespace = namespace;
                config.heartbeat_interval = Duration::from_millis(200);
                config.registry.discoverer = serde_json::from_value(discoverer).unwrap();
            },
        )
    })
    .await
}

async fn both_learn_of_each_other_by_redis(version: Version) {
    let Some(server) = Server::any().await else { return };
    let (cluster, namespace, heard) = (Cluster::new(&["rust", "js"]), namespace(), Heard::default());
    let rust = rust(&cluster, &json!(server.url()), &namespace, &heard).await;
    // It looks when it starts: our records are there.
    let js =
        Js::start(version, js_options(&cluster, &json!(server.url()), &namespace), &["js", "mail"]).await;
    js.ask(json!({ "do": "waitForServicesOf", "node": "rust", "names": ["v3.rs", "mail"] })).await;
    until("our node knows the other", async || {
        let known = services_of(&rust, "js").await;
        ["v2.js", "mail"].iter().all(|name| known.iter().any(|known| known == name)).then_some(())
    })
    .await;
    for n in 0..3 {
        let back: Value = rust.call("v2.js.echo", json!({ "n": n })).await.unwrap();
        assert_eq!(back, json!({ "n": n }));
        assert_eq!(js.call("v3.rs.echo", json!({ "n": n })).await, Ok(json!({ "n": n })));
    }
    rust.broadcast("order.made", json!(1)).await.unwrap();
    js.ask(json!({ "do": "broadcast", "event": "order.made", "data": 2 })).await;
    let mut theirs = 0;
    until("both have both events", async || {
        theirs += js.heard().await.iter().filter(|heard| heard["what"] == "event").count();
        (theirs == 2 && heard.len() == 2).then_some(())
    })
    .await;
    // Services that come and go there are seen here by its next beat.
    js.ask(json!({ "do": "add", "service": "shared" })).await;
    until("the new service is known", async || {
        services_of(&rust, "js").await.contains(&"shared".to_owned()).then_some(())
    })
    .await;
    js.ask(json!({ "do": "stop" })).await;
    until("it has left", async || services_of(&rust, "js").await.is_empty().then_some(())).await;
    rust.stop().await.unwrap();
}

/// What each writes has the same fields, and their tools would read ours.
async fn our_records_are_understood_and_theirs_read(version: Version) {
    let Some(server) = Server::any().await else { return };
    let (cluster, namespace) = (Cluster::new(&["rust", "js"]), namespace());
    let rust = rust(&cluster, &json!(server.url()), &namespace, &Heard::default()).await;
    let js = Js::start(version, js_options(&cluster, &json!(server.url()), &namespace), &["js"]).await;
    let prefix = format!("MOL-{namespace}-DSCVR");
    let record = async |key: &str| -> Value {
        serde_json::from_str(&server.ask(&["GET", key]).await.unwrap()).expect(key)
    };
    let names = until("both have written all", async || {
        let names = server.keys(&format!("{prefix}-*")).await;
        (names.len() == 4).then_some(names)
    })
    .await;
    let of = |node: &str, kind: &str| {
        let begin = format!("{prefix}-{kind}:{node}");
        names.iter().find(|name| name.starts_with(&begin)).unwrap().clone()
    };
    for kind in ["INFO", "BEAT"] {
        let (ours, theirs) = (record(&of("rust", kind)).await, record(&of("js", kind)).await);
        let fields = |record: &Value| -> Vec<String> {
            let mut fields: Vec<_> = record.as_object().unwrap().keys().cloned().collect();
            // JSON leaves out what is undefined there.
            fields.retain(|field| field != "cpu");
            fields.sort();
            fields
        };
        assert_eq!(fields(&ours), fields(&theirs), "{kind}");
    }
    for node in ["rust", "js"] {
        let (info, beat) = (record(&of(node, "INFO")).await, record(&of(node, "BEAT")).await);
        let instance = info["instanceID"].as_str().unwrap();
        assert_eq!(of(node, "BEAT"), format!("{prefix}-BEAT:{node}|{}|{}", &instance[..8], beat["seq"]));
        assert_eq!((&beat["instanceID"], &beat["seq"]), (&info["instanceID"], &info["seq"]));
    }
    rust.stop().await.unwrap();
    js.ask(json!({ "do": "stop" })).await;
    assert_eq!(server.keys(&format!("{prefix}-*")).await, [""; 0], "neither leaves anything behind");
}

/// The cluster speaks JSON all the while.
async fn records_in_every_serializer_are_understood_by_both(version: Version) {
    let Some(server) = Server::any().await else { return };
    let serializers: &[&str] = match version {
        Version::V015 => &["JSONExt", "MsgPack", "Notepack", "CBOR"],
        Version::V014 => &["MsgPack", "Notepack", "CBOR"],
    };
    for serializer in serializers {
        let (cluster, namespace) = (Cluster::new(&["rust", "js"]), namespace());
        let options = json!({ "redis": server.url(), "serializer": serializer, "fullCheck": 1 });
        let discoverer = json!({ "type": "Redis", "options": options });
        let rust = rust(&cluster, &discoverer, &namespace, &Heard::default()).await;
        let js = Js::start(version, js_options(&cluster, &discoverer, &namespace), &["js"]).await;
        js.ask(json!({ "do": "waitForServicesOf", "node": "rust", "names": ["v3.rs"] })).await;
        until("our node knows the other", async || {
            services_of(&rust, "js").await.iter().any(|name| name == "v2.js").then_some(())
        })
        .await;
        let back: Value = rust.call("v2.js.echo", json!({ "n": 1 })).await.unwrap();
        assert_eq!(back, json!({ "n": 1 }), "{serializer}");
        assert_eq!(js.call("v3.rs.echo", json!({ "n": 2 })).await, Ok(json!({ "n": 2 })), "{serializer}");
        js.ask(json!({ "do": "stop" })).await;
        until("it has left", async || services_of(&rust, "js").await.is_empty().then_some(())).await;
        rust.stop().await.unwrap();
    }
}
