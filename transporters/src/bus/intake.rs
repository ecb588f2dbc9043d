//! Decides what happens to a frame that arrives while others still wait.

use crate::{Frame, Link, PacketKind};

use super::BusLimits;

/// How much has arrived and is not handled yet.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Fill {
    pub(super) frames: usize,
    pub(super) bytes: usize,
}

/// What to do with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Handle it.
    Take,
    /// Answer it as a request that did not run.
    Shed,
    /// Drop it.
    Drop,
}

/// The policy of [`BusLimits`]. Events are dropped first, then requests. Control packets are never dropped.
pub(super) fn verdict(kind: PacketKind, fill: Fill, limits: &BusLimits) -> Verdict {
    let over = |numerator: usize, denominator: usize| {
        fill.frames >= limits.receive_frames.saturating_mul(numerator) / denominator
            || fill.bytes >= limits.receive_bytes.saturating_mul(numerator) / denominator
    };
    match kind {
        kind if kind.is_control() => Verdict::Take,
        PacketKind::Event if over(4, 5) => Verdict::Drop,
        _ if over(2, 1) => Verdict::Drop,
        PacketKind::Request if over(1, 1) => Verdict::Shed,
        _ => Verdict::Take,
    }
}

/// Fills the batches of a reader that takes its frames directly from a client library. Everything that the
/// library holds goes into one batch, so that nothing piles up where there are no bounds.
#[derive(Debug)]
pub(crate) struct Intake {
    link: Link,
    limits: BusLimits,
    fill: Fill,
}

impl Intake {
    pub(super) fn new(link: Link, limits: &BusLimits) -> Self {
        Self { link, limits: limits.clone(), fill: Fill::default() }
    }

    /// Begins a batch. Everything before it has been handled.
    pub(crate) fn begin(&mut self) {
        self.fill = Fill::default();
    }

    /// Adds a frame to the batch, or sheds or drops it, as the bounds say.
    pub(crate) fn admit(&mut self, frame: Frame, batch: &mut Vec<Frame>) {
        batch.extend(self.accept(frame));
    }

    /// For a reader that has its own queue. Returns the frame if it may wait there, until [`Self::leave`].
    pub(crate) fn accept(&mut self, mut frame: Frame) -> Option<Frame> {
        match verdict(frame.kind, self.fill, &self.limits) {
            Verdict::Take => {}
            Verdict::Shed => frame.shed = true,
            Verdict::Drop => {
                self.link.dropped(frame.kind);
                return None;
            }
        }
        self.fill.frames += 1;
        self.fill.bytes += frame.payload.len();
        Some(frame)
    }

    /// Notes that a frame no longer waits.
    pub(crate) fn leave(&mut self, frame: &Frame) {
        self.fill.frames = self.fill.frames.saturating_sub(1);
        self.fill.bytes = self.fill.bytes.saturating_sub(frame.payload.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_go_first_then_requests_then_answers_and_control_packets_never() {
        let limits = BusLimits { receive_frames: 100, receive_bytes: 1000, ..BusLimits::default() };
        let at = |kind, frames, bytes| verdict(kind, Fill { frames, bytes }, &limits);
        use PacketKind::{Event, Heartbeat, Request, Response};
        for (frames, bytes, expected) in [
            (79, 799, [Verdict::Take, Verdict::Take, Verdict::Take]),
            (80, 0, [Verdict::Drop, Verdict::Take, Verdict::Take]),
            (0, 800, [Verdict::Drop, Verdict::Take, Verdict::Take]),
            (100, 0, [Verdict::Drop, Verdict::Shed, Verdict::Take]),
            (0, 1000, [Verdict::Drop, Verdict::Shed, Verdict::Take]),
            (200, 0, [Verdict::Drop, Verdict::Drop, Verdict::Drop]),
        ] {
            assert_eq!([Event, Request, Response].map(|kind| at(kind, frames, bytes)), expected);
            assert_eq!(at(Heartbeat, frames, bytes), Verdict::Take);
        }
    }
}
