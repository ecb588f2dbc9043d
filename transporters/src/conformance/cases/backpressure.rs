//! A peer that stops reading fills a buffer, and the buffer has an end.

use std::time::Duration;
use tokio::time::timeout;

use super::{Case, CaseResult, Cluster, Node, data, ensure};
use crate::{PacketKind, Route, SendError};

pub(super) const CASE: Case = Case {
    name: "a peer that stops reading costs a bounded amount of memory and no order",
    applies: |fixture, _| fixture.accepts.is_some(),
    run: |cluster| Box::pin(run(cluster)),
};

const FRAME: usize = 1024;

/// A buffer that had no room for so long is full, not just slower than its writer.
const STALLED: Duration = Duration::from_millis(300);

async fn run(cluster: &mut Cluster) -> CaseResult {
    let Some(bound) = cluster.fixture.accepts else { return Ok(()) };
    let [a, b] = cluster.nodes(&data()).await?;
    let to_b = b.route();
    b.recorder.shut();

    let accepted = fill(&a, &to_b, bound).await?;
    for n in 0..8 {
        let control = a.send(&to_b, PacketKind::Pong, b"still there");
        ensure!(control.is_ok(), "control frame {n} gave {control:?} while data fills the buffer");
    }
    let more = a.send(&to_b, PacketKind::Event, &payload(accepted));
    ensure!(more == Err(SendError::Full), "a full buffer gave {more:?}");

    // Another peer is not affected.
    let c = cluster.join(2, &data()).await?;
    a.reach(&c, PacketKind::Ping).await?;

    b.recorder.open();
    b.receives(PacketKind::Event, accepted).await?;
    {
        let log = b.recorder.log();
        let arrived = log.of(PacketKind::Event);
        for (number, arrived) in arrived.enumerate() {
            ensure!(*arrived == payload(number), "frame {number} is not where it belongs");
        }
    }
    let room = timeout(cluster.patience, a.live.room(&to_b)).await;
    ensure!(room.is_ok(), "a buffer that was emptied reports no room");
    a.push(&to_b, PacketKind::Event, &payload(accepted)).await?;
    b.receives(PacketKind::Event, accepted + 1).await
}

/// Sends until the buffer is full and stays full; how many frames were accepted.
async fn fill(from: &Node, to: &Route, bound: usize) -> CaseResult<usize> {
    let mut accepted = 0;
    loop {
        match from.send(to, PacketKind::Event, &payload(accepted)) {
            Ok(()) => accepted += 1,
            Err(SendError::Full) => {
                let room = async {
                    while from.send(to, PacketKind::Event, &payload(accepted)) == Err(SendError::Full) {
                        from.live.room(to).await;
                        tokio::task::yield_now().await;
                    }
                };
                let stalled = timeout(STALLED, room).await.is_err();
                // Room is announced from half the buffer on; some may have become free all the same.
                if stalled && from.send(to, PacketKind::Event, &payload(accepted)) == Err(SendError::Full) {
                    return Ok(accepted);
                }
                accepted += 1;
            }
            Err(error) => return Err(format!("frame {accepted} gave {error:?}").into()),
        }
        let bytes = accepted * FRAME;
        ensure!(bytes <= bound, "{bytes} bytes were accepted for a peer that does not read");
        if accepted % 64 == 0 {
            tokio::task::yield_now().await;
        }
    }
}

fn payload(number: usize) -> Vec<u8> {
    let mut payload = number.to_le_bytes().to_vec();
    payload.resize(FRAME, b'.');
    payload
}
