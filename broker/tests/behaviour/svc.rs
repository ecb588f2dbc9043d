//! The service that tests of unreliable networks call.

use ligand::{Context, ServiceBuilder, ServiceDef};
use serde_json::Value;

use crate::ways::{ms, ok};

/// `svc.where` tells its node, `svc.slow` takes as long as it is told.
pub(crate) fn svc() -> ServiceBuilder {
    ServiceDef::builder("svc")
        .action("where", |cx: Context, _: Value| async move { ok(cx.broker().node_id().to_string()) })
        .action("slow", |_, millis: u64| async move {
            tokio::time::sleep(ms(millis)).await;
            ok(millis)
        })
}
