//! Values arrive as they were sent, in both directions.

use ligand::{Error, Payload, Reply, ServiceBroker, ServiceDef};
use serde_json::{Value, json};

use super::{Case, Cluster, Outcome, ensure};
use crate::conformance::services::echo;

pub(super) const CASE: Case =
    Case { name: "values of every kind go there and back, both ways", run: |cluster| Box::pin(run(cluster)) };

async fn run(cluster: &mut Cluster) -> Outcome {
    let quiet = ServiceDef::builder("quiet")
        .action_raw("nothing", |_cx, _: Payload| async move { Ok::<_, Error>(Reply::empty()) })
        .build();
    let [a, b] = cluster.start_all([vec![echo("at-a"), quiet], vec![echo("at-b")]]).await?;
    a.wait_for(&["at-b"]).await?;
    b.wait_for(&["at-a", "quiet"]).await?;
    for value in values() {
        there_and_back(&a, "at-b.echo", &value).await?;
        there_and_back(&b, "at-a.echo", &value).await?;
    }

    // Without parameters the other side sees an empty object, as from Node.
    let absent: Value = a.call("at-b.echo", Payload::empty()).await?;
    ensure!(absent == json!({}), "no parameters arrived as {absent}");
    let answer = b.call::<()>("quiet.nothing", json!({})).raw().await?;
    ensure!(answer.body.is_empty(), "an answer without a result has one: {:?}", answer.body);
    let nothing: Option<Value> = b.call("quiet.nothing", json!({})).await?;
    ensure!(nothing.is_none(), "an answer without a result was read as {nothing:?}");

    let typed: (u8, Option<String>, f64) = a.call_typed("at-b.echo", (1_u8, Some("é"), 0.1_f64)).await?;
    ensure!(typed == (1, Some("é".to_owned()), 0.1), "typed values arrived as {typed:?}");
    Ok(())
}

async fn there_and_back(from: &ServiceBroker, action: &str, value: &Value) -> Outcome {
    let answer: Value = from.call(action, value).await?;
    let short = |value: &Value| value.to_string().chars().take(200).collect::<String>();
    ensure!(answer == *value, "{} came back from {action} as {}", short(value), short(&answer));
    Ok(())
}

fn values() -> Vec<Value> {
    vec![
        Value::Null,
        json!(true),
        json!(false),
        json!(0),
        json!(-1),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(0.1),
        json!(1.7976931348623157e308),
        json!(5e-324),
        json!(""),
        json!("plain"),
        json!("quote \" backslash \\ newline \n tab \t null \u{0} delete \u{7f}"),
        json!("ä ß € 日本語 👩‍👩‍👧 \u{2028}\u{2029}\u{feff}"),
        json!([]),
        json!([1, [2, [3, [null, {}]]]]),
        json!({}),
        json!({ "a": { "b": [1, 2, { "c": null }] }, "": "empty key", "ключ": "Wert", "__proto__": 1 }),
        Value::String("x€".repeat(25 * 1024)),
        json!({ "list": (0..10_000).collect::<Vec<_>>() }),
    ]
}
