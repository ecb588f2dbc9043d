//! What can be said of a call or an event beside its name and what it carries, and how calls are awaited.

use futures_util::future::{join_all, try_join_all};
use ligand::call::{Call, RawAnswer as _};
use ligand::testing::{Cluster, EventLog, MockCaller, TestBroker};
use ligand::{CallOptions, Context, EmitOptions, Error, ErrorKind, Outcome, Payload, ServiceDef};
use serde::Serialize;
use serde_json::{Value, json};

use crate::ways::{every_way, ms, ok};

/// Tells what came along with a call.
fn echo() -> ServiceDef {
    ServiceDef::builder("echo")
        .action("beside", |cx: Context, _: Value| async move {
            ok(json!([cx.meta().to_map(), cx.headers().to_map(), cx.request_id().to_string()]))
        })
        .action("twice", |_, n: u32| async move { ok(2 * n) })
        .action("fail", |_, _: Value| async { Err::<u32, _>(Error::client(400, "NO", "no")) })
        .action("where", |cx: Context, _: Value| async move { ok(cx.broker().node_id().to_string()) })
        .build()
}

#[derive(Serialize)]
struct Who {
    user: &'static str,
    tenant: u32,
}

#[tokio::test(start_paused = true)]
async fn several_values_are_said_at_once_by_a_map_a_struct_or_an_object() {
    every_way(
        || vec![echo()],
        async |broker| {
            let call = broker.call::<Value>("echo.beside", json!({}));
            let call = call.meta("user", "bob").meta_from(Who { user: "ada", tenant: 7 });
            let got = call.headers_from(json!({ "x": 1, "y": [2] })).header("x", 3).request_id("r-1").await;
            assert_eq!(
                got.unwrap(),
                json!([{ "user": "ada", "tenant": 7 }, { "x": 3, "y": [2] }, "r-1"]),
                "what is said last counts"
            );
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn values_that_are_no_object_fail_the_call_or_the_event() {
    let broker = TestBroker::new().service(echo()).start().await;
    let why = "must be an object: a map, or a struct with named fields";
    let error = broker.call::<Value>("echo.beside", json!({})).meta_from([1, 2]).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Codec, Outcome::NotRun));
    assert_eq!(error.message(), format!("the meta values of the call of 'echo.beside' {why}"));
    let error = broker.emit("e", 1).headers_from("x").meta_from(json!({ "ok": 1 })).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Codec, Outcome::NotRun));
    assert_eq!(error.message(), format!("the headers of the event 'e' {why}"));
}

#[tokio::test(start_paused = true)]
async fn one_value_of_options_serves_many_calls_and_events() {
    let heard = EventLog::of("seen.*");
    let broker = TestBroker::new().service(echo()).service(heard.clone()).start().await;
    let said = CallOptions::new()
        .timeout(ms(100))
        .node(broker.node_id())
        .meta_from(json!({ "user": "ada" }))
        .header("hop", 1)
        .request_id("r-2");
    for _ in 0..2 {
        let got: Value = broker.call("echo.beside", json!({})).with(said.clone()).await.unwrap();
        assert_eq!(got, json!([{ "user": "ada" }, { "hop": 1 }, "r-2"]));
    }
    broker.emit("seen.once", 1).with(said.clone()).await.unwrap();
    broker.emit("seen.nobody", 1).with(EmitOptions::from(said).group("nobody")).await.unwrap();
    let event = heard.wait_for(1).await.remove(0);
    assert_eq!((event.name.as_str(), &event.meta["user"]), ("seen.once", &json!("ada")));
    assert_eq!(heard.names(), ["seen.once"], "its group is the sender's");
}

#[tokio::test(start_paused = true)]
async fn a_value_that_cannot_be_written_fails_whatever_its_options_are_given_to() {
    let broker = TestBroker::new().service(echo()).start().await;
    let said = CallOptions::new().meta("big", u128::MAX).node("");
    let error = broker.call::<u32>("echo.twice", 1).with(said.clone()).await.unwrap_err();
    let wanted =
        "the meta value 'big' of the call of 'echo.twice' cannot be written as JSON: number out of range";
    assert_eq!((error.message(), error.outcome()), (wanted, Outcome::NotRun));
    let error = broker.emit("e", 1).with(said).await.unwrap_err();
    assert!(error.message().starts_with("the meta value 'big' of the event 'e'"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_node_is_named_by_text_too() {
    let cluster = Cluster::seeded(1).node("a", [echo()]).node("b", [echo()]).start().await;
    let a = cluster.at("a");
    for node in ["a", "b"] {
        let by_text: String = a.call("echo.where", json!({})).node(node).await.unwrap();
        let by_id: String = a.call("echo.where", json!({})).node(cluster.at(node).node_id()).await.unwrap();
        assert_eq!((by_text.as_str(), by_id.as_str()), (node, node));
    }
    let error = a.call::<String>("echo.where", json!({})).node("c").await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::ServiceNotFound, Outcome::NotRun));
    let error = a.call::<String>("echo.where", json!({})).node("a\nb").await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::NotRun);
    assert!(error.message().starts_with("the node of the call of 'echo.where' cannot be one: "), "{error}");
}

#[tokio::test(start_paused = true)]
async fn calls_and_events_are_futures_by_themselves() {
    every_way(
        || vec![echo()],
        async |broker| {
            let all = try_join_all((0..10).map(|n| broker.call::<u32>("echo.twice", n))).await;
            assert_eq!(all.unwrap(), (0..20).step_by(2).collect::<Vec<_>>());
            let mixed = ["echo.twice", "echo.fail"].map(|action| broker.call::<u32>(action, 4));
            let mixed = join_all(mixed).await;
            assert_eq!((mixed[0].as_ref().ok(), mixed[1].is_err()), (Some(&8), true));
            try_join_all((0..3).map(|n| broker.emit("nobody.listens", n))).await.unwrap();
            let raw = ["echo.twice"].map(|action| broker.call(action, 5).raw());
            let raw = try_join_all(raw).await.unwrap().remove(0);
            assert_eq!(raw.decode::<u32>().unwrap(), 10);
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn any_call_gives_its_answer_with_all_that_came_along() {
    let broker = TestBroker::new().service(echo()).start().await;
    let open = broker.call("echo.twice", 3).raw().await.unwrap();
    let settled = broker.call::<u32>("echo.twice", 3).raw().await.unwrap();
    let by_client = Call::<u32>::new(&broker, "echo.twice", Ok(Payload::typed(3_u32))).raw().await.unwrap();
    for response in [open, settled, by_client] {
        assert_eq!(response.node.as_str(), broker.node_id().as_str());
        assert_eq!(response.decode::<u32>().unwrap(), 6);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_said_of_a_call_under_way_counts_no_more() {
    let caller = MockCaller::new().hangs("echo.twice");
    let mut call = Call::<u32>::new(&caller, "echo.twice", Ok(Payload::typed(3_u32)));
    assert!(futures_util::poll!(&mut call).is_pending());
    let mut call = call.timeout(ms(1)).meta("late", u128::MAX);
    assert!(futures_util::poll!(&mut call).is_pending());
}
