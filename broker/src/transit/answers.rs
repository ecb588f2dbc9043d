//! Answers to requests of other nodes. They are sent at once, or as soon as there is room.

use ligand_transporters::{Abandon, Ack, NodeId, Route, SendError};
use std::sync::Arc;
use std::time::Duration;

use super::Transit;
use super::fits::{is_ours, refused};
use super::load::{InFlight, WaitingBytes};
use super::stats::Counters;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::payload::Payload;
use crate::protocol::{self, OutResponse, OutResult, Outgoing, ProtocolVersion};
use crate::service::Reply;

/// How long an answer that finds no room in the send buffer waits for some, at most.
const ROOM_WAIT: Duration = Duration::from_secs(5);
/// How often such an answer is tried again, at most.
const ROOM_TRIES: u32 = 50;
/// How long an answer to a node without an address first waits for one. There are seven waits, each twice as
/// long as the one before.
const HELLO_WAIT: Duration = Duration::from_millis(5);

impl Transit {
    /// Sends the result of a request, now or when there is room.
    pub(super) fn answer(self: &Arc<Self>, to: &ReplyTo, cx: &Context, result: Result<Reply>) {
        let meta = cx.scope().meta.to_json();
        let headers = cx.response_headers().to_json();
        if let Some(problem) = self.oversize(&meta, &headers, || self.is_ours(&to.node)) {
            // The other node would refuse the whole packet.
            let error = refused(&format!("The answer of '{}'", cx.name()), &problem);
            return self.answer_failure(to, b"{}", &error);
        }
        match result {
            Ok(reply) => {
                let body = reply.into_body();
                let sent = self.send_answer(to, &meta, Some(&headers), Content::Body(&body));
                match sent {
                    Ok(()) => {}
                    Err(SendError::Full | SendError::NoRoute) => match body.peek(self.wire.codec) {
                        Ok(body) => self.answer_later(to, meta, Some(headers), OwnedContent::Body(body)),
                        Err(error) => self.answer_failure(to, &meta, &error),
                    },
                    Err(SendError::Abandoned) => {
                        let error =
                            Error::codec(format_args!("the result of '{}' could not be encoded", cx.name()));
                        self.answer_failure(to, &meta, &error);
                    }
                    Err(SendError::TooLarge { size, limit }) => {
                        self.answer_failure(to, &meta, &too_large(cx.name(), size, limit));
                    }
                    Err(_) => Counters::add(&self.stats.responses_lost),
                }
            }
            Err(error) => {
                let wire = error.to_wire(&self.node, self.config.errors.stack);
                match self.send_answer(to, &meta, Some(&headers), Content::Error(&wire)) {
                    Ok(()) => {}
                    Err(SendError::Full | SendError::NoRoute) => {
                        self.answer_later(to, meta, Some(headers), OwnedContent::Error(wire));
                    }
                    Err(SendError::TooLarge { size, limit }) => {
                        // In most cases it is the data or the meta that is large.
                        let short =
                            protocol::WireError { data: None, stack: None, extra: Vec::new(), ..wire };
                        match self.send_answer(to, b"{}", None, Content::Error(&short)) {
                            Ok(()) => {}
                            Err(SendError::TooLarge { .. }) => {
                                self.answer_failure(to, b"{}", &too_large(cx.name(), size, limit));
                            }
                            Err(_) => Counters::add(&self.stats.responses_lost),
                        }
                    }
                    Err(_) => Counters::add(&self.stats.responses_lost),
                }
            }
        }
    }

    /// Answers without a context, because the request was not run. The headers are null (protocol chapter
    /// 6.5).
    pub(super) fn answer_failure(self: &Arc<Self>, to: &ReplyTo, meta: &[u8], error: &Error) {
        let wire = error.to_wire(&self.node, self.config.errors.stack);
        match self.send_answer(to, meta, None, Content::Error(&wire)) {
            Ok(()) => {}
            // The error itself is short, so the meta is left out.
            Err(SendError::TooLarge { .. }) if meta.len() > 2 => self.answer_failure(to, b"{}", error),
            // Many bad requests at once must not pile up answers, nor delay a stop.
            Err(SendError::Full | SendError::NoRoute)
                if self.broker().is_some_and(|broker| !broker.shared().lifecycle.is_stopping())
                    && self.load.has_room() =>
            {
                self.answer_later(to, bytes::Bytes::copy_from_slice(meta), None, OwnedContent::Error(wire));
            }
            Err(_) => Counters::add(&self.stats.responses_lost),
        }
    }

    fn is_ours(&self, node: &NodeId) -> bool {
        let Some(broker) = self.broker() else { return false };
        broker.shared().registry.load().node_by_id(node.as_str()).is_some_and(|node| is_ours(node))
    }

    fn send_answer(
        &self,
        to: &ReplyTo,
        meta: &[u8],
        headers: Option<&[u8]>,
        answer: Content<'_>,
    ) -> Result<(), SendError> {
        let outcome = match &answer {
            Content::Body(body) if body.is_empty() => OutResult::NoData,
            Content::Body(_) => OutResult::Data,
            Content::Error(error) => OutResult::Error(error),
        };
        let packet =
            Outgoing::Response(OutResponse { id: to.id.as_wire(), meta, headers, outcome, stream: None });
        self.send_to(&to.node, to.version, 0, &packet, &mut |frame| match &answer {
            Content::Body(body) => body.write_to(self.wire.codec, frame).map_err(|error| {
                tracing::warn!(error = %error, "a result could not be encoded");
                Abandon
            }),
            Content::Error(_) => Ok(()),
        })
    }

    /// Waits a while for the HELLO that was sent before a request. The control loop may not have handled it
    /// yet. Or the task that read it was held up, while another task read on.
    async fn greeted(&self, node: &NodeId) {
        let mut wait = HELLO_WAIT;
        while self.addresses.of(node).is_none() && wait < HELLO_WAIT * 128 {
            self.control.caught_up().await;
            if self.addresses.of(node).is_none() {
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
        }
    }

    /// Waits for room in the send buffer or for the address of the asker, then answers.
    fn answer_later(
        self: &Arc<Self>,
        to: &ReplyTo,
        meta: bytes::Bytes,
        headers: Option<bytes::Bytes>,
        answer: OwnedContent,
    ) {
        let Some(broker) = self.broker() else { return };
        let (transit, to, held) = (Arc::clone(self), to.clone(), InFlight::enter(self));
        let size = meta.len() + answer.len();
        let Some(bytes) = WaitingBytes::enter(self, size) else {
            Counters::add(&self.stats.responses_lost);
            return;
        };
        broker.shared().tracker.spawn(async move {
            let sending = async {
                transit.greeted(&to.node).await;
                let route = Route::Node { id: to.node.clone(), addr: transit.addresses.of(&to.node) };
                for _ in 0..ROOM_TRIES {
                    let Some(connection) = transit.uplink.any_connection() else { break };
                    connection.room(&route).await;
                    let body;
                    let answer = match &answer {
                        OwnedContent::Body(bytes) => {
                            let encoded = |bytes: &bytes::Bytes| {
                                Payload::from_encoded(transit.wire.codec, bytes.clone())
                            };
                            body = bytes.as_ref().map_or_else(Payload::empty, encoded);
                            Content::Body(&body)
                        }
                        OwnedContent::Error(error) => Content::Error(error),
                    };
                    match transit.send_answer(&to, &meta, headers.as_deref(), answer) {
                        Err(SendError::Full) => tokio::task::yield_now().await,
                        Ok(()) => return true,
                        Err(_) => break,
                    }
                }
                false
            };
            if !tokio::time::timeout(ROOM_WAIT, sending).await.unwrap_or(false) {
                Counters::add(&transit.stats.responses_lost);
            }
            drop((held, bytes));
        });
    }
}

/// The error that is sent in place of an answer that is too large.
fn too_large(action: &str, size: usize, limit: usize) -> Error {
    let text = format!(
        "The answer of '{action}' has {size} bytes, the transporter or a layer carries at most {limit}."
    );
    Error::packet_too_large(text, size, limit)
}

/// Who gets the answer, and in which protocol version.
#[derive(Clone)]
pub(super) struct ReplyTo {
    pub(super) version: ProtocolVersion,
    pub(super) node: NodeId,
    pub(super) id: Id,
    /// Acknowledges the request when the last copy is dropped. Then the bus may forget the request. This does
    /// not happen before the answer was accepted, even if that had to wait for room.
    #[expect(dead_code, reason = "only its end matters")]
    pub(super) ack: Option<Arc<Ack>>,
}

#[derive(Clone, Copy)]
enum Content<'a> {
    Body(&'a Payload),
    Error(&'a protocol::WireError),
}

enum OwnedContent {
    Body(Option<bytes::Bytes>),
    Error(protocol::WireError),
}

impl OwnedContent {
    /// About how many bytes this holds.
    fn len(&self) -> usize {
        match self {
            Self::Body(body) => body.as_ref().map_or(0, bytes::Bytes::len),
            Self::Error(error) => {
                error.message.len() + error.data.as_ref().map_or(0, |data| data.bytes().len())
            }
        }
    }
}
