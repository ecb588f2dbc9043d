//! A payload arrives as it was written, whatever bytes it has.

use bytes::Bytes;

use super::{Case, CaseResult, Cluster, always, data, ensure};
use crate::{FrameBuf, PacketKind};

pub(super) const CASE: Case = Case {
    name: "every payload arrives byte by byte, empty and spliced ones too",
    applies: always,
    run: |cluster| Box::pin(run(cluster)),
};

async fn run(cluster: &mut Cluster) -> CaseResult {
    let [a, b] = cluster.nodes(&data()).await?;
    let every: Vec<u8> = (0..=255).collect();
    let mut payloads = vec![Vec::new(), every.clone(), every.iter().rev().copied().collect()];
    payloads.extend(every.iter().map(|byte| vec![*byte]));
    payloads.extend([0x00, 0x0a, 0xff].map(|byte| vec![byte; 3_000]));
    payloads.push(b"PUB a 5\r\nhello\r\n+OK\r\n".to_vec());
    for payload in &payloads {
        a.push(&b.route(), PacketKind::Event, payload).await?;
    }

    let body = |from: usize, len: usize| Bytes::from_iter((from..from + len).map(|n| every[n * 7 % 251]));
    let bodies = [
        body(0, FrameBuf::SPLICE_FROM),
        body(1, FrameBuf::SPLICE_FROM - 1),
        body(2, 3 * FrameBuf::SPLICE_FROM + 1),
    ];
    let longest = bodies.iter().map(Bytes::len).sum::<usize>() + 8;
    if cluster.capabilities.max_frame.is_none_or(|limit| longest <= limit) {
        let between = ["<", "|", "", ">"];
        a.live.send(&b.route(), PacketKind::Event, 0, &mut |frame| {
            for (text, body) in between.iter().zip(&bodies) {
                frame.buf().extend_from_slice(text.as_bytes());
                frame.splice(body);
            }
            frame.buf().extend_from_slice(b">");
            Ok(())
        })?;
        let spliced = [b"<", &bodies[0][..], b"|", &bodies[1], &bodies[2], b">"].concat();
        a.splice(&b.route(), PacketKind::Event, &bodies[2])?;
        payloads.extend([spliced, bodies[2].to_vec()]);
    }
    a.push(&b.route(), PacketKind::Event, b"end").await?;
    payloads.push(b"end".to_vec());

    b.receives(PacketKind::Event, payloads.len()).await?;
    let log = b.recorder.log();
    for (index, (expected, arrived)) in payloads.iter().zip(log.of(PacketKind::Event)).enumerate() {
        ensure!(
            arrived == expected,
            "payload {index} of {} bytes arrived otherwise, with {} bytes",
            expected.len(),
            arrived.len()
        );
    }
    Ok(())
}
