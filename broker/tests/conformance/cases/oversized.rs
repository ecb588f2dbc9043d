//! What does not fit into a packet fails where it is sent, and says how much would fit.

use ligand::{Error, Outcome as Ran, ServiceDef};
use serde_json::{Value, json};

use super::{Case, Cluster, Outcome, ensure};
use crate::conformance::services::echo;

pub(super) const CASE: Case = Case {
    name: "a packet that is too large fails at its sender, which names the limit",
    run: |cluster| Box::pin(run(cluster)),
};

/// Above the limit of every transporter that states one.
const SIZE: usize = 2 << 20;

async fn run(cluster: &mut Cluster) -> Outcome {
    let limit = cluster.max_frame();
    let large = ServiceDef::builder("large")
        .action("answer", |_cx, _: Value| async move { Ok::<_, Error>("x".repeat(SIZE)) })
        .build();
    let [a, _b] = cluster.start_all([vec![], vec![echo("other"), large]]).await?;
    a.wait_for(&["other", "large"]).await?;
    let sent = a.call::<Value>("other.echo", json!("x".repeat(SIZE))).await;
    let answered = a.call::<String>("large.answer", json!({})).await;
    let Some(limit) = limit.filter(|limit| *limit < SIZE) else {
        ensure!(sent.is_ok() && answered.is_ok(), "without a limit, large packets failed");
        return Ok(());
    };
    let error = sent.err().ok_or("a request above the limit was sent")?;
    ensure!(error.outcome() == Ran::NotRun, "{error:?}");
    ensure!(
        error.message().contains(&limit.to_string()),
        "the limit {limit} is not in {:?}",
        error.message()
    );
    let error = answered.err().ok_or("an answer above the limit was sent")?;
    ensure!(
        error.message().contains(&limit.to_string()),
        "the limit {limit} is not in {:?}",
        error.message()
    );
    // The connection survives.
    let echoed: Value = a.call("other.echo", json!("x".repeat(limit / 2))).await?;
    ensure!(echoed.as_str().is_some_and(|text| text.len() == limit / 2), "half the limit did not come back");
    Ok(())
}
