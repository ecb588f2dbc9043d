//! Packets to send. They borrow everything (protocol chapters 2, 4.4 and 6.4).
//!
//! They do not contain the bodies (`params` of a request, `data` of a response or an event): the sender
//! writes those directly into the send buffer when the serializer asks for them.

use ligand_transporters::{Name, PacketKind};

use super::{Digest, OutGossipResponse, PacketId, WireError};

/// An id in a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Id<'a> {
    /// An id that this node has made.
    Ours(PacketId),
    /// An id from a packet, or from the user.
    Text(&'a str),
    /// An id from a packet that was a number, in its JSON form.
    Number(&'a str),
}

/// The content of a packet.
#[derive(Debug, Clone)]
pub(crate) enum Outgoing<'a> {
    /// A call.
    Request(OutRequest<'a>),
    /// An answer.
    Response(OutResponse<'a>),
    /// An event.
    Event(OutEvent<'a>),
    /// Asks all nodes for their INFO.
    Discover,
    /// The INFO object of this node, without `ver` and `sender`.
    Info(&'a [u8]),
    /// This node leaves.
    Disconnect,
    /// This node is alive.
    Heartbeat {
        /// The CPU load in percent. `None` if it is not measured.
        cpu: Option<f64>,
    },
    /// Asks for a PONG.
    Ping {
        /// The clock of this node in milliseconds since 1970.
        time: f64,
        /// The PONG contains it.
        id: Id<'a>,
    },
    /// Answers a PING.
    Pong {
        /// The value in the PING.
        time: Option<f64>,
        /// The value in the PING.
        id: Option<Id<'a>>,
        /// The clock of this node when the PING arrived, in milliseconds since 1970.
        arrived: f64,
    },
    /// TCP: the first packet on a connection.
    GossipHello {
        /// The host name or address of this node.
        host: &'a str,
        /// The port on which it listens.
        port: u16,
    },
    /// TCP: what this node knows.
    GossipRequest(&'a Digest),
    /// TCP: what we know better.
    GossipResponse(&'a OutGossipResponse),
}

impl Outgoing<'_> {
    /// Its kind.
    pub(crate) const fn kind(&self) -> PacketKind {
        match self {
            Self::Request(_) => PacketKind::Request,
            Self::Response(_) => PacketKind::Response,
            Self::Event(_) => PacketKind::Event,
            Self::Discover => PacketKind::Discover,
            Self::Info(_) => PacketKind::Info,
            Self::Disconnect => PacketKind::Disconnect,
            Self::Heartbeat { .. } => PacketKind::Heartbeat,
            Self::Ping { .. } => PacketKind::Ping,
            Self::Pong { .. } => PacketKind::Pong,
            Self::GossipHello { .. } => PacketKind::GossipHello,
            Self::GossipRequest(_) => PacketKind::GossipRequest,
            Self::GossipResponse(_) => PacketKind::GossipResponse,
        }
    }
}

/// A call. Its body is `params`, which is always written: `{}` if there are none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OutRequest<'a> {
    /// The answer contains it.
    pub(crate) id: Id<'a>,
    /// Full name of the action.
    pub(crate) action: &'a str,
    /// An object.
    pub(crate) meta: &'a [u8],
    /// An object. `None` is written as `{}`. It is never sent to peers with version 4.
    pub(crate) headers: Option<&'a [u8]>,
    /// The remaining time in milliseconds. 0 means no limit. `None` is left out.
    pub(crate) timeout: Option<f64>,
    /// The depth in the tree of calls, 1 for a root call.
    pub(crate) level: u32,
    /// Whether this is traced. `None` is written as `null`.
    pub(crate) tracing: Option<bool>,
    /// Id of the context that caused this.
    pub(crate) parent_id: Option<Id<'a>>,
    /// Id of the root of the call tree.
    pub(crate) request_id: Option<Id<'a>>,
    /// Full name of the calling service.
    pub(crate) caller: Option<&'a str>,
    /// Whether a stream belongs to this call and has not ended. `None` is written as `null`, which is what
    /// 0.14 sends with `null` params.
    pub(crate) stream: Option<bool>,
    /// The position in that stream. Only with a stream.
    pub(crate) seq: Option<u32>,
}

/// An answer. Its body is `data`, which is asked for only with [`OutResult::Data`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct OutResponse<'a> {
    /// The id of the request.
    pub(crate) id: Id<'a>,
    /// The whole meta of the context: an object.
    pub(crate) meta: &'a [u8],
    /// The response headers: an object. `None` is written as `null`. They are never sent to peers with
    /// version 4.
    pub(crate) headers: Option<&'a [u8]>,
    /// The outcome of the call.
    pub(crate) outcome: OutResult<'a>,
    /// Only for the packets of a streamed answer.
    pub(crate) stream: Option<OutStream>,
}

/// The outcome of a call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum OutResult<'a> {
    /// A result, which the body writes.
    Data,
    /// No result: the packet has no `data` (Node's `undefined`).
    NoData,
    /// A failure: `data` is null.
    Error(&'a WireError),
}

/// The position of a packet in a streamed answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OutStream {
    /// Whether more packets follow.
    pub(crate) goes_on: bool,
    /// 0 for the first packet.
    pub(crate) seq: u32,
}

/// An event. Its body is `data`, which is always written: `null` if there is none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OutEvent<'a> {
    /// Id of the event's context.
    pub(crate) id: Id<'a>,
    /// The name of the event.
    pub(crate) event: &'a str,
    /// The groups for which it is meant. `None` is left out.
    pub(crate) groups: Option<&'a [Name]>,
    /// Whether every subscriber gets it.
    pub(crate) broadcast: bool,
    /// An object.
    pub(crate) meta: &'a [u8],
    /// An object. `None` is written as `{}`. It is never sent to peers with version 4.
    pub(crate) headers: Option<&'a [u8]>,
    /// The depth in the tree of calls, 1 for a root emit. `None` is written as `null`.
    pub(crate) level: Option<u32>,
    /// Whether this is traced. `None` is written as `null`.
    pub(crate) tracing: Option<bool>,
    /// Id of the context that caused this.
    pub(crate) parent_id: Option<Id<'a>>,
    /// Id of the root of the call tree.
    pub(crate) request_id: Option<Id<'a>>,
    /// Full name of the emitting service.
    pub(crate) caller: Option<&'a str>,
}
