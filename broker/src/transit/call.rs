//! A call to another node: the request goes out, the answer comes in.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use ligand_transporters::{FrameBuf, NodeId, Route};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::Transit;
use super::fits::{is_ours, refused};
use super::outbound::not_sent;
use super::pending::{Settled, token};
use crate::broker::AnsweredBy;
use crate::context::{At, Context};
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::payload::Payload;
use crate::protocol::{Id, OutRequest, Outgoing, PacketId, Response};
use crate::registry::Node;
use crate::service::Reply;

impl Transit {
    /// The innermost function of every remote endpoint.
    pub(crate) fn request(
        self: Arc<Self>,
        cx: Context,
        params: Payload,
    ) -> BoxFuture<'static, Result<Reply>> {
        Box::pin(async move {
            let node = match cx.at() {
                At::Remote(node, _) => Some(Arc::clone(node)),
                At::Bus(_) => None,
                _ => return Err(Error::internal("a remote function was given no remote endpoint")),
            };
            let node = node.as_deref();
            // The clock is read only here. What follows takes a few microseconds.
            let remaining = cx.remaining();
            if remaining.is_some_and(|left| left.is_zero()) {
                // A layer held the call until no time was left. A timeout of 0 would mean "no limit" to the
                // other node.
                let error = Error::of_action(ErrorKind::RequestSkipped, cx.name(), Some(&self.node));
                return Err(error.at_node(&self.node).with_outcome(Outcome::NotRun));
            }
            let body = params.peek(self.wire.codec).map_err(|error| error.with_outcome(Outcome::NotRun))?;
            let id = cx.request_packet_id();
            let Some(ticket) = self.pending.open(id, node.map(|node| node.id().clone())) else {
                cx.is_over(id);
                return Err(self.queue_is_full(&cx));
            };
            let id = ticket.id();
            // From here on an answer may arrive. Dropping the ticket forgets the call.
            if let Err(error) = self.send_request(&cx, node, id, remaining, body.as_ref()) {
                ticket.not_sent();
                cx.is_over(id);
                return Err(error);
            }
            let mut timer = cx.timer_within(remaining);
            let mut ticket = Some(ticket);
            let answer = poll_fn(|task| {
                let Some(waiting) = &mut ticket else { return Poll::Ready(None) };
                if let Poll::Ready(answer) = waiting.poll_answer(task) {
                    return Poll::Ready(Some(answer));
                }
                timer.poll_passed(task).map(|()| {
                    if let Some(ticket) = ticket.take() {
                        ticket.expire();
                    }
                    None
                })
            })
            .await;
            if let Some(Settled::Response(..) | Settled::Refused(..) | Settled::NeverSent) = &answer {
                cx.is_over(id);
            }
            let of_node = |kind| Error::of_action(kind, cx.name(), node.map(Node::id)).at_node(&self.node);
            match answer {
                Some(Settled::Response(response, chosen)) => match (chosen, node) {
                    (Some(chosen), _) => {
                        cx.extensions().insert(AnsweredBy(chosen.clone()));
                        self.read(&cx, &chosen, &response)
                    }
                    (None, Some(node)) => self.read(&cx, node.id(), &response),
                    (None, None) => Err(Error::internal("an answer came from nobody")),
                },
                Some(Settled::Refused(problem, chosen)) => {
                    if let Some(chosen) = &chosen {
                        cx.extensions().insert(AnsweredBy(chosen.clone()));
                    }
                    let from = chosen.as_ref().or(node.map(Node::id)).map_or("nobody", NodeId::as_str);
                    let what = format!("The answer of '{}' from '{from}'", cx.name());
                    Err(refused(&what, &problem).at_node(&self.node).with_outcome(Outcome::Ran))
                }
                Some(Settled::NeverSent) => {
                    Err(of_node(ErrorKind::RequestRejected).with_outcome(Outcome::NotRun))
                }
                Some(Settled::NodeLost | Settled::Stopped) => {
                    Err(of_node(ErrorKind::RequestRejected).with_outcome(Outcome::MayHaveRun))
                }
                None => Err(cx.timed_out(node.map(Node::id)).at_node(&self.node)),
            }
        })
    }

    /// Sends the request to one node, or to the node that the bus chooses.
    fn send_request(
        &self,
        cx: &Context,
        node: Option<&Node>,
        id: PacketId,
        remaining: Option<Duration>,
        body: Option<&Bytes>,
    ) -> Result<()> {
        let scope = cx.scope();
        let meta = scope.meta.to_json();
        let headers = scope.headers.to_json();
        if let Some(problem) = self.oversize(&meta, &headers, || node.is_some_and(is_ours)) {
            let error = refused(&format!("The request '{}'", cx.name()), &problem);
            return Err(error.at_node(&self.node).with_outcome(Outcome::NotRun));
        }
        let parent_id = cx.parent_id();
        let timeout = remaining.map_or(0.0, |left| (left.as_secs_f64() * 1000.0).max(1.0));
        let packet = Outgoing::Request(OutRequest {
            id: Id::Ours(id),
            action: cx.name(),
            meta: &meta,
            headers: Some(&headers),
            timeout: Some(timeout),
            level: scope.level,
            tracing: scope.tracing,
            parent_id: parent_id.as_ref().map(crate::id::Id::as_wire),
            request_id: Some(scope.request_id().unwrap_or_else(|| scope.id.get()).as_wire()),
            caller: cx.caller().map(|caller| caller.as_str()),
            stream: Some(false),
            seq: None,
        });
        let empty = Bytes::from_static(self.wire.codec.empty_object());
        let body = body.unwrap_or(&empty);
        let write = &mut |frame: &mut FrameBuf<'_>| {
            frame.splice(body);
            Ok(())
        };
        let sent = match node {
            Some(node) => {
                let version = node.version().unwrap_or(self.wire.version);
                self.send_to(node.id(), version, token(id), &packet, write)
            }
            None => {
                let snapshot = cx.broker().shared().registry.load();
                let version = match snapshot.action(cx.name()) {
                    Some(entry) => entry.version_by_bus(&snapshot, self.wire.version),
                    None => self.wire.version,
                };
                drop(snapshot);
                let route = Route::BalancedRequest { action: cx.name().clone() };
                self.send(&route, version, token(id), &packet, write)
            }
        };
        sent.map_err(|error| not_sent(error, cx.name(), node.map(Node::id), &self.node))
    }

    /// Reads what the other node answered. The meta is merged whether or not the call succeeded.
    fn read(&self, cx: &Context, node: &NodeId, response: &Response) -> Result<Reply> {
        cx.scope().meta.absorb(response.meta().into_bytes());
        if let Some(headers) = response.headers() {
            cx.response_headers().absorb(headers.into_bytes());
        }
        if response.stream == Some(true) {
            return Err(Error::server(
                501,
                "STREAM_NOT_SUPPORTED",
                format!("'{}' answered with a stream, which is not supported yet.", cx.name()),
            ));
        }
        if !response.success {
            let error = self.wire.serializer.error(response.error().as_ref());
            return Err(Error::from_wire(error, node, cx.name()));
        }
        Ok(Reply::from(match response.data() {
            Some(data) => Payload::from_encoded(self.wire.codec, data.into_bytes()),
            None => Payload::empty(),
        }))
    }

    fn queue_is_full(&self, cx: &Context) -> Error {
        let data = serde_json::json!({
            "action": cx.name().as_str(),
            "nodeID": self.node.as_str(),
            "size": self.pending.len(),
            "limit": self.config.transit.max_queue_size,
        });
        // This is not an answer of another node, so asking a second node would not help.
        Error::with_kind(ErrorKind::QueueIsFull, data).at_node(&self.node).with_outcome(Outcome::NotRun)
    }
}
