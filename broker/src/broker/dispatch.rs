//! The path of every call: look up the name, pick an endpoint, run its chain, and perhaps re-route the call.
//!
//! An [`Attempt`] is one call under way. It holds the chain's future and polls it in place. When a node says
//! that it certainly did not run the handler, the attempt goes to another node that offers the action. It
//! tries each node once, within the deadline.

use futures_util::future::BoxFuture;
use ligand_transporters::{Name, NodeId};
use smallvec::SmallVec;
use std::fmt;
use std::task::{Context as Task, Poll, ready};
use std::time::Duration;

use super::budget::budget;
use super::pick::{Found, not_run, pick, pick_endpoint};
use super::running::Running;
use super::{CallOptions, Response, ServiceBroker};
use crate::context::{At, Bag, Context, Deadline, Scope};
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::payload::Payload;
use crate::protocol::Visibility;
use crate::registry::{NodeIx, Picked};
use crate::service::Reply;

/// One call under way.
pub(crate) struct Attempt {
    cx: Context,
    parent: Option<Context>,
    running: Running,
    again: Option<Box<Again>>,
}

/// What is needed to ask another node.
struct Again {
    params: Payload,
    tried: SmallVec<[NodeIx; 2]>,
}

/// Starts a call. If it returns an error, nothing was run.
pub(crate) fn begin(
    broker: &ServiceBroker,
    parent: Option<&Context>,
    action: &str,
    params: Payload,
    options: Option<&CallOptions>,
) -> Result<Attempt> {
    let snapshot = broker.shared().registry.load();
    begin_found(broker, parent, action, &Found::of(&snapshot, action), params, options)
}

/// Like [`begin`], for a name that has been looked up.
pub(crate) fn begin_found(
    broker: &ServiceBroker,
    parent: Option<&Context>,
    action: &str,
    found: &Found<'_>,
    params: Payload,
    options: Option<&CallOptions>,
) -> Result<Attempt> {
    let shared = broker.shared();
    shared.lifecycle.must_run(action, broker.node_id())?;
    if let Some(parent) = parent
        && shared.call_defaults.max_call_level != 0
        && parent.level() >= shared.call_defaults.max_call_level
    {
        return Err(not_run(Error::with_kind(
            ErrorKind::MaxCallLevel,
            serde_json::json!({ "nodeID": broker.node_id().as_str(), "level": parent.level() }),
        )));
    }
    let node = options.and_then(|options| options.node.as_ref());
    let picked = pick(broker, found, action, node);
    // Where nobody can be picked, the layers around the pick are asked for by the name alone.
    let around = match &picked {
        Ok(picked) => picked.action().around.clone(),
        Err(_) => shared.pipeline.around(action),
    };
    if let Some(around) = around {
        // A layer around the pick may know what to do without any endpoint (a fallback).
        let picked = picked.ok();
        let picked = picked.as_ref().map(|picked| &**picked.action());
        let timeout = budget(broker, parent, action, picked, options)?;
        let name = picked.map_or_else(|| action.into(), |action| action.name.clone());
        let cx = context(broker, parent, options, timeout, At::Unpicked, Some(name));
        let running = Running::begin(&cx, || around(cx.clone(), params));
        return Ok(Attempt { cx, parent: parent.map(Context::without_place), running, again: None });
    }
    let picked = picked?;
    let timeout = budget(broker, parent, action, Some(picked.action()), options)?;
    let make = |at| context(broker, parent, options, timeout, at, None);
    run(broker, make, parent, picked, params, SmallVec::new())
}

/// The context of a new call.
#[inline]
fn context(
    broker: &ServiceBroker,
    parent: Option<&Context>,
    options: Option<&CallOptions>,
    timeout: Option<Duration>,
    made_for: At,
    name: Option<Name>,
) -> Context {
    let deadline = Deadline::after(timeout);
    if parent.is_none() && options.is_none() {
        // Nobody reads this scope before it is in its final place, so it is written there directly.
        return Context::new(broker.clone(), made_for, Scope { deadline, ..Scope::root(name) });
    }
    let mut scope = Scope { deadline, ..Scope::within(parent, name) };
    if let Some(options) = options {
        scope.take_over(options);
    }
    Context::new(broker.clone(), made_for, scope)
}

/// The innermost function of the layers around the pick.
pub(crate) fn picked_and_run(cx: Context, params: Payload) -> BoxFuture<'static, Result<Reply>> {
    Box::pin(async move {
        let broker = cx.broker().clone();
        let mut attempt = {
            let snapshot = broker.shared().registry.load();
            let node = cx.scope().pinned();
            let picked = pick(&broker, &Found::of(&snapshot, cx.name()), cx.name(), node)?;
            run(&broker, |at| cx.handed_to(at), None, picked, params, SmallVec::new())?
        };
        let result = std::future::poll_fn(|task| attempt.poll_reply(task)).await;
        if let At::Remote(node, _) = attempt.cx.at() {
            attempt.cx.extensions().insert(AnsweredBy(node.id().clone()));
        }
        result
    })
}

/// The node that answered, if it is not known beforehand: with layers around the pick, or if the bus chose
/// it. It is stored in the context, because layers pass on only the reply.
pub(crate) struct AnsweredBy(pub(crate) NodeId);

/// Passes the call to the endpoint's chain, with the context that `make` makes for it.
fn run(
    broker: &ServiceBroker,
    make: impl FnOnce(At) -> Context,
    parent: Option<&Context>,
    picked: Picked,
    mut params: Payload,
    mut tried: SmallVec<[NodeIx; 2]>,
) -> Result<Attempt> {
    let parent = parent.map(Context::without_place);
    match picked {
        Picked::Local(action) => {
            if action.encode || broker.shared().force_codec() {
                params = params.through_codec(broker.codec()).map_err(not_run)?;
            }
            let private = action.visibility == Visibility::Private;
            let cx = make(At::Local(action));
            let At::Local(action) = cx.at() else { unreachable!("made for it the line above") };
            // A private action exists only for its own service, as in Node.
            if private && cx.caller() != Some(&action.service) {
                return Err(not_run(Error::of_action(ErrorKind::ServiceNotFound, &action.name, None)));
            }
            if action.gate.as_ref().is_some_and(|gate| !gate.enter()) {
                // It was withdrawn after the snapshot was taken.
                let gone = Error::of_action(ErrorKind::ServiceNotAvailable, &action.name, None);
                let elsewhere = cx.scope().pinned().is_none() && !tried.contains(&NodeIx::LOCAL);
                tried.push(NodeIx::LOCAL);
                let again = elsewhere.then(|| Box::new(Again { params, tried }));
                return Ok(Attempt { cx, parent, running: Running::Refused(not_run(gone)), again });
            }
            let running = Running::begin(&cx, || (action.run)(cx.clone(), params));
            Ok(Attempt { cx, parent, running, again: None })
        }
        Picked::Remote(node, action) => {
            let copy = params.share(broker.codec()).map_err(not_run)?;
            tried.push(node.ix());
            let cx = make(At::Remote(node, action));
            let At::Remote(_, action) = cx.at() else { unreachable!("made for it the line above") };
            let again = cx.scope().pinned().is_none().then(|| Box::new(Again { params: copy, tried }));
            let running = Running::begin(&cx, || (action.run)(cx.clone(), params));
            Ok(Attempt { cx, parent, running, again })
        }
        Picked::Bus(action) => {
            let copy = params.share(broker.codec()).map_err(not_run)?;
            let cx = make(At::Bus(action));
            let At::Bus(action) = cx.at() else { unreachable!("made for it the line above") };
            let again = Some(Box::new(Again { params: copy, tried }));
            let running = Running::begin(&cx, || (action.run)(cx.clone(), params));
            Ok(Attempt { cx, parent, running, again })
        }
    }
}

impl Scope {
    /// Applies the options of the call.
    fn take_over(&mut self, options: &CallOptions) {
        if !options.meta.is_empty() {
            self.meta.merge(&Bag::from_map(options.meta.clone()));
        }
        self.headers = Bag::from_map(options.headers.clone());
        if let Some(id) = &options.request_id {
            self.descent_mut().request_id = Some(id.clone());
        }
        if let Some(node) = &options.node {
            self.descent_mut().pinned = Some(node.clone());
        }
    }
}

impl Attempt {
    pub(crate) fn context(&self) -> &Context {
        &self.cx
    }

    /// Polls the call. When the handler is done, its meta is merged into that of the running call, and its
    /// result is returned.
    pub(crate) fn poll_reply(&mut self, task: &mut Task<'_>) -> Poll<Result<Reply>> {
        loop {
            let result = ready!(self.running.poll(&self.cx, task));
            if let Err(error) = &result
                && self.reroute(error)
            {
                continue;
            }
            self.running.end(&self.cx);
            if let Some(parent) = &self.parent {
                parent.scope().meta.merge(&self.cx.scope().meta);
            }
            return Poll::Ready(match result {
                Ok(reply) if self.encodes() => self.encoded(reply),
                Ok(reply) => Ok(reply),
                Err(error) => Err(self.of_node(error)),
            });
        }
    }

    /// Whether the result has to go through the codec, because the action or a test asks for it.
    fn encodes(&self) -> bool {
        matches!(self.cx.at(), At::Local(action) if action.encode || self.cx.broker().shared().force_codec())
    }

    fn encoded(&self, mut reply: Reply) -> Result<Reply> {
        reply.body =
            reply.body.through_codec(self.cx.broker().codec()).map_err(|error| self.of_node(error))?;
        Ok(reply)
    }

    /// Adds this node to the error, if the error was raised here.
    fn of_node(&self, error: Error) -> Error {
        match self.cx.at() {
            At::Remote(..) | At::Bus(_) => error,
            _ => error.at_node(self.cx.broker().node_id()),
        }
    }

    /// Starts the call at another node, if the failure allows that and there is another node.
    fn reroute(&mut self, error: &Error) -> bool {
        let elsewhere = matches!(
            error.kind(),
            ErrorKind::ServiceNotFound
                | ErrorKind::ServiceNotAvailable
                | ErrorKind::QueueIsFull
                | ErrorKind::RequestRejected
                | ErrorKind::Disconnected
        );
        let own_limit = error.kind() == ErrorKind::QueueIsFull
            && error.data().is_some_and(|data| data["nodeID"] == self.cx.broker().node_id().as_str());
        if error.outcome() != Outcome::NotRun || !elsewhere || own_limit {
            return false;
        }
        let Some(Again { mut params, mut tried }) = self.again.take().map(|again| *again) else {
            return false;
        };
        if self.cx.remaining().is_some_and(|left| left.is_zero()) {
            return false;
        }
        let broker = self.cx.broker().clone();
        let snapshot = broker.shared().registry.load();
        let Ok(copy) = params.share(broker.codec()) else { return false };
        if let At::Bus(_) = self.cx.at()
            && let Some(answered) = self.cx.extensions().get::<AnsweredBy>()
            && let Some(node) = snapshot.node_by_id(answered.0.as_str())
        {
            tried.push(node.ix());
        }
        let found = Found::of(&snapshot, self.cx.name());
        // The bus would choose anybody, perhaps the same node again.
        let Ok(picked) = pick_endpoint(&broker, &found, self.cx.name(), None, &tried) else { return false };
        match run(&broker, |at| self.cx.handed_to(at), None, picked, copy, tried) {
            Ok(mut next) => {
                tracing::debug!(action = %next.cx.name(), error = %error, "call goes to another node");
                next.parent = self.parent.take();
                // It has ended, so no handler is told to give up.
                self.running.end(&self.cx);
                *self = next;
                true
            }
            Err(_) => false,
        }
    }

    /// The whole answer of a finished call.
    pub(crate) fn response(&self, reply: Reply) -> Response {
        let node = match self.cx.at() {
            At::Remote(node, _) => node.id().clone(),
            At::Unpicked | At::Bus(_) => match self.cx.extensions().get::<AnsweredBy>() {
                Some(node) => node.0.clone(),
                None => self.cx.broker().node_id().clone(),
            },
            _ => self.cx.broker().node_id().clone(),
        };
        let mut response = Response::new(reply.body, node);
        response.meta = (*self.cx.scope().meta.map()).clone();
        response.headers = (*self.cx.response_headers().map()).clone();
        response
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.running.give_up(&self.cx);
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt").field("cx", &self.cx).finish_non_exhaustive()
    }
}
