//! What travels beside a call: ids, level, caller, and meta, which comes back changed.

use ligand::{Context, Error, ServiceDef};
use serde_json::{Value, json};

use super::{Case, Cluster, Outcome, ensure};

pub(super) const CASE: Case = Case {
    name: "a nested call carries ids, level, caller and meta, and brings meta back",
    run: |cluster| Box::pin(run(cluster)),
};

/// What a handler sees of its call.
fn seen(cx: &Context) -> Value {
    json!({
        "request": cx.request_id().to_string(),
        "id": cx.id().to_string(),
        "parent": cx.parent_id().map(|id| id.to_string()),
        "level": cx.level(),
        "caller": cx.caller().map(ToString::to_string),
        "node": cx.node().to_string(),
        "meta": cx.meta().to_map(),
        "header": cx.headers().get::<Value>("h"),
        "hurry": cx.remaining().is_some(),
    })
}

async fn run(cluster: &mut Cluster) -> Outcome {
    let outer = ServiceDef::builder("outer")
        .action("run", |cx: Context, _: Value| async move {
            let own = seen(&cx);
            cx.meta().set("outer", true)?;
            let inner: Value = cx.call("inner.run", json!({})).meta("down", 2).header("h", "inner").await?;
            Ok::<_, Error>(json!({ "own": own, "inner": inner, "after": cx.meta().to_map() }))
        })
        .build();
    let inner = ServiceDef::builder("inner")
        .action("run", |cx: Context, _: Value| async move {
            let own = seen(&cx);
            cx.meta().set("inner", json!({ "deep": [1] }))?;
            cx.meta().set("user", "changed")?;
            Ok::<_, Error>(own)
        })
        .build();
    let [a, b, _c] = cluster.start_all([vec![], vec![outer], vec![inner]]).await?;
    a.wait_for(&["outer"]).await?;
    b.wait_for(&["inner"]).await?;

    let call = a.call::<()>("outer.run", json!({})).meta("user", "ada").header("h", "outer");
    let answer = call.request_id("tree-1").raw().await?;
    ensure!(answer.node == *b.node_id(), "{} answered", answer.node);
    let meta = Value::Object(answer.meta.clone());
    let said: Value = answer.decode()?;

    let own = &said["own"];
    ensure!(own["request"] == "tree-1" && own["level"] == 1 && own["node"] == "node-0", "outer saw {own}");
    ensure!(own["parent"].is_null() && own["caller"].is_null(), "outer saw {own}");
    ensure!(own["meta"] == json!({ "user": "ada" }) && own["header"] == "outer", "outer saw {own}");
    ensure!(own["hurry"] == true, "outer saw no deadline: {own}");

    let inner = &said["inner"];
    ensure!(
        inner["request"] == "tree-1" && inner["level"] == 2 && inner["node"] == "node-1",
        "inner saw {inner}"
    );
    ensure!(inner["parent"] == own["id"] && inner["caller"] == "outer", "inner saw {inner}");
    ensure!(inner["meta"] == json!({ "user": "ada", "outer": true, "down": 2 }), "inner saw {inner}");
    ensure!(inner["header"] == "inner", "headers are for one hop: {inner}");

    let after = &said["after"];
    ensure!(
        after["inner"] == json!({ "deep": [1] }) && after["user"] == "changed",
        "after the call: {after}"
    );
    ensure!(meta["inner"] == json!({ "deep": [1] }) && meta["outer"] == true, "the caller got {meta}");
    ensure!(meta["user"] == "changed", "the caller got {meta}");
    Ok(())
}
