//! Folding layers over functions, in one place, so that their order is one list.

use bytes::Bytes;
use dashmap::DashMap;
use ligand_transporters::Name;
use std::fmt;
use std::sync::Arc;

use super::{ActionLayer, EventLayer, Layer, Lifecycle, Side, WireLayer};
use crate::broker::picked_and_run;
use crate::error::Result;
use crate::handler::{ActionFn, EventFn};
use crate::service::{ActionDef, EventDef};

/// Names whose chain around the pick is remembered; above that, it is folded for each call.
const REMEMBERED: usize = 65_536;

/// All layers of a broker, outermost first.
#[derive(Default)]
pub(crate) struct Pipeline {
    actions: Vec<Box<dyn ActionLayer>>,
    events: Vec<Box<dyn EventLayer>>,
    wire: Vec<Box<dyn WireLayer>>,
    lifecycle: Vec<Box<dyn Lifecycle>>,
    /// The chain around the pick per name; `None` where no layer wraps it.
    around: DashMap<Name, Option<ActionFn>>,
}

impl Pipeline {
    pub(crate) fn new(layers: Vec<Layer>) -> Self {
        let mut pipeline = Self::default();
        for layer in layers {
            match layer {
                Layer::Action(layer) => pipeline.actions.push(layer),
                Layer::Event(layer) => pipeline.events.push(layer),
                Layer::Wire(layer) => pipeline.wire.push(layer),
                Layer::Lifecycle(layer) => pipeline.lifecycle.push(layer),
            }
        }
        pipeline
    }

    /// An endpoint's function with its layers.
    pub(crate) fn action(&self, def: &ActionDef, side: Side, run: ActionFn) -> ActionFn {
        self.actions.iter().rev().fold(run, |next, layer| layer.action(def, side, next))
    }

    /// Whether any layer may wrap endpoints.
    pub(crate) fn wraps_actions(&self) -> bool {
        !self.actions.is_empty()
    }

    /// A subscription's function with its layers.
    pub(crate) fn event(&self, def: &EventDef, run: EventFn) -> EventFn {
        self.events.iter().rev().fold(run, |next, layer| layer.event(def, next))
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
        let folded =
            self.actions.iter().rev().fold(Arc::clone(&innermost), |next, layer| layer.around(action, next));
        let wrapped = (!Arc::ptr_eq(&folded, &innermost)).then_some(folded);
        if self.around.len() < REMEMBERED {
            self.around.insert(action.into(), wrapped.clone());
        }
        wrapped
    }

    /// Names of the layers that wrap this endpoint, outermost first; those around the pick before
    /// those after it.
    pub(crate) fn names(&self, action: &str, def: &ActionDef, side: Side) -> Vec<&'static str> {
        let nothing: ActionFn = Arc::new(picked_and_run);
        let around = self.actions.iter().filter(|layer| {
            let wrapped = layer.around(action, Arc::clone(&nothing));
            !Arc::ptr_eq(&wrapped, &nothing)
        });
        let after = self.actions.iter().filter(|layer| {
            let wrapped = layer.action(def, side, Arc::clone(&nothing));
            !Arc::ptr_eq(&wrapped, &nothing)
        });
        around.chain(after).map(|layer| layer.name()).collect()
    }

    /// Whether packets pass any hook as bytes.
    pub(crate) fn has_wire(&self) -> bool {
        !self.wire.is_empty()
    }

    /// A packet on its way out: the last layer acts first (protocol chapter 10).
    pub(crate) fn outgoing(&self, packet: Bytes) -> Result<Bytes> {
        self.wire.iter().rev().try_fold(packet, |packet, layer| layer.outgoing(packet))
    }

    /// A packet on its way in, in the reverse order.
    pub(crate) fn incoming(&self, packet: Bytes) -> Result<Bytes> {
        self.wire.iter().try_fold(packet, |packet, layer| layer.incoming(packet))
    }

    /// What weakens the layers on the wire, each with the name of its layer.
    pub(crate) fn weaknesses(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.wire.iter().filter_map(|layer| Some((layer.name(), layer.weakness()?)))
    }

    pub(crate) fn lifecycle(&self) -> &[Box<dyn Lifecycle>] {
        &self.lifecycle
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline")
            .field("actions", &self.actions.iter().map(|layer| layer.name()).collect::<Vec<_>>())
            .field("events", &self.events.iter().map(|layer| layer.name()).collect::<Vec<_>>())
            .field("wire", &self.wire.iter().map(|layer| layer.name()).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
