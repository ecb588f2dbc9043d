//! Frames in a byte stream (protocol chapter 4.2). No I/O, no clock.
//!
//! A frame consists of a header of six bytes (check byte, length of the whole frame as a signed 32-bit
//! big-endian number, packet type) and a payload. The header is checked as soon as its six bytes have
//! arrived, before the payload. Memory grows with the bytes that have arrived, and not with the length in a
//! header.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

use bytes::{Buf as _, Bytes, BytesMut};

use crate::PacketKind;

/// The number of bytes before the payload.
pub(crate) const HEADER: usize = 6;

/// The space for one read at first, and while frames are small.
const SMALL_READ: usize = 64 * 1024;

/// The space for one read while the peer keeps filling it.
const LARGE_READ: usize = 256 * 1024;

/// The number of a kind in a header. `None` for kinds that never travel over TCP.
pub(crate) const fn code_of(kind: PacketKind) -> Option<u8> {
    Some(match kind {
        PacketKind::Event => 1,
        PacketKind::Request => 2,
        PacketKind::Response => 3,
        PacketKind::Ping => 4,
        PacketKind::Pong => 5,
        PacketKind::GossipRequest => 6,
        PacketKind::GossipResponse => 7,
        PacketKind::GossipHello => 8,
        PacketKind::Discover | PacketKind::Info | PacketKind::Disconnect | PacketKind::Heartbeat => {
            return None;
        }
    })
}

const fn kind_of(code: u8) -> Option<PacketKind> {
    Some(match code {
        1 => PacketKind::Event,
        2 => PacketKind::Request,
        3 => PacketKind::Response,
        4 => PacketKind::Ping,
        5 => PacketKind::Pong,
        6 => PacketKind::GossipRequest,
        7 => PacketKind::GossipResponse,
        8 => PacketKind::GossipHello,
        _ => return None,
    })
}

/// The header of a frame whose payload has this many bytes. `None` if the length does not fit the field.
pub(crate) fn header(code: u8, payload: usize) -> Option<[u8; HEADER]> {
    let length = i32::try_from(payload.checked_add(HEADER)?).ok()?;
    let [a, b, c, d] = length.to_be_bytes();
    Some([a ^ b ^ c ^ d ^ code, a, b, c, d, code])
}

/// Why reading a connection cannot continue: the next frame cannot be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadFrame {
    /// The check byte does not match the header.
    Check,
    /// The length is smaller than a header.
    Length,
    /// There is no packet with this number.
    Type,
    /// The frame is larger than the limit of this node.
    TooLarge,
    /// The frame has begun, but did not end in time.
    Timeout,
}

impl BadFrame {
    /// The name under which it is counted and logged.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Check => "BAD_CHECK",
            Self::Length => "BAD_LENGTH",
            Self::Type => "BAD_TYPE",
            Self::TooLarge => "TOO_LARGE",
            Self::Timeout => "TIMEOUT",
        }
    }
}

/// If the buffer has become larger for a large frame, it is released when it is empty.
const KEEP: usize = 512 * 1024;

/// Splits bytes into frames. Payloads are views of the receive buffer.
#[derive(Debug)]
pub(crate) struct FrameParser {
    buf: BytesMut,
    /// The size of the allocation behind `buf`. `buf` may be only its end.
    held: usize,
    /// The largest frame.
    limit: usize,
    /// The space for the next read.
    read: usize,
    /// The space that the current read was given.
    offered: usize,
}

impl FrameParser {
    pub(crate) fn new(limit: usize) -> Self {
        Self { buf: BytesMut::new(), held: 0, limit, read: SMALL_READ, offered: 0 }
    }

    /// The buffer for the next bytes.
    ///
    /// Earlier payloads may still be views of this buffer. While they are, the rest of it is used first, so
    /// that many small frames that live long share one allocation.
    pub(crate) fn space(&mut self) -> &mut BytesMut {
        if self.buf.is_empty() && self.held > KEEP {
            self.buf = BytesMut::new();
            self.held = 0;
        }
        let spare = self.buf.capacity().saturating_sub(self.buf.len());
        if spare < self.read && !self.buf.try_reclaim(self.read) && spare < self.read / 4 {
            self.buf.reserve(self.read);
            self.held = self.buf.capacity();
        }
        self.offered = self.buf.capacity().saturating_sub(self.buf.len());
        &mut self.buf
    }

    /// Records how many bytes a read into [`Self::space`] has returned, and adapts the next read.
    pub(crate) fn filled(&mut self, bytes: usize) {
        if bytes >= self.offered {
            self.read = LARGE_READ.min(self.read.saturating_mul(2));
        } else if bytes < self.read / 8 {
            self.read = SMALL_READ;
        }
    }

    /// The next complete frame. `None` until more bytes arrive.
    ///
    /// # Errors
    /// [`BadFrame`]. After it, the stream cannot be read any further.
    pub(crate) fn next(&mut self) -> Result<Option<(PacketKind, Bytes)>, BadFrame> {
        let Some(&[check, a, b, c, d, code]) = self.buf.first_chunk() else { return Ok(None) };
        if check != a ^ b ^ c ^ d ^ code {
            return Err(BadFrame::Check);
        }
        let kind = kind_of(code).ok_or(BadFrame::Type)?;
        let length = usize::try_from(i32::from_be_bytes([a, b, c, d])).map_err(|_| BadFrame::Length)?;
        if length < HEADER {
            return Err(BadFrame::Length);
        }
        if length > self.limit {
            return Err(BadFrame::TooLarge);
        }
        if self.buf.len() < length {
            return Ok(None);
        }
        let mut frame = self.buf.split_to(length);
        frame.advance(HEADER);
        Ok(Some((kind, frame.freeze())))
    }

    /// Whether a part of a frame has arrived.
    pub(crate) fn has_begun(&self) -> bool {
        !self.buf.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMIT: usize = 1024 * 1024;

    fn frame(kind: PacketKind, payload: &[u8]) -> Vec<u8> {
        let mut bytes = header(code_of(kind).unwrap(), payload.len()).unwrap().to_vec();
        bytes.extend_from_slice(payload);
        bytes
    }

    fn feed(parser: &mut FrameParser, bytes: &[u8]) {
        parser.space().extend_from_slice(bytes);
        parser.filled(bytes.len());
    }

    fn all(parser: &mut FrameParser) -> Result<Vec<(PacketKind, Bytes)>, BadFrame> {
        std::iter::from_fn(|| parser.next().transpose()).collect()
    }

    fn verdict(bytes: &[u8]) -> Result<Vec<(PacketKind, Bytes)>, BadFrame> {
        let mut parser = FrameParser::new(LIMIT);
        feed(&mut parser, bytes);
        all(&mut parser)
    }

    #[test]
    fn hostile_headers_are_refused_by_reason() {
        let cases: [(&str, [u8; 6], BadFrame); 6] = [
            ("length 0", [0x04, 0, 0, 0, 0, 0x04], BadFrame::Length),
            ("type 0x63", [0x6B, 0, 0, 0, 0x08, 0x63], BadFrame::Type),
            ("length -1", [0x04, 0xFF, 0xFF, 0xFF, 0xFF, 0x04], BadFrame::Length),
            ("length below the header", [0x01, 0, 0, 0, 0x05, 0x04], BadFrame::Length),
            ("length 2 GiB", [0x82, 0x7F, 0xFF, 0xFF, 0xFF, 0x02], BadFrame::TooLarge),
            ("wrong check byte", [0x00, 0, 0, 0, 0x08, 0x02], BadFrame::Check),
        ];
        for (what, bytes, expected) in cases {
            assert_eq!(verdict(&bytes).unwrap_err(), expected, "{what}");
        }
    }

    #[test]
    fn a_header_promises_but_only_arrived_bytes_take_memory() {
        let mut parser = FrameParser::new(LIMIT);
        feed(&mut parser, &header(2, 1_048_570).unwrap());
        assert_eq!(parser.next(), Ok(None));
        assert!(parser.has_begun());
        assert!(parser.space().capacity() <= SMALL_READ + HEADER);
    }

    #[test]
    fn a_frame_just_below_the_limit_may_be_followed_by_others() {
        let mut bytes = frame(PacketKind::Request, &vec![b'x'; 1_048_000 - HEADER]);
        let small = frame(PacketKind::Event, &[b'y'; 64]);
        for _ in 0..1000 {
            bytes.extend_from_slice(&small);
        }
        assert_eq!(verdict(&bytes).unwrap().len(), 1001);
    }

    #[test]
    fn a_frame_of_exactly_the_limit_passes_and_one_more_byte_does_not() {
        assert_eq!(verdict(&frame(PacketKind::Request, &vec![0; LIMIT - HEADER])).unwrap().len(), 1);
        let over = header(2, LIMIT - HEADER + 1).unwrap();
        assert_eq!(verdict(&over), Err(BadFrame::TooLarge));
    }

    #[test]
    fn an_empty_payload_is_a_frame() {
        let frames = verdict(&frame(PacketKind::Ping, b"")).unwrap();
        assert_eq!(frames, [(PacketKind::Ping, Bytes::new())]);
    }

    #[test]
    fn captured_frames_are_read_and_written_as_they_were() {
        let cases: &[(PacketKind, &[u8])] = &[
            (PacketKind::Event, include_bytes!("../../tests/vectors/tcp-event-0.14.bin")),
            (PacketKind::Event, include_bytes!("../../tests/vectors/tcp-event-0.15.bin")),
            (PacketKind::GossipHello, include_bytes!("../../tests/vectors/tcp-gossip-hello-0.14.bin")),
            (PacketKind::GossipHello, include_bytes!("../../tests/vectors/tcp-gossip-hello-0.15.bin")),
            (PacketKind::GossipRequest, include_bytes!("../../tests/vectors/tcp-gossip-req-0.14.bin")),
            (PacketKind::GossipRequest, include_bytes!("../../tests/vectors/tcp-gossip-req-0.15.bin")),
            (
                PacketKind::GossipRequest,
                include_bytes!("../../tests/vectors/tcp-gossip-req-two-online-0.14.bin"),
            ),
            (
                PacketKind::GossipRequest,
                include_bytes!("../../tests/vectors/tcp-gossip-req-two-online-0.15.bin"),
            ),
            (PacketKind::GossipResponse, include_bytes!("../../tests/vectors/tcp-gossip-res-0.14.bin")),
            (PacketKind::GossipResponse, include_bytes!("../../tests/vectors/tcp-gossip-res-0.15.bin")),
            (
                PacketKind::GossipResponse,
                include_bytes!("../../tests/vectors/tcp-gossip-res-offline-0.15.bin"),
            ),
            (PacketKind::Ping, include_bytes!("../../tests/vectors/tcp-ping-0.14.bin")),
            (PacketKind::Ping, include_bytes!("../../tests/vectors/tcp-ping-0.15.bin")),
            (PacketKind::Pong, include_bytes!("../../tests/vectors/tcp-pong-0.14.bin")),
            (PacketKind::Pong, include_bytes!("../../tests/vectors/tcp-pong-0.15.bin")),
            (PacketKind::Request, include_bytes!("../../tests/vectors/tcp-request-0.14.bin")),
            (PacketKind::Request, include_bytes!("../../tests/vectors/tcp-request-0.15.bin")),
            (PacketKind::Response, include_bytes!("../../tests/vectors/tcp-response-0.14.bin")),
            (PacketKind::Response, include_bytes!("../../tests/vectors/tcp-response-0.15.bin")),
        ];
        for (kind, captured) in cases {
            let frames = verdict(captured).unwrap();
            let [(read, payload)] = frames.as_slice() else { panic!("{kind:?}: {} frames", frames.len()) };
            assert_eq!(read, kind);
            assert_eq!(frame(*kind, payload), *captured);
        }
    }

    fn frames() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
        let small = prop::collection::vec(any::<u8>(), 0..200);
        let large = prop::collection::vec(any::<u8>(), 60_000..90_000);
        prop::collection::vec((1u8..=8, prop_oneof![9 => small, 1 => large]), 0..20)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn splits_and_joins_of_the_stream_do_not_change_the_frames(
            sent in frames(),
            cuts in prop::collection::vec(1usize..70_000, 1..40),
        ) {
            let mut stream = Vec::new();
            for (code, payload) in &sent {
                stream.extend_from_slice(&header(*code, payload.len()).unwrap());
                stream.extend_from_slice(payload);
            }
            let mut parser = FrameParser::new(LIMIT);
            let (mut received, mut rest, mut cuts) = (Vec::new(), stream.as_slice(), cuts.iter().cycle());
            while !rest.is_empty() {
                let (now, later) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
                feed(&mut parser, now);
                received.extend(all(&mut parser).unwrap());
                rest = later;
            }
            prop_assert!(!parser.has_begun());
            let received: Vec<_> =
                received.into_iter().map(|(kind, payload)| (code_of(kind).unwrap(), payload.to_vec())).collect();
            prop_assert_eq!(received, sent);
        }

        #[test]
        fn any_bytes_give_frames_or_a_verdict_and_memory_grows_with_what_arrived(
            bytes in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..4096),
                prop::collection::vec(any::<u8>(), 0..500_000),
            ],
            headed in any::<Option<(u8, u32)>>(),
        ) {
            let mut parser = FrameParser::new(LIMIT);
            let mut stream = Vec::new();
            if let Some((code, length)) = headed {
                let ([a, b, c, d], code) = ((length % 2_000_000).to_be_bytes(), code % 10);
                stream.extend_from_slice(&[a ^ b ^ c ^ d ^ code, a, b, c, d, code]);
            }
            stream.extend_from_slice(&bytes);
            let (mut arrived, mut rest) = (0, stream.as_slice());
            while !rest.is_empty() {
                let space = parser.space();
                let (now, later) = rest.split_at((space.capacity() - space.len()).min(rest.len()));
                prop_assert!(!now.is_empty());
                space.extend_from_slice(now);
                parser.filled(now.len());
                arrived += now.len();
                rest = later;
                prop_assert!(parser.held <= 2 * arrived + SMALL_READ);
                if all(&mut parser).is_err() {
                    break;
                }
            }
        }
    }
}
