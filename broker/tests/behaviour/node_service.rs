//! `$node`, by which tools look at a node: keys and types as protocol chapter 14 has them.

use ligand::testing::{Cluster, TestBroker};
use ligand::{ActionDef, ErrorKind, ServiceDef};
use serde_json::{Value, json};

use crate::ways::ok;

/// The type of each key, sorted by key.
fn shape(value: &Value) -> Vec<(String, &'static str)> {
    let kind = |value: &Value| match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let mut keys: Vec<_> =
        value.as_object().unwrap().iter().map(|(key, value)| (key.clone(), kind(value))).collect();
    keys.sort();
    keys
}

fn is_shaped(value: &Value, expected: &[(&str, &str)]) {
    let mut expected: Vec<_> = expected.to_vec();
    expected.sort_unstable();
    let found = shape(value);
    let found: Vec<_> = found.iter().map(|(key, kind)| (key.as_str(), *kind)).collect();
    assert_eq!(found, expected, "{value:#}");
}

fn math() -> ServiceDef {
    ServiceDef::builder("math")
        .version(2)
        .settings(json!({ "precision": 5, "key": "s3cret", "$secureSettings": ["key"] }))
        .metadata(json!({ "team": "numbers" }))
        .action(ActionDef::new("add").params(json!({ "a": "number" })), |_, _: Value| async { ok(1) })
        .event("user.*", |_, _: Value| async { ok(()) })
        .build()
}

async fn cluster() -> Cluster {
    Cluster::seeded(1).node("a", []).node("b", [math()]).start().await
}

async fn ask(cluster: &Cluster, action: &str, params: Value) -> Vec<Value> {
    cluster.at("a").call(format!("$node.{action}"), params).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn list_tells_every_node() {
    let cluster = cluster().await;
    let nodes = ask(&cluster, "list", json!({})).await;
    assert_eq!(nodes.iter().map(|node| &node["id"]).collect::<Vec<_>>(), ["a", "b"]);
    for (node, local) in nodes.iter().zip([true, false]) {
        let mut expected = vec![
            ("id", "string"),
            ("instanceID", "string"),
            ("available", "bool"),
            ("local", "bool"),
            ("lastHeartbeatTime", "number"),
            ("config", "object"),
            ("client", "object"),
            ("metadata", "object"),
            ("ipList", "array"),
            ("hostname", "string"),
            ("udpAddress", "null"),
            ("cpuSeq", "null"),
            ("seq", "number"),
            ("offlineSince", "null"),
        ];
        if local {
            expected.push(("port", "null"));
        }
        let mut node = node.clone();
        // Known from the second measurement on.
        let cpu = node.as_object_mut().unwrap().remove("cpu").unwrap();
        assert!(cpu.is_null() || cpu.is_number());
        let cpu_seq = node.as_object_mut().unwrap().insert("cpuSeq".to_owned(), Value::Null).unwrap();
        assert!(cpu_seq.is_null() || cpu_seq.is_number());
        is_shaped(&node, &expected);
        is_shaped(&node["client"], &[("type", "string"), ("version", "string"), ("langVersion", "string")]);
        assert_eq!((&node["local"], &node["client"]["type"]), (&json!(local), &json!("rust")));
    }
    let nodes = ask(&cluster, "list", json!({ "withServices": true })).await;
    let services = nodes[1]["services"].as_array().unwrap();
    assert!(services.iter().any(|service| service["fullName"] == "v2.math"));
}

#[tokio::test(start_paused = true)]
async fn list_can_leave_out_who_is_offline() {
    let mut cluster = cluster().await;
    cluster.stop("b").await;
    cluster.settle().await;
    let all = ask(&cluster, "list", json!({})).await;
    assert_eq!((all.len(), &all[1]["available"]), (2, &json!(false)));
    assert!(all[1]["offlineSince"].is_number());
    // Node's validator converts.
    for yes in [json!(true), json!("true"), json!(1), json!("on")] {
        assert_eq!(ask(&cluster, "list", json!({ "onlyAvailable": yes })).await.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn services_tells_what_is_offered_and_by_whom() {
    let cluster = cluster().await;
    let params = json!({ "skipInternal": true, "withActions": true, "withEvents": true });
    let services = ask(&cluster, "services", params).await;
    assert_eq!(services.len(), 1);
    is_shaped(
        &services[0],
        &[
            ("name", "string"),
            ("version", "number"),
            ("fullName", "string"),
            ("settings", "object"),
            ("metadata", "object"),
            ("local", "bool"),
            ("available", "bool"),
            ("nodes", "array"),
            ("actions", "object"),
            ("events", "object"),
        ],
    );
    assert_eq!(services[0]["nodes"], json!(["b"]));
    assert_eq!(services[0]["settings"], json!({ "precision": 5 }), "secrets do not travel");
    let add = &services[0]["actions"]["v2.math.add"];
    assert_eq!(*add, json!({ "name": "v2.math.add", "rawName": "add", "params": { "a": "number" } }));
    assert_eq!(services[0]["events"], json!({ "user.*": { "name": "user.*" } }));
    let grouped = ask(&cluster, "services", json!({})).await;
    let node = grouped.iter().find(|service| service["name"] == "$node").unwrap();
    assert_eq!((&node["nodes"], node.get("version")), (&json!(["a", "b"]), None));
    let single = ask(&cluster, "services", json!({ "grouping": false })).await;
    assert_eq!(single.iter().filter(|service| service["name"] == "$node").count(), 2);
    assert!(single.iter().all(|service| service["nodeID"].is_string() && service.get("nodes").is_none()));
}

#[tokio::test(start_paused = true)]
async fn actions_and_events_tell_who_answers() {
    let cluster = cluster().await;
    let params = json!({ "skipInternal": true, "withEndpoints": true });
    let actions = ask(&cluster, "actions", params.clone()).await;
    let endpoints = json!([{ "nodeID": "b", "state": true, "available": true }]);
    let common = [
        ("name", "string"),
        ("count", "number"),
        ("hasLocal", "bool"),
        ("available", "bool"),
        ("endpoints", "array"),
    ];
    is_shaped(&actions[0], &[&common[..], &[("action", "object")]].concat());
    assert_eq!((&actions[0]["name"], &actions[0]["endpoints"]), (&json!("v2.math.add"), &endpoints));
    let events = ask(&cluster, "events", params).await;
    is_shaped(&events[0], &[&common[..], &[("group", "string"), ("event", "object")]].concat());
    assert_eq!((&events[0]["name"], &events[0]["group"]), (&json!("user.*"), &json!("math")));
    let own = ask(&cluster, "actions", json!({ "onlyLocal": true })).await;
    let names: Vec<_> = own.iter().map(|action| action["name"].as_str().unwrap()).collect();
    let expected = ["list", "services", "actions", "events", "health", "options", "metrics"];
    assert_eq!(names, expected.map(|name| format!("$node.{name}")));
}

#[tokio::test(start_paused = true)]
async fn health_tells_how_the_machine_is() {
    let cluster = cluster().await;
    for node in ["a", "b"] {
        let id = cluster.at(node).node_id().clone();
        let health: Value = cluster.at("a").call("$node.health", ()).node(&id).await.unwrap();
        for (part, keys) in [
            ("cpu", &["load1", "load5", "load15", "cores", "utilization"][..]),
            ("mem", &["free", "total", "percent"]),
            ("os", &["type", "arch", "platform", "hostname"]),
            ("process", &["pid", "uptime", "argv"]),
            ("client", &["type", "version", "langVersion"]),
            ("net", &["ip"]),
            ("time", &["now"]),
        ] {
            for key in keys {
                assert!(!health[part][key].is_null(), "{part}.{key} is missing in {health:#}");
            }
        }
        assert_eq!(health["process"]["argv"], json!([]), "a command line may hold secrets");
        let typed = serde_json::to_value(cluster.at(node).health()).unwrap();
        assert_eq!(shape(&typed), shape(&health), "the same by hand");
    }
}

#[tokio::test(start_paused = true)]
async fn nodes_are_told_with_their_types_too() {
    let cluster = cluster().await;
    let nodes = cluster.at("a").nodes();
    assert_eq!(nodes.iter().map(|node| node.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    let other = &nodes[1];
    assert!(other.is_available && !other.is_local);
    assert_eq!((other.client.as_str(), other.services.len()), ("rust", 1));
    assert_eq!(other.services[0].as_str(), "v2.math");
    assert_eq!(other.instance_id, *cluster.at("b").instance_id());
    cluster.at("b").stop().await.unwrap();
    assert!(!cluster.at("a").nodes()[1].is_available);
}

#[tokio::test(start_paused = true)]
async fn options_are_for_this_node_only_unless_configured() {
    let cluster = cluster().await;
    let options: Value = cluster.at("a").call("$node.options", ()).await.unwrap();
    assert_eq!((&options["nodeID"], options["heartbeatInterval"].is_null()), (&json!("a"), false));
    let b = cluster.at("b").node_id().clone();
    let error = cluster.at("a").call::<Value>("$node.options", ()).node(&b).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ServiceNotFound);

    let open = Cluster::seeded(1)
        .configure(|config| config.internal_services.remote_options = true)
        .node("a", [])
        .node("b", [])
        .start()
        .await;
    let options: Value = open.at("a").call("$node.options", ()).node(&b).await.unwrap();
    assert_eq!(options["nodeID"], "b");
}

#[tokio::test(start_paused = true)]
async fn metrics_are_refused_as_node_refuses_them_when_they_are_off() {
    let broker = TestBroker::new().start().await;
    let error = broker.call::<Value>("$node.metrics", ()).await.unwrap_err();
    assert_eq!((error.name(), error.error_type()), ("MoleculerClientError", Some("METRICS_DISABLED")));
    assert_eq!(error.message(), "Metrics feature is disabled");
}

#[tokio::test(start_paused = true)]
async fn a_call_without_a_node_is_answered_by_this_one() {
    let cluster = cluster().await;
    for _ in 0..5 {
        let nodes = ask(&cluster, "list", json!({})).await;
        assert_eq!(nodes[0]["local"], true);
        assert_eq!(nodes[0]["id"], "a");
    }
}

#[tokio::test(start_paused = true)]
async fn it_can_be_switched_off() {
    let broker = TestBroker::new().with(|builder| builder.internal_services(false)).start().await;
    let error = broker.call::<Value>("$node.list", ()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ServiceNotFound);
}
