//! A broken connection is reported, and so is its return.

use super::{Case, CaseResult, Cluster, data, ensure};
use crate::{PacketKind, SendError, Up};

pub(super) const CASE: Case = Case {
    name: "a broken connection is reported, and works again once it is back",
    applies: |fixture, _| fixture.hooks.is_some(),
    run: |cluster| Box::pin(run(cluster)),
};

async fn run(cluster: &mut Cluster) -> CaseResult {
    let [a, b] = cluster.nodes(&data()).await?;
    let Some((break_connection, restore)) = &cluster.fixture.hooks else { return Ok(()) };
    for round in 1..=2 {
        break_connection(&b.id);
        b.until("the broken connection is reported", |log| log.downs == round).await?;
        let sent = b.send(&a.route(), PacketKind::Event, b"into the void");
        ensure!(sent == Err(SendError::Disconnected), "without a connection, sending gave {sent:?}");

        restore(&b.id);
        let mut expected = vec![Up::First];
        expected.resize(round + 1, Up::Again);
        b.until("the restored connection is reported", |log| log.ups == expected).await?;
        let mut all = data().to_vec();
        all.push(crate::Subscription::Own(PacketKind::Ping));
        b.subscribe(&all).await?;
        a.reach(&b, PacketKind::Ping).await?;
        b.reach(&a, PacketKind::Ping).await?;
        let text = format!("round {round}");
        a.push(&b.route(), PacketKind::Event, text.as_bytes()).await?;
        b.until("a frame arrives", |log| log.of(PacketKind::Event).any(|one| one == text.as_bytes())).await?;
    }
    let texts = b.recorder.texts(PacketKind::Event);
    ensure!(texts == ["round 1", "round 2"], "received {texts:?}");
    let strays = a.recorder.texts(PacketKind::Event);
    ensure!(strays.is_empty(), "refused frames arrived: {strays:?}");
    Ok(())
}
