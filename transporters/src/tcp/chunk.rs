//! A part of the outgoing stream: many frames in one buffer, and their tokens.
//!
//! Spliced bodies stay where they are. [`Chunk::slices`] combines them with the buffer for a vectored write.
//! Each connection uses two chunks alternately: one is filled while the other is written. So sending
//! allocates nothing after both have grown.

use bytes::{Bytes, BytesMut};
use std::io::IoSlice;

use super::framing::{self, HEADER};
use crate::FrameBuf;

/// A larger buffer is released after it has been written.
const KEEP: usize = 1024 * 1024;

/// The number of slices in one vectored write.
pub(crate) const SLICES: usize = 32;

/// The number of bytes in one write.
const WRITE: usize = 256 * 1024;

#[derive(Debug)]
struct Mark {
    bytes: usize,
    token: u64,
}

/// Frames in the order in which they are sent, and how much of them has been written.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    buf: BytesMut,
    /// Bodies, each with its position in `buf`.
    spliced: Vec<(usize, Bytes)>,
    marks: Vec<Mark>,
    /// Bytes of all frames.
    bytes: usize,
    /// The next byte to write: at this position of `buf`, or of that body.
    at: usize,
    body: usize,
    body_at: usize,
    /// The first frame that has not been written completely, and how much of it has been.
    mark: usize,
    mark_at: usize,
}

impl Chunk {
    /// The bytes of all frames, written or not.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn frames(&self) -> usize {
        self.marks.len()
    }

    /// Begins a frame at the end. Unless it is [committed](Draft::commit), it is removed, even if the writer
    /// panics.
    pub(crate) fn begin(&mut self) -> Draft<'_> {
        let (start, spliced) = (self.buf.len(), self.spliced.len());
        self.buf.extend_from_slice(&[0; HEADER]);
        Draft { chunk: self, start, spliced, committed: false }
    }

    /// Whether everything has been written.
    pub(crate) fn is_done(&self) -> bool {
        self.at >= self.buf.len() && self.body >= self.spliced.len()
    }

    /// The next bytes to write, at most 256 KiB unless a single body is larger. Returns how many of `slices`
    /// are used.
    pub(crate) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>; SLICES]) -> usize {
        let (mut at, mut body, mut body_at, mut bytes, mut used) =
            (self.at, self.body, self.body_at, 0usize, 0usize);
        for slot in slices.iter_mut() {
            let part = match self.spliced.get(body) {
                Some((position, spliced)) if *position <= at => {
                    let part = spliced.get(body_at..).unwrap_or_default();
                    (body, body_at) = (body + 1, 0);
                    part
                }
                next => {
                    let end = next.map_or(self.buf.len(), |(position, _)| *position);
                    let part = self.buf.get(at..end.min(at.saturating_add(WRITE))).unwrap_or_default();
                    at += part.len();
                    part
                }
            };
            if part.is_empty() || bytes >= WRITE {
                break;
            }
            bytes += part.len();
            *slot = IoSlice::new(part);
            used += 1;
        }
        used
    }

    /// Records how many bytes of [`Self::slices`] have been written. Returns how many frames that completed.
    pub(crate) fn advance(&mut self, written: usize) -> usize {
        let mut left = written;
        while left > 0 {
            match self.spliced.get(self.body) {
                Some((position, body)) if *position <= self.at => {
                    let step = left.min(body.len().saturating_sub(self.body_at));
                    left -= step;
                    self.body_at += step;
                    if self.body_at >= body.len() {
                        (self.body, self.body_at) = (self.body + 1, 0);
                    }
                }
                next => {
                    let end = next.map_or(self.buf.len(), |(position, _)| *position);
                    let step = left.min(end.saturating_sub(self.at));
                    if step == 0 {
                        break;
                    }
                    left -= step;
                    self.at += step;
                }
            }
        }
        let first = self.mark;
        self.mark_at += written;
        while let Some(mark) = self.marks.get(self.mark) {
            if self.mark_at < mark.bytes {
                break;
            }
            self.mark_at -= mark.bytes;
            self.mark += 1;
        }
        self.mark - first
    }

    /// The number of frames that have not been written completely.
    pub(crate) fn frames_left(&self) -> usize {
        self.marks.len() - self.mark
    }

    /// The tokens of the frames of which not a single byte has been written.
    pub(crate) fn unsent(&self) -> impl Iterator<Item = u64> + '_ {
        let begun = usize::from(self.mark_at > 0);
        self.marks.iter().skip(self.mark + begun).map(|mark| mark.token).filter(|token| *token != 0)
    }

    /// Empties the chunk, so that it can be filled again.
    pub(crate) fn clear(&mut self) {
        self.buf.clear();
        if self.buf.capacity() > KEEP {
            self.buf = BytesMut::new();
        }
        self.spliced.clear();
        self.marks.clear();
        (self.bytes, self.at, self.body, self.body_at, self.mark, self.mark_at) = (0, 0, 0, 0, 0, 0);
    }
}

/// A frame that is being written at the end of a [`Chunk`].
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    chunk: &'a mut Chunk,
    start: usize,
    spliced: usize,
    committed: bool,
}

impl Draft<'_> {
    /// The buffer for the payload.
    pub(crate) fn frame_buf(&mut self) -> FrameBuf<'_> {
        FrameBuf::new(&mut self.chunk.buf, &mut self.chunk.spliced)
    }

    /// The number of bytes in the payload so far.
    pub(crate) fn payload(&self) -> usize {
        let bodies: usize = self.chunk.spliced.iter().skip(self.spliced).map(|(_, body)| body.len()).sum();
        self.chunk.buf.len().saturating_sub(self.start + HEADER) + bodies
    }

    /// Writes the header. If the frame is impossible, it is removed, and the result is `false`: the length
    /// does not fit, or the writer has cut off more than it wrote.
    pub(crate) fn commit(mut self, code: u8, token: u64) -> bool {
        let payload = self.payload();
        let place = self.chunk.buf.get_mut(self.start..self.start + HEADER);
        let (Some(place), Some(header)) = (place, framing::header(code, payload)) else { return false };
        place.copy_from_slice(&header);
        let bytes = payload + HEADER;
        self.chunk.bytes += bytes;
        self.chunk.marks.push(Mark { bytes, token });
        self.committed = true;
        true
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if self.committed {
            return;
        }
        self.chunk.buf.truncate(self.start);
        self.chunk.spliced.truncate(self.spliced);
        // A large frame that was refused must not keep its buffer.
        if self.chunk.buf.capacity() > KEEP && self.start < KEEP / 2 {
            self.chunk.buf = BytesMut::from(self.chunk.buf.as_ref());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PacketKind;
    use proptest::prelude::*;

    /// A frame with `head`, a body and `tail`.
    fn push(chunk: &mut Chunk, token: u64, head: &[u8], body: &Bytes, tail: &[u8]) {
        let mut draft = chunk.begin();
        let mut frame = draft.frame_buf();
        frame.buf().extend_from_slice(head);
        frame.splice(body);
        frame.buf().extend_from_slice(tail);
        assert!(draft.commit(framing::code_of(PacketKind::Event).unwrap(), token));
    }

    /// The bytes that come out when at most `steps` are taken at a time.
    fn drain(chunk: &mut Chunk, steps: &[usize]) -> (Vec<u8>, usize) {
        let (mut stream, mut frames) = (Vec::new(), 0);
        let mut steps = steps.iter().cycle();
        while !chunk.is_done() {
            let mut step = *steps.next().unwrap();
            let taken = {
                let mut slices = [IoSlice::new(&[]); SLICES];
                let used = chunk.slices(&mut slices);
                assert!(used > 0, "nothing to write, yet not done");
                let before = stream.len();
                for slice in &slices[..used] {
                    let part = &slice[..slice.len().min(step)];
                    stream.extend_from_slice(part);
                    step -= part.len();
                }
                stream.len() - before
            };
            frames += chunk.advance(taken);
        }
        (stream, frames)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn writing_in_pieces_gives_the_frames_in_order(
            frames in prop::collection::vec((0usize..50, prop_oneof![0usize..50, 16_000usize..40_000], 0usize..50), 1..80),
            steps in prop::collection::vec(1usize..100_000, 1..20),
        ) {
            let (mut chunk, mut expected) = (Chunk::default(), Vec::new());
            for (token, (head, body, tail)) in (1..).zip(&frames) {
                let (head, body, tail) = (vec![1; *head], Bytes::from(vec![2; *body]), vec![3; *tail]);
                push(&mut chunk, token, &head, &body, &tail);
                expected.extend_from_slice(&framing::header(1, head.len() + body.len() + tail.len()).unwrap());
                expected.extend_from_slice(&head);
                expected.extend_from_slice(&body);
                expected.extend_from_slice(&tail);
            }
            prop_assert_eq!(chunk.bytes(), expected.len());
            let (stream, completed) = drain(&mut chunk, &steps);
            prop_assert!(stream == expected);
            prop_assert_eq!(completed, frames.len());
            prop_assert_eq!(chunk.frames_left(), 0);
        }
    }

    #[test]
    fn a_frame_of_which_a_byte_was_written_is_not_unsent() {
        let mut chunk = Chunk::default();
        for token in [1, 0, 3, 4] {
            push(&mut chunk, token, b"0123", &Bytes::new(), b"");
        }
        assert_eq!(chunk.unsent().collect::<Vec<_>>(), [1, 3, 4]);
        assert_eq!(chunk.advance(1), 0);
        assert_eq!(chunk.unsent().collect::<Vec<_>>(), [3, 4]);
        assert_eq!(chunk.advance(19), 2);
        assert_eq!(chunk.unsent().collect::<Vec<_>>(), [3, 4]);
        assert_eq!(chunk.frames_left(), 2);
        assert_eq!(chunk.advance(1), 0);
        assert_eq!(chunk.unsent().collect::<Vec<_>>(), [4]);
        assert_eq!(chunk.frames_left(), 2);
    }

    #[test]
    fn a_draft_that_is_not_committed_leaves_nothing_behind() {
        let mut chunk = Chunk::default();
        push(&mut chunk, 1, b"first", &Bytes::new(), b"");
        let before = chunk.buf.clone();
        let body = Bytes::from(vec![0; 20_000]);
        let mut draft = chunk.begin();
        draft.frame_buf().splice(&body);
        draft.frame_buf().buf().extend_from_slice(&vec![0; 2 * KEEP]);
        assert_eq!(draft.payload(), 20_000 + 2 * KEEP);
        drop(draft);
        assert_eq!(chunk.buf, before);
        assert!(chunk.spliced.is_empty());
        assert!(chunk.buf.capacity() < KEEP);
        assert_eq!(chunk.frames(), 1);
    }

    #[test]
    fn a_writer_that_cuts_off_the_header_is_refused() {
        let mut chunk = Chunk::default();
        let mut draft = chunk.begin();
        draft.frame_buf().buf().clear();
        assert!(!draft.commit(1, 1));
        assert!(chunk.is_done());
    }
}
