//! A frame is reported as unsent only when it never left, and only once.

use std::collections::HashSet;

use super::{Case, CaseResult, Cluster, data, ensure};
use crate::{PacketKind, SendError};

pub(super) const CASE: Case = Case {
    name: "a frame reported as unsent never arrives, and is reported once",
    applies: |fixture, _| fixture.accepts.is_some(),
    run: |cluster| Box::pin(run(cluster)),
};

const FRAME: usize = 1024;

/// Frames that the peer reads before it stops.
const READ: u64 = 100;

async fn run(cluster: &mut Cluster) -> CaseResult {
    let bound = cluster.fixture.accepts.unwrap_or_default();
    let [a, b] = cluster.nodes(&data()).await?;
    let mut accepted = HashSet::new();
    let mut refused = 0;
    // Tokens start at 1: 0 is the one that nobody wants to know about.
    for token in 1..=(bound / FRAME) as u64 {
        let mut payload = token.to_le_bytes().to_vec();
        payload.resize(FRAME, b'.');
        match a.send_named(&b.route(), PacketKind::Event, token, &payload) {
            Ok(()) => _ = accepted.insert(token),
            Err(SendError::Full) => refused += 1,
            Err(error) => return Err(format!("frame {token} gave {error:?}").into()),
        }
        if token == READ {
            b.receives(PacketKind::Event, accepted.len()).await?;
            b.recorder.shut();
        }
        if refused > 100 {
            break;
        }
        if token % 64 == 0 {
            tokio::task::yield_now().await;
        }
    }
    // The peer goes with everything that it has not read; then the sender goes, and with it the last
    // chance to report anything.
    b.stop().await?;
    let _ = tokio::time::timeout(cluster.patience, a.live.close()).await;
    a.stop().await?;

    let unsent = a.recorder.log().unsent.clone();
    let once: HashSet<u64> = unsent.iter().copied().collect();
    ensure!(
        once.len() == unsent.len(),
        "{} of {} reports repeat others",
        unsent.len() - once.len(),
        unsent.len()
    );
    let strange: Vec<_> = once.difference(&accepted).collect();
    ensure!(strange.is_empty(), "reported as unsent, though never accepted: {strange:?}");
    let log = b.recorder.log();
    let tokens = log.of(PacketKind::Event).filter_map(|payload| payload.first_chunk().copied());
    let both: Vec<_> = tokens.map(u64::from_le_bytes).filter(|token| once.contains(token)).collect();
    ensure!(both.is_empty(), "reported as unsent, though they arrived: {both:?}");
    Ok(())
}
