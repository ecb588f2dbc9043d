//! Errors: the same face here and on another node, and back to the Rust type they were made from.

use ligand::testing::Cluster;
use ligand::{Context, Error, ErrorKind, ErrorParts, Outcome, ResultExt as _, ServiceDef};
use serde_json::{Value, json};

use crate::ways::{every_way, face, ms};

#[derive(Debug, thiserror::Error, ligand::ActionError)]
enum ShopError {
    #[error("only {left} of {sku} left")]
    #[action_error(code = 409, type = "SOLD_OUT", retryable)]
    SoldOut { sku: String, left: u32 },
    #[error("unknown customer {0}")]
    #[action_error(code = 404)]
    UnknownCustomer(u64),
    #[error(transparent)]
    #[action_error(transparent)]
    Call(#[from] Error),
}

fn application() -> Error {
    Error::application(ErrorParts {
        name: "OddError",
        code: -1,
        error_type: "ODD",
        message: "odd \"one\"".to_owned(),
        retryable: true,
        data: Some(json!([1, { "deep": null }])),
    })
}

/// Actions that fail in every way a service can.
fn shop() -> Vec<ServiceDef> {
    let raise = |_, which: String| async move {
        Err::<(), _>(match which.as_str() {
            "client" => Error::client(402, "CARD_DECLINED", "declined"),
            "server" => Error::server(503, "NO_DISK", "no disk"),
            "retryable" => Error::retryable(503, "BUSY", "busy").with_data(json!({ "after": 3 })),
            "validation" => Error::validation(json!([{ "field": "a", "type": "required" }])),
            "internal" => Error::internal("the disk is on fire"),
            "application" => application(),
            _ => "12x".parse::<u32>().or_internal("reading the number").unwrap_err(),
        })
    };
    let sold_out = |_, (): ()| async { Err::<(), _>(ShopError::SoldOut { sku: "chair".into(), left: 2 }) };
    let customer = |_, (): ()| async { Err::<(), _>(ShopError::UnknownCustomer(7)) };
    let nested = |cx: Context, name: String| async move {
        cx.call::<Value>(name, json!("client")).timeout(ms(50)).await.map_err(ShopError::from)
    };
    let hang = |_, _: Value| std::future::pending::<Result<(), Error>>();
    let recurse = |cx: Context, _: Value| async move { cx.call::<()>("shop.recurse", ()).await };
    let shop = ServiceDef::builder("shop")
        .action("raise", raise)
        .action("sold_out", sold_out)
        .action("customer", customer)
        .action("nested", nested)
        .action("hang", hang)
        .action("recurse", recurse);
    vec![shop.build()]
}

#[tokio::test(start_paused = true)]
async fn an_error_of_a_service_looks_the_same_wherever_the_service_runs() {
    let rows = [
        ("client", "MoleculerClientError", json!(402), Some("CARD_DECLINED"), false),
        ("server", "MoleculerServerError", json!(503), Some("NO_DISK"), true),
        ("retryable", "MoleculerRetryableError", json!(503), Some("BUSY"), true),
        ("validation", "ValidationError", json!(422), Some("VALIDATION_ERROR"), false),
        ("internal", "MoleculerError", json!(500), Some("INTERNAL_ERROR"), false),
        ("application", "OddError", json!(-1), Some("ODD"), true),
        ("number", "MoleculerError", json!(500), Some("INTERNAL_ERROR"), false),
    ];
    for (which, name, code, error_type, retryable) in rows {
        let found = every_way(shop, async |broker| {
            let error = broker.call::<()>("shop.raise", which).await.unwrap_err();
            (face(&error), error.kind(), error.outcome())
        });
        let (face, _, outcome) = found.await;
        assert_eq!((&face["name"], &face["code"]), (&json!(name), &code));
        assert_eq!((&face["type"], &face["retryable"]), (&json!(error_type), &json!(retryable)));
        assert_eq!((&face["node"], outcome), (&json!("server"), Outcome::Ran));
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_that_a_handler_met_looks_the_same_wherever_the_handler_runs() {
    let rows = [
        ("nobody.home", "ServiceNotFoundError", 404, "SERVICE_NOT_FOUND", ErrorKind::ServiceNotFound),
        ("shop.hang", "RequestTimeoutError", 504, "REQUEST_TIMEOUT", ErrorKind::RequestTimeout),
        ("shop.recurse", "MaxCallLevelError", 500, "MAX_CALL_LEVEL", ErrorKind::MaxCallLevel),
        ("shop.raise", "MoleculerClientError", 402, "CARD_DECLINED", ErrorKind::Application),
    ];
    for (action, name, code, error_type, kind) in rows {
        let found = every_way(shop, async |broker| {
            let error = broker.call::<Value>("shop.nested", action).await.unwrap_err();
            (face(&error), error.kind())
        });
        let (face, found_kind) = found.await;
        assert_eq!((&face["name"], &face["code"]), (&json!(name), &json!(code)), "{action}");
        assert_eq!((&face["type"], found_kind), (&json!(error_type), kind), "{action}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_inside_a_handler_does_not_claim_that_the_handler_did_not_run() {
    let cluster = Cluster::seeded(1).node("caller", []).node("server", shop()).start().await;
    let error = cluster.at("caller").call::<Value>("shop.nested", "nobody.home").await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::ServiceNotFound, Outcome::Ran));
}

#[tokio::test(start_paused = true)]
async fn an_error_of_a_type_of_ones_own_comes_back_as_that_type() {
    every_way(shop, async |broker| {
        let error = broker.call::<()>("shop.sold_out", ()).await.unwrap_err();
        match error.downcast::<ShopError>() {
            Some(ShopError::SoldOut { sku, left }) => assert_eq!((sku.as_str(), left), ("chair", 2)),
            other => panic!("{other:?} of {error:?}"),
        }
        assert_eq!(error.data(), Some(&json!({ "sku": "chair", "left": 2 })));
        assert!(error.is_retryable());
        let error = broker.call::<()>("shop.customer", ()).await.unwrap_err();
        assert!(matches!(error.downcast::<ShopError>(), Some(ShopError::UnknownCustomer(7))));
        assert_eq!(error.error_type(), Some("UNKNOWN_CUSTOMER"));
        let error = broker.call::<()>("shop.raise", "client").await.unwrap_err();
        assert!(error.downcast::<ShopError>().is_none());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_third_node_relays_an_error_unchanged() {
    let relay = ServiceDef::builder("relay")
        .action("pass", |cx: Context, (action, params): (String, Value)| async move {
            cx.call::<Value>(action, params).await.map_err(ShopError::from)
        })
        .build();
    let cluster = Cluster::seeded(1).node("a", []).node("b", [relay]).node("c", shop()).start().await;
    for (action, params) in [
        ("shop.raise", json!("client")),
        ("shop.raise", json!("retryable")),
        ("shop.raise", json!("application")),
        ("shop.raise", json!("validation")),
        ("shop.sold_out", Value::Null),
        ("shop.customer", Value::Null),
    ] {
        let direct = cluster.at("b").call::<Value>(action, &params).await.unwrap_err();
        let relayed = cluster.at("a").call::<Value>("relay.pass", (action, &params)).await.unwrap_err();
        assert_eq!(face(&direct), face(&relayed), "{action} {params}");
        assert_eq!(relayed.node().unwrap().as_str(), "c");
        let typed = [direct, relayed].map(|error| format!("{:?}", error.downcast::<ShopError>()));
        assert_eq!(typed[0], typed[1]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stack_trace_never_leaves_a_rust_node() {
    let cluster = Cluster::seeded(1).node("caller", []).node("server", shop()).start().await;
    let error = cluster.at("caller").call::<()>("shop.raise", "internal").await.unwrap_err();
    assert_eq!(error.stack(), None);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_action_is_answered_with_names_that_come_close() {
    let cluster = Cluster::seeded(1).node("caller", []).node("server", shop()).start().await;
    for node in ["caller", "server"] {
        let error = cluster.at(node).call::<()>("shop.rais", ()).await.unwrap_err();
        assert!(error.to_string().contains("`shop.raise`"), "{error}");
        assert!(!error.message().contains("shop.raise`"), "the hint is for the local caller only");
    }
}

/// An error of each class that a broker makes by itself, met for real.
async fn met() -> Vec<(ErrorKind, Error)> {
    let service = || {
        let hang = |_, _: Value| std::future::pending::<Result<(), Error>>();
        let panics = |_, _: Value| async { if true { panic!("no") } else { Ok::<_, Error>(()) } };
        let strict = |_, n: u8| async move { Ok::<_, Error>(n) };
        ServiceDef::builder("svc")
            .action("hang", hang)
            .action("panics", panics)
            .action("strict", strict)
            .build()
    };
    let one_at_a_time =
        |builder: ligand::BrokerBuilder| builder.configure(|config| config.transit.max_queue_size = 1);
    let mut cluster =
        Cluster::seeded(1).node_with("a", [], one_at_a_time).node("b", [service()]).start().await;
    let a = cluster.at("a").clone();
    let fails = async |action: &str| a.call::<String>(action, 1).timeout(ms(20)).await.unwrap_err();
    let mut met = vec![
        (ErrorKind::ServiceNotFound, fails("svc.nothing").await),
        (ErrorKind::RequestTimeout, fails("svc.hang").await),
        (ErrorKind::HandlerPanic, fails("svc.panics").await),
        (ErrorKind::Codec, fails("svc.strict").await),
        (ErrorKind::Validation, a.call::<u8>("svc.strict", "x").await.unwrap_err()),
    ];
    let waiting = {
        let a = a.clone();
        tokio::spawn(async move { a.call::<()>("svc.hang", ()).timeout(ms(600_000)).await })
    };
    cluster.advance(ms(5)).await;
    met.push((ErrorKind::QueueIsFull, fails("svc.strict").await));
    cluster.crash("b");
    cluster.settle().await;
    met.push((ErrorKind::RequestRejected, waiting.await.unwrap().unwrap_err()));
    met.push((ErrorKind::ServiceNotAvailable, fails("svc.strict").await));
    cluster.restart("b").await;
    cluster.settle().await;
    cluster.network().crash("a");
    cluster.advance(ms(1)).await;
    met.push((ErrorKind::Disconnected, fails("svc.strict").await));
    met
}

#[tokio::test(start_paused = true)]
async fn a_handler_can_hand_on_any_error_it_met_and_it_stays_what_it_is() {
    for (kind, error) in met().await {
        assert_eq!(error.kind(), kind, "{error:?}");
        let services = || {
            let error = error.clone();
            let raise = move |_, _: Value| std::future::ready(Err::<(), _>(error.clone()));
            vec![ServiceDef::builder("relay").action("raise", raise).build()]
        };
        let found = every_way(services, async |broker| {
            let relayed = broker.call::<()>("relay.raise", ()).await.unwrap_err();
            assert_eq!(relayed.outcome(), Outcome::Ran, "the handler did run: {relayed:?}");
            (face(&relayed), relayed.kind())
        });
        let (relayed, relayed_kind) = found.await;
        let mut expected = face(&error);
        if expected["node"].is_null() {
            expected["node"] = json!("server");
        }
        assert_eq!((relayed, relayed_kind), (expected, kind));
    }
}
