//! Packets as we send them: everything borrowed (protocol chapters 2, 4.4 and 6.4).
//!
//! The bodies, `params` of a request and `data` of a response or an event, are not here: the sender
//! writes them straight into the send buffer when the serializer asks for them.

use ligand_transporters::{Name, PacketKind};

use super::{Digest, OutGossipResponse, PacketId, WireError};

/// An id in a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Id<'a> {
    /// One that this node made.
    Ours(PacketId),
    /// One that came with a packet, or from the user.
    Text(&'a str),
    /// One that came with a packet as a number: its JSON.
    Number(&'a str),
}

/// What a packet says.
#[derive(Debug, Clone)]
pub(crate) enum Outgoing<'a> {
    /// A call.
    Request(OutRequest<'a>),
    /// An answer.
    Response(OutResponse<'a>),
    /// An event.
    Event(OutEvent<'a>),
    /// Who is there?
    Discover,
    /// Our INFO object, complete but for `ver` and `sender`.
    Info(&'a [u8]),
    /// We leave.
    Disconnect,
    /// We are alive; CPU load in percent.
    Heartbeat {
        /// `None` when it is not measured.
        cpu: Option<f64>,
    },
    /// Asks for a PONG.
    Ping {
        /// Our clock, milliseconds since 1970.
        time: f64,
        /// Comes back in the PONG.
        id: Id<'a>,
    },
    /// Answers a PING.
    Pong {
        /// What the PING said.
        time: Option<f64>,
        /// What the PING said.
        id: Option<Id<'a>>,
        /// Our clock when it arrived, milliseconds since 1970.
        arrived: f64,
    },
    /// TCP: the first packet on a connection.
    GossipHello {
        /// Host name or address to reach us at.
        host: &'a str,
        /// Listening port.
        port: u16,
    },
    /// TCP: what we know.
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

/// A call. Its body is `params`, which is always written: `{}` for none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OutRequest<'a> {
    /// Comes back in the answer.
    pub(crate) id: Id<'a>,
    /// Full name of the action.
    pub(crate) action: &'a str,
    /// An object.
    pub(crate) meta: &'a [u8],
    /// An object, `{}` for `None`. Never sent to version 4 peers.
    pub(crate) headers: Option<&'a [u8]>,
    /// Time left in milliseconds, 0 for no limit; left out for `None`.
    pub(crate) timeout: Option<f64>,
    /// Depth of the call chain, 1 for a root call.
    pub(crate) level: u32,
    /// Whether this is traced; `null` for `None`.
    pub(crate) tracing: Option<bool>,
    /// Id of the context that caused this.
    pub(crate) parent_id: Option<Id<'a>>,
    /// Id of the root of the call tree.
    pub(crate) request_id: Option<Id<'a>>,
    /// Full name of the calling service.
    pub(crate) caller: Option<&'a str>,
    /// Whether a stream goes with this call and has not ended; `null` for `None`, as 0.14 sends it for
    /// `null` params.
    pub(crate) stream: Option<bool>,
    /// Position in that stream; only with one.
    pub(crate) seq: Option<u32>,
}

/// An answer. Its body is `data`, asked for only by [`Outcome::Data`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct OutResponse<'a> {
    /// What the request said.
    pub(crate) id: Id<'a>,
    /// The context's whole meta: an object.
    pub(crate) meta: &'a [u8],
    /// The response headers: an object, or `null` for `None`. Never sent to version 4 peers.
    pub(crate) headers: Option<&'a [u8]>,
    /// How the call went.
    pub(crate) outcome: Outcome<'a>,
    /// Set on the packets of a streamed answer only.
    pub(crate) stream: Option<OutStream>,
}

/// How a call went.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Outcome<'a> {
    /// With a result, which the body writes.
    Data,
    /// Without a result: the packet has no `data` (Node's `undefined`).
    NoData,
    /// It failed: `data` is null.
    Error(&'a WireError),
}

/// The place of a packet in a streamed answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OutStream {
    /// Whether more follows.
    pub(crate) goes_on: bool,
    /// 0 for the first packet.
    pub(crate) seq: u32,
}

/// An event. Its body is `data`, which is always written: `null` for none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OutEvent<'a> {
    /// Id of the event's context.
    pub(crate) id: Id<'a>,
    /// Concrete name.
    pub(crate) event: &'a str,
    /// Groups it is meant for; left out for `None`.
    pub(crate) groups: Option<&'a [Name]>,
    /// Whether every subscriber gets it.
    pub(crate) broadcast: bool,
    /// An object.
    pub(crate) meta: &'a [u8],
    /// An object, `{}` for `None`. Never sent to version 4 peers.
    pub(crate) headers: Option<&'a [u8]>,
    /// Depth of the call chain, 1 for a root emit; `null` for `None`.
    pub(crate) level: Option<u32>,
    /// Whether this is traced; `null` for `None`.
    pub(crate) tracing: Option<bool>,
    /// Id of the context that caused this.
    pub(crate) parent_id: Option<Id<'a>>,
    /// Id of the root of the call tree.
    pub(crate) request_id: Option<Id<'a>>,
    /// Full name of the emitting service.
    pub(crate) caller: Option<&'a str>,
}
