//! Actions that not everybody may call.

use ligand::testing::Cluster;
use ligand::transport::PacketKind;
use ligand::{ActionDef, Context, ErrorKind, ServiceDef, Visibility};
use serde_json::{Value, json};
use tests_support::outsider::peer::Peer;

use crate::ways::{face, ok};

fn service() -> ServiceDef {
    let def = |name: &'static str, visibility| ActionDef::new(name).visibility(visibility);
    let yes = |_, _: Value| async { ok("yes".to_owned()) };
    ServiceDef::builder("svc")
        .action(def("published", Visibility::Published), yes)
        .action(def("public", Visibility::Public), yes)
        .action(def("protected", Visibility::Protected), yes)
        .action(def("private", Visibility::Private), yes)
        .action("inside", |cx: Context, name: String| async move { cx.call::<String>(name, ()).await })
        .build()
}

const ALL: [&str; 4] = ["published", "public", "protected", "private"];

#[tokio::test(start_paused = true)]
async fn an_action_can_be_called_on_its_own_node_and_a_private_one_by_its_own_service() {
    let other = ServiceDef::builder("other")
        .action("call", |cx: Context, name: String| async move { cx.call::<String>(name, ()).await })
        .build();
    let cluster = Cluster::seeded(1).node("a", []).node("b", [service(), other]).start().await;
    let b = cluster.at("b");
    for name in ALL {
        let action = format!("svc.{name}");
        assert_eq!(b.call::<String>("svc.inside", &action).await.unwrap(), "yes", "from its own service");
        assert_eq!(
            cluster.at("a").call::<String>("svc.inside", &action).await.unwrap(),
            "yes",
            "by way of it"
        );
        if name != "private" {
            assert_eq!(b.call::<String>(&action, ()).await.unwrap(), "yes");
            assert_eq!(b.call::<String>("other.call", &action).await.unwrap(), "yes");
        }
    }
    for call in [b.call::<String>("svc.private", ()), b.call::<String>("other.call", "svc.private")] {
        let error = call.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ServiceNotFound, "to others it does not exist");
    }
}

#[tokio::test(start_paused = true)]
async fn from_another_node_a_hidden_action_looks_exactly_like_an_unknown_one() {
    let cluster = Cluster::seeded(1).node("a", []).node("b", [service()]).start().await;
    let a = cluster.at("a");
    let b = cluster.at("b").node_id();
    for name in ["published", "public"] {
        assert_eq!(a.call::<String>(format!("svc.{name}"), ()).await.unwrap(), "yes");
    }
    for node in [None, Some(b)] {
        let fails = async |name: &str| {
            let call = a.call::<String>(format!("svc.{name}"), ());
            let call = match node {
                Some(node) => call.node(node),
                None => call,
            };
            let error = call.await.unwrap_err();
            (error.outcome(), face(&error).to_string().replace(name, "…"))
        };
        let unknown = fails("unknown").await;
        for name in ["protected", "private"] {
            assert_eq!(fails(name).await, unknown, "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_hidden_is_not_listed() {
    let cluster = Cluster::seeded(1).node("a", []).node("b", [service()]).start().await;
    let listed: Value = cluster.at("a").call("$node.actions", ()).await.unwrap();
    let names: Vec<_> =
        listed.as_array().unwrap().iter().map(|action| action["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"svc.published") && names.contains(&"svc.public"), "{names:?}");
    assert!(!names.contains(&"svc.private"), "{names:?}");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_asks_all_the_same_is_answered_as_for_an_unknown_action() {
    let cluster = Cluster::seeded(1).node("b", [service()]).start().await;
    let peer = Peer::join(cluster.network(), "peer").await;
    for action in ["svc.none", "none.at.all", "svc.private", "svc.protected"] {
        let request = json!({ "id": action, "action": action, "params": {}, "meta": { "m": 1 }, "level": 1 });
        peer.to("b", PacketKind::Request, request);
        let answer = peer.hears(PacketKind::Response).await;
        assert_eq!((&answer["id"], &answer["success"]), (&json!(action), &json!(false)), "{answer}");
        assert_eq!(answer.get("data"), Some(&Value::Null), "{answer}");
        let error = &answer["error"];
        assert_eq!(
            (&error["name"], &error["code"]),
            (&json!("ServiceNotFoundError"), &json!(404)),
            "{answer}"
        );
        assert_eq!(error["data"], json!({ "action": action, "nodeID": "b" }), "{answer}");
        assert_eq!(
            (&error["type"], &error["nodeID"]),
            (&json!("SERVICE_NOT_FOUND"), &json!("b")),
            "{answer}"
        );
    }
}
