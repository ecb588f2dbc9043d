//! Folding layers over functions, in one place, so that their order is one list.

use bytes::Bytes;
use dashmap::DashMap;
use ligand_transporters::Name;
use std::fmt;
use std::sync::Arc;

use super::{ActionLayer, EventLayer, Layer, Lifecycle, Side, WireLayer};
use crate::broker::picked_and_run;
use crate::error::{Error, Outcome, Result};
use crate::guard::{self, Panicked};
use crate::handler::{ActionFn, EventFn};
use crate::service::{ActionDef, EventDef};

/// Names whose chain around the pick is remembered; above that, it is folded for each call.
const REMEMBERED: usize = 65_536;

/// All layers of a broker, outermost first.
#[derive(Default)]
pub(crate) struct Pipeline {
    actions: Vec<Named<dyn ActionLayer>>,
    events: Vec<Named<dyn EventLayer>>,
    wire: Vec<Named<dyn WireLayer>>,
    lifecycle: Vec<Named<dyn Lifecycle>>,
    /// The chain around the pick per name; `None` where no layer wraps it.
    around: DashMap<Name, Option<ActionFn>>,
}

/// A layer, with the name that it said when it was given.
pub(crate) struct Named<L: ?Sized> {
    pub(crate) name: &'static str,
    pub(crate) layer: Box<L>,
}

impl<L: ?Sized> Named<L> {
    /// Lets the layer do something.
    fn guarded<T>(&self, work: impl FnOnce(&L) -> T) -> Result<T, LayerPanicked> {
        guard::run(|| work(&self.layer)).map_err(|panicked| LayerPanicked { layer: self.name, panicked })
    }
}

/// A layer panicked where it should have wrapped something.
#[derive(Debug)]
pub(crate) struct LayerPanicked {
    pub(crate) layer: &'static str,
    pub(crate) panicked: Panicked,
}

impl LayerPanicked {
    /// As [`LayerPanicked::refusing`], where nobody has called yet.
    fn refusing_from_now_on(self, action: &str) -> ActionFn {
        let (layer, panic) = (self.layer, self.panicked.text());
        tracing::error!(layer, action, panic, "a layer panicked and wraps nothing");
        let error = self.error(action);
        Arc::new(move |_, _| Box::pin(std::future::ready(Err(error.clone()))))
    }

    /// A function in place of the one that could not be wrapped: to run it without its layer could do harm. Each
    /// call that it refuses is told of, with its names.
    fn refusing(self, action: &str) -> ActionFn {
        let error = self.error(action);
        Arc::new(move |cx, _| {
            self.panicked.log("a layer panicked and wraps nothing", Some(self.layer), &cx);
            Box::pin(std::future::ready(Err(error.clone())))
        })
    }

    fn error(&self, action: &str) -> Error {
        let Self { layer, panicked } = self;
        let error = Error::server(500, "LAYER_PANIC", format!("The layer `{layer}` cannot wrap '{action}'."));
        error.with_hint(panicked.to_string()).with_outcome(Outcome::NotRun)
    }
}

impl Pipeline {
    pub(crate) fn new(layers: Vec<Layer>) -> Self {
        let mut pipeline = Self::default();
        for layer in layers {
            match layer {
                Layer::Action(layer) => pipeline.actions.push(Named { name: layer.name(), layer }),
                Layer::Event(layer) => pipeline.events.push(Named { name: layer.name(), layer }),
                Layer::Wire(layer) => pipeline.wire.push(Named { name: layer.name(), layer }),
                Layer::Lifecycle(layer) => pipeline.lifecycle.push(Named { name: layer.name(), layer }),
            }
        }
        pipeline
    }

    /// A function of this node's with its layers.
    ///
    /// # Errors
    /// The first layer that panics.
    pub(crate) fn local_action(&self, def: &ActionDef, run: ActionFn) -> Result<ActionFn, LayerPanicked> {
        let wrapped = self.actions.iter().rev().try_fold(Arc::clone(&run), |next, named| {
            named.guarded(|layer| layer.action(def, Side::Local, next))
        })?;
        Ok(if Arc::ptr_eq(&wrapped, &run) { run } else { guard::named(wrapped) })
    }

    /// The way to another node with its layers. What one of them cannot wrap is refused.
    pub(crate) fn remote_action(&self, action: &str, def: &ActionDef, run: ActionFn) -> ActionFn {
        let wrapped = self.actions.iter().rev().fold(Arc::clone(&run), |next, named| {
            let wrapped = named.guarded(|layer| layer.action(def, Side::Remote, next));
            wrapped.unwrap_or_else(|failed| failed.refusing_from_now_on(action))
        });
        if Arc::ptr_eq(&wrapped, &run) { run } else { guard::named(wrapped) }
    }

    /// Whether any layer may wrap endpoints.
    pub(crate) fn wraps_actions(&self) -> bool {
        !self.actions.is_empty()
    }

    /// Whether any layer may wrap subscriptions.
    pub(crate) fn wraps_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// A subscription's function with its layers.
    ///
    /// # Errors
    /// The first layer that panics.
    pub(crate) fn event(&self, def: &EventDef, run: EventFn) -> Result<EventFn, LayerPanicked> {
        let wrapped = self
            .events
            .iter()
            .rev()
            .try_fold(Arc::clone(&run), |next, named| named.guarded(|layer| layer.event(def, next)))?;
        Ok(if Arc::ptr_eq(&wrapped, &run) { run } else { guard::named(wrapped) })
    }

    /// The layers around the pick for this name, if any wraps it.
    pub(crate) fn around(&self, action: &str) -> Option<ActionFn> {
        if self.actions.is_empty() {
            return None;
        }
        if let Some(known) = self.around.get(action) {
            return known.clone();
        }
        let innermost: ActionFn = Arc::new(picked_and_run);
        let mut well = true;
        let folded = self.actions.iter().rev().fold(Arc::clone(&innermost), |next, named| {
            let wrapped = named.guarded(|layer| layer.around(action, next));
            wrapped.unwrap_or_else(|failed| {
                well = false;
                failed.refusing(action)
            })
        });
        let wrapped = (!Arc::ptr_eq(&folded, &innermost)).then(|| guard::named(folded));
        // What went wrong may go well the next time.
        if well && self.around.len() < REMEMBERED {
            self.around.insert(action.into(), wrapped.clone());
        }
        wrapped
    }

    /// Names of the layers that wrap this endpoint, outermost first; those around the pick before
    /// those after it.
    pub(crate) fn names(&self, action: &str, def: &ActionDef, side: Side) -> Vec<&'static str> {
        let nothing: ActionFn = Arc::new(picked_and_run);
        let wraps = |wrapped: Result<ActionFn, LayerPanicked>| {
            wrapped.map_or(true, |wrapped| !Arc::ptr_eq(&wrapped, &nothing))
        };
        let around = self
            .actions
            .iter()
            .filter(|named| wraps(named.guarded(|layer| layer.around(action, Arc::clone(&nothing)))));
        let after = self
            .actions
            .iter()
            .filter(|named| wraps(named.guarded(|layer| layer.action(def, side, Arc::clone(&nothing)))));
        around.chain(after).map(|named| named.name).collect()
    }

    /// Whether packets pass any hook as bytes.
    pub(crate) fn has_wire(&self) -> bool {
        !self.wire.is_empty()
    }

    /// A packet on its way out: the last layer acts first (protocol chapter 10).
    pub(crate) fn outgoing(&self, packet: Bytes) -> Result<Bytes> {
        self.wire
            .iter()
            .rev()
            .try_fold(packet, |packet, named| changed(named, |layer| layer.outgoing(packet)))
    }

    /// A packet on its way in, in the reverse order.
    pub(crate) fn incoming(&self, packet: Bytes) -> Result<Bytes> {
        self.wire.iter().try_fold(packet, |packet, named| changed(named, |layer| layer.incoming(packet)))
    }

    /// What weakens the layers on the wire, each with the name of its layer.
    pub(crate) fn weaknesses(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.wire.iter().filter_map(|named| {
            let weakness = named.guarded(|layer| layer.weakness());
            Some((named.name, weakness.unwrap_or(Some("it panicked when it was asked"))?))
        })
    }

    pub(crate) fn lifecycle(&self) -> &[Named<dyn Lifecycle>] {
        &self.lifecycle
    }
}

/// The packet that a layer makes of another one.
fn changed(
    named: &Named<dyn WireLayer>,
    change: impl FnOnce(&dyn WireLayer) -> Result<Bytes>,
) -> Result<Bytes> {
    named.guarded(change).unwrap_or_else(|LayerPanicked { layer, panicked }| {
        Err(panicked.into_error().with_hint(format!("in the layer `{layer}`")))
    })
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline")
            .field("actions", &self.actions.iter().map(|named| named.name).collect::<Vec<_>>())
            .field("events", &self.events.iter().map(|named| named.name).collect::<Vec<_>>())
            .field("wire", &self.wire.iter().map(|named| named.name).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
