//! Frames that wait for one node: ready, delayed, or held.
//!
//!
//! All three count towards the same bounds until the reader takes them. It reads no clock.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use tokio::time::Instant;

use super::Options;
use crate::{Frame, Name};

/// When a frame may be read.
#[derive(Debug, Clone)]
pub(crate) enum When {
    /// After those before it, without a delay.
    Now,
    /// Not before this time.
    At(Instant),
    /// Once its sender is released.
    Released(Name),
}

/// The frame does not fit.
#[derive(Debug)]
pub(crate) struct Overflow;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    ready: VecDeque<Frame>,
    /// The earliest first. Frames with equal times are in the order of their arrival.
    under_way: BinaryHeap<Reverse<UnderWay>>,
    held: VecDeque<(Name, Frame)>,
    data: Load,
    control: Load,
    sequence: u64,
}

#[derive(Debug, Default, Clone, Copy)]
struct Load {
    frames: usize,
    bytes: usize,
}

impl Load {
    fn fits(self, bytes: usize, max_frames: usize, max_bytes: usize) -> bool {
        self.frames < max_frames && (self.bytes.saturating_add(bytes) <= max_bytes || self.frames == 0)
    }
}

impl Queue {
    pub(crate) fn push(&mut self, frame: Frame, when: When, options: &Options) -> Result<(), Overflow> {
        let bytes = frame.payload.len();
        let fits = if frame.kind.is_control() {
            self.control.fits(bytes, options.control_frames, options.control_bytes)
        } else {
            self.data.fits(bytes, options.queue_frames, options.queue_bytes)
        };
        if !fits {
            return Err(Overflow);
        }
        let load = self.load(&frame);
        load.frames += 1;
        load.bytes += bytes;
        match when {
            When::Now => self.ready.push_back(frame),
            When::At(due) => self.delay(due, frame),
            When::Released(from) => self.held.push_back((from, frame)),
        }
        Ok(())
    }

    /// Makes the frames ready whose time has come.
    pub(crate) fn arrive(&mut self, now: Instant) {
        while self.under_way.peek().is_some_and(|Reverse(first)| first.due <= now) {
            if let Some(Reverse(first)) = self.under_way.pop() {
                self.ready.push_back(first.frame);
            }
        }
    }

    /// Releases the frames of `from`, not before `due` if that is set.
    pub(crate) fn release(&mut self, from: &Name, due: Option<Instant>) {
        for (sender, frame) in std::mem::take(&mut self.held) {
            match (sender == *from, due) {
                (false, _) => self.held.push_back((sender, frame)),
                (true, None) => self.ready.push_back(frame),
                (true, Some(due)) => self.delay(due, frame),
            }
        }
    }

    /// Moves up to `limit` frames to `batch`.
    pub(crate) fn take(&mut self, batch: &mut Vec<Frame>, limit: usize) {
        let count = self.ready.len().min(limit);
        let from = batch.len();
        batch.extend(self.ready.drain(..count));
        for frame in batch.iter().skip(from) {
            let load = self.load(frame);
            load.frames = load.frames.saturating_sub(1);
            load.bytes = load.bytes.saturating_sub(frame.payload.len());
        }
    }

    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.under_way.peek().map(|Reverse(first)| first.due)
    }

    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Whether half of the bounds are free. So a sender that was refused is not refused again at once when it
    /// comes back.
    pub(crate) fn has_room(&self, options: &Options) -> bool {
        let low = |load: Load, frames: usize, bytes: usize| {
            load.frames <= frames / 2 && load.bytes <= bytes / 2 || load.frames == 0
        };
        low(self.data, options.queue_frames, options.queue_bytes)
            && low(self.control, options.control_frames, options.control_bytes)
    }

    fn load(&mut self, frame: &Frame) -> &mut Load {
        if frame.kind.is_control() { &mut self.control } else { &mut self.data }
    }

    fn delay(&mut self, due: Instant, frame: Frame) {
        self.sequence += 1;
        self.under_way.push(Reverse(UnderWay { due, sequence: self.sequence, frame }));
    }
}

#[derive(Debug)]
struct UnderWay {
    due: Instant,
    sequence: u64,
    frame: Frame,
}

impl UnderWay {
    fn key(&self) -> (Instant, u64) {
        (self.due, self.sequence)
    }
}

impl PartialEq for UnderWay {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for UnderWay {}

impl PartialOrd for UnderWay {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for UnderWay {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PacketKind;
    use std::time::Duration;

    fn frame(kind: PacketKind, bytes: usize) -> Frame {
        Frame::new(kind, vec![0; bytes])
    }

    #[test]
    fn data_and_control_frames_are_bounded_apart_and_room_returns_when_they_are_read() {
        let options = Options {
            queue_frames: 3,
            queue_bytes: 100,
            control_frames: 1,
            control_bytes: 100,
            ..Options::default()
        };
        let mut queue = Queue::default();
        let push = |queue: &mut Queue, kind, bytes| queue.push(frame(kind, bytes), When::Now, &options);
        push(&mut queue, PacketKind::Event, 90).unwrap();
        push(&mut queue, PacketKind::Event, 11).unwrap_err();
        push(&mut queue, PacketKind::Event, 10).unwrap();
        push(&mut queue, PacketKind::Event, 0).unwrap();
        push(&mut queue, PacketKind::Event, 0).unwrap_err();
        push(&mut queue, PacketKind::Ping, 10).unwrap();
        push(&mut queue, PacketKind::Ping, 10).unwrap_err();
        assert!(!queue.has_room(&options));
        let mut batch = Vec::new();
        queue.take(&mut batch, 10);
        assert_eq!(batch.len(), 4);
        assert!(queue.has_room(&options));
        push(&mut queue, PacketKind::Event, 100).unwrap();
    }

    #[test]
    fn frames_arrive_when_they_are_due_and_held_ones_when_released() {
        let (options, now) = (Options::default(), Instant::now());
        let at = |ms| When::At(now + Duration::from_millis(ms));
        let mut queue = Queue::default();
        for (bytes, when) in [(1, at(20)), (2, at(10)), (3, at(10)), (4, When::Released("a".into()))] {
            queue.push(frame(PacketKind::Event, bytes), when, &options).unwrap();
        }
        let sizes = |queue: &mut Queue| {
            let mut batch = Vec::new();
            queue.take(&mut batch, 10);
            batch.iter().map(|frame| frame.payload.len()).collect::<Vec<_>>()
        };
        queue.arrive(now);
        assert_eq!(sizes(&mut queue), [0; 0]);
        queue.arrive(now + Duration::from_millis(10));
        assert_eq!(sizes(&mut queue), [2, 3]);
        queue.release(&"b".into(), None);
        assert_eq!(sizes(&mut queue), [0; 0]);
        queue.release(&"a".into(), Some(now + Duration::from_millis(20)));
        queue.arrive(now + Duration::from_millis(20));
        assert_eq!(sizes(&mut queue), [1, 4]);
    }
}
