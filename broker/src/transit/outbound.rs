//! Packets on their way out: encodes them, passes them through the layers, and gives them to the transporter.

use bytes::{Bytes, BytesMut};
use ligand_transporters::{Abandon, Connection, FrameBuf, Name, NodeId, Route, SendError};
use std::sync::Arc;

use super::Transit;
use super::fits::{is_ours, refused};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::protocol::{Id, OutEvent, Outgoing, PacketId, ProtocolVersion};
use crate::registry::Node;
use crate::serializer::WriteBody;

impl Transit {
    /// Sends a packet to one node, in the version that the node used last.
    pub(crate) fn send_to(
        &self,
        node: &NodeId,
        version: ProtocolVersion,
        token: u64,
        packet: &Outgoing<'_>,
        body: &mut WriteBody<'_>,
    ) -> Result<(), SendError> {
        let route = Route::Node { id: node.clone(), addr: None };
        match self.send(&route, version, token, packet, body) {
            Err(SendError::NoRoute) => match self.addresses.of(node) {
                Some(addr) => {
                    let route = Route::Node { id: node.clone(), addr: Some(addr) };
                    self.send(&route, version, token, packet, body)
                }
                None => Err(SendError::NoRoute),
            },
            sent => sent,
        }
    }

    /// Broadcasts a packet: once, or once per version (protocol chapter 1.2).
    pub(crate) fn broadcast(&self, packet: &Outgoing<'_>) -> Result<(), SendError> {
        self.broadcast_by(self.uplink.connection(), packet)
    }

    /// The same for a node that nobody should count on any more. It is sent as long as there is any
    /// connection.
    pub(crate) fn broadcast_leaving(&self, packet: &Outgoing<'_>) -> Result<(), SendError> {
        self.broadcast_by(self.uplink.any_connection(), packet)
    }

    fn broadcast_by(
        &self,
        connection: Option<Arc<dyn Connection>>,
        packet: &Outgoing<'_>,
    ) -> Result<(), SendError> {
        let Some(connection) = connection else { return Err(SendError::Disconnected) };
        let send =
            |version| self.send_by(&*connection, &Route::Broadcast, version, 0, packet, &mut |_| Ok(()));
        // A node that understands both versions goes by the last packet. It should answer in the newer
        // version, which says more.
        let older = if self.wire.both { send(ProtocolVersion::V4) } else { Ok(()) };
        send(self.wire.version).and(older)
    }

    pub(super) fn send(
        &self,
        route: &Route,
        version: ProtocolVersion,
        token: u64,
        packet: &Outgoing<'_>,
        body: &mut WriteBody<'_>,
    ) -> Result<(), SendError> {
        let connection = match packet {
            Outgoing::Response(_) => self.uplink.any_connection(),
            _ => self.uplink.connection(),
        };
        let Some(connection) = connection else { return Err(SendError::Disconnected) };
        self.send_by(&*connection, route, version, token, packet, body)
    }

    fn send_by(
        &self,
        connection: &dyn Connection,
        route: &Route,
        version: ProtocolVersion,
        token: u64,
        packet: &Outgoing<'_>,
        body: &mut WriteBody<'_>,
    ) -> Result<(), SendError> {
        let kind = packet.kind();
        if !self.wire.layers.wraps_outgoing() {
            return connection.send(route, kind, token, &mut |frame| {
                self.wire.encode(version, &self.node, packet, body, frame)
            });
        }
        let mut buf = BytesMut::with_capacity(512);
        let mut spliced = Vec::new();
        let mut frame = FrameBuf::new(&mut buf, &mut spliced);
        self.wire
            .encode(version, &self.node, packet, body, &mut frame)
            .map_err(|Abandon| SendError::Abandoned)?;
        let whole = ligand_transporters::collect(
            &mut |frame| {
                let mut from = 0;
                for (at, body) in &spliced {
                    frame.buf().extend_from_slice(buf.get(from..*at).unwrap_or_default());
                    frame.buf().extend_from_slice(body);
                    from = *at;
                }
                frame.buf().extend_from_slice(buf.get(from..).unwrap_or_default());
                Ok(())
            },
            usize::MAX,
        )?;
        let packet = self.wire.layers.outgoing(kind, whole).map_err(|error| {
            if let Some(left_out) = self.uplink.log_line("outgoing layer") {
                let left_out = (left_out > 0).then_some(left_out);
                tracing::warn!(error = %error, packet = kind.as_str(), left_out, "a layer could not change a packet");
            }
            too_large(&error).unwrap_or(SendError::Abandoned)
        })?;
        connection.send(route, kind, token, &mut |frame| {
            frame.splice(&packet);
            Ok(())
        })
    }

    /// Sends an event to one node, or to one member of a group.
    pub(crate) fn send_event(
        &self,
        cx: &Context,
        to: &EventTarget,
        groups: Option<&[Name]>,
        body: Option<&Bytes>,
        broadcast: bool,
    ) -> Result<()> {
        let scope = cx.scope();
        let meta = scope.meta.to_json();
        let headers = scope.headers.to_json();
        let is_for_ours = || matches!(to, EventTarget::Node(node) if is_ours(node));
        if let Some(problem) = self.oversize(&meta, &headers, is_for_ours) {
            let error = refused(&format!("The event '{}'", cx.name()), &problem);
            return Err(error.at_node(&self.node).with_outcome(Outcome::NotRun));
        }
        let request_id = cx.request_id();
        let parent_id = cx.parent_id();
        let packet = Outgoing::Event(OutEvent {
            // As in Node, which copies the context for each packet, the packet has an id of its own.
            id: Id::Ours(PacketId::random()),
            event: cx.name(),
            groups,
            broadcast,
            meta: &meta,
            headers: Some(&headers),
            level: Some(scope.level),
            tracing: scope.tracing,
            parent_id: parent_id.as_ref().map(crate::id::Id::as_wire),
            request_id: Some(request_id.as_wire()),
            caller: cx.caller().map(|caller| caller.as_str()),
        });
        let null = Bytes::from_static(self.wire.codec.null());
        let body = body.unwrap_or(&null);
        let write = &mut |frame: &mut FrameBuf<'_>| {
            frame.splice(body);
            Ok(())
        };
        match to {
            EventTarget::Node(node) => {
                let sent =
                    self.send_to(node.id(), node.version().unwrap_or(self.wire.version), 0, &packet, write);
                sent.map_err(|error| not_sent(error, cx.name(), Some(node.id()), &self.node))
            }
            EventTarget::Group(group, version) => {
                let route = Route::BalancedEvent { event: cx.name().clone(), group: group.clone() };
                let sent = self.send(&route, *version, 0, &packet, write);
                sent.map_err(|error| not_sent(error, cx.name(), None, &self.node))
            }
        }
    }
}

/// The error of a layer that limits the size of packets, as a send error.
fn too_large(error: &Error) -> Option<SendError> {
    let number = |key: &str| usize::try_from(error.data()?.get(key)?.as_u64()?).ok();
    match error.error_type()? {
        "PACKET_TOO_LARGE" => Some(SendError::TooLarge { size: number("size")?, limit: number("limit")? }),
        _ => None,
    }
}

/// Who receives an event packet.
pub(crate) enum EventTarget {
    /// A node.
    Node(Arc<Node>),
    /// The member of a group that the bus chooses, in this version.
    Group(Name, ProtocolVersion),
}

/// The error of a call or event whose packet was not accepted. Its handler certainly did not run.
pub(crate) fn not_sent(error: SendError, name: &str, node: Option<&NodeId>, own: &NodeId) -> Error {
    let error = match error {
        SendError::Full => Error::of_action(ErrorKind::QueueIsFull, name, node),
        SendError::Disconnected => Error::disconnected(),
        SendError::NoRoute => {
            let error = Error::of_action(ErrorKind::RequestRejected, name, node);
            match node {
                Some(node) => error.with_hint(format!("no address is known for `{node}`")),
                None => error,
            }
        }
        SendError::TooLarge { size, limit } => Error::packet_too_large(
            format!(
                "The packet of '{name}' has {size} bytes, the transporter or a layer carries at most {limit}."
            ),
            size,
            limit,
        ),
        SendError::NoTopic { allowed } => {
            let whose = node.map(|node| format!(" to node '{node}'")).unwrap_or_default();
            Error::client(400, "NO_TOPIC", format!("'{name}' cannot be sent{whose}: {allowed}."))
        }
        SendError::Abandoned => Error::codec(format_args!("the body of '{name}' could not be encoded")),
        other => Error::internal(other),
    };
    error.at_node(own).with_outcome(Outcome::NotRun)
}
