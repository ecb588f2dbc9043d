//! A frame for one node reaches that node and no other.

use super::{Case, CaseResult, Cluster, always, data, ensure};
use crate::{NodeId, PacketKind, Route, SendError};

pub(super) const CASE: Case = Case {
    name: "a frame for one node reaches that node alone",
    applies: always,
    run: |cluster| Box::pin(run(cluster)),
};

async fn run(cluster: &mut Cluster) -> CaseResult {
    let [a, b, c] = cluster.nodes(&data()).await?;
    let nobody = Route::Node { id: NodeId::new("nobody")?, addr: None };
    let sent = a.send(&nobody, PacketKind::Event, b"to nobody");
    ensure!(matches!(sent, Ok(()) | Err(SendError::NoRoute)), "a frame for nobody gave {sent:?}");
    for kind in [PacketKind::Event, PacketKind::Request, PacketKind::Response] {
        for (to, text) in [(&b, "to b"), (&c, "to c"), (&b, "end"), (&c, "end")] {
            a.push(&to.route(), kind, text.as_bytes()).await?;
        }
        b.receives_exactly(kind, &["to b", "end"]).await?;
        c.receives_exactly(kind, &["to c", "end"]).await?;
        a.receives_exactly(kind, &[]).await?;
    }
    Ok(())
}
