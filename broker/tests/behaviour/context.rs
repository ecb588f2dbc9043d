//! What a handler knows of its call, and what it passes on.

use ligand::testing::{Cluster, TestBroker};
use ligand::transport::PacketKind;
use ligand::transport::memory::Network;
use ligand::{Context, Error, ServiceDef};
use serde_json::{Value, json};
use tests_support::outsider::packets::service;
use tests_support::outsider::peer::Peer;

use crate::ways::{every_way, ok};

/// What can be compared of a context.
fn describe(cx: &Context) -> Value {
    json!({
        "id": cx.id().to_string(),
        "request": cx.request_id().to_string(),
        "parent": cx.parent_id().map(|id| id.to_string()),
        "level": cx.level(),
        "caller": cx.caller().map(|name| name.as_str()),
        "name": cx.name().as_str(),
        "service": cx.service().map(|name| name.as_str()),
        "meta": cx.meta().to_map(),
        "headers": cx.headers().to_map(),
    })
}

/// `one` calls `two`, which calls `three`; each tells what it saw.
fn chain() -> Vec<ServiceDef> {
    let link = |name: &'static str, next: Option<&'static str>| {
        ServiceDef::builder(name)
            .action("go", move |cx: Context, _: Value| async move {
                let mut seen = vec![describe(&cx)];
                cx.meta().set(name, cx.level())?;
                if let Some(next) = next {
                    let further: Vec<Value> = cx.call(next, json!({})).header("hop", name).await?;
                    seen.extend(further);
                    cx.meta().set("back in", name)?;
                }
                ok(seen)
            })
            .build()
    };
    vec![link("one", Some("two.go")), link("two", Some("three.go")), link("three", None)]
}

#[tokio::test(start_paused = true)]
async fn ids_level_and_caller_follow_the_tree_of_calls() {
    every_way(chain, async |broker| {
        let seen: Vec<Value> = broker.call("one.go", ()).await.unwrap();
        let [one, two, three] = seen.as_slice() else { panic!("{seen:?}") };
        assert_eq!([&one["level"], &two["level"], &three["level"]], [1, 2, 3]);
        assert_eq!(
            [&one["parent"], &two["parent"], &three["parent"]],
            [&Value::Null, &one["id"], &two["id"]]
        );
        assert_eq!([&one["request"], &two["request"], &three["request"]], [&one["id"]; 3]);
        assert_eq!(
            [&one["caller"], &two["caller"], &three["caller"]],
            [&Value::Null, &json!("one"), &json!("two")]
        );
        assert_eq!([&one["name"], &one["service"]], ["one.go", "one"]);
        assert!(one["id"] != two["id"] && two["id"] != three["id"] && one["id"] != three["id"]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_request_id_from_elsewhere_goes_down_the_whole_tree() {
    every_way(chain, async |broker| {
        let seen: Vec<Value> = broker.call("one.go", ()).request_id("from-the-gateway").await.unwrap();
        assert!(seen.iter().all(|cx| cx["request"] == "from-the-gateway"), "{seen:?}");
        assert!(seen.iter().all(|cx| cx["id"] != "from-the-gateway"), "{seen:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn meta_goes_down_three_levels_and_comes_back_merged() {
    let found = every_way(chain, async |broker| {
        let answer = broker.call::<()>("one.go", ()).meta("user", 7).raw().await.unwrap();
        let meta = Value::from(answer.meta.clone());
        let seen: Vec<Value> = answer.decode().unwrap();
        (meta, seen.iter().map(|cx| cx["meta"].clone()).collect::<Vec<_>>())
    });
    let (back, down) = found.await;
    assert_eq!(back, json!({ "user": 7, "one": 1, "two": 2, "three": 3, "back in": "one" }));
    let expected =
        [json!({ "user": 7 }), json!({ "user": 7, "one": 1 }), json!({ "user": 7, "one": 1, "two": 2 })];
    assert_eq!(down, expected);
}

#[tokio::test(start_paused = true)]
async fn headers_go_one_hop_and_no_further() {
    let found = every_way(chain, async |broker| {
        let seen: Vec<Value> = broker.call("one.go", ()).header("from", "test").await.unwrap();
        seen.iter().map(|cx| cx["headers"].clone()).collect::<Vec<_>>()
    });
    assert_eq!(found.await, [json!({ "from": "test" }), json!({ "hop": "one" }), json!({ "hop": "two" })]);
}

#[tokio::test(start_paused = true)]
async fn meta_comes_back_from_a_call_that_failed() {
    let services = || {
        let fail = |cx: Context, _: Value| async move {
            cx.meta().set("left behind", true)?;
            Err::<(), _>(Error::client(400, "NO", "no"))
        };
        let outer = |cx: Context, _: Value| async move {
            cx.call::<()>("inner.fail", ()).await.unwrap_err();
            ok(cx.meta().to_map())
        };
        vec![
            ServiceDef::builder("inner").action("fail", fail).build(),
            ServiceDef::builder("outer").action("call", outer).build(),
        ]
    };
    let found = every_way(services, async |broker| broker.call::<Value>("outer.call", ()).await.unwrap());
    assert_eq!(found.await, json!({ "left behind": true }));

    // The same where the failing call crosses the network.
    let [inner, outer] = <[ServiceDef; 2]>::try_from(services()).unwrap();
    let cluster = Cluster::seeded(1).node("a", [outer]).node("b", [inner]).start().await;
    let found: Value = cluster.at("a").call("outer.call", ()).await.unwrap();
    assert_eq!(found, json!({ "left behind": true }));
}

#[tokio::test(start_paused = true)]
async fn a_caller_on_another_node_is_named() {
    let ask = ServiceDef::builder("ask")
        .action("node", |cx: Context, _: Value| async move { ok(cx.node().to_string()) });
    let cluster = Cluster::seeded(1).node("a", []).node("b", [ask.build()]).start().await;
    assert_eq!(cluster.at("a").call::<String>("ask.node", ()).await.unwrap(), "a");
    assert_eq!(cluster.at("b").call::<String>("ask.node", ()).await.unwrap(), "b");
}

#[tokio::test(start_paused = true)]
async fn extensions_stay_where_they_were_put() {
    #[derive(Debug, Clone, PartialEq)]
    struct User(u32);
    let put = ligand::layer::action_fn(|cx, params, next| async move {
        if cx.name() == "svc.outer" {
            cx.extensions().insert(User(7));
        }
        next.run(cx, params).await
    });
    let service = ServiceDef::builder("svc")
        .action("outer", |cx: Context, _: Value| async move {
            let here = cx.extensions().get::<User>().map(|user| user.0);
            let nested: Option<u32> = cx.call("svc.inner", ()).await?;
            ok((here, nested))
        })
        .action("inner", |cx: Context, _: Value| async move {
            ok(cx.extensions().get::<User>().map(|user| user.0))
        });
    let broker = TestBroker::new().layer(put).service(service).start().await;
    let found: (Option<u32>, Option<u32>) = broker.call("svc.outer", ()).await.unwrap();
    assert_eq!(found, (Some(7), None));
}

#[tokio::test(start_paused = true)]
async fn an_event_carries_the_context_of_the_call_that_sent_it() {
    let log = ligand::testing::EventLog::of("done");
    let work = ServiceDef::builder("work").action("do", |cx: Context, _: Value| async move {
        cx.meta().set("user", 7)?;
        cx.emit("done", 1).meta("more", true).await
    });
    let cluster = Cluster::seeded(1)
        .node("a", [work.build()])
        .node("b", [ligand::IntoServiceDef::into_service_def(log.clone())])
        .start()
        .await;
    cluster.at("a").call::<()>("work.do", ()).await.unwrap();
    let heard = log.wait_for(1).await;
    assert_eq!(Value::from(heard[0].meta.clone()), json!({ "user": 7, "more": true }));
    assert_eq!((heard[0].node.as_str(), heard[0].broadcast), ("a", false));
}

#[tokio::test(start_paused = true)]
async fn tracing_and_the_id_of_a_span_go_down_the_tree() {
    let network = Network::new();
    let relay = ServiceDef::builder("relay")
        .action("go", |cx: Context, _: Value| async move {
            cx.emit("order.made", ()).await?;
            let _: Value = cx.call("far.it", ()).await?;
            ok(describe(&cx))
        })
        .build();
    let broker =
        TestBroker::new().node_id("a").transporter(network.transporter()).service(relay).start().await;
    let peer = Peer::join(&network, "peer").await;
    peer.info("i", 1, &json!([service("far", &["it"], &[("order.made", "far")])]));
    broker.wait_for(&["far"]).await.unwrap();
    for tracing in [json!(true), json!(false), json!(null)] {
        let request = json!({ "id": "c1", "action": "relay.go", "params": {}, "meta": {}, "level": 3,
            "timeout": 1500.5, "tracing": tracing, "parentID": "span-7", "requestID": "r1", "caller": "web" });
        peer.to("a", PacketKind::Request, request);
        for kind in [PacketKind::Event, PacketKind::Request] {
            let nested = peer.hears(kind).await;
            assert_eq!(nested["tracing"], tracing, "{nested}");
            assert_eq!((&nested["requestID"], &nested["level"]), (&json!("r1"), &json!(4)), "{nested}");
            // No layer here makes spans, so the context is its own.
            assert_eq!((&nested["parentID"], &nested["caller"]), (&json!("c1"), &json!("relay")), "{nested}");
            if kind == PacketKind::Request {
                let left = nested["timeout"].as_f64().unwrap();
                assert!(left > 1_000.0 && left <= 1500.5, "{nested}");
                peer.answer(&nested, &json!(null));
            }
        }
        let answer = peer.hears(PacketKind::Response).await;
        assert_eq!((&answer["data"]["parent"], &answer["data"]["caller"]), (&json!("span-7"), &json!("web")));
    }
}
