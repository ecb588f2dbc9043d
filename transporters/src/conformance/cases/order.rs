//! Frames of one sender on one route keep their order.

use super::{Case, CaseResult, Cluster, Node, always, data, ensure};
use crate::PacketKind;

pub(super) const CASE: Case = Case {
    name: "10,000 frames from each of two senders arrive in order",
    applies: always,
    run: |cluster| Box::pin(run(cluster)),
};

const FRAMES: u32 = 10_000;

async fn run(cluster: &mut Cluster) -> CaseResult {
    let [a, b, c] = cluster.nodes(&data()).await?;
    let (from_a, from_b) = tokio::join!(stream(&a, &c, b'a'), stream(&b, &c, b'b'));
    from_a.and(from_b)?;
    c.receives(PacketKind::Event, 2 * FRAMES as usize).await?;
    for sender in [b'a', b'b'] {
        let log = c.recorder.log();
        let of_sender = log.of(PacketKind::Event).filter_map(|payload| payload.strip_prefix(&[sender]));
        let mut expected = 0u32;
        for number in of_sender {
            ensure!(
                number == expected.to_le_bytes(),
                "frame {expected} of `{}` is followed by {number:?}",
                char::from(sender)
            );
            expected += 1;
        }
        ensure!(expected == FRAMES, "{expected} frames of `{}` arrived", char::from(sender));
    }
    Ok(())
}

async fn stream(from: &Node, to: &Node, sender: u8) -> CaseResult {
    let route = to.route();
    for number in 0..FRAMES {
        let payload = [&[sender][..], &number.to_le_bytes()].concat();
        from.push(&route, PacketKind::Event, &payload).await?;
        if number % 100 == 0 {
            // Lets the other sender in.
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}
