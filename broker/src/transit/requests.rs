//! Requests of other nodes: runs the action and answers.

use ligand_transporters::{Ack, Membership, NodeId};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::Transit;
use super::answers::ReplyTo;
use super::fits::limit_data;
use super::load::{InFlight, InHand};
use super::stats::Counters;
use crate::broker::ServiceBroker;
use crate::chain::Chain;
use crate::config::Timeout;
use crate::context::{At, Bag, Context, Deadline, Descent, Scope};
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::id::{Id, LazyId};
use crate::payload::Payload;
use crate::protocol::{self, ProtocolVersion, Request, Ver};
use crate::registry::Action;
use crate::serializer::{DecodeError, Problem};
use crate::service::{Beneath, First, first};

impl Transit {
    /// Runs a request. It is polled once in place, and becomes a task of its own if it has to wait.
    pub(super) fn serve(
        self: &Arc<Self>,
        broker: &ServiceBroker,
        version: ProtocolVersion,
        sender: NodeId,
        request: &Request,
        ack: Option<Ack>,
    ) {
        let size = request.context.frame.len();
        self.load.count_arrival();
        let id = Id::from(request.context.wire_id());
        let to = ReplyTo { version, node: sender, id, ack: ack.map(Arc::new) };
        // A stop that begins meanwhile waits for this request too.
        let counted = broker.shared().tracker.token();
        let action = match self.admit(broker, request, size) {
            Ok(Some(action)) => action,
            Ok(None) => return,
            Err(error) => return self.answer_failure(&to, request.context.meta().bytes(), &error),
        };
        let params = match request.params() {
            Some(params) => Payload::from_encoded(self.wire.codec, params.into_bytes()),
            None => Payload::empty(),
        };
        let scope = Self::scope(broker, request, &action, &to);
        let cx = Context::new(broker.clone(), At::Local(Arc::clone(&action)), scope);
        let layered = self.wire.layers.wraps_actions();
        let begin = || (action.run)(cx.clone(), params);
        match first(action.gate.as_ref(), Beneath::GoesOn, layered, begin, || cx.clone()) {
            First::Done(result) => self.answer(&to, &cx, result),
            First::Closed => {
                // The action was withdrawn since it was looked up.
                let gone = Error::of_action(ErrorKind::ServiceNotAvailable, &action.name, Some(&self.node));
                let gone = gone.with_outcome(Outcome::NotRun);
                self.answer_failure(&to, request.context.meta().bytes(), &gone);
            }
            First::Waits(run) => {
                let transit = Arc::clone(self);
                let held = (InFlight::enter(self), InHand::new(self, size));
                broker.shared().tracker.spawn(async move {
                    let result = run.finish(Chain::new()).await;
                    transit.answer(&to, &cx, result);
                    drop(held);
                });
                // The task counts from here on.
                drop(counted);
            }
        }
    }

    /// Answers a request that arrived when there was no room for it. Only its envelope is read.
    pub(super) fn turn_away(
        self: &Arc<Self>,
        version: ProtocolVersion,
        sender: NodeId,
        request: &Request,
        ack: Option<Ack>,
    ) {
        self.load.count_arrival();
        if request.seq.is_some_and(|seq| seq > 0) {
            Counters::add(&self.stats.streams_ignored);
            return;
        }
        Counters::add(&self.stats.refused);
        let error = Error::of_action(ErrorKind::QueueIsFull, request.action(), Some(&self.node));
        let id = Id::from(request.context.wire_id());
        let to = ReplyTo { version, node: sender, id, ack: ack.map(Arc::new) };
        self.answer_failure(&to, request.context.meta().bytes(), &error.with_outcome(Outcome::NotRun));
    }

    /// Returns the action, or why it does not run. `None` means that the packet is ignored.
    fn admit(&self, broker: &ServiceBroker, request: &Request, size: usize) -> Result<Option<Arc<Action>>> {
        let shared = broker.shared();
        let name = request.action();
        let refuse = |kind| Err(Error::of_action(kind, name, Some(&self.node)).with_outcome(Outcome::NotRun));
        if request.seq.is_some_and(|seq| seq > 0) {
            // This follows the first packet of a stream, which was refused.
            Counters::add(&self.stats.streams_ignored);
            return Ok(None);
        }
        if shared.lifecycle.is_stopping() || !self.is_announced() {
            return refuse(ErrorKind::ServiceNotAvailable);
        }
        if !self.load.has_room_for_request(size) {
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

    fn scope(broker: &ServiceBroker, request: &Request, action: &Action, asker: &ReplyTo) -> Scope {
        let context = &request.context;
        let id = asker.id.clone();
        let timeout = match request.timeout {
            Some(millis) if millis > 0.0 => Some(Duration::from_secs_f64((millis / 1000.0).min(1e9))),
            Some(_) => None,
            // The caller set no timeout, so that of the action or of this broker applies (protocol chapter
            // 6.2).
            None => match action.timeout.unwrap_or(broker.shared().call_defaults.request_timeout) {
                Timeout::After(timeout) => Some(timeout),
                Timeout::Never => None,
            },
        };
        let descent = Descent {
            request_id: context.request_id().map(Id::from),
            parent_id: context.parent_id().map(Id::from),
            caller: context.caller().map(Into::into),
            from: Some(asker.node.clone()),
            ..Descent::default()
        };
        Scope {
            name: None,
            id: LazyId::known(id),
            level: context.level.unwrap_or(1),
            tracing: context.tracing,
            awaited: AtomicBool::new(false),
            spread: None,
            meta: Bag::from_raw(context.meta().into_bytes()),
            headers: context.headers().map(|headers| Bag::from_raw(headers.into_bytes())).unwrap_or_default(),
            deadline: Deadline::after(timeout),
            descent: Some(Box::new(descent)),
        }
    }

    /// Whether to answer a packet that cannot be accepted as a request. Over a message server, a sender that
    /// is not known as a node may be invented, so only some of these are answered.
    fn may_refuse(&self, sender: &NodeId) -> bool {
        let known = |broker: &ServiceBroker| {
            broker
                .shared()
                .registry
                .load()
                .node_by_id(sender.as_str())
                .is_some_and(|node| node.is_available())
        };
        let by_topic = self.uplink.membership != Membership::Gossip;
        !by_topic
            || self.broker().is_some_and(|broker| known(&broker))
            || self.refusals.admits(sender, tokio::time::Instant::now().into_std())
    }

    /// Answers a request that could not be read, if it says who asked.
    pub(super) fn refuse_malformed(self: &Arc<Self>, error: &DecodeError) {
        let (Some(id), Some(sender)) = (&error.id, &error.sender) else { return };
        if !self.may_refuse(sender) {
            return;
        }
        let version = error.ver.unwrap_or(self.wire.version);
        let to = ReplyTo { version, node: sender.clone(), id: id.as_wire().into(), ack: None };
        let mut data = match error.problem {
            Problem::Limit { bound, limit, size, .. } => limit_data(bound, limit, size),
            _ => serde_json::json!({}),
        };
        data["nodeID"] = self.node.as_str().into();
        let answer = Error::with_kind(ErrorKind::InvalidPacketData, data)
            .with_message(format!("Invalid packet data: {error}."))
            .with_outcome(Outcome::NotRun);
        self.answer_failure(&to, b"{}", &answer);
    }

    /// Answers a request of a version that is not accepted. Node does not answer, and its peers wait.
    pub(super) fn refuse_version(self: &Arc<Self>, sender: &NodeId, id: protocol::Id<'_>, ver: &Ver) {
        if !self.may_refuse(sender) {
            return;
        }
        let version = ver.known().unwrap_or(self.wire.version);
        let to = ReplyTo { version, node: sender.clone(), id: id.into(), ack: None };
        let data = serde_json::json!({
            "nodeID": sender.as_str(),
            "actual": self.wire.version.as_str(),
            "received": ver.to_string(),
        });
        let error = Error::with_kind(ErrorKind::ProtocolVersionMismatch, data).with_outcome(Outcome::NotRun);
        self.answer_failure(&to, b"{}", &error);
    }
}
