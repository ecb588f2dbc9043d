//! Calls: by name, typed, through a generated client; what goes in and what comes out.

use ligand::testing::{TestBroker, codec_runs};
use ligand::{
    Context, ErrorKind, IntoServiceDef, Outcome, Params, Payload, Reply, Result, ServiceDef, service,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

use crate::ways::{every_way, ok};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Pair {
    a: i64,
    b: i64,
}

struct Math;

#[service(name = "math", version = 2)]
impl Math {
    #[action]
    async fn add(&self, a: i64, b: i64) -> Result<i64> {
        Ok(a + b)
    }

    #[action]
    async fn swap(&self, Params(pair): Params<Pair>) -> Result<Pair> {
        Ok(Pair { a: pair.b, b: pair.a })
    }

    #[action]
    async fn root(&self, of: i64) -> Result<Option<i64>> {
        Ok((0..=of).find(|root| root * root == of))
    }

    #[action]
    async fn note(&self, text: Option<String>) -> Result<()> {
        drop(text);
        Ok(())
    }

    #[action(raw)]
    async fn echo(&self, ctx: Context, payload: Payload) -> Result<Reply> {
        ctx.meta().set("seen", true)?;
        ctx.headers().set_response("etag", "v1")?;
        Ok(Reply::from(payload))
    }
}

fn math() -> Vec<ServiceDef> {
    vec![Math.into_service_def()]
}

#[tokio::test(start_paused = true)]
async fn a_client_a_typed_call_and_a_call_by_name_give_the_same() {
    let found = every_way(math, async |broker| {
        let client = MathClient::new(broker);
        let by_client = client.swap(Pair { a: 1, b: 2 }).await.unwrap();
        let typed: Pair = broker.call_typed("v2.math.swap", Pair { a: 1, b: 2 }).await.unwrap();
        let by_name: Pair = broker.call("v2.math.swap", json!({ "a": 1, "b": 2 })).await.unwrap();
        let borrowed: Pair = broker.call("v2.math.swap", &Pair { a: 1, b: 2 }).await.unwrap();
        let as_value: Value =
            broker.call("v2.math.swap", Payload::from(json!({ "a": 1, "b": 2 }))).await.unwrap();
        assert_eq!(as_value, json!({ "a": 2, "b": 1 }));
        [by_client, typed, by_name, borrowed]
    });
    assert_eq!(found.await, [(); 4].map(|()| Pair { a: 2, b: 1 }));
}

#[tokio::test(start_paused = true)]
async fn named_arguments_are_the_fields_of_the_params() {
    let found = every_way(math, async |broker| {
        let by_client = MathClient::new(broker).add(2, 3).await.unwrap();
        let by_name: i64 =
            broker.call("v2.math.add", json!({ "b": 3, "a": 2, "more": "ignored" })).await.unwrap();
        (by_client, by_name)
    });
    assert_eq!(found.await, (5, 5));
}

#[tokio::test(start_paused = true)]
async fn absent_null_and_empty_params_are_read_alike() {
    every_way(math, async |broker| {
        broker.call::<()>("v2.math.note", Payload::empty()).await.unwrap();
        broker.call::<()>("v2.math.note", ()).await.unwrap();
        broker.call::<()>("v2.math.note", Value::Null).await.unwrap();
        broker.call::<()>("v2.math.note", json!({})).await.unwrap();
        broker.call_typed::<(), _>("v2.math.note", ()).await.unwrap();
        broker.call_typed::<(), _>("v2.math.note", Value::Null).await.unwrap();
        broker.call::<()>("v2.math.note", json!({ "text": null })).await.unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn results_of_nothing_and_of_perhaps_something_come_back_as_they_are() {
    let found = every_way(math, async |broker| {
        let client = MathClient::new(broker);
        client.note(None).await.unwrap();
        let nothing: Value = broker.call("v2.math.note", json!({})).await.unwrap();
        let absent: Option<i64> = broker.call("v2.math.note", json!({})).await.unwrap();
        let as_value: Value = broker.call("v2.math.root", json!({ "of": 5 })).await.unwrap();
        (nothing, absent, as_value, client.root(9).await.unwrap(), client.root(5).await.unwrap())
    });
    assert_eq!(found.await, (Value::Null, None, Value::Null, Some(3), None));
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_care_about_the_answer_gets_none() {
    every_way(math, async |broker| {
        broker.call::<()>("v2.math.add", json!({ "a": 1, "b": 1 })).await.unwrap();
        broker.call("v2.math.add", json!({ "a": 1, "b": 1 })).ignore().await.unwrap();
        MathClient::new(broker).add(1, 1).ignore().await.unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_raw_call_gives_meta_headers_and_the_node_that_answered() {
    let found = every_way(math, async |broker| {
        let call = broker
            .call::<()>("v2.math.echo", json!({ "text": "hi" }))
            .meta("user", 7)
            .header("accept", "json");
        let answer = call.raw().await.unwrap();
        let (meta, headers, node) = (answer.meta.clone(), answer.headers.clone(), answer.node.to_string());
        (Value::from(meta), Value::from(headers), node, answer.decode::<Value>().unwrap())
    });
    let expected = (json!({ "user": 7, "seen": true }), json!({ "etag": "v1" }), "server".to_owned());
    let (meta, headers, node, body) = found.await;
    assert_eq!(((meta, headers, node), body), (expected, json!({ "text": "hi" })));
}

#[tokio::test]
async fn a_typed_call_and_a_generated_client_encode_nothing_within_one_process() {
    let broker = TestBroker::new().service(Math).start().await;
    let before = codec_runs();
    let swapped: Pair = broker.call_typed("v2.math.swap", Pair { a: 1, b: 2 }).await.unwrap();
    let client = MathClient::new(&broker);
    assert_eq!((swapped, client.add(2, 3).await.unwrap()), (Pair { a: 2, b: 1 }, 5));
    assert_eq!((client.root(9).await.unwrap(), codec_runs() - before), (Some(3), 0));

    let broker = TestBroker::new().service(Math).through_codec().start().await;
    let before = codec_runs();
    assert_eq!(MathClient::new(&broker).add(2, 3).await.unwrap(), 5);
    assert!(codec_runs() > before, "with the codec forced, it must run");
}

#[tokio::test]
async fn a_nested_typed_call_encodes_nothing_either() {
    let outer = ServiceDef::builder("outer").action("add", |cx: Context, pair: Pair| async move {
        MathClient::new(&cx).add(pair.a, pair.b).await
    });
    let broker = TestBroker::new().service(Math).service(outer).start().await;
    let before = codec_runs();
    let sum: i64 = broker.call_typed("outer.add", Pair { a: 20, b: 22 }).await.unwrap();
    assert_eq!((sum, codec_runs() - before), (42, 0));
}

#[tokio::test(start_paused = true)]
async fn a_handler_of_another_type_reads_the_same_value() {
    #[derive(Serialize)]
    struct Wide {
        a: i8,
        b: u64,
        more: &'static str,
    }
    let found = every_way(math, async |broker| {
        broker.call_typed::<Pair, _>("v2.math.swap", Wide { a: 1, b: 2, more: "x" }).await.unwrap()
    });
    assert_eq!(found.await, Pair { a: 2, b: 1 });
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_another_type_is_an_error_that_names_the_action() {
    let found = every_way(math, async |broker| {
        let error = broker.call::<String>("v2.math.add", json!({ "a": 1, "b": 2 })).await.unwrap_err();
        assert!(error.message().contains("'v2.math.add'"), "{error}");
        (error.kind(), error.outcome())
    });
    assert_eq!(found.await, (ErrorKind::Codec, Outcome::Ran));
}

#[tokio::test(start_paused = true)]
async fn params_that_cannot_be_encoded_fail_the_call_before_it_is_made() {
    let found = every_way(math, async |broker| {
        let no_json = BTreeMap::from([(vec![1], 1)]);
        let error = broker.call::<()>("v2.math.note", &no_json).await.unwrap_err();
        (error.kind(), error.outcome())
    });
    assert_eq!(found.await, (ErrorKind::Codec, Outcome::NotRun));
}

#[tokio::test(start_paused = true)]
async fn an_action_that_asks_for_the_codec_gets_what_was_encoded() {
    #[derive(Default, Serialize, Deserialize)]
    struct Login {
        name: String,
        #[serde(skip)]
        password: String,
    }
    let users = || {
        let login = |_, login: Login| async move { ok(format!("{}:{}", login.name, login.password)) };
        vec![ServiceDef::builder("users").action(ligand::ActionDef::new("login").encode(), login).build()]
    };
    let found = every_way(users, async |broker| {
        let login = Login { name: "ada".into(), password: "secret".into() };
        broker.call_typed::<String, _>("users.login", login).await.unwrap()
    });
    assert_eq!(found.await, "ada:");
}

#[tokio::test(start_paused = true)]
async fn bodies_keep_every_kind_of_value() {
    let bodies = [
        json!(null),
        json!(true),
        json!(0.1),
        json!(u64::MAX),
        json!(i64::MIN),
        json!("grüße \u{1F980} \" \\ \n \u{0}"),
        json!([1, [2, [3, {}]]]),
        json!({ "": { "nested key": [null, false, 1.5e300] } }),
    ];
    for body in bodies {
        let found =
            every_way(math, async |broker| broker.call::<Value>("v2.math.echo", &body).await.unwrap());
        assert_eq!(found.await, body);
    }
}
