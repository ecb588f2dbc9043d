//! Frames, their destinations, and how they are written.

use bytes::{Bytes, BytesMut};
use std::fmt;
use std::net::SocketAddr;

use crate::{Name, NodeId, SendError};

/// The kind of packet in a frame. It is the only thing that a transporter knows about the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum PacketKind {
    /// An event.
    Event,
    /// A request.
    Request,
    /// The answer to a request.
    Response,
    /// "Who is there?"
    Discover,
    /// A node describes itself and its services.
    Info,
    /// A node leaves.
    Disconnect,
    /// A node is alive.
    Heartbeat,
    /// Asks for a [`PacketKind::Pong`].
    Ping,
    /// Answers a [`PacketKind::Ping`].
    Pong,
    /// TCP only: what a node knows about the cluster.
    GossipRequest,
    /// TCP only: what the node that was asked knows better.
    GossipResponse,
    /// TCP only: the first packet on a connection.
    GossipHello,
}

impl PacketKind {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::Event,
        Self::Request,
        Self::Response,
        Self::Discover,
        Self::Info,
        Self::Disconnect,
        Self::Heartbeat,
        Self::Ping,
        Self::Pong,
        Self::GossipRequest,
        Self::GossipResponse,
        Self::GossipHello,
    ];

    /// The name in topics (protocol chapter 2.1).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Event => "EVENT",
            Self::Request => "REQ",
            Self::Response => "RES",
            Self::Discover => "DISCOVER",
            Self::Info => "INFO",
            Self::Disconnect => "DISCONNECT",
            Self::Heartbeat => "HEARTBEAT",
            Self::Ping => "PING",
            Self::Pong => "PONG",
            Self::GossipRequest => "GOSSIP_REQ",
            Self::GossipResponse => "GOSSIP_RES",
            Self::GossipHello => "GOSSIP_HELLO",
        }
    }

    /// The kind with this name in topics.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Whether the packet is about the cluster, and not a call or an event of a user.
    ///
    ///
    /// Control frames are handled before data of the same batch, and are never shed.
    #[must_use]
    pub const fn is_control(self) -> bool {
        !matches!(self, Self::Event | Self::Request | Self::Response)
    }
}

/// What a node subscribes to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Subscription {
    /// Packets of this kind that are sent to all nodes.
    Broadcast(PacketKind),
    /// Packets of this kind that are sent to this node.
    Own(PacketKind),
    /// Requests for an action. The bus balances them.
    BalancedRequest {
        /// The full name of the action.
        action: Name,
    },
    /// Events for a group. The bus balances them.
    BalancedEvent {
        /// The name of the event, or a pattern.
        event: Name,
        /// The group of subscribers. One of them gets each event.
        group: Name,
    },
}

/// The destination of a frame.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Route {
    /// All nodes of the namespace.
    Broadcast,
    /// One node.
    Node {
        /// The id of the node.
        id: NodeId,
        /// `host:port` to connect to, for transporters that connect to each peer (TCP). An IPv6 host may have
        /// brackets or not. The port follows the last colon.
        addr: Option<Name>,
    },
    /// One node that offers an action. The bus chooses it.
    BalancedRequest {
        /// The full name of the action.
        action: Name,
    },
    /// One node of a group. The bus chooses it.
    BalancedEvent {
        /// The name of the event.
        event: Name,
        /// The group.
        group: Name,
    },
}

/// A received packet.
#[derive(Debug)]
pub struct Frame {
    /// The kind of the packet.
    pub kind: PacketKind,
    /// Its bytes, as a view of the receive buffer if possible.
    pub payload: Bytes,
    /// The other end of the connection on which it arrived, if there is one (TCP).
    pub peer: Option<SocketAddr>,
    /// For buses that need to know when a frame has been handled.
    pub ack: Option<Ack>,
    /// Set if the transporter's inbox had no room for data when this frame arrived. The broker answers such a
    /// request with "queue is full" without running it, and drops and counts such an event. Both are cheaper
    /// than letting the frame wait, and the caller of the request can ask another node at once. Control
    /// frames and responses are handled as always.
    pub shed: bool,
}

impl Frame {
    /// A frame without peer and acknowledgement, which is not to be shed.
    #[must_use]
    pub fn new(kind: PacketKind, payload: impl Into<Bytes>) -> Self {
        Self { kind, payload: payload.into(), peer: None, ack: None, shed: false }
    }
}

/// Tells the bus that a frame has been handled. Dropping it has the same effect: a frame is never redelivered
/// because its handler failed (protocol chapter 3.5).
pub struct Ack(Option<Box<dyn FnOnce() + Send + Sync>>);

impl Ack {
    /// An acknowledgement that runs `done` once.
    pub fn new(done: impl FnOnce() + Send + Sync + 'static) -> Self {
        Self(Some(Box::new(done)))
    }
}

impl Drop for Ack {
    fn drop(&mut self) {
        if let Some(done) = self.0.take() {
            done();
        }
    }
}

impl fmt::Debug for Ack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ack")
    }
}

/// The error of a [`WriteFrame`] that cannot write its packet. The frame is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abandon;

/// Writes one packet into a send buffer. It is called at most once for each `send`.
pub type WriteFrame<'a> = dyn FnMut(&mut FrameBuf<'_>) -> Result<(), Abandon> + 'a;

/// The end of a send buffer, where a packet is written.
///
///
/// Small parts are written into [`FrameBuf::buf`]. A large body that already exists as [`Bytes`] is
/// [spliced](FrameBuf::splice): it is sent as a slice of its own, without a copy.
#[derive(Debug)]
pub struct FrameBuf<'a> {
    buf: &'a mut BytesMut,
    spliced: &'a mut Vec<(usize, Bytes)>,
}

impl<'a> FrameBuf<'a> {
    /// Bodies with at least this many bytes are spliced instead of copied.
    pub const SPLICE_FROM: usize = 16 * 1024;

    /// For transporters: a frame at the end of `buf`. Spliced bodies are pushed to `spliced`, with the length
    /// of `buf` at that time, which is their position in the byte stream.
    pub fn new(buf: &'a mut BytesMut, spliced: &'a mut Vec<(usize, Bytes)>) -> Self {
        Self { buf, spliced }
    }

    /// The buffer to append to. Its previous content must not change.
    pub fn buf(&mut self) -> &mut BytesMut {
        self.buf
    }

    /// Appends a body: from [`Self::SPLICE_FROM`] bytes on as a slice of its own, below that as a copy.
    pub fn splice(&mut self, body: &Bytes) {
        if body.len() < Self::SPLICE_FROM {
            self.buf.extend_from_slice(body);
        } else {
            self.spliced.push((self.buf.len(), body.clone()));
        }
    }
}

/// Writes one frame into bytes of its own, for transporters whose client takes one message at a time.
///
///
/// # Errors
/// [`SendError::Abandoned`] if the writer gave up, and [`SendError::TooLarge`] above `limit` bytes.
pub fn collect(write: &mut WriteFrame<'_>, limit: usize) -> Result<Bytes, SendError> {
    let (mut buf, mut spliced) = (BytesMut::with_capacity(512), Vec::new());
    write(&mut FrameBuf::new(&mut buf, &mut spliced)).map_err(|Abandon| SendError::Abandoned)?;
    let size = buf.len() + spliced.iter().map(|(_, body)| body.len()).sum::<usize>();
    if size > limit {
        return Err(SendError::TooLarge { size, limit });
    }
    if spliced.is_empty() {
        return Ok(buf.freeze());
    }
    let mut whole = BytesMut::with_capacity(size);
    let mut from = 0;
    for (at, body) in spliced {
        whole.extend_from_slice(&buf[from..at]);
        whole.extend_from_slice(&body);
        from = at;
    }
    whole.extend_from_slice(&buf[from..]);
    Ok(whole.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spliced_body_lands_between_what_was_written_before_and_after() {
        let body = Bytes::from(vec![b'x'; FrameBuf::SPLICE_FROM]);
        let bytes = collect(
            &mut |frame| {
                frame.buf().extend_from_slice(b"<");
                frame.splice(&body);
                frame.splice(&Bytes::from_static(b"small"));
                frame.buf().extend_from_slice(b">");
                Ok(())
            },
            usize::MAX,
        )
        .unwrap();
        assert_eq!(bytes.len(), body.len() + 7);
        assert_eq!(&bytes[..2], b"<x");
        assert_eq!(&bytes[bytes.len() - 7..], b"xsmall>");
    }

    #[test]
    fn a_frame_above_the_limit_is_refused_with_the_limit() {
        let mut write = |frame: &mut FrameBuf<'_>| {
            frame.buf().extend_from_slice(b"12345");
            Ok(())
        };
        assert_eq!(collect(&mut write, 4), Err(SendError::TooLarge { size: 5, limit: 4 }));
    }
}
