//! Outgoing events: `emit`, `broadcast` and `broadcast_local`.

use arc_swap::Guard;
use futures_util::future::BoxFuture;
use ligand_transporters::Name;
use serde::Serialize;
use std::borrow::Cow;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll, ready};
use tokio::task::JoinSet;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::ServiceBroker;
use super::options::EmitOptions;
use crate::chain::{self, Chain, Stacked};
use crate::context::{At, Bag, Context, Scope};
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::guard::Guarded;
use crate::id::Id;
use crate::payload::Payload;
use crate::registry::{Event, EventSub, LocalSubs, NodeIx, Snapshot};
use crate::service::{Beneath, First, Run, first};
use crate::transit::{EventTarget, InHand, Transit};

/// Who receives an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    /// One subscriber of each group.
    Emit,
    /// Every subscriber on every node.
    Broadcast,
    /// Every subscriber on this node.
    Local,
}

/// An event that has not been sent yet. Refine it, then await it. The first poll sends the event; options
/// that are set after that have no effect.
///
/// The await of an `emit` or a `broadcast` returns when the event has been handed over: to the transporter
/// for other nodes, and to the handlers of this node. A handler that has to wait continues in a task of its
/// own. The await of [`ServiceBroker::broadcast_local`] returns when the handlers are done.
///
/// Like a call, it fails while the broker is not running.
///
/// # Cancel safety
/// What has been handed over continues. The handlers that a [`ServiceBroker::broadcast_local`] waits for are
/// dropped with it, at their await points.
#[must_use = "an event is not sent until awaited"]
pub struct Emit<'a>(State<'a>);

#[allow(clippy::large_enum_variant, reason = "a box would cost more than the room, which is on the stack")]
enum State<'a> {
    /// The first poll takes it, and puts the next state in its place.
    New(Option<Said<'a>>),
    Sent(Sent),
}

/// What remains of an event once it is on its way.
enum Sent {
    Handed(Handed),
    /// It is within layers. The context is for the error, if one of them panics.
    Layered(Guarded<'static, Result<()>>, Context),
}

/// The event to send.
struct Said<'a> {
    broker: &'a ServiceBroker,
    parent: Option<&'a Context>,
    spread: Spread,
    event: Cow<'a, str>,
    data: Result<Payload>,
    options: Option<Box<EmitOptions>>,
}

impl<'a> Emit<'a> {
    pub(crate) fn new(
        broker: &'a ServiceBroker,
        parent: Option<&'a Context>,
        spread: Spread,
        event: Cow<'a, str>,
        data: Result<Payload>,
    ) -> Self {
        Self(State::New(Some(Said { broker, parent, spread, event, data, options: None })))
    }

    /// Sends the event only to subscribers of this group. It can be called several times, for several groups.
    pub fn group(self, group: impl Into<Name>) -> Self {
        self.saying(|options| options.groups.push(group.into()))
    }

    /// Adds a value to the meta. If it cannot be written as JSON, the event is not sent, and the await fails.
    pub fn meta(self, key: &str, value: impl Serialize) -> Self {
        self.saying(|options| options.put_meta(key, &value))
    }

    /// Adds several values to the meta: the members of a map, of a struct, or of `json!({ … })`. If the value
    /// is not an object in JSON, the event is not sent, and the await fails.
    pub fn meta_from(self, values: impl Serialize) -> Self {
        self.saying(|options| options.put_meta_from(&values))
    }

    /// Adds a header. If it cannot be written as JSON, the event is not sent, and the await fails.
    pub fn header(self, key: &str, value: impl Serialize) -> Self {
        self.saying(|options| options.put_header(key, &value))
    }

    /// Adds several headers, like [`Emit::meta_from`] does for the meta.
    pub fn headers_from(self, values: impl Serialize) -> Self {
        self.saying(|options| options.put_headers_from(&values))
    }

    /// Sets the id of the tree of calls, if it comes from outside the cluster.
    pub fn request_id(self, id: impl Into<Id>) -> Self {
        self.saying(|options| options.request_id = Some(id.into()))
    }

    /// Sets several options at once: [`EmitOptions`], or the [`CallOptions`](crate::CallOptions) of calls.
    /// They replace all options set so far.
    pub fn with(self, options: impl Into<EmitOptions>) -> Self {
        self.saying(|said| *said = options.into())
    }

    fn saying(mut self, say: impl FnOnce(&mut EmitOptions)) -> Self {
        if let State::New(Some(said)) = &mut self.0 {
            say(said.options.get_or_insert_default());
        }
        self
    }
}

impl Said<'_> {
    /// Hands the event over, to the layers around it if there are any.
    fn send(self) -> Result<Sent> {
        let shared = self.broker.shared();
        shared.lifecycle.must_run(&self.event, self.broker.node_id())?;
        let data = self.data.map_err(|error| error.with_outcome(Outcome::NotRun))?;
        if let Some(wrong) = self.options.as_ref().and_then(|options| options.wrong()) {
            let error = wrong.of(format_args!("the event '{}'", self.event));
            return Err(error.with_outcome(Outcome::NotRun));
        }
        let snapshot = shared.registry.load();
        let event = snapshot.event(&self.event);
        let mut scope = Scope::within(self.parent, Some(event.name().clone()));
        if let Some(options) = self.options {
            scope.take_event_options(*options);
        }
        scope.spread = Some(self.spread);
        let cx = Context::new(self.broker.clone(), At::Unpicked, scope);
        match shared.pipeline.emit() {
            None => send(&cx, snapshot, &event, data).map(Sent::Handed),
            Some(emit) => {
                drop(snapshot);
                let sent = Guarded::made(|| emit(cx.clone(), data));
                Ok(Sent::Layered(sent, cx))
            }
        }
    }
}

/// The innermost function of the layers around an event.
pub(crate) fn hand_over(cx: Context, data: Payload) -> BoxFuture<'static, Result<()>> {
    Box::pin(async move {
        let handed = {
            let shared = cx.broker().shared();
            // A layer may have taken its time.
            shared.lifecycle.must_run(cx.name(), &shared.node_id)?;
            let snapshot = shared.registry.load();
            let event = snapshot.event(cx.name());
            send(&cx, snapshot, &event, data)?
        };
        handed.await
    })
}

/// Hands an event over; what remains are local handlers that have to wait.
#[inline]
fn send(cx: &Context, snapshot: Guard<Arc<Snapshot>>, event: &Event, mut data: Payload) -> Result<Handed> {
    let shared = cx.broker().shared();
    let spread = cx.spread().unwrap_or(Spread::Emit);
    // The broker's own events stay with the balancing of nodes: no node subscribes to them on the bus.
    let by_bus = shared.transit().filter(|transit| transit.is_balancing() && !cx.name().starts_with('$'));
    let (local, remote) = match (spread, by_bus) {
        (Spread::Emit, Some(transit)) => {
            (LocalSubs::new(), to_groups(transit, &snapshot, event, cx.event_groups()))
        }
        (Spread::Broadcast, Some(_)) => {
            let plan = event.broadcast(&snapshot, cx.event_groups());
            let own = snapshot.node(NodeIx::LOCAL).filter(|_| !plan.local.is_empty()).cloned();
            let groups = match cx.event_groups() {
                [] => event.groups(),
                groups => groups,
            };
            let nodes = own.into_iter().chain(plan.remote);
            let target = |node| (EventTarget::Node(node), Some(groups.to_vec()));
            (LocalSubs::new(), nodes.map(target).collect())
        }
        (Spread::Emit, None) => {
            let plan = event.emit(&snapshot, cx.event_groups(), shared.call_defaults.prefer_local, None);
            let target = |(node, groups)| (EventTarget::Node(node), Some(groups));
            (plan.local, plan.remote.into_iter().map(target).collect())
        }
        (Spread::Broadcast, None) => {
            let plan = event.broadcast(&snapshot, cx.event_groups());
            // Without groups of its own, a broadcast names none (protocol chapter 7.1).
            let groups = (!cx.event_groups().is_empty()).then(|| cx.event_groups().to_vec());
            let target = |node| (EventTarget::Node(node), groups.clone());
            (plan.local, plan.remote.into_iter().map(target).collect())
        }
        (Spread::Local, _) => (snapshot.local_handlers(cx.name(), cx.event_groups(), true), Vec::new()),
    };
    drop(snapshot);
    if spread == Spread::Local {
        waits_for_itself(cx, &local)?;
    }
    let failed = send_remote(cx, &remote, &mut data, spread == Spread::Broadcast);
    if local.len() > 1 || shared.force_codec() {
        // What cannot be written has gone nowhere.
        let shared = data.into_shared(cx.broker().codec());
        data = shared.map_err(|error| error.with_outcome(Outcome::NotRun))?;
    }
    let waiting = run_local(
        cx,
        &local,
        data,
        if spread == Spread::Local { &Waiting::GiveBack } else { &Waiting::GoOn(None) },
    );
    match failed {
        // Somebody has it already: sending it once more would give it to them twice.
        Some(Failed { error, all }) if !all || !local.is_empty() => {
            Err(error.with_outcome(Outcome::MayHaveRun))
        }
        Some(Failed { error, .. }) => Err(error),
        None => {
            let counted = if waiting.is_empty() { None } else { shared.count_called() };
            Ok(Handed::Here { _counted: counted, waiting })
        }
    }
}

impl Scope {
    fn take_event_options(&mut self, options: EmitOptions) {
        let EmitOptions { groups, meta, headers, request_id, .. } = options;
        if !meta.is_empty() {
            self.meta.merge(&Bag::from_map(meta));
        }
        self.headers = Bag::from_map(headers);
        let descent = self.descent_mut();
        descent.request_id = request_id.or_else(|| descent.request_id.take());
        descent.groups = groups;
    }
}

/// One packet for each group. The bus chooses one member of each (protocol chapter 3.1).
fn to_groups(transit: &Transit, snapshot: &Snapshot, event: &Event, wanted: &[Name]) -> Vec<Target> {
    let groups = if wanted.is_empty() { event.groups() } else { wanted };
    groups
        .iter()
        .map(|group| {
            transit.check_balanced_event(event, group);
            let version = event.version_by_bus(snapshot, group, transit.own_version());
            (EventTarget::Group(group.clone(), version), Some(vec![group.clone()]))
        })
        .collect()
}

/// The receiver of a packet, and the groups that the packet names.
type Target = (EventTarget, Option<Vec<Name>>);

/// An event that did not reach every node it was for.
struct Failed {
    /// Why the first node that did not get it failed.
    error: Error,
    /// Whether no node got it.
    all: bool,
}

/// Hands the event to the transporter, once for each target.
fn send_remote(cx: &Context, targets: &[Target], data: &mut Payload, broadcast: bool) -> Option<Failed> {
    if targets.is_empty() {
        return None;
    }
    let broker = cx.broker();
    let Some(transit) = broker.shared().transit() else {
        return Some(Failed { error: Error::disconnected(), all: true });
    };
    let body = match data.share(broker.codec()).and_then(|copy| copy.peek(broker.codec())) {
        Ok(body) => body,
        Err(error) => return Some(Failed { error: error.with_outcome(Outcome::NotRun), all: true }),
    };
    let sent = targets
        .iter()
        .map(|(target, groups)| transit.send_event(cx, target, groups.as_deref(), body.as_ref(), broadcast));
    // All targets are tried, even if some fail.
    let mut errors: Vec<_> = sent.filter_map(Result::err).collect();
    let all = errors.len() == targets.len();
    (!errors.is_empty()).then(|| Failed { error: errors.swap_remove(0), all })
}

/// A handler must not wait for an event that its own ordered subscription handles: the event comes after the
/// handler, so it would wait for ever.
fn waits_for_itself(cx: &Context, subs: &[Arc<EventSub>]) -> Result<()> {
    if subs.iter().all(|sub| sub.queue.is_none()) {
        return Ok(());
    }
    let chain = chain::chain();
    let own =
        |sub: &&Arc<EventSub>| sub.queue.is_some_and(|queue| chain.iter().any(|place| place.whose == queue));
    match subs.iter().find(own) {
        None => Ok(()),
        Some(sub) => Err(Error::event_loop(cx.name(), &sub.pattern, &sub.service)),
    }
}

/// What happens to handlers that have to wait.
pub(crate) enum Waiting {
    /// The caller polls them.
    GiveBack,
    /// They continue in tasks of their own, and hold this until they are done.
    GoOn(Option<InHand>),
}

/// Polls each handler once. Those that have to wait continue in tasks of their own, or are given back.
pub(crate) fn run_local(
    cx: &Context,
    subs: &[Arc<EventSub>],
    data: Payload,
    those_that_wait: &Waiting,
) -> Vec<(Context, Run<()>)> {
    let mut waiting = Vec::new();
    let mut data = Some(data);
    let layered = cx.broker().shared().pipeline.wraps_events();
    let beneath = match those_that_wait {
        Waiting::GiveBack => Beneath::Waits,
        Waiting::GoOn(_) => Beneath::GoesOn,
    };
    for (index, sub) in subs.iter().enumerate() {
        let Some(run) = &sub.run else { continue };
        let last = index + 1 == subs.len();
        let data = if last { data.take() } else { data.as_ref().and_then(Payload::copy) };
        // For those that need it: most handlers are done, and well.
        let placed = || cx.handed_to(At::Event(Arc::clone(sub)));
        let begin = || run(placed(), data.unwrap_or_else(Payload::empty));
        match first(sub.gate.as_ref(), beneath, layered, begin, placed) {
            First::Done(Ok(())) => {}
            First::Done(result) => finished(&placed(), result),
            First::Closed => {
                tracing::debug!(event = %cx.name(), service = %sub.service, "event dropped, its service goes")
            }
            First::Waits(run) => {
                let cx = placed();
                let Waiting::GoOn(held) = those_that_wait else {
                    waiting.push((cx, run));
                    continue;
                };
                let held = held.clone();
                let tracker = cx.broker().shared().tracker.clone();
                tracker.spawn(async move {
                    let _held = held;
                    finished(&cx, run.finish(Chain::new()).await);
                });
            }
        }
    }
    waiting
}

/// Logs the failure of a handler on its node. The sender of an event never learns of it.
pub(crate) fn finished(cx: &Context, result: Result<()>) {
    if let Err(error) = result {
        // Dropped events are counted. They are not logged, so that a busy sender cannot fill the log.
        if error.kind() == ErrorKind::QueueIsFull {
            tracing::debug!(event = %cx.name(), service = ?cx.service(), "event dropped, its queue is full");
            return;
        }
        tracing::warn!(event = %cx.name(), service = ?cx.service(), error = %error, "event handler failed");
    }
}

/// Local handlers of an event that have to wait.
enum Handed {
    Here {
        /// A stop waits for them.
        _counted: Option<TaskTrackerToken>,
        waiting: Vec<(Context, Run<()>)>,
    },
    InTasks(JoinSet<()>),
}

/// There is no room left on this stack.
fn go_on_in_tasks(waiting: &mut Vec<(Context, Run<()>)>) -> JoinSet<()> {
    let chain = chain::chain();
    let mut tasks = JoinSet::new();
    for (cx, run) in waiting.drain(..) {
        let chain = chain.clone();
        let tracker = cx.broker().shared().tracker.clone();
        tasks.spawn(tracker.track_future(async move { finished(&cx, run.finish(chain).await) }));
    }
    tasks
}

impl Future for Handed {
    type Output = Result<()>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Result<()>> {
        loop {
            match &mut *self {
                Self::Here { waiting, .. } if waiting.is_empty() => return Poll::Ready(Ok(())),
                Self::Here { waiting, .. } => {
                    let Some(_depth) = Stacked::try_enter(None) else {
                        *self = Self::InTasks(go_on_in_tasks(waiting));
                        continue;
                    };
                    waiting.retain_mut(|(cx, run)| match run.poll_in_place(task) {
                        Poll::Ready(result) => {
                            finished(cx, result);
                            false
                        }
                        Poll::Pending => true,
                    });
                    return if waiting.is_empty() { Poll::Ready(Ok(())) } else { Poll::Pending };
                }
                Self::InTasks(tasks) => {
                    while ready!(tasks.poll_join_next(task)).is_some() {}
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl Future for Emit<'_> {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Result<()>> {
        loop {
            match &mut self.0 {
                State::New(said) => match said.take() {
                    Some(said) => self.0 = State::Sent(said.send()?),
                    None => panic!("an event was polled after it was ready"),
                },
                State::Sent(Sent::Handed(handed)) => return Pin::new(handed).poll(task),
                State::Sent(Sent::Layered(sent, cx)) => {
                    return sent.poll_handler(|panicked| panicked.around_handler(cx), task);
                }
            }
        }
    }
}

impl fmt::Debug for Emit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut emit = f.debug_struct("Emit");
        if let State::New(Some(said)) = &self.0 {
            emit.field("event", &said.event).field("spread", &said.spread);
        }
        emit.finish_non_exhaustive()
    }
}
