//! Packets as they arrive: views of the received frame (protocol chapters 2, 4.4 and 6.4).

use bytes::Bytes;
use ligand_transporters::{Name, NodeId, PacketKind};
use smallvec::SmallVec;

use super::{Digest, ForeignId, GossipResponse, Id, InfoPacket, Part, Raw, Span, TextSpan, Ver};

/// One decoded packet.
#[derive(Debug, Clone)]
pub(crate) struct Incoming {
    /// Its protocol version.
    pub(crate) ver: Ver,
    /// The node that sent it.
    pub(crate) sender: NodeId,
    /// The content of the packet.
    pub(crate) packet: Packet,
}

/// The content of a packet.
#[derive(Debug, Clone)]
pub(crate) enum Packet {
    /// A call, or a part of the stream that belongs to one.
    Request(Box<Request>),
    /// An answer, or a part of a streamed answer.
    Response(Box<Response>),
    /// An event.
    Event(Box<Event>),
    /// The sender asks all nodes for their INFO.
    Discover,
    /// The sender describes itself.
    Info(Box<InfoPacket>),
    /// The sender leaves.
    Disconnect,
    /// The sender is alive.
    Heartbeat(Heartbeat),
    /// The sender wants a PONG.
    Ping(Ping),
    /// The answer to a PING.
    Pong(Pong),
    /// TCP: the first packet on a connection.
    GossipHello(GossipHello),
    /// TCP: what the sender knows about the cluster.
    GossipRequest(Box<Digest>),
    /// TCP: what the sender knows better.
    GossipResponse(Box<GossipResponse>),
}

impl Packet {
    /// Its kind.
    pub(crate) const fn kind(&self) -> PacketKind {
        match self {
            Self::Request(_) => PacketKind::Request,
            Self::Response(_) => PacketKind::Response,
            Self::Event(_) => PacketKind::Event,
            Self::Discover => PacketKind::Discover,
            Self::Info(_) => PacketKind::Info,
            Self::Disconnect => PacketKind::Disconnect,
            Self::Heartbeat(_) => PacketKind::Heartbeat,
            Self::Ping(_) => PacketKind::Ping,
            Self::Pong(_) => PacketKind::Pong,
            Self::GossipHello(_) => PacketKind::GossipHello,
            Self::GossipRequest(_) => PacketKind::GossipRequest,
            Self::GossipResponse(_) => PacketKind::GossipResponse,
        }
    }
}

/// The common part of requests and events: the context that they belong to.
#[derive(Debug, Clone, Default)]
pub(crate) struct ContextFields {
    /// The frame to which the spans refer.
    pub(crate) frame: Bytes,
    /// See [`ContextFields::id`].
    pub(crate) id: TextSpan,
    /// See [`ContextFields::meta`].
    pub(crate) meta: Part,
    /// See [`ContextFields::headers`].
    pub(crate) headers: Part,
    /// The depth in the tree of calls, 1 for a root call. `None` if it is missing or null.
    pub(crate) level: Option<u32>,
    /// Whether this is traced. `None` leaves the decision to the receiver.
    pub(crate) tracing: Option<bool>,
    /// See [`ContextFields::parent_id`].
    pub(crate) parent_id: TextSpan,
    /// See [`ContextFields::request_id`].
    pub(crate) request_id: TextSpan,
    /// See [`ContextFields::caller`].
    pub(crate) caller: TextSpan,
}

impl ContextFields {
    /// The id of the packet, at most 128 bytes of any form. Empty for an event without one.
    #[cfg(test)]
    pub(crate) fn id(&self) -> &str {
        self.id.get(&self.frame).unwrap_or_default()
    }

    /// The id in the form in which it has to be sent back.
    pub(crate) fn wire_id(&self) -> Id<'_> {
        self.id.id(&self.frame).unwrap_or(Id::Text(""))
    }

    /// An object. `{}` if it is missing or null.
    pub(crate) fn meta(&self) -> Raw {
        self.meta.raw(&self.frame).unwrap_or_else(Raw::empty_object)
    }

    /// An object. `None` if it is missing or null, as from every 0.14 node.
    pub(crate) fn headers(&self) -> Option<Raw> {
        self.headers.raw(&self.frame)
    }

    /// Id of the context or span that caused this.
    pub(crate) fn parent_id(&self) -> Option<Id<'_>> {
        self.parent_id.id(&self.frame)
    }

    /// Id of the root of the call tree.
    pub(crate) fn request_id(&self) -> Option<Id<'_>> {
        self.request_id.id(&self.frame)
    }

    /// Full name of the calling service.
    pub(crate) fn caller(&self) -> Option<&str> {
        self.caller.get(&self.frame)
    }
}

/// A call that another node makes (protocol chapter 2.6).
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    /// Ids, meta, headers, level.
    pub(crate) context: ContextFields,
    /// See [`Request::action`].
    pub(crate) action: TextSpan,
    /// See [`Request::params`].
    pub(crate) params: Span,
    /// The remaining time in milliseconds, finite and not negative. 0 means no limit.
    pub(crate) timeout: Option<f64>,
    /// Whether a stream belongs to this call and has not ended. Null and missing are `None`.
    pub(crate) stream: Option<bool>,
    /// Position in that stream, 0 for the packet that starts the call.
    pub(crate) seq: Option<u32>,
}

impl Request {
    /// The caller's id for this call. The answer contains it.
    #[cfg(test)]
    pub(crate) fn id(&self) -> &str {
        self.context.id()
    }

    /// Full name of the action.
    pub(crate) fn action(&self) -> &str {
        self.action.get(&self.context.frame).unwrap_or_default()
    }

    /// The arguments. `None` if the packet has no `params`, which differs from `null`.
    pub(crate) fn params(&self) -> Option<Raw> {
        self.params.raw(&self.context.frame)
    }
}

/// The answer to a call of this node (protocol chapter 2.7).
#[derive(Debug, Clone, Default)]
pub(crate) struct Response {
    /// The frame to which the spans refer.
    pub(crate) frame: Bytes,
    /// See [`Response::id`].
    pub(crate) id: TextSpan,
    /// Whether the call succeeded. A packet that does not say so means a failure.
    pub(crate) success: bool,
    /// See [`Response::data`].
    pub(crate) data: Span,
    /// See [`Response::error`].
    pub(crate) error: Part,
    /// See [`Response::meta`].
    pub(crate) meta: Part,
    /// See [`Response::headers`].
    pub(crate) headers: Part,
    /// Whether this is part of a stream that continues. `Some(false)` with a `seq` ends one.
    pub(crate) stream: Option<bool>,
    /// Position in that stream.
    #[cfg_attr(not(test), expect(dead_code, reason = "an answer that goes on is refused, wherever it is"))]
    pub(crate) seq: Option<u32>,
}

impl Response {
    /// The id of the call that this answers.
    pub(crate) fn id(&self) -> &str {
        self.id.get(&self.frame).unwrap_or_default()
    }

    /// The result. `None` if the packet has no `data` (Node's `undefined`), which differs from `null`.
    pub(crate) fn data(&self) -> Option<Raw> {
        self.data.raw(&self.frame)
    }

    /// The error object, not decoded. See [`Serializer::error`](crate::serializer::Serializer::error).
    pub(crate) fn error(&self) -> Option<Raw> {
        self.error.raw(&self.frame)
    }

    /// The callee's meta after the handler. `{}` if it is missing or null.
    pub(crate) fn meta(&self) -> Raw {
        self.meta.raw(&self.frame).unwrap_or_else(Raw::empty_object)
    }

    /// The response headers. `None` if they are missing or null.
    pub(crate) fn headers(&self) -> Option<Raw> {
        self.headers.raw(&self.frame)
    }
}

/// An event from another node (protocol chapter 2.8).
#[derive(Debug, Clone, Default)]
pub(crate) struct Event {
    /// Ids, meta, headers, level.
    pub(crate) context: ContextFields,
    /// See [`Event::event`].
    pub(crate) event: TextSpan,
    /// See [`Event::data`].
    pub(crate) data: Span,
    /// See [`Event::groups`].
    pub(crate) groups: Option<SmallVec<[TextSpan; 2]>>,
    /// Whether every subscriber gets it, instead of one in each group.
    pub(crate) broadcast: bool,
}

impl Event {
    /// The name of the event.
    pub(crate) fn event(&self) -> &str {
        self.event.get(&self.context.frame).unwrap_or_default()
    }

    /// The payload. `None` if the packet has no `data`.
    pub(crate) fn data(&self) -> Option<Raw> {
        self.data.raw(&self.context.frame)
    }

    /// The groups for which it is meant, at most 64. `None` means all groups.
    pub(crate) fn groups(&self) -> Option<impl Iterator<Item = &str>> {
        let groups = self.groups.as_ref()?;
        Some(groups.iter().filter_map(|group| group.get(&self.context.frame)))
    }
}

/// A heartbeat (protocol chapter 2.5).
#[derive(Debug, Clone, Default)]
pub(crate) struct Heartbeat {
    /// CPU load of the sender's machine in percent.
    pub(crate) cpu: Option<f64>,
    /// The sequence number of the sender's INFO. If it differs from the known one, the receiver has to send a
    /// DISCOVER.
    pub(crate) seq: Option<u64>,
    /// Instance of the sender, or the beginning of its id.
    pub(crate) instance_id: Option<Name>,
}

/// Asks for a [`Pong`] (protocol chapter 2.9).
#[derive(Debug, Clone, Default)]
pub(crate) struct Ping {
    /// The sender's clock in milliseconds since 1970. The answer contains it.
    pub(crate) time: Option<f64>,
    /// The answer contains it, if there is one.
    pub(crate) id: Option<ForeignId>,
}

impl Ping {
    /// The id as text.
    pub(crate) fn nonce(&self) -> Option<&str> {
        self.id.as_ref().map(ForeignId::as_str)
    }
}

/// Answers a [`Ping`].
#[derive(Debug, Clone, Default)]
pub(crate) struct Pong {
    /// The value in the ping.
    #[cfg_attr(not(test), expect(dead_code, reason = "whoever pinged keeps the time by a clock of its own"))]
    pub(crate) time: Option<f64>,
    /// The value in the ping.
    pub(crate) id: Option<ForeignId>,
    /// The responder's clock when the ping arrived, milliseconds since 1970.
    pub(crate) arrived: Option<f64>,
}

impl Pong {
    /// The id as text.
    pub(crate) fn nonce(&self) -> Option<&str> {
        self.id.as_ref().map(ForeignId::as_str)
    }
}

/// TCP: the address of the sender (protocol chapter 4.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GossipHello {
    /// Host name or address.
    pub(crate) host: Name,
    /// The port on which it listens.
    pub(crate) port: u16,
}
