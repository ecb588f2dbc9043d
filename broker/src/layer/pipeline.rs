//! Wraps functions in all layers. This happens in one place, so that the order of the layers is one list.

use bytes::Bytes;
use dashmap::DashMap;
use futures_util::future::BoxFuture;
use ligand_transporters::{Name, PacketKind};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::timeout;

use super::{Layer, WireFn, WrappedAction, WrappedEvent};
use crate::broker::{hand_over, picked_and_run};
use crate::error::{Error, Outcome, Result};
use crate::guard::{self, Guarded, Panicked};
use crate::handler::{ActionFn, Chains, EventFn};

/// For how many names the chain around the choice of an endpoint is remembered. Beyond that, the chain is
/// made anew for each definition.
const REMEMBERED: usize = 65_536;

/// All layers of a broker, outermost first.
#[derive(Default)]
pub(crate) struct Pipeline {
    layers: Vec<Named>,
    /// For each name that is wrapped: the layers around the choice of an endpoint.
    around: DashMap<Name, ActionFn>,
    /// The layers around events that are sent.
    emit: Option<EventFn>,
    outgoing: Option<WireFn>,
    incoming: Option<WireFn>,
    /// Whether any action, or any call, has been wrapped.
    wraps_actions: AtomicBool,
    /// Whether any subscription has been wrapped.
    wraps_events: AtomicBool,
}

/// A layer with its name, which it was asked for once.
struct Named {
    name: &'static str,
    layer: Box<dyn Layer>,
}

impl Named {
    /// Lets the layer do something, and catches a panic.
    fn guarded<T>(&self, work: impl FnOnce(&dyn Layer) -> T) -> Result<T, LayerPanicked> {
        guard::run(|| work(&*self.layer)).map_err(|panicked| LayerPanicked { layer: self.name, panicked })
    }

    /// Lets the layer do something that may fail. A panic counts as a failure.
    fn tried<T>(&self, work: impl FnOnce(&dyn Layer) -> Result<T>) -> Result<T, LayerFailed> {
        let done = guard::run(|| work(&*self.layer)).unwrap_or_else(|panicked| Err(panicked.into_error()));
        done.map_err(|source| LayerFailed { layer: self.name, source })
    }
}

/// A layer panicked where it should have wrapped something.
#[derive(Debug)]
struct LayerPanicked {
    layer: &'static str,
    panicked: Panicked,
}

/// A layer failed, with an error or a panic, in something that cannot go on without it.
#[derive(Debug)]
pub(crate) struct LayerFailed {
    pub(crate) layer: &'static str,
    pub(crate) source: Error,
}

impl LayerPanicked {
    /// Returns a function that stands in for the one that could not be wrapped, and refuses every call.
    /// Running the original without its layer could do harm. Each refused call is logged, with its names.
    fn refusing(self, action: &str) -> ActionFn {
        let Self { layer, panicked } = self;
        let error = Error::server(500, "LAYER_PANIC", format!("The layer `{layer}` cannot wrap '{action}'."));
        let error = error.with_hint(panicked.to_string()).with_outcome(Outcome::NotRun);
        Arc::new(move |cx, _| {
            panicked.log("a layer panicked and wraps nothing", Some(layer), &cx);
            Box::pin(std::future::ready(Err(error.clone())))
        })
    }

    /// The failure of `wrapped`, which this layer could not wrap.
    fn wrapping(self, wrapped: impl fmt::Display) -> LayerFailed {
        let Self { layer, panicked } = self;
        let message = format!("it panicked when it wrapped {wrapped}: {}", panicked.text());
        LayerFailed { layer, source: panicked.into_error().with_message(message) }
    }
}

/// Returns `folded`, or `None` if no layer wrapped `innermost`.
fn unless_bare<F: ?Sized>(innermost: &Arc<F>, folded: Arc<F>) -> Option<Arc<F>> {
    (!Arc::ptr_eq(innermost, &folded)).then_some(folded)
}

impl Pipeline {
    /// # Errors
    /// Fails at the first layer that panics.
    pub(crate) fn new(layers: Vec<Box<dyn Layer>>) -> Result<Self, LayerFailed> {
        let mut pipeline = Self::default();
        for layer in layers {
            let name = guard::run(|| layer.name())
                .map_err(|panicked| LayerFailed { layer: "without name", source: panicked.into_error() })?;
            pipeline.layers.push(Named { name, layer });
        }
        pipeline.emit = pipeline.fold_emit()?;
        pipeline.outgoing = pipeline.fold_outgoing()?;
        pipeline.incoming = pipeline.fold_incoming()?;
        Ok(pipeline)
    }

    /// Wraps `innermost` in all layers. The first layer is the outermost. Returns `None` if none of them
    /// wraps it.
    fn fold<F: ?Sized>(
        &self,
        innermost: &Arc<F>,
        wrap: impl Fn(&dyn Layer, Arc<F>) -> Arc<F>,
    ) -> Result<Option<Arc<F>>, LayerPanicked> {
        let folded = self
            .layers
            .iter()
            .rev()
            .try_fold(Arc::clone(innermost), |next, named| named.guarded(|layer| wrap(layer, next)))?;
        Ok(unless_bare(innermost, folded))
    }

    /// The same, but it does not fail: what a layer cannot wrap is refused. Also returns whether no layer
    /// panicked.
    fn fold_or_refuse(
        &self,
        action: &str,
        innermost: &ActionFn,
        wrap: impl Fn(&dyn Layer, ActionFn) -> ActionFn,
    ) -> (Option<ActionFn>, bool) {
        let mut well = true;
        let folded = self.layers.iter().rev().fold(Arc::clone(innermost), |next, named| {
            let wrapped = named.guarded(|layer| wrap(layer, next));
            wrapped.unwrap_or_else(|failed| {
                well = false;
                failed.refusing(action)
            })
        });
        (unless_bare(innermost, folded), well)
    }

    /// Wraps the function of an action that this node hosts.
    ///
    /// # Errors
    /// Fails at the first layer that panics.
    pub(crate) fn local_action(
        &self,
        action: &WrappedAction<'_>,
        run: &ActionFn,
    ) -> Result<Chains, LayerFailed> {
        let wrapped = self.fold(run, |layer, next| layer.action(action, next));
        let wrapped = wrapped.map_err(|failed| failed.wrapping(format_args!("'{}'", action.name())))?;
        Ok(self.chains(action, run, wrapped))
    }

    /// Wraps the way to an action of another node. What a layer cannot wrap is refused.
    pub(crate) fn remote_action(&self, action: &WrappedAction<'_>, run: &ActionFn) -> Chains {
        let (wrapped, _) = self.fold_or_refuse(action.name(), run, |layer, next| layer.action(action, next));
        self.chains(action, run, wrapped)
    }

    fn chains(&self, action: &WrappedAction<'_>, run: &ActionFn, wrapped: Option<ActionFn>) -> Chains {
        if wrapped.is_some() {
            self.wraps_actions.store(true, Ordering::Relaxed);
        }
        Chains { around: self.around(action.name()), run: wrapped.unwrap_or_else(|| Arc::clone(run)) }
    }

    /// Whether any layer wraps an action or a call. It is set before a wrapped function is handed out.
    pub(crate) fn wraps_actions(&self) -> bool {
        self.wraps_actions.load(Ordering::Relaxed)
    }

    /// Whether any layer wraps a subscription. It is set before a wrapped function is handed out.
    pub(crate) fn wraps_events(&self) -> bool {
        self.wraps_events.load(Ordering::Relaxed)
    }

    /// Wraps the function of a subscription.
    ///
    /// # Errors
    /// Fails at the first layer that panics.
    pub(crate) fn event(&self, event: &WrappedEvent<'_>, run: &EventFn) -> Result<EventFn, LayerFailed> {
        let wrapped = self.fold(run, |layer, next| layer.event(event, next));
        let wrapped =
            wrapped.map_err(|failed| failed.wrapping(format_args!("'{}'", event.def().pattern())))?;
        if wrapped.is_some() {
            self.wraps_events.store(true, Ordering::Relaxed);
        }
        Ok(wrapped.unwrap_or_else(|| Arc::clone(run)))
    }

    /// The layers around the choice of an endpoint for this name, if any layer wraps it.
    pub(crate) fn around(&self, action: &str) -> Option<ActionFn> {
        if self.layers.is_empty() {
            return None;
        }
        if let Some(known) = self.around.get(action) {
            return Some(Arc::clone(&known));
        }
        let innermost: ActionFn = Arc::new(picked_and_run);
        let (wrapped, well) =
            self.fold_or_refuse(action, &innermost, |layer, next| layer.around(action, next));
        let wrapped = wrapped?;
        self.wraps_actions.store(true, Ordering::Relaxed);
        // A layer that panicked may not panic the next time, so such a chain is not kept.
        if well && self.around.len() < REMEMBERED {
            self.around.insert(action.into(), Arc::clone(&wrapped));
        }
        Some(wrapped)
    }

    /// The names of the layers that wrap this endpoint, the outermost first. Layers around the choice of an
    /// endpoint come before those after it.
    pub(crate) fn names(&self, action: &WrappedAction<'_>) -> Vec<&'static str> {
        let nothing: ActionFn = Arc::new(picked_and_run);
        let wraps = |wrapped: Result<ActionFn, LayerPanicked>| {
            wrapped.map_or(true, |wrapped| !Arc::ptr_eq(&wrapped, &nothing))
        };
        let around = self
            .layers
            .iter()
            .filter(|named| wraps(named.guarded(|layer| layer.around(action.name(), Arc::clone(&nothing)))));
        let after = self
            .layers
            .iter()
            .filter(|named| wraps(named.guarded(|layer| layer.action(action, Arc::clone(&nothing)))));
        around.chain(after).map(|named| named.name).collect()
    }

    fn fold_emit(&self) -> Result<Option<EventFn>, LayerFailed> {
        let innermost: EventFn = Arc::new(hand_over);
        let wrapped = self.fold(&innermost, |layer, next| layer.emit(next));
        wrapped.map_err(|failed| failed.wrapping("what is emitted"))
    }

    /// The layers around events that are sent, if any layer wraps them.
    #[inline]
    pub(crate) fn emit(&self) -> Option<&EventFn> {
        self.emit.as_ref()
    }

    /// The last layer is the outermost, and acts first (protocol chapter 10).
    fn fold_outgoing(&self) -> Result<Option<WireFn>, LayerFailed> {
        fold_wire("what is sent", self.layers.iter(), |layer, next| layer.outgoing(next))
    }

    /// The first layer is the outermost here: the reverse of what is sent.
    fn fold_incoming(&self) -> Result<Option<WireFn>, LayerFailed> {
        fold_wire("what comes in", self.layers.iter().rev(), |layer, next| layer.incoming(next))
    }

    /// Whether any layer wraps what is sent. If none does, packets need not be in one piece.
    #[inline]
    pub(crate) fn wraps_outgoing(&self) -> bool {
        self.outgoing.is_some()
    }

    /// Passes a packet through the layers on its way out.
    ///
    /// # Errors
    /// Those of the layers.
    pub(crate) fn outgoing(&self, kind: PacketKind, packet: Bytes) -> Result<Bytes> {
        passed(self.outgoing.as_ref(), kind, packet)
    }

    /// Passes a packet through the layers on its way in, which restores what its sender had.
    ///
    /// # Errors
    /// Those of the layers.
    #[inline]
    pub(crate) fn incoming(&self, kind: PacketKind, packet: Bytes) -> Result<Bytes> {
        passed(self.incoming.as_ref(), kind, packet)
    }

    /// The weaknesses of the layers, each with the name of its layer.
    pub(crate) fn weaknesses(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.layers.iter().filter_map(|named| {
            let weakness = named.guarded(|layer| layer.weakness());
            Some((named.name, weakness.unwrap_or(Some("it panicked when it was asked"))?))
        })
    }

    /// Asks the layers in order. Each gets what the one before it returned.
    ///
    /// # Errors
    /// Fails at the first layer that fails.
    pub(crate) fn each<T>(
        &self,
        first: T,
        ask: impl Fn(&dyn Layer, T) -> Result<T>,
    ) -> Result<T, LayerFailed> {
        self.layers.iter().try_fold(first, |given, named| named.tried(|layer| ask(layer, given)))
    }

    /// Tells the layers, in order, that something starts.
    ///
    /// # Errors
    /// Fails at the first layer that fails.
    pub(crate) async fn starts<'a>(
        &'a self,
        tell: impl Fn(&'a dyn Layer) -> BoxFuture<'a, Result<()>>,
    ) -> Result<(), LayerFailed> {
        for Named { name, layer } in &self.layers {
            let told = Guarded::made(|| tell(&**layer)).await;
            told.unwrap_or_else(|panicked| Err(panicked.into_error()))
                .map_err(|source| LayerFailed { layer: name, source })?;
        }
        Ok(())
    }

    /// Tells the layers, in reverse order, that something stops. Each has `patience` to finish. A failure is
    /// passed to `failed` with the name of the layer.
    pub(crate) async fn stops<'a>(
        &'a self,
        patience: Duration,
        tell: impl Fn(&'a dyn Layer) -> BoxFuture<'a, Result<()>>,
        failed: impl Fn(&'static str, &dyn fmt::Display),
    ) {
        for Named { name, layer } in self.layers.iter().rev() {
            match timeout(patience, Guarded::made(|| tell(&**layer))).await {
                Ok(Ok(Ok(()))) => {}
                Ok(Ok(Err(error))) => failed(name, &error),
                Ok(Err(panicked)) => failed(name, &panicked.into_error()),
                Err(_) => failed(name, &format_args!("it took longer than {patience:?}")),
            }
        }
    }
}

/// Combines the functions of all layers for packets on the wire. Returns `None` if no layer wraps them.
fn fold_wire<'a>(
    what: &str,
    mut inside_out: impl Iterator<Item = &'a Named>,
    wrap: impl Fn(&dyn Layer, WireFn) -> WireFn,
) -> Result<Option<WireFn>, LayerFailed> {
    let innermost: WireFn = Arc::new(|_, packet| Ok(packet));
    let folded = inside_out.try_fold(Arc::clone(&innermost), |next, named| {
        let wrapped = named.guarded(|layer| wrap(layer, Arc::clone(&next)))?;
        Ok(if Arc::ptr_eq(&wrapped, &next) { next } else { unwinding_nowhere(named.name, wrapped) })
    });
    let folded = folded.map_err(|failed: LayerPanicked| failed.wrapping(what))?;
    Ok(unless_bare(&innermost, folded))
}

/// Passes a packet through the layers on the wire, if there are any.
#[inline]
fn passed(wire: Option<&WireFn>, kind: PacketKind, packet: Bytes) -> Result<Bytes> {
    match wire {
        Some(wire) => wire(kind, packet),
        None => Ok(packet),
    }
}

/// A layer's function on the wire. A panic in it becomes an error that names the layer.
fn unwinding_nowhere(layer: &'static str, change: WireFn) -> WireFn {
    Arc::new(move |kind, packet| {
        guard::run(|| change(kind, packet)).unwrap_or_else(|panicked| {
            Err(panicked.into_error().with_hint(format!("in the layer `{layer}`")))
        })
    })
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.layers.iter().map(|named| named.name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reply;
    use crate::service::{ActionDef, EventDef};
    use std::sync::atomic::AtomicUsize;

    /// Has a name and nothing else.
    struct Idle;

    impl Layer for Idle {
        fn name(&self) -> &'static str {
            "idle"
        }
    }

    /// Wraps the calls of one name, and counts how often it was asked.
    struct Around(Arc<AtomicUsize>);

    impl Layer for Around {
        fn name(&self) -> &'static str {
            "around"
        }
        fn around(&self, action: &str, next: ActionFn) -> ActionFn {
            if action != "a.wrapped" {
                return next;
            }
            self.0.fetch_add(1, Ordering::Relaxed);
            Arc::new(move |cx, params| next(cx, params))
        }
    }

    fn run() -> ActionFn {
        Arc::new(|_, _| Box::pin(std::future::ready(Ok(Reply::empty()))))
    }

    #[test]
    fn a_layer_without_hooks_leaves_every_function_as_it_is() {
        let pipeline = Pipeline::new(vec![Box::new(Idle), Box::new(Idle)]).unwrap();
        let (service, name, def) = (Name::from("a"), Name::from("a.b"), ActionDef::new("b"));
        let (run, handle): (_, EventFn) = (run(), Arc::new(|_, _| Box::pin(std::future::ready(Ok(())))));
        let chains = pipeline.local_action(&WrappedAction::local(&service, &name, &def), &run).unwrap();
        assert!(Arc::ptr_eq(&chains.run, &run) && chains.around.is_none());
        let def = EventDef::new("x");
        let handled = pipeline.event(&WrappedEvent { service: &service, def: &def }, &handle).unwrap();
        assert!(Arc::ptr_eq(&handled, &handle));
        assert!(pipeline.emit().is_none() && pipeline.around("nobody.has").is_none());
        assert!(pipeline.outgoing.is_none() && pipeline.incoming.is_none());
        assert!(!pipeline.wraps_actions() && !pipeline.wraps_events());
    }

    #[test]
    fn a_name_is_wrapped_once_around_the_pick_whoever_offers_it() {
        let asked = Arc::new(AtomicUsize::new(0));
        let pipeline = Pipeline::new(vec![Box::new(Around(Arc::clone(&asked)))]).unwrap();
        let def = ActionDef::new("wrapped");
        let (name, other) = (Name::from("a.wrapped"), Name::from("a.other"));
        let around = |service: &'static str, name: &Name| {
            let service = Name::from(service);
            pipeline.local_action(&WrappedAction::local(&service, name, &def), &run()).unwrap().around
        };
        let first = around("a", &name).unwrap();
        assert!(Arc::ptr_eq(&first, &around("b", &name).unwrap()));
        assert!(Arc::ptr_eq(&first, &pipeline.around(&name).unwrap()));
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        assert!(around("a", &other).is_none());
        assert!(pipeline.wraps_actions());
    }
}
