//! Nodes whose services need each other.

use futures_util::FutureExt as _;
use ligand::{Error, ServiceDef};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

use super::{Case, Cluster, Outcome, ensure};

pub(super) const CASE: Case = Case {
    name: "nodes whose services need each other crosswise start within three seconds",
    run: |cluster| run(cluster).boxed_local(),
};

fn service(name: &'static str, needs: &[&'static str]) -> ServiceDef {
    let builder = ServiceDef::builder(name).depends_on(needs.iter().copied());
    builder.action("get", |_, _: Value| async { Ok::<_, Error>(1) }).build()
}

async fn run(cluster: &mut Cluster) -> Outcome {
    let from = Instant::now();
    let services = [
        vec![service("tenant", &[]), service("location", &["device"])],
        vec![service("device", &["tenant"]), service("alarm", &["location"])],
    ];
    let [a, b] = cluster.start_together(services).await?;
    let all = ["tenant", "location", "device", "alarm"];
    for broker in [&a, &b] {
        broker.wait_for(&all).await?;
    }
    let took = from.elapsed();
    // Kafka's server lets each new group wait for three seconds before it begins.
    let before = if cluster.connects_slowly() { Duration::from_secs(7) } else { Duration::ZERO };
    ensure!(took < before + Duration::from_secs(3), "it took {took:.1?}");
    for (broker, action) in [(&a, "device.get"), (&a, "alarm.get"), (&b, "tenant.get"), (&b, "location.get")]
    {
        let got: u8 = broker.call(action, json!({})).await?;
        ensure!(got == 1, "{action} gives {got}");
    }
    Ok(())
}
