//! Requests of other nodes: run the action, answer.

use futures_util::FutureExt as _;
use ligand_transporters::{Abandon, Ack, NodeId, Route, SendError};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context as Task, Poll, Waker};
use std::time::Duration;

use super::Transit;
use super::budget::InHand;
use super::stats::Counters;
use crate::broker::ServiceBroker;
use crate::config::Timeout;
use crate::context::{At, Bag, Context, Deadline, Descent, Scope};
use crate::error::{Error, ErrorKind, Outcome as Ran, Result};
use crate::handler::panicked;
use crate::id::{Id, LazyId};
use crate::payload::Payload;
use crate::protocol::{self, OutResponse, Outcome, Outgoing, ProtocolVersion, Request, Ver};
use crate::registry::Action;
use crate::serializer::DecodeError;
use crate::service::Reply;

/// An answer that finds no room in the send buffer waits at most this long for some.
const ROOM_WAIT: Duration = Duration::from_secs(5);
/// Answers that wait for room hold at most so many bytes; one that comes on top is lost, and counted.
const ROOM_BYTES: usize = 64 * 1024 * 1024;
/// And is tried again at most this often.
const ROOM_TRIES: u32 = 50;
/// An answer to a node that has no address yet waits so long for one, then twice as long, seven times.
const HELLO_WAIT: Duration = Duration::from_millis(5);

impl Transit {
    /// Runs a request: polled once in place, a task of its own if it has to wait.
    pub(super) fn serve(
        self: &Arc<Self>,
        broker: &ServiceBroker,
        version: ProtocolVersion,
        sender: NodeId,
        request: &Request,
        ack: Option<Ack>,
    ) {
        let size = request.context.frame.len();
        self.arrived.fetch_add(1, Ordering::Relaxed);
        let to = Asker { version, node: sender, id: request.id().into(), ack: ack.map(Arc::new) };
        let action = match self.admit(broker, request, size) {
            Ok(Some(action)) => action,
            Ok(None) => return,
            Err(error) => return self.answer_failure(&to, request.context.meta().bytes(), &error),
        };
        let params = match request.params() {
            Some(params) => Payload::from_encoded(self.codec, params.into_bytes()),
            None => Payload::empty(),
        };
        let scope = Self::scope(broker, request, &action, &to.node);
        let cx = Context::new(broker.clone(), At::Local(Arc::clone(&action)), scope);
        // A stop that comes meanwhile waits for this one too.
        let counted = broker.shared().tracker.token();
        // Handlers catch their own panics; layers of the user's may panic as well.
        let run = || {
            let mut running = (action.run)(cx.clone(), params);
            let polled = running.as_mut().poll(&mut Task::from_waker(Waker::noop()));
            (running, polled)
        };
        let (running, polled) = match catch_unwind(AssertUnwindSafe(run)) {
            Ok(started) => started,
            Err(panic) => return self.answer(&to, &cx, Err(panicked(Some(&*panic)))),
        };
        match polled {
            Poll::Ready(result) => {
                self.answer(&to, &cx, result);
            }
            Poll::Pending => {
                let transit = Arc::clone(self);
                let held = (InFlight::enter(self), InHand::new(self, size));
                let cut = broker.shared().cut.clone();
                broker.shared().tracker.spawn(async move {
                    let result = tokio::select! {
                        result = AssertUnwindSafe(running).catch_unwind() => {
                            result.unwrap_or_else(|panic| Err(panicked(Some(&*panic))))
                        }
                        () = cut.cancelled() => Err(cut_short(&cx)),
                    };
                    transit.answer(&to, &cx, result);
                    drop(held);
                });
                // The task counts from here on.
                drop(counted);
            }
        }
    }

    /// Answers a request that came when there was no room for it. Nothing of it but the envelope is read.
    pub(super) fn turn_away(
        self: &Arc<Self>,
        version: ProtocolVersion,
        sender: NodeId,
        request: &Request,
        ack: Option<Ack>,
    ) {
        self.arrived.fetch_add(1, Ordering::Relaxed);
        if request.seq.is_some_and(|seq| seq > 0) {
            Counters::add(&self.stats.streams_ignored);
            return;
        }
        Counters::add(&self.stats.refused);
        let error = Error::of_action(ErrorKind::QueueIsFull, request.action(), Some(&self.node));
        let to = Asker { version, node: sender, id: request.id().into(), ack: ack.map(Arc::new) };
        self.answer_failure(&to, request.context.meta().bytes(), &error.with_outcome(Ran::NotRun));
    }

    /// The action, or why it is not run; `None` for a packet that is to be ignored.
    fn admit(&self, broker: &ServiceBroker, request: &Request, size: usize) -> Result<Option<Arc<Action>>> {
        let shared = broker.shared();
        let name = request.action();
        let refuse = |kind| Err(Error::of_action(kind, name, Some(&self.node)).with_outcome(Ran::NotRun));
        if request.seq.is_some_and(|seq| seq > 0) {
            // What follows the first packet of a stream, which has been refused.
            Counters::add(&self.stats.streams_ignored);
            return Ok(None);
        }
        if shared.lifecycle.is_stopping() {
            return refuse(ErrorKind::ServiceNotAvailable);
        }
        if !self.has_room_for_request(size) {
            Counters::add(&self.stats.refused);
            return refuse(ErrorKind::QueueIsFull);
        }
        let snapshot = shared.registry.load();
        let local = snapshot.action(name).and_then(|entry| entry.local());
        // A hidden action looks exactly like an unknown one.
        let Some(action) = local.filter(|action| action.callable_remotely()) else {
            return refuse(ErrorKind::ServiceNotFound);
        };
        if name == "$node.options" && !self.config.internal_services.remote_options {
            return refuse(ErrorKind::ServiceNotFound);
        }
        if request.stream == Some(true) {
            return Err(Error::server(
                501,
                "STREAM_NOT_SUPPORTED",
                format!("'{name}' was called with a stream, which is not supported yet."),
            ));
        }
        Ok(Some(Arc::clone(action)))
    }

    fn scope(broker: &ServiceBroker, request: &Request, action: &Action, sender: &NodeId) -> Scope {
        let context = &request.context;
        let timeout = match request.timeout {
            Some(millis) if millis > 0.0 => Some(Duration::from_secs_f64((millis / 1000.0).min(1e9))),
            Some(_) => None,
            // The caller said nothing: the action's own, or this broker's (protocol chapter 6.2).
            None => match action.own_timeout().unwrap_or(broker.shared().limits.request_timeout) {
                Timeout::After(timeout) => Some(timeout),
                Timeout::Never => None,
            },
        };
        let descent = Descent {
            request_id: context.request_id().map(Id::from),
            parent_id: context.parent_id().map(Id::from),
            caller: context.caller().map(Into::into),
            from: Some(sender.clone()),
            ..Descent::default()
        };
        Scope {
            name: None,
            id: LazyId::known(Id::from(context.id())),
            level: context.level.unwrap_or(1),
            tracing: context.tracing,
            spread: None,
            meta: Bag::from_raw(context.meta().into_bytes()),
            headers: context.headers().map(|headers| Bag::from_raw(headers.into_bytes())).unwrap_or_default(),
            deadline: Deadline::after(timeout),
            descent: Some(Box::new(descent)),
        }
    }

    fn answer(self: &Arc<Self>, to: &Asker, cx: &Context, result: Result<Reply>) {
        let meta = cx.scope().meta.to_json();
        let headers = cx.response_headers().to_json();
        match result {
            Ok(reply) => {
                let body = reply.into_body();
                let sent = self.send_answer(to, &meta, Some(&headers), Answer::Body(&body));
                match sent {
                    Ok(()) => {}
                    Err(SendError::Full | SendError::NoRoute) => match body.peek(self.codec) {
                        Ok(body) => self.answer_later(to, meta, Some(headers), Owned::Body(body)),
                        Err(error) => self.answer_failure(to, &meta, &error),
                    },
                    Err(SendError::Abandoned) => {
                        let error =
                            Error::codec(format_args!("the result of '{}' could not be encoded", cx.name()));
                        self.answer_failure(to, &meta, &error);
                    }
                    Err(SendError::TooLarge { size, limit }) => {
                        let text = format!(
                            "The result of '{}' has {size} bytes, the transporter carries at most {limit}.",
                            cx.name()
                        );
                        self.answer_failure(to, &meta, &Error::server(413, "PACKET_TOO_LARGE", text));
                    }
                    Err(_) => Counters::add(&self.stats.responses_lost),
                }
            }
            Err(error) => {
                let wire = error.to_wire(&self.node, self.config.errors.stack);
                match self.send_answer(to, &meta, Some(&headers), Answer::Error(&wire)) {
                    Ok(()) => {}
                    Err(SendError::Full | SendError::NoRoute) => {
                        self.answer_later(to, meta, Some(headers), Owned::Error(wire));
                    }
                    Err(SendError::TooLarge { .. }) => {
                        // The data is what can be large.
                        let short = protocol::WireError { data: None, ..wire };
                        if self.send_answer(to, b"{}", None, Answer::Error(&short)).is_err() {
                            Counters::add(&self.stats.responses_lost);
                        }
                    }
                    Err(_) => Counters::add(&self.stats.responses_lost),
                }
            }
        }
    }

    /// An answer without a context: the request was not run. Its headers are null (protocol chapter 6.5).
    fn answer_failure(self: &Arc<Self>, to: &Asker, meta: &[u8], error: &Error) {
        let wire = error.to_wire(&self.node, self.config.errors.stack);
        match self.send_answer(to, meta, None, Answer::Error(&wire)) {
            Ok(()) => {}
            // A storm of bad requests must not pile up answers, nor hold up a stop.
            Err(SendError::Full | SendError::NoRoute)
                if self.broker().is_some_and(|broker| !broker.shared().lifecycle.is_stopping())
                    && self.in_flight.load(Ordering::Relaxed) < self.config.transit.max_in_flight =>
            {
                self.answer_later(to, bytes::Bytes::copy_from_slice(meta), None, Owned::Error(wire));
            }
            Err(_) => Counters::add(&self.stats.responses_lost),
        }
    }

    fn send_answer(
        &self,
        to: &Asker,
        meta: &[u8],
        headers: Option<&[u8]>,
        answer: Answer<'_>,
    ) -> Result<(), SendError> {
        let outcome = match &answer {
            Answer::Body(body) if body.is_empty() => Outcome::NoData,
            Answer::Body(_) => Outcome::Data,
            Answer::Error(error) => Outcome::Error(error),
        };
        let packet = Outgoing::Response(OutResponse {
            id: protocol::Id::Text(&to.id),
            meta,
            headers,
            outcome,
            stream: None,
        });
        self.send_to(&to.node, to.version, 0, &packet, &mut |frame| match &answer {
            Answer::Body(body) => body.write_to(self.codec, frame).map_err(|error| {
                tracing::warn!(error = %error, "a result could not be encoded");
                Abandon
            }),
            Answer::Error(_) => Ok(()),
        })
    }

    /// Waits a while for the HELLO that came before a request: it may still be with the control loop, or
    /// with a task that was held up while another one read on.
    async fn greeted(&self, node: &NodeId) {
        let mut wait = HELLO_WAIT;
        while self.address_of(node).is_none() && wait < HELLO_WAIT * 128 {
            self.control.caught_up().await;
            if self.address_of(node).is_none() {
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
        }
    }

    /// Waits for room in the send buffer, or for the address of the asker, then answers.
    fn answer_later(
        self: &Arc<Self>,
        to: &Asker,
        meta: bytes::Bytes,
        headers: Option<bytes::Bytes>,
        answer: Owned,
    ) {
        let Some(broker) = self.broker() else { return };
        let (transit, to, held) = (Arc::clone(self), to.clone(), InFlight::enter(self));
        let size = meta.len() + answer.len();
        let Some(bytes) = Held::enter(self, size) else {
            Counters::add(&self.stats.responses_lost);
            return;
        };
        broker.shared().tracker.spawn(async move {
            let sending = async {
                transit.greeted(&to.node).await;
                let route = Route::Node { id: to.node.clone(), addr: transit.address_of(&to.node) };
                for _ in 0..ROOM_TRIES {
                    let Some(connection) = transit.connection() else { break };
                    connection.room(&route).await;
                    let body;
                    let answer = match &answer {
                        Owned::Body(bytes) => {
                            let encoded =
                                |bytes: &bytes::Bytes| Payload::from_encoded(transit.codec, bytes.clone());
                            body = bytes.as_ref().map_or_else(Payload::empty, encoded);
                            Answer::Body(&body)
                        }
                        Owned::Error(error) => Answer::Error(error),
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

    /// Answers a request that could not be read, where it says who asked.
    pub(super) fn refuse_malformed(self: &Arc<Self>, error: &DecodeError) {
        let Some((id, sender)) = error.answer_to() else { return };
        let version = error.ver.as_ref().and_then(Ver::known).unwrap_or(self.version);
        let to = Asker { version, node: sender.clone(), id: id.into(), ack: None };
        let data = serde_json::json!({ "nodeID": self.node.as_str() });
        let answer = Error::with_kind(ErrorKind::InvalidPacketData, data)
            .with_message(format!("Invalid packet data: {error}."))
            .with_outcome(Ran::NotRun);
        self.answer_failure(&to, b"{}", &answer);
    }

    /// Answers a request of a version that is not accepted. Node says nothing here, and its peers wait.
    pub(super) fn refuse_version(self: &Arc<Self>, sender: &NodeId, id: &str, ver: &Ver) {
        let version = ver.known().unwrap_or(self.version);
        let to = Asker { version, node: sender.clone(), id: id.into(), ack: None };
        let data = serde_json::json!({
            "nodeID": sender.as_str(),
            "actual": self.version.as_str(),
            "received": ver.to_string(),
        });
        let error = Error::with_kind(ErrorKind::ProtocolVersionMismatch, data).with_outcome(Ran::NotRun);
        self.answer_failure(&to, b"{}", &error);
    }
}

/// The answer of a handler that was still running when this node had to stop.
fn cut_short(cx: &Context) -> Error {
    let service = cx.service().map(|service| service.as_str()).unwrap_or_default();
    Error::with_kind(ErrorKind::GracefulStopTimeout, serde_json::json!({ "service": service }))
        .with_outcome(Ran::MayHaveRun)
}

/// Who gets the answer, and in which version.
#[derive(Clone)]
struct Asker {
    version: ProtocolVersion,
    node: NodeId,
    id: Box<str>,
    /// Goes with the last copy, and with it the bus may forget the request: not before its answer was
    /// accepted, be it after a wait for room.
    #[expect(dead_code, reason = "only its end matters")]
    ack: Option<Arc<Ack>>,
}

#[derive(Clone, Copy)]
enum Answer<'a> {
    Body(&'a Payload),
    Error(&'a protocol::WireError),
}

enum Owned {
    Body(Option<bytes::Bytes>),
    Error(protocol::WireError),
}

impl Owned {
    /// About how many bytes it holds.
    fn len(&self) -> usize {
        match self {
            Self::Body(body) => body.as_ref().map_or(0, bytes::Bytes::len),
            Self::Error(error) => {
                error.message.len() + error.data.as_ref().map_or(0, |data| data.bytes().len())
            }
        }
    }
}

/// Bytes of an answer that waits for room, counted until dropped.
struct Held(Arc<Transit>, usize);

impl Held {
    /// `None` when too much waits already.
    fn enter(transit: &Arc<Transit>, bytes: usize) -> Option<Self> {
        let held = Self(Arc::clone(transit), bytes);
        let before = transit.held_bytes.fetch_add(bytes, Ordering::Relaxed);
        (before.saturating_add(bytes) <= ROOM_BYTES).then_some(held)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.held_bytes.fetch_sub(self.1, Ordering::Relaxed);
    }
}

/// One request more under way, until dropped.
struct InFlight(Arc<Transit>);

impl InFlight {
    fn enter(transit: &Arc<Transit>) -> Self {
        transit.in_flight.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(transit))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
