//! Bad input gets an error that names what was wrong and says what to do.

use ligand::transport::memory::Network;
use ligand::{Context, ErrorKind, Outcome, ServiceBroker, ServiceDef, StartError};
use serde::Deserialize;
use serde_json::json;

fn build_error(builder: ligand::BrokerBuilder) -> String {
    builder.build().expect_err("the broker was built").to_string()
}

/// `text` holds every one of `parts`.
#[track_caller]
fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{text:?} does not say {part:?}");
    }
}

#[test]
fn an_unknown_transporter_is_named_together_with_those_that_are_compiled_in() {
    let text = build_error(ServiceBroker::builder().transporter("carrier-pigeon://loft"));
    says(&text, &["carrier-pigeon", "tcp", "memory"]);
}

#[test]
#[cfg(not(feature = "kafka"))]
fn a_transporter_that_is_not_compiled_in_is_named_with_the_feature_to_enable() {
    let text = build_error(ServiceBroker::builder().transporter("kafka://localhost"));
    says(
        &text,
        &["`kafka` is not compiled in", "enable the feature `kafka` of ligand", "compiled in: memory, tcp"],
    );
}

#[test]
fn an_unknown_option_of_a_transporter_is_named_together_with_the_valid_ones() {
    let text = build_error(ServiceBroker::builder().transporter("tcp://?prot=4000"));
    says(&text, &["prot", "port"]);
}

#[test]
fn a_node_id_that_some_transporter_cannot_carry_is_refused_with_the_character() {
    says(&build_error(ServiceBroker::builder().node_id("a b")), &["a b", "letters, digits"]);
    says(&build_error(ServiceBroker::builder().node_id("")), &["empty"]);
}

#[test]
fn a_namespace_that_some_transporter_cannot_carry_is_refused_with_the_character() {
    says(&build_error(ServiceBroker::builder().namespace("dev|eu")), &["namespace", "|"]);
}

#[test]
fn two_services_or_actions_of_one_name_are_refused_naming_both() {
    let service = |name: &'static str| {
        ServiceDef::builder(name).action("go", |_: Context, (): ()| async { Ok::<_, ligand::Error>(1) })
    };
    let text = build_error(ServiceBroker::builder().service(service("a")).service(service("a")));
    says(&text, &["already has a service `a`", "another name or version"]);

    let bare = |name: &'static str| service(name).settings(json!({ "$noServiceNamePrefix": true }));
    let text = build_error(ServiceBroker::builder().service(bare("a")).service(bare("b")));
    says(&text, &["`go`", "`a`", "`b`", "rename"]);
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_with_a_way_out() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let url = format!("tcp://?port={port}&bind=127.0.0.1&udpDiscovery=false");
    let broker = ServiceBroker::builder().transporter(url).build().unwrap();
    let error = broker.start().await.unwrap_err();
    assert!(matches!(error, StartError::Transporter { attempts: 1, .. }), "{error:?}");
    says(&error.to_string(), &[&port.to_string(), "in use", "another port"]);
}

#[tokio::test]
async fn an_unknown_action_hints_at_the_nearest_names_but_only_locally() {
    let network = Network::new();
    let math = ServiceDef::builder("math")
        .action("add", |_: Context, (): ()| async { Ok::<_, ligand::Error>(1) })
        .build();
    let near = ServiceBroker::builder().node_id("near").transporter(network.transporter()).service(math);
    let near = near.build().unwrap();
    let relay = ServiceDef::builder("relay")
        .action("go", |cx: Context, (): ()| async move { cx.call::<i64>("math.ad", json!({})).await });
    let far = ServiceBroker::builder().node_id("far").transporter(network.transporter()).service(relay);
    let far = far.build().unwrap();
    near.start().await.unwrap();
    far.start().await.unwrap();
    near.wait_for(&["relay"]).await.unwrap();
    far.wait_for(&["math"]).await.unwrap();

    let error = near.call::<i64>("math.ad", json!({})).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::ServiceNotFound, Outcome::NotRun));
    says(&error.to_string(), &["'math.ad' is not found", "did you mean `math.add`?"]);

    let error = near.call::<i64>("relay.go", json!(null)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ServiceNotFound);
    assert!(!error.to_string().contains("did you mean"), "{error}");
    far.stop().await.unwrap();
    near.stop().await.unwrap();
}

#[tokio::test]
async fn wrong_parameters_name_the_field_and_what_was_expected_locally_and_remotely() {
    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only read by serde")]
    struct Line {
        price: i64,
    }
    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only read by serde")]
    struct Cart {
        lines: Vec<Line>,
        owner: String,
    }
    let network = Network::new();
    let carts = ServiceDef::builder("carts")
        .action("add", |_: Context, _: Cart| async { Ok::<_, ligand::Error>(()) })
        .build();
    let shop = ServiceBroker::builder().node_id("shop").transporter(network.transporter()).service(carts);
    let shop = shop.build().unwrap();
    let web = ServiceBroker::builder().node_id("web").transporter(network.transporter()).build().unwrap();
    shop.start().await.unwrap();
    web.start().await.unwrap();
    web.wait_for(&["carts"]).await.unwrap();

    for broker in [&shop, &web] {
        let wrong = json!({ "owner": "ada", "lines": [{ "price": 1 }, { "price": "two" }] });
        let error = broker.call::<()>("carts.add", wrong).await.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Validation, Outcome::Ran));
        let violation = &error.data().unwrap()[0];
        assert_eq!((&violation["field"], &violation["type"]), (&json!("lines[1].price"), &json!("number")));
        assert_eq!(violation["action"], "carts.add");
        assert_eq!(violation["nodeID"], broker.node_id().as_str());
        says(violation["message"].as_str().unwrap(), &["lines[1].price", "expected i64"]);

        let missing = broker.call::<()>("carts.add", json!({ "lines": [] })).await.unwrap_err();
        let violation = &missing.data().unwrap()[0];
        assert_eq!((&violation["field"], &violation["type"]), (&json!("owner"), &json!("required")));
    }
    web.stop().await.unwrap();
    shop.stop().await.unwrap();
}

#[test]
fn a_typo_in_the_environment_names_the_variable_and_the_nearest_option() {
    let loader = ligand::config::ConfigLoader::new().env_from([("LIGAND_REQEST_TIMEOUT", "5s")]);
    let error = loader.load().unwrap_err().to_string();
    says(&error, &["`LIGAND_REQEST_TIMEOUT`", "did you mean `LIGAND_REQUEST_TIMEOUT`?"]);
}
