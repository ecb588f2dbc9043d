//! One inbound connection, as the source of a lane.
//!
//! It reads again when the lane has handled what it read before. So TCP itself slows the peers of a node that
//! cannot keep up, and nothing accumulates here.

use async_trait::async_trait;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

use super::entrance::{Entrance, Ticket};
use super::framing::{BadFrame, FrameParser};
use crate::{Frame, Source};

#[derive(Debug)]
pub(crate) struct Inbound {
    stream: TcpStream,
    peer: SocketAddr,
    parser: FrameParser,
    /// When the first byte of the incomplete frame was read.
    begun: Option<Instant>,
    entrance: Arc<Entrance>,
    _ticket: Ticket,
}

impl Inbound {
    pub(crate) fn new(stream: TcpStream, peer: SocketAddr, entrance: Arc<Entrance>, ticket: Ticket) -> Self {
        let parser = FrameParser::new(entrance.options().max_packet_size);
        Self { stream, peer, parser, begun: None, entrance, _ticket: ticket }
    }

    fn parse(&mut self, batch: &mut Vec<Frame>) -> Result<(), BadFrame> {
        let before = batch.len();
        while let Some((kind, payload)) = self.parser.next()? {
            batch.push(Frame { kind, payload, peer: Some(self.peer), ack: None, shed: false });
        }
        let completed = batch.len() > before;
        self.begun = match self.begun {
            Some(begun) if self.parser.has_begun() && !completed => Some(begun),
            _ => self.parser.has_begun().then(Instant::now),
        };
        Ok(())
    }

    /// Always returns `false`, for convenience.
    fn refuse(&self, reason: BadFrame) -> bool {
        self.entrance.stats().bad_frame(reason);
        tracing::debug!(peer = %self.peer, reason = reason.as_str(), "connection closed for a bad frame");
        false
    }
}

#[async_trait]
impl Source for Inbound {
    async fn next(&mut self, batch: &mut Vec<Frame>) -> bool {
        loop {
            let limit = self.entrance.options().frame_timeout;
            let deadline = self.begun.map(|begun| begun + limit);
            // Reading comes first: a frame is late if the rest of it has not arrived, not if this node
            // checked late. `read_buf` is cancel safe.
            let read = tokio::select! {
                biased;
                read = self.stream.read_buf(self.parser.space()) => read,
                () = self.entrance.closed() => return false,
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    return self.refuse(BadFrame::Timeout);
                }
            };
            match read {
                Ok(0) | Err(_) => return false,
                Ok(bytes) => self.parser.filled(bytes),
            }
            if let Err(reason) = self.parse(batch) {
                return self.refuse(reason);
            }
            if self.entrance.is_closed() {
                return false;
            }
            if !batch.is_empty() {
                return true;
            }
        }
    }
}
